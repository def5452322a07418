"""Which categories the records speak in: channels, kinds, instruments, and how often each.

A source that begins to write ``app2`` for ``app`` changes no number that anybody watches, and
empties the features that count ``app``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from features.sources import Records, fetch

COLUMNS = {
    "transactions": ("kind", "category"),
    "interactions": ("kind", "channel"),
    "satisfaction": ("instrument",),
    "attributes": ("name",),
}
DAYS = 364
MOST_CATEGORIES = 200
"""A column with more is no list of categories but of names."""


def record_mixes(records: Records, as_of: int) -> dict[str, dict[str, float]]:
    """Return ``table.column`` → category → share of the rows known by ``as_of``, of one year."""
    found = {}
    for name, columns in COLUMNS.items():
        table = records.tables[name]
        rows = table.filter(
            (table.day > as_of - DAYS) & (table.day <= as_of) & (table.known_day <= as_of)
        )
        for column in columns:
            counted = rows.group_by(rows[column].name("category")).aggregate(n=rows.count())
            known = counted.filter(counted["category"].notnull())
            found[f"{name}.{column}"] = _shares(fetch(records.backend, known))
    return {name: shares for name, shares in found.items() if shares}


def snapshot_mixes(table: pa.Table, columns: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return column → category → share of contract customers."""
    found = {}
    for column in columns:
        counts = pc.value_counts(pc.drop_null(table[column])).flatten()
        found[column] = _shares(pa.table(counts, names=["category", "n"]))
    return {name: shares for name, shares in found.items() if shares}


def _shares(counted: pa.Table) -> dict[str, float]:
    rows: list[dict[str, Any]] = counted.to_pylist()
    if len(rows) > MOST_CATEGORIES:
        return {}
    total = sum(row["n"] for row in rows)
    ordered = sorted(rows, key=lambda row: str(row["category"]))
    return {str(row["category"]): row["n"] / total for row in ordered}
