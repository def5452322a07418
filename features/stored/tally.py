"""Counts over the written records: days, customers, completeness and coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from features.sources import fetch, read_parts

if TYPE_CHECKING:
    import ibis


class Counts(BaseModel):
    """Rows of a written table, its days, and how many rows have a value, by column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    values: dict[str, int]
    first_day: int | None = None
    last_day: int | None = None

    def and_more(self, more: Counts) -> Counts:
        """Return the counts of these rows and of ``more``."""
        days = [(self.first_day, more.first_day), (self.last_day, more.last_day)]
        first, last = ([day for day in pair if day is not None] for pair in days)
        values = {name: count + more.values[name] for name, count in self.values.items()}
        return Counts(
            rows=self.rows + more.rows,
            values=values,
            first_day=min(first, default=None),
            last_day=max(last, default=None),
        )


@dataclass(frozen=True)
class Description:
    """What a written table holds."""

    counts: Counts
    customers: int

    @property
    def first_day(self) -> int | None:
        """The first day with a row."""
        return self.counts.first_day

    @property
    def last_day(self) -> int | None:
        """The last day with a row."""
        return self.counts.last_day

    @property
    def completeness(self) -> dict[str, float]:
        """The share of rows with a value, by column."""
        rows = max(self.counts.rows, 1)
        return {name: round(count / rows, 4) for name, count in self.counts.values.items()}


def described(backend: ibis.BaseBackend, parts: Sequence[Path]) -> Description:
    """Return the description of a record table of some parts."""
    table = read_parts(backend, parts)
    names = [name for name in table.columns if name not in ("day", "known_day")]
    measures = {f"has {name}": table[name].count() for name in names}
    measures |= {"rows": table.count(), "customers": table.customer_id.nunique()}
    if "day" in table.columns:
        measures |= {"first": table.day.min(), "last": table.day.max()}
    counts = fetch(backend, table.aggregate(**measures)).to_pylist()[0]
    values = {name: counts[f"has {name}"] for name in names}
    days = {"first_day": counts.get("first"), "last_day": counts.get("last")}
    return Description(Counts(rows=counts["rows"], values=values, **days), counts["customers"])


def customers_in(backend: ibis.BaseBackend, parts: Sequence[Path]) -> int:
    """Return how many customers have a row in a table of some parts."""
    table = read_parts(backend, parts)
    counted = fetch(backend, table.aggregate(n=table.customer_id.nunique()))
    return int(counted["n"][0].as_py())


def coverage(backend: ibis.BaseBackend, tables: Mapping[str, Sequence[Path]]) -> dict[str, float]:
    """Return, for every table but transactions, the share of buyers with a row in it."""
    read = {
        name: read_parts(backend, parts).select("customer_id").distinct()
        for name, parts in tables.items()
    }
    buyers = read.pop("transactions")
    total = max(fetch(backend, buyers.aggregate(n=buyers.count()))["n"][0].as_py(), 1)
    shares = {}
    for name, table in read.items():
        both = buyers.semi_join(table, "customer_id")
        count = fetch(backend, both.aggregate(n=both.count()))["n"][0].as_py()
        shares[name] = round(count / total, 4)
    return shares
