"""Raw records of a request as the record tables that features are built from.

What intake does to a file happens here to a request: local days, the day a row was known, the
hours until an answer, the number in an attribute. From there on the way is the same.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from features.contracts import TABLES, Table
from features.raw.cleaning import parse_number
from features.raw.vocabulary import SCALES
from features.sources import day_number
from serving.endpoint.requests import Closed
from serving.endpoint.rules import local_day

Row = dict[str, Any]


def record_tables(records: Closed, zone: ZoneInfo) -> dict[str, pa.Table]:
    """Return the tables that ``records`` hold, in the layout of ``features/contracts.py``.

    Args:
        records: rows as they were sent; moments without an offset are local ones of ``zone``.
        zone: the company's time zone.

    Moments are kept in UTC and days in local time, as in the records store.
    """
    return {
        name: pa.Table.from_pylist(
            [_row(table, sent, zone) for sent in getattr(records, name)], table.arrow_schema()
        )
        for name, table in TABLES.items()
    }


def customers_of(tables: Mapping[str, pa.Table]) -> pa.Table:
    """Return ``customer_id`` of everyone named in ``tables``, in the order first named."""
    named = pa.chunked_array([table["customer_id"] for table in tables.values()], pa.string())
    return pa.table({"customer_id": pc.unique(named)})


def _row(table: Table, sent: Any, zone: ZoneInfo) -> Row:
    row = {column.name: _in_utc(getattr(sent, column.name, None), zone) for column in table.columns}
    for column in table.columns:
        if row[column.name] is None:
            row[column.name] = column.default
    day = local_day(getattr(sent, table.time), zone)
    recorded = local_day(getattr(sent, "recorded_at", None), zone)
    row["day"] = None if day is None else day_number(day)
    row["known_day"] = row["day"] if recorded is None else max(row["day"], day_number(recorded))
    if table.name == "interactions":
        row["responded_day"] = _day(sent.responded_at, zone)
        row["resolved_day"] = _day(sent.resolved_at, zone)
    return row | FURTHER.get(table.name, _nothing)(row)


def _day(moment: dt.datetime | None, zone: ZoneInfo) -> int | None:
    day = local_day(moment, zone)
    return None if day is None else day_number(day)


def _in_utc(value: Any, zone: ZoneInfo) -> Any:
    """Return a moment as the records store keeps it, in UTC; anything else as it is."""
    if not isinstance(value, dt.datetime):
        return value
    placed = value if value.tzinfo is not None else value.replace(tzinfo=zone)
    return placed.astimezone(dt.UTC).replace(tzinfo=None)


def _nothing(row: Row) -> Row:
    return {}


def _of_transaction(row: Row) -> Row:
    if row["kind"] != "refund":
        return {}
    given = {name: row[name] for name in ("amount", "quantity") if row[name] is not None}
    return {name: abs(value) for name, value in given.items()}


def _of_interaction(row: Row) -> Row:
    start = row["occurred_at"]
    return {
        "response_hours": _hours(start, row["responded_at"]),
        "resolution_hours": _hours(start, row["resolved_at"]),
    }


def _hours(start: dt.datetime, end: dt.datetime | None) -> float | None:
    """Return the hours between; a time earlier on the same day is taken as none."""
    return None if end is None else max((end - start) / dt.timedelta(hours=1), 0.0)


def _of_satisfaction(row: Row) -> Row:
    low, high = SCALES[row["instrument"]]
    return {
        "scale_min": low if row["scale_min"] is None else row["scale_min"],
        "scale_max": high if row["scale_max"] is None else row["scale_max"],
    }


def _of_attribute(row: Row) -> Row:
    number = parse_number(row["value"])
    return {"number": None if number is None else number.value}


FURTHER = {
    "transactions": _of_transaction,
    "interactions": _of_interaction,
    "satisfaction": _of_satisfaction,
    "attributes": _of_attribute,
}
"""What intake works out of each row beside its days, by table."""


def in_order(matrix: pa.Table, customer_ids: Sequence[str]) -> pa.Table:
    """Return the rows of ``matrix`` in the order of ``customer_ids``."""
    rows = pc.index_in(pa.array(customer_ids, pa.string()), matrix["customer_id"].combine_chunks())
    return matrix.take(rows)
