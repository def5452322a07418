"""A part of the customers with all their records, the same part for the same customers each time.

Who is drawn follows from a digest of the seed and ``customer_id``: not from the order of rows,
from other customers' records, or from the engine. Customers are taken by rising digest until the
rows they bring, one at each cutoff by which they are known, are as many as asked for; so each is
in the sample at all cutoffs or at none, and as a company grows, those drawn give way one by one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from features.sources import Records, fetch, held
from features.totals.population import first_known

PREFIX = 3
"""Hexadecimal digits that customers are counted by: 4,096 groups, one of them looked through."""


@dataclass(frozen=True)
class Sample:
    """Records to learn from, and of how many customers they are.

    Attributes:
        records: of the customers drawn; all records where there are few enough.
        n: customers drawn who are known at some cutoff.
        of: customers known at some cutoff.
    """

    records: Records
    n: int
    of: int

    @property
    def is_whole(self) -> bool:
        """Whether everybody was drawn."""
        return self.n == self.of


def digest(customer_id: str, seed: int = 0) -> str:
    """Return the digest that customers are drawn by, the smallest first.

    >>> len({digest("C1"), digest("C2"), digest("C1", seed=1)})
    3
    """
    return hashlib.md5(_keyed(customer_id, seed).encode(), usedforsecurity=False).hexdigest()


def drawn(customer_ids: Iterable[str], at_most: int, seed: int = 0) -> list[str]:
    """Return up to ``at_most`` of ``customer_ids``, those with the smallest digests.

    >>> ids = [f"C{number}" for number in range(1000)]
    >>> set(drawn(ids, 100)) == set(drawn(reversed(ids), 100)) and len(drawn(ids, 100))
    100
    """
    return sorted(set(customer_ids), key=lambda one: digest(one, seed))[:at_most]


def sampled(records: Records, cutoffs: Sequence[int], max_rows: int, seed: int = 0) -> Sample:
    """Return the records of customers who together bring at most ``max_rows`` rows.

    Only what is returned is ever joined, sorted or aggregated: features are computed for the
    customers drawn and nobody else.

    Args:
        records: the canonical tables; returned as they are where all customers fit.
        cutoffs: day numbers.
        max_rows: rows over all cutoffs, a customer at a cutoff each.
        seed: another seed draws other customers.
    """
    known = _rows_of_customers(records, cutoffs, seed)
    groups = _in_order(fetch(records.backend, _counted(known, known.digest[:PREFIX])))
    of = int(groups.customers.sum())
    fits = int(np.searchsorted(np.cumsum(groups.rows), max_rows, side="right"))
    if fits == len(groups.names):
        return Sample(records, of, of)
    split = known.filter(known.digest[:PREFIX] == groups.names[fits])
    last = _in_order(fetch(records.backend, _counted(split, split.digest)))
    room = max_rows - int(groups.rows[:fits].sum())
    more = int(np.searchsorted(np.cumsum(last.rows), room, side="right"))
    bound = last.names[more]
    tables = {
        name: held(records.backend, table.filter(_digest(table, seed) < bound))
        for name, table in records.tables.items()
    }
    return Sample(Records(records.backend, tables), int(groups.customers[:fits].sum()) + more, of)


@dataclass(frozen=True)
class _Groups:
    """Groups of customers by rising digest, how many they are and how many rows they bring."""

    names: list[str]
    customers: np.ndarray[Any, np.dtype[np.int64]]
    rows: np.ndarray[Any, np.dtype[np.int64]]


def _rows_of_customers(records: Records, cutoffs: Sequence[int], seed: int) -> ibis.Table:
    """Return ``digest, rows`` of each customer known at some of the cutoffs."""
    first = first_known(records.tables)
    first = first.filter(first.customer_id.notnull(), first.first_known <= max(cutoffs))
    rows = sum(
        ((first.first_known <= day).cast("int64") for day in sorted(set(cutoffs))),
        start=ibis.literal(0, "int64"),
    )
    return held(records.backend, first.select(digest=_digest(first, seed), rows=rows))


def _digest(table: ibis.Table, seed: int) -> Any:
    return (ibis.literal(f"{seed}:") + table.customer_id).hexdigest("md5")


def _keyed(customer_id: str, seed: int) -> str:
    return f"{seed}:{customer_id}"


def _counted(known: ibis.Table, group: Any) -> ibis.Table:
    return known.group_by(group=group).aggregate(
        customers=known.count(), rows=known.rows.sum().cast("int64")
    )


def _in_order(groups: pa.Table) -> _Groups:
    groups = groups.sort_by("group")
    customers, rows = (
        np.asarray(groups[name].to_numpy(), dtype=np.int64) for name in ("customers", "rows")
    )
    return _Groups(groups["group"].to_pylist(), customers, rows)
