"""A source that is asked for one range of customers after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ibis.expr.operations as ops
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from configs.errors import FeatureError
from features.arrays import arrow, numbers, true, whole
from features.plan import SCALE, Asked
from features.sources import Range
from features.totals.population import Population
from features.totals.rows import Fetched
from features.totals.running import Running
from features.totals.timeline import Ints, Rows, timeline, together

if TYPE_CHECKING:
    import ibis

LARGEST_SUM = (1 << 63) - 1
"""Of whole numbers; of fractions, in millionths."""


class AskedSource:
    """What is fetched of a source, and how it is answered."""

    def __init__(
        self, backend: ibis.BaseBackend, rows: Fetched, asked: Asked, as_known: bool
    ) -> None:
        """Plan what is fetched.

        Args:
            backend: DuckDB.
            rows: what is fetched.
            asked: parts and their windows.
            as_known: whether a row counts only from its ``known_day`` on.
        """
        self._rows = Range(backend, rows.table)
        self._columns, self._asked, self._as_known = rows.columns, asked, as_known
        self._by_column = sorted(asked.items(), key=lambda one: rows.columns[one[0][0]] or "")

    def rows(self, part: Population, whole: bool) -> pa.Table:
        """Return the rows of a range of customers, or all at once."""
        return self._rows.all() if whole else self._rows.between(part.ids[0], part.ids[-1])

    def answers(
        self, table: pa.Table, part: Population, cutoffs: Sequence[int], members: Sequence[Ints]
    ) -> dict[str, pa.Array]:
        """Return all that is asked of this source, for the customers of a range.

        Cutoffs between which rows became known late are answered apart: however many there are,
        rows take little more memory than is allowed for them (``Population.rows``).
        """
        codes = _codes(table["customer_id"], part.ids)
        self._check_sums(table, codes, part.ids)
        days, known = (_days(table[name]) for name in ("day", "known_day"))
        rows = Rows(codes, days, known if self._as_known else None)
        found = [
            self._at(table, rows, cutoffs[some], members[some]) for some in together(rows, cutoffs)
        ]
        if len(found) == 1:
            return found[0]
        return {name: pa.concat_arrays([one[name] for one in found]) for name in found[0]}

    def _at(
        self, table: pa.Table, rows: Rows, cutoffs: Sequence[int], members: Sequence[Ints]
    ) -> dict[str, pa.Array]:
        line = timeline(rows, cutoffs, members)
        running = Running(line, cutoffs, {window for _, window in self._asked}, table)
        return {
            name: running.answer(reduction, self._columns[reduction], window)
            for (reduction, window), name in self._by_column
        }

    def _check_sums(self, table: pa.Table, codes: Ints, ids: pa.Array) -> None:
        """Refuse numbers whose sum over all of a customer's rows would not fit."""
        sums = {p: c for p, c in self._columns.items() if isinstance(p, ops.Sum | ops.ArgMax)}
        for part, column in sums.items():
            least, most = pc.min_max(table[column]).values()
            largest = max(-(least.as_py() or 0), most.as_py() or 0)
            if largest * len(table) > LARGEST_SUM:
                size = np.abs(numbers(whole(table[column])).astype(np.float64))
                total = np.bincount(codes, size)
                if total.max() > LARGEST_SUM:
                    raise _too_large(part, ids[int(total.argmax())].as_py())


def _too_large(part: ops.Reduction, customer_id: str) -> FeatureError:
    names = sorted({field.name for field in part.arg.find(ops.Field)})
    return FeatureError(
        f"{', '.join(names)} of customer {customer_id!r} add up to more than sums can hold "
        f"({LARGEST_SUM // SCALE:,} with fractions): give larger units in the sources, thousands "
        "instead of ones, or see whether the id stands for many customers at once"
    )


def _codes(customers: pa.ChunkedArray, ids: pa.Array) -> Ints:
    """Return the place of each customer among ``ids``, which hold them all."""
    each = whole(customers)
    if not len(each):
        return np.empty(0, np.int64)
    differs = true(pc.not_equal(each[1:], each[:-1]))
    starts = np.append(0, 1 + np.flatnonzero(differs))
    place = numbers(pc.index_in(each.take(arrow(starts)), ids)).astype(np.int64)
    return np.repeat(place, np.diff(starts, append=len(each)))


def _days(column: pa.ChunkedArray) -> Ints:
    return numbers(whole(column)).astype(np.int64)
