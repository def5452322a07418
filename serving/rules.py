"""What must hold within a row and of its days: the refusals of intake, for rows of a request."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from features.cleaning import parse_number
from features.contracts import LARGEST_NUMBER
from features.vocabulary import SCALES
from serving.problems import FieldError, pointer
from serving.requests import Closed, invalid

DATED = {
    "customers": ("signed_up_on",),
    "attributes": ("observed_at", "recorded_at"),
    "transactions": ("occurred_at", "recorded_at"),
    "interactions": ("occurred_at", "recorded_at"),
    "satisfaction": ("occurred_at", "recorded_at"),
}
"""The columns that may not lie after ``as_of``, by table."""

FIRST_DAY = dt.date(1970, 1, 1)
Complaint = tuple[str, str, str]
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
    errors += _of_repeated(getattr(records, "customers", ()))
    if errors:
        raise invalid(errors)


def _of_repeated(customers: Sequence[Any]) -> list[FieldError]:
    first: dict[str, int] = {}
    return [
        FieldError(
            pointer(("records", "customers", row, "customer_id")),
            "stands twice",
            "Send one row per customer.",
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
    remedy = f"Leave the row out, or send records.as_of on or after its day (now {as_of})."
    for column in columns:
        day = local_day(getattr(row, column), zone)
        if day is not None and day > as_of:
            yield column, "lies after as_of", remedy
        elif day is not None and day < FIRST_DAY and column in ("occurred_at", "observed_at"):
            yield column, "lies before 1970", "Send the day it happened."


def _nothing(row: Any, zone: ZoneInfo) -> Iterator[Complaint]:
    return iter(())


def _of_transaction(row: Any, zone: ZoneInfo) -> Iterator[Complaint]:
    for column in ("amount", "quantity"):
        value = getattr(row, column)
        if value is not None and value < 0 and row.kind != "refund":
            yield column, "is negative", 'Send money returned with "kind": "refund".'


def _of_interaction(row: Any, zone: ZoneInfo) -> Iterator[Complaint]:
    if row.duration_seconds is not None and row.duration_seconds < 0:
        yield "duration_seconds", "is negative", "Send the seconds it took."
    start = local_day(row.occurred_at, zone)
    for column in ("responded_at", "resolved_at"):
        day = local_day(getattr(row, column), zone)
        if day is not None and start is not None and day < start:
            yield column, "lies before occurred_at", "Send when it came, or leave it out."


def _of_satisfaction(row: Any, zone: ZoneInfo) -> Iterator[Complaint]:
    low, high = SCALES[row.instrument or "csat"]
    low = low if row.scale_min is None else row.scale_min
    high = high if row.scale_max is None else row.scale_max
    if not low <= row.score <= high:
        remedy = "Send a score of the instrument, or its scale_min and scale_max."
        yield "score", "lies outside its scale", remedy


def _of_attribute(row: Any, zone: ZoneInfo) -> Iterator[Complaint]:
    number = parse_number(row.value)
    if number is not None and abs(number.value) > LARGEST_NUMBER:
        yield "value", "is too large", f"Send a number within ±{LARGEST_NUMBER:,.0f}."


RULES = {
    "transactions": _of_transaction,
    "interactions": _of_interaction,
    "satisfaction": _of_satisfaction,
    "attributes": _of_attribute,
}
