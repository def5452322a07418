"""Features and labels on one machine: a range of customers at a time, all cutoffs at once.

Records lie sorted by customer, so a range of customers is a stretch of each file and is read once.
DuckDB computes what is reduced, row by row, and at the end what stands around the reductions; the
windows between are answered by running totals. Memory is that of one range, whatever the number of
customers, and the result is the same however they are split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import ibis
import ibis.expr.operations as ops
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from configs.errors import FeatureError
from configs.progress import Progress, silent
from features.layout import schema_of
from features.plan import SCALE, Asked, Reading
from features.sources import Calculation, Range, Records
from features.totals.ahead import ahead
from features.totals.population import Population
from features.totals.rows import Fetched, answered_type, fetched
from features.totals.running import Running
from features.totals.timeline import Ints, timeline
from features.totals.valued import asked_of, valued

BYTES_A_ROW = 400
"""Of a source in memory, with its columns, their copies and running totals."""
LARGEST_SUM = (1 << 63) - 1
"""Of whole numbers; of fractions, in millionths."""
BYTES_A_VALUE = 40
"""Of a row of the matrix, for each value: its answers, itself and the copies underway."""


@dataclass(frozen=True)
class Question:
    """What to compute.

    Attributes:
        sources: what declarations see, by name.
        readings: the aggregated declarations.
        finish: makes the columns wanted of a table with one for each aggregated declaration.
        cutoffs: day numbers, rising.
        as_known: whether a row counts only from its ``known_day`` on (features) or always (labels).
    """

    sources: Mapping[str, ibis.Table]
    readings: Sequence[Reading]
    finish: Callable[[ibis.Table], ibis.Table]
    cutoffs: tuple[int, ...]
    as_known: bool = True

    @cached_property
    def asked(self) -> dict[str, Asked]:
        """What is asked of each source."""
        return asked_of(self.readings)


def computed(
    records: Records,
    question: Question,
    everybody: Population,
    bytes_at_once: int,
    threads: int = 1,
    progress: Progress = silent,
) -> Iterator[pa.Table]:
    """Yield the answer for ranges of customers, rising, each sorted by cutoff and customer.

    There is at least one table, though it have no rows.

    Args:
        records: the canonical tables.
        question: what to compute.
        everybody: the customers.
        bytes_at_once: about how much memory a range may take.
        threads: with more than one, rows are fetched while those before are computed.
        progress: told of the step ``features``.

    Raises:
        FeatureError: numbers of a customer are too large to be summed.
    """
    sources = {
        name: _Source(records, fetched(question.sources[name], *_told(question, name)), asked)
        for name, asked in question.asked.items()
    }
    finishing = _finishing(question)
    width = len(question.cutoffs) * (2 + len(question.readings))
    cost = everybody.rows * BYTES_A_ROW + width * BYTES_A_VALUE
    ranges = list(everybody.ranges(cost, bytes_at_once))
    whole = len(ranges) == 1
    given = ({name: s.rows(part, whole) for name, s in sources.items()} for part in ranges)
    for number, rows in enumerate(given if threads == 1 else ahead(given)):
        progress("features", number / len(ranges))
        part = ranges[number]
        members = part.members(question.cutoffs)
        columns = _keys(part, question.cutoffs, members)
        for name, source in sources.items():
            columns |= source.answers(rows[name], part, question, members)
        yield finishing(pa.table(columns))
    progress("features", 1.0)


def _told(question: Question, name: str) -> tuple[Asked, tuple[int, ...], bool]:
    return question.asked[name], question.cutoffs, question.as_known


class _Source:
    """A source that is asked for one range of customers after the other."""

    def __init__(self, records: Records, rows: Fetched, asked: Asked) -> None:
        self._rows = Range(records.backend, rows.table)
        self._columns, self._asked = rows.columns, asked

    def rows(self, part: Population, whole: bool) -> pa.Table:
        """Return the rows of a range of customers, or all at once."""
        return self._rows.all() if whole else self._rows.between(part.ids[0], part.ids[-1])

    def answers(
        self, table: pa.Table, part: Population, question: Question, members: Sequence[Ints]
    ) -> dict[str, pa.Array]:
        """Return all that is asked of this source, for the customers of a range."""
        codes = _codes(table["customer_id"], part.ids)
        self._check_sums(table, codes, part.ids)
        days, known = (_days(table[name]) for name in ("day", "known_day"))
        line = timeline(
            codes, days, known if question.as_known else None, question.cutoffs, members
        )
        windows = {window for _, window in self._asked}
        running = Running(line, question.cutoffs, windows, table)
        return {
            name: running.answer(reduction, self._columns[reduction], window)
            for (reduction, window), name in self._asked.items()
        }

    def _check_sums(self, table: pa.Table, codes: Ints, ids: pa.Array) -> None:
        """Refuse numbers whose sum over all of a customer's rows would not fit."""
        sums = {p: c for p, c in self._columns.items() if isinstance(p, ops.Sum | ops.ArgMax)}
        for part, column in sums.items():
            least, most = pc.min_max(table[column]).values()
            largest = max(-(least.as_py() or 0), most.as_py() or 0)
            if largest * len(table) > LARGEST_SUM:
                size = np.abs(pc.fill_null(table[column], 0).to_numpy().astype(np.float64))
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
    each = customers.combine_chunks()
    if not len(each):
        return np.empty(0, np.int64)
    differs = pc.not_equal(each[1:], each[:-1]).to_numpy(zero_copy_only=False)
    starts = np.append(0, 1 + np.flatnonzero(differs))
    place = pc.index_in(each.take(pa.array(starts)), ids).to_numpy().astype(np.int64)
    return np.repeat(place, np.diff(starts, append=len(each)))


def _days(column: pa.ChunkedArray) -> Ints:
    return np.asarray(pc.fill_null(column, 0).to_numpy(), np.int64)


def _keys(part: Population, cutoffs: Sequence[int], members: Sequence[Ints]) -> dict[str, pa.Array]:
    who = np.concatenate(members)
    days = np.repeat(np.array(cutoffs, np.int32), [len(one) for one in members])
    return {"customer_id": part.ids.take(pa.array(who)), "cutoff": pa.array(days)}


def _finishing(question: Question) -> Callable[[pa.Table], pa.Table]:
    """Return what makes the columns wanted of the answers."""
    kinds = {
        name: answered_type(part)
        for asks in question.asked.values()
        for (part, _), name in asks.items()
    }
    wide = ibis.table({"customer_id": "string", "cutoff": "int32", **kinds}, name="answers")
    matrix = question.finish(valued(wide, question.readings, question.asked))
    calculation = Calculation(matrix, "answers")
    schema = schema_of(matrix.columns)
    return lambda answers: calculation(answers).cast(schema)
