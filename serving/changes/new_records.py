"""Which records of a customer became known between two days, counted by kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from features.stored.generation import parts_of, read_rows

KIND_COLUMNS = {"transactions": "kind", "interactions": "kind", "satisfaction": "instrument"}


def records_since(
    folder: Path, customer_id: str, after_day: int, until_day: int
) -> list[dict[str, Any]] | None:
    """Return what became known of a customer after one day and until another.

    Args:
        folder: a records generation; ``None`` is returned where it is no longer there.
        customer_id: whose records.
        after_day, until_day: day numbers; records known on the first are not counted.

    Returns:
        per table and kind: ``table``, ``kind``, ``count`` and, where the records have one, the
        ``total`` amount or the ``latest`` score. A complaint or ticket that was closed counts
        under the kind ``<kind>_resolved``.
    """
    if not folder.is_dir():
        return None
    found: list[dict[str, Any]] = []
    for name, kind in KIND_COLUMNS.items():
        parts = parts_of(folder, name)
        if parts:
            rows = read_rows(parts, filters=pc.field("customer_id") == customer_id)
            found += _counted(name, kind, rows, after_day, until_day)
            if name == "interactions":
                found += _resolved(rows, after_day, until_day)
    return found


def _counted(
    name: str, kind: str, rows: pa.Table, after_day: int, until_day: int
) -> list[dict[str, Any]]:
    rows = rows.filter(_between(rows["known_day"], after_day, until_day)).sort_by("day")
    counted: dict[str, dict[str, Any]] = {}
    for row in rows.to_pylist():
        one = counted.setdefault(row[kind], {"table": name, "kind": row[kind], "count": 0})
        one["count"] += 1
        if name == "transactions":
            one["total"] = one.get("total", 0.0) + row["amount"]
        if name == "satisfaction":
            one["latest"] = row["score"]
    return list(counted.values())


def _resolved(rows: pa.Table, after_day: int, until_day: int) -> list[dict[str, Any]]:
    rows = rows.filter(_between(rows["resolved_day"], after_day, until_day))
    kinds = pc.value_counts(rows["kind"]).to_pylist()
    return [
        {"table": "interactions", "kind": f"{one['values']}_resolved", "count": one["counts"]}
        for one in sorted(kinds, key=lambda one: one["values"] or "")
    ]


def _between(days: pa.ChunkedArray, after_day: int, until_day: int) -> pa.ChunkedArray:
    return pc.and_(pc.greater(days, after_day), pc.less_equal(days, until_day))
