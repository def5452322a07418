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
import numpy as np
import pyarrow as pa

from configs.progress import Progress, silent
from features.arrays import arrow
from features.layout import schema_of
from features.plan import Asked, Reading
from features.sources import Calculation, Records, release
from features.totals.ahead import ahead
from features.totals.asked_source import AskedSource
from features.totals.population import Population
from features.totals.rows import answered_type, fetched
from features.totals.timeline import Ints
from features.totals.valued import asked_of, valued

BYTES_A_ROW = 200
"""Of a source in memory, with its columns, their copies and running totals."""
BYTES_A_VALUE = 20
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

    There is at least one table, though it have no rows. What was held for the question is dropped
    when all of them are.

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
    try:
        yield from _ranges(records, question, everybody, bytes_at_once, threads, progress)
    finally:
        release(records.backend, question.sources.values(), records.tables.values())


def _ranges(
    records: Records,
    question: Question,
    everybody: Population,
    bytes_at_once: int,
    threads: int,
    progress: Progress,
) -> Iterator[pa.Table]:
    sources = {
        name: AskedSource(
            records.backend,
            fetched(question.sources[name], asked, question.cutoffs, question.as_known),
            asked,
            question.as_known,
        )
        for name, asked in question.asked.items()
    }
    finishing = _finishing(records, question)
    width = len(question.cutoffs) * (2 + len(question.readings))
    cost = everybody.rows * BYTES_A_ROW + width * BYTES_A_VALUE
    ranges = list(everybody.ranges(cost, bytes_at_once))
    whole = len(ranges) == 1
    given = (source.rows(part, whole) for part in ranges for source in sources.values())
    rows = given if threads == 1 else ahead(given)
    for number, part in enumerate(ranges):
        progress("features", number / len(ranges))
        members = part.members(question.cutoffs)
        columns = _keys(part, question.cutoffs, members)
        for source in sources.values():
            columns |= source.answers(next(rows), part, question.cutoffs, members)
        yield finishing(pa.table(columns))
    progress("features", 1.0)


def _keys(part: Population, cutoffs: Sequence[int], members: Sequence[Ints]) -> dict[str, pa.Array]:
    who = np.concatenate(members)
    days = np.repeat(np.array(cutoffs, np.int32), [len(one) for one in members])
    return {"customer_id": part.ids.take(arrow(who)), "cutoff": arrow(days)}


def _finishing(records: Records, question: Question) -> Callable[[pa.Table], pa.Table]:
    """Return what makes the columns wanted of the answers."""
    kinds = {
        name: answered_type(part)
        for asks in question.asked.values()
        for (part, _), name in asks.items()
    }
    wide = ibis.table({"customer_id": "string", "cutoff": "int32", **kinds}, name="answers")
    matrix = question.finish(valued(wide, question.readings, question.asked))
    calculation = Calculation(records.backend, matrix, "answers")
    schema = schema_of(matrix.columns)
    return lambda answers: calculation(answers).cast(schema)
