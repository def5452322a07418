"""Counts over the written records: days, customers, completeness and coverage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from features.sources import fetch

if TYPE_CHECKING:
    import ibis


@dataclass(frozen=True)
class Description:
    """What a written table holds; completeness is the share of rows with a value, by column."""

    first_day: int | None
    last_day: int | None
    customers: int
    completeness: dict[str, float]


def described(backend: ibis.BaseBackend, path: Path) -> Description:
    """Return the description of the record table at ``path``."""
    table = backend.read_parquet(str(path))
    names = [name for name in table.columns if name not in ("day", "known_day")]
    measures = {f"has {name}": table[name].count() for name in names}
    measures |= {"rows": table.count(), "customers": table.customer_id.nunique()}
    if "day" in table.columns:
        measures |= {"first": table.day.min(), "last": table.day.max()}
    counts = fetch(backend, table.aggregate(**measures)).to_pylist()[0]
    rows = max(counts["rows"], 1)
    shares = {name: round(counts[f"has {name}"] / rows, 4) for name in names}
    return Description(counts.get("first"), counts.get("last"), counts["customers"], shares)


def coverage(backend: ibis.BaseBackend, tables: dict[str, Path]) -> dict[str, float]:
    """Return, for every table but transactions, the share of buyers with a row in it."""
    read = {
        name: backend.read_parquet(str(path)).select("customer_id").distinct()
        for name, path in tables.items()
    }
    buyers = read.pop("transactions")
    total = max(fetch(backend, buyers.aggregate(n=buyers.count()))["n"][0].as_py(), 1)
    shares = {}
    for name, table in read.items():
        both = buyers.semi_join(table, "customer_id")
        count = fetch(backend, both.aggregate(n=both.count()))["n"][0].as_py()
        shares[name] = round(count / total, 4)
    return shares
