"""Who is known, since when, and with how many rows: all customers, in order of their ids."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import ibis
import numpy as np
import pyarrow as pa

from features.arrays import numbers, whole
from features.sources import Records, fetch
from features.totals.timeline import Ints


@dataclass(frozen=True)
class Population:
    """Customers, sorted by id.

    Attributes:
        ids: ``customer_id``, rising.
        first_known: the day from which each is known.
        rows: how many rows each has in all record tables, counted twice in a table where one
            was known late, since copies of them may be needed (``timeline.together``).
    """

    ids: pa.Array
    first_known: Ints
    rows: Ints

    def __len__(self) -> int:
        return len(self.ids)

    def members(self, cutoffs: Sequence[int]) -> list[Ints]:
        """Return the places of those known at each cutoff."""
        return [np.flatnonzero(self.first_known <= cutoff) for cutoff in cutoffs]

    def ranges(self, cost: Ints, at_once: int) -> Iterator[Population]:
        """Yield neighbours that together cost about ``at_once``; a single range of nobody."""
        total = np.cumsum(cost)
        n = max(-(-int(total[-1]) // at_once), 1) if len(cost) else 1
        bounds = np.searchsorted(total, [at_once * k for k in range(1, n)], "left")
        edges = [0, *np.unique(bounds).tolist(), len(self)]
        for first, end in itertools.pairwise(edges):
            if end > first or len(self) == 0:
                rows = slice(first, end)
                yield Population(self.ids[rows], self.first_known[rows], self.rows[rows])


def first_known(tables: Mapping[str, ibis.Table]) -> ibis.Table:
    """Return ``customer_id, first_known, n_rows``: when any row of theirs was first known.

    Rows count twice in a table where one was known late, see :class:`Population`.
    """
    seen = ibis.union(
        *(
            table.select(
                "customer_id",
                first_known=ibis.ifelse(table.known_day > table.day, table.known_day, table.day),
                late=(table.known_day > table.day).fill_null(False).cast("int8"),
            )
            .group_by("customer_id")
            .aggregate(
                first_known=ibis._.first_known.min(),
                n_rows=ibis._.count() * (1 + ibis._.late.max().cast("int64")),
            )
            for table in tables.values()
        )
    )
    return seen.group_by("customer_id").aggregate(
        first_known=seen.first_known.min(), n_rows=seen.n_rows.sum().cast("int64")
    )


def population(records: Records) -> Population:
    """Return the customers who are ever known."""
    known = first_known(records.tables).filter(lambda t: t.first_known.notnull())
    found = fetch(records.backend, known.order_by("customer_id"))
    ids, first, rows = (whole(found[name]) for name in ("customer_id", "first_known", "n_rows"))
    return Population(ids, *(numbers(one).astype(np.int64) for one in (first, rows)))
