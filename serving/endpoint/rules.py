"""What must hold within a row and of its days: the refusals of intake, for rows of a request."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from configs.section import Text
from features.contracts import LARGEST_NUMBER
from features.raw.cleaning import parse_number
from features.raw.vocabulary import SCALES
from serving.endpoint.complaints import TOO_LARGE, invalid
from serving.endpoint.problems import FieldError, pointer
from serving.endpoint.requests import Closed

DATED = {
    "customers": ("signed_up_on",),
    "attributes": ("observed_at", "recorded_at"),
    "transactions": ("occurred_at", "recorded_at"),
    "interactions": ("occurred_at", "recorded_at"),
    "satisfaction": ("occurred_at", "recorded_at"),
}
"""The columns that may not lie after ``as_of``, by table."""

NEGATIVE = Text(zh="为负数", en="is negative")
STANDS_TWICE = (
    Text(zh="出现两次", en="stands twice"),
    Text(zh="每位客户请只发送一行。", en="Send one row per customer."),
)
FIRST_DAY = dt.date(1970, 1, 1)
Complaint = tuple[str, Text, Text]
"""Column, what is wrong with it, how to mend it."""


def check_rows(records: Closed, as_of: dt.date, zone: ZoneInfo) -> None:
    """Refuse rows that intake would refuse.

    Raises:
        ProblemError: invalid-request with a pointer to each field.
    """
    errors = [
        FieldError(pointer(("records", table, row, column)), detail, remedy)
        for table, columns in DATED.items()
        for row, values in enumerate(getattr(records, table))
        for column, detail, remedy in (
            *_of_days(values, columns, as_of, zone),
            *RULES.get(table, _nothing)(values, zone),
        )
    ]
    errors += of_repeated("customers", getattr(records, "customers", ()))
    if errors:
        raise invalid(errors)


def of_repeated(table: str, customers: Sequence[Any]) -> list[FieldError]:
    """Return the places in ``table`` where a customer stands again."""
    first: dict[str, int] = {}
    return [
        FieldError(
            pointer(("records", table, row, "customer_id")),
            *STANDS_TWICE,
        )
        for row, customer in enumerate(customers)
        if first.setdefault(customer.customer_id, row) != row
    ]


def local_day(value: dt.date | dt.datetime | None, zone: ZoneInfo) -> dt.date | None:
    """Return the local day of a date or moment.

    >>> local_day(dt.datetime(2026, 1, 1, 20, tzinfo=dt.UTC), ZoneInfo("Asia/Shanghai"))
    datetime.date(2026, 1, 2)
    """
    if isinstance(value, dt.datetime):
        return (value if value.tzinfo is None else value.astimezone(zone)).date()
    return value


def _of_days(
    row: Any, columns: tuple[str, ...], as_of: dt.date, zone: ZoneInfo
) -> Iterator[Complaint]:
    remedy = Text(
        zh=f"请去掉该行，或让records.as_of不早于其日期（现为{as_of}）。",
        en=f"Leave the row out, or send records.as_of on or after its day (now {as_of}).",
    )
    for column in columns:
        day = local_day(getattr(row, column), zone)
        if day is not None and day > as_of:
            yield column, Text(zh="晚于as_of", en="lies after as_of"), remedy
        elif day is not None and day < FIRST_DAY and column in ("occurred_at", "observed_at"):
            yield (
                column,
                Text(zh="早于1970年", en="lies before 1970"),
                Text(zh="请发送发生的日期。", en="Send the day it happened."),
            )


def _nothing(row: Any, zone: ZoneInfo) -> Iterator[Complaint]:
    return iter(())


def _of_transaction(row: Any, zone: ZoneInfo) -> Iterator[Complaint]:
    for column in ("amount", "quantity"):
        value = getattr(row, column)
        if value is not None and value < 0 and row.kind != "refund":
            remedy = Text(
                zh="退款请以kind为refund的行发送。",
                en='Send money returned with "kind": "refund".',
            )
            yield column, NEGATIVE, remedy


def _of_interaction(row: Any, zone: ZoneInfo) -> Iterator[Complaint]:
    if row.duration_seconds is not None and row.duration_seconds < 0:
        remedy = Text(zh="请发送所用秒数。", en="Send the seconds it took.")
        yield "duration_seconds", NEGATIVE, remedy
    start = local_day(row.occurred_at, zone)
    for column in ("responded_at", "resolved_at"):
        day = local_day(getattr(row, column), zone)
        if day is not None and start is not None and day < start:
            yield (
                column,
                Text(zh="早于occurred_at", en="lies before occurred_at"),
                Text(zh="请发送实际时间，或省略。", en="Send when it came, or leave it out."),
            )


def _of_satisfaction(row: Any, zone: ZoneInfo) -> Iterator[Complaint]:
    low, high = SCALES[row.instrument or "csat"]
    low = low if row.scale_min is None else row.scale_min
    high = high if row.scale_max is None else row.scale_max
    if not low <= row.score <= high:
        remedy = Text(
            zh="请发送该工具的评分，或其scale_min和scale_max。",
            en="Send a score of the instrument, or its scale_min and scale_max.",
        )
        yield "score", Text(zh="超出量表", en="lies outside its scale"), remedy


def _of_attribute(row: Any, zone: ZoneInfo) -> Iterator[Complaint]:
    number = parse_number(row.value)
    if number is not None and abs(number.value) > LARGEST_NUMBER:
        yield "value", *TOO_LARGE


RULES = {
    "transactions": _of_transaction,
    "interactions": _of_interaction,
    "satisfaction": _of_satisfaction,
    "attributes": _of_attribute,
}
