"""Records written as text, and the engines that specification tests run on."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import pyarrow as pa

from configs.schema import Engine
from features.build import feature_matrix
from features.contracts import TABLES
from features.sources import Records, contract_schema, day_number, open_engine, records_from_arrow
from features.spec import Feature
from tests.reference import reference_matrix

Row = dict[str, Any]
KINDS = {column.name: column.type for one in TABLES.values() for column in one.columns}
TIMES = {one.time for one in TABLES.values()}
ENGINES = ["reference", "duckdb"]


def table(text: str) -> list[Row]:
    """Return the rows of a small table written with ``|``; a blank is null.

    Cells are typed by the contract, and every row gets its ``day`` and ``known_day``.

    >>> table('''
    ...     customer_id | occurred_at | amount
    ...     ada         | 2024-03-31  | 10
    ... ''')[0]["day"]
    19813
    """
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    names = lines[0]
    return [with_days(dict(zip(names, map(typed, names, line), strict=True))) for line in lines[1:]]


def typed(name: str, cell: str) -> Any:
    kind = KINDS.get(name, "number")
    if not cell:
        return None
    if kind == "timestamp":
        return dt.datetime.fromisoformat(cell)
    if kind == "date":
        return dt.date.fromisoformat(cell)
    return float(cell) if kind == "number" else cell


def with_days(row: Row) -> Row:
    """Return the row with its day and the day it was known, as intake gives them."""
    moment = next(row[name] for name in row if name in TIMES)
    recorded = row.get("recorded_at")
    day = None if moment is None else day_of(moment)
    known = day if recorded is None else max(day_of(recorded), day or 0)
    return {**row, "day": day, "known_day": known}


def day_of(moment: dt.date) -> int:
    return day_number(dt.date(moment.year, moment.month, moment.day))


def arrow_tables(tables: Mapping[str, Sequence[Row]]) -> dict[str, pa.Table]:
    """Return lists of rows as the Arrow tables that intake writes."""
    return {
        name: pa.Table.from_pylist(list(rows), contract_schema(name))
        for name, rows in tables.items()
    }


def records_of(tables: Mapping[str, Sequence[Row]]) -> Records:
    """Return lists of rows as records."""
    return records_from_arrow(duckdb(), arrow_tables(tables))


def matrix_on(
    engine: str,
    tables: Mapping[str, Sequence[Row]],
    features: Sequence[Feature],
    cutoffs: Sequence[int],
) -> dict[tuple[str, int], dict[str, float | None]]:
    """Return the features by customer and cutoff, built by an engine or the reference."""
    if engine == "reference":
        return reference_matrix(tables, features, cutoffs)
    matrix = feature_matrix(records_of(tables), features, cutoffs)
    rows = {(row.pop("customer_id"), row.pop("cutoff")): row for row in matrix.to_pylist()}
    assert len(rows) == len(matrix), "a customer has two rows at one cutoff"
    return rows


@functools.cache
def duckdb() -> ibis.BaseBackend:
    """Return the DuckDB engine that all tests share."""
    return open_engine(settings("duckdb"))


def settings(name: str) -> Engine:
    return Engine(
        name=name,
        threads=2,
        memory_limit_gib=1,
        spark_master="local[2]",
        spark_executor_memory_gib=1,
    )
