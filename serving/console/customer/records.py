"""What is on record of one customer until the day of the publication, day by day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

import pyarrow as pa

from configs.section import Text
from features.sources import date_of, day_number
from serving.console.customer.asked import Asked
from serving.console.customer.record_words import (
    contact_text,
    order_text,
    survey_text,
)
from serving.console.masking import is_masked
from serving.suppositions.scenarios import as_known, stored_tables
from serving.suppositions.supposed import NotSupposableError

Lane = Literal["order", "refund", "contact", "ticket", "survey", "deed"]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """Something that happened.

    Attributes:
        day: local day of the company.
        lane: what kind of thing it is.
        text: in words.
        rows: records that it stands for; 0 for what people did in the console.
        amount: money of an order or a refund.
        score: share of the scale, 0 to 1, of a survey.
        comment: what was written, as it was written.
        is_open: a ticket that was not resolved yet.
    """

    day: dt.date
    lane: Lane
    text: Text
    rows: int = 1
    amount: float | None = None
    score: float | None = None
    comment: str | None = None
    is_open: bool = False


def recorded(asked: Asked) -> list[Entry] | None:
    """Return everything known of the customer on the day of the publication, the newest first.

    ``None`` for contract customers, and where the records that the publication was made from are
    no longer kept.
    """
    tables = known_tables(asked)
    if tables is None:
        return None
    entries = [
        *_orders(tables["transactions"], asked.terms.currency),
        *_contacts(tables["interactions"]),
        *_surveys(tables["satisfaction"]),
    ]
    if is_masked(asked.visit):
        entries = [replace(one, comment=None) for one in entries]
    return sorted(entries, key=lambda one: one.day, reverse=True)


def known_tables(asked: Asked) -> Mapping[str, pa.Table] | None:
    """Return the customer's record tables as they were known on the day of the publication."""
    served = asked.served
    if served.contract is not None:
        return None
    generation = served.generations / served.publication.manifest.records
    try:
        tables = stored_tables(generation, asked.customer_id)
    except NotSupposableError:
        return None
    return as_known(tables, day_number(served.as_of))


def days_of(entries: Iterable[Entry]) -> Iterator[tuple[dt.date, list[Entry]]]:
    """Yield each day with what happened on it, in the order of ``entries``."""
    for day, own in groupby(entries, key=lambda one: one.day):
        yield day, list(own)


def _orders(table: pa.Table, currency: str) -> Iterator[Entry]:
    """Yield orders and refunds; the lines of one are told together."""

    def key(row: Row) -> tuple[int, str, str]:
        return row["day"], row["kind"] or "purchase", row["order_id"] or ""

    rows = sorted(table.to_pylist(), key=key)
    for (day, kind, _), own in groupby(rows, key=key):
        lines = list(own)
        amount = sum(line["amount"] for line in lines)
        yield Entry(
            date_of(day),
            "refund" if kind == "refund" else "order",
            order_text(kind, amount, lines, currency),
            len(lines),
            abs(amount),
        )


TICKETS = ("complaint", "support")


def _contacts(table: pa.Table) -> Iterator[Entry]:
    for row in table.to_pylist():
        is_ticket = row["kind"] in TICKETS
        yield Entry(
            date_of(row["day"]),
            "ticket" if is_ticket else "contact",
            contact_text(row, is_ticket),
            comment=row["text"],
            is_open=is_ticket and row["resolved_at"] is None,
        )


def _surveys(table: pa.Table) -> Iterator[Entry]:
    for row in table.to_pylist():
        low, high = row["scale_min"], row["scale_max"]
        has_scale = low is not None and high is not None and high > low
        yield Entry(
            date_of(row["day"]),
            "survey",
            survey_text(row),
            score=(row["score"] - low) / (high - low) if has_scale else None,
            comment=row["comment"],
        )
