"""Parquet taken in by Spark's workers, by the very code that one machine uses; Spark only spreads.

First a task takes in one piece of the files and leaves it staged, sorted by customer, where all
workers see it. Then a task takes a range of customers out of all staged pieces, removes repeated
rows, sorts, and writes one part of the records. Rows are numbered in the order of reading, which
settles every tie, as on one machine: whichever worker was lost, the files are the same.
"""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from configs.progress import Progress
from configs.section import Language
from features.raw.checks import Clock
from features.raw.mapping import Mapper
from features.raw.mending import Mends
from features.raw.reading import parquet_rows
from features.sources import read_parts
from features.spark.parts import spread
from features.spark.pieces import Piece, pieces_of
from features.spark.staged import Reading, Staged, Writing
from features.stored.staging import REFUSED_ORDER, repeated_rows, with_repeated, write_refused
from features.stored.taking import Tally
from features.stored.tally import Counts, Description

if TYPE_CHECKING:
    import ibis
    from pyspark.sql import SparkSession

EVENTS_A_PART = 1_000_000
SAMPLED_A_PART = 200
"""Rows whose customers say where parts end."""


@dataclass(frozen=True)
class SparkTable:
    """One record table taken in by Spark's workers.

    Attributes:
        draft: folder that every worker sees.
        name: of the table.
        schema: of its rows.
        order: columns to sort by, before the order of reading.
        mappers: one for each source.
        clock: the last day that is possible.
        mends: what people mended of refused rows; those used are noted in it.
        progress: told of reading and sorting.
    """

    draft: Path
    name: str
    schema: pa.Schema
    order: tuple[str, ...]
    mappers: Sequence[Mapper]
    clock: Clock
    mends: Mends
    progress: Progress
    tally: Tally = field(default_factory=Tally)
    sampled: list[str] = field(default_factory=list)
    """Customers of rows that lie evenly among the accepted."""

    def read(self, session: SparkSession, folder: Path) -> None:
        """Stage every row of every source; paths are relative to ``folder``.

        Raises:
            RecordsError: a file cannot be read.
        """
        pieces = pieces_of(folder, self.mappers)
        for number, mapper in enumerate(self.mappers):
            _learn_date_order(mapper, number, pieces)
        self._staged.prepare()
        every = max(EVENTS_A_PART // SAMPLED_A_PART, 1)
        mappers = tuple(self.mappers)
        reading = Reading(self._staged, mappers, self.clock, self.mends.known, every)

        def take(number: int) -> dict[str, Any]:
            return reading.take(pieces[number], number)

        step = f"reading {self.name}"
        self.progress(step, 0.0)
        for told in spread(session, len(pieces), take, step, self.progress):
            self._count(told)

    def write(
        self, session: SparkSession, backend: ibis.BaseBackend, records: Path
    ) -> tuple[int, Description]:
        """Write the accepted rows as sorted parts; return how many repeated ones were not.

        Args:
            session: Spark's.
            backend: DuckDB, in this process.
            records: folder to be made, of the parts.
        """
        records.mkdir()
        repeated = None
        if not all(_repeats_one_customer(mapper) for mapper in self.mappers):
            repeated = self._staged.place("repeated", 0)
            rows = read_parts(backend, self._staged.files("accepted"))
            backend.to_parquet(repeated_rows(rows), repeated)
        ends = [None, *self._ends(), None]
        writing = Writing(self._staged, records.resolve(), repeated)

        def write(number: int) -> dict[str, Any]:
            return writing.write(number, ends[number], ends[number + 1])

        step = f"sorting {self.name}"
        self.progress(step, 0.0)
        parts = spread(session, len(ends) - 1, write, step, self.progress)
        counts = reduce(Counts.and_more, [Counts.model_validate(part["counts"]) for part in parts])
        files = self._staged.files("repeated")
        count = sum(pq.read_metadata(file).num_rows for file in files)
        return count, Description(counts, sum(part["customers"] for part in parts))

    def write_quarantine(
        self, backend: ibis.BaseBackend, path: Path, duplicate: str, language: Language
    ) -> None:
        """Write the refused rows, the repeated ones as ``duplicate``, to the CSV file ``path``."""
        kinds = ("refused", "repeated")
        refused, repeated = (read_parts(backend, self._staged.files(kind)) for kind in kinds)
        rows = with_repeated(refused, repeated, duplicate).order_by(REFUSED_ORDER)
        in_order = self._staged.folder / "quarantine.parquet"
        backend.to_parquet(rows, in_order)
        write_refused([in_order], path, language)

    def discard(self) -> None:
        """Remove the staged rows, which take more room than the sorted ones.

        A worker that was given up may still write there; what is left goes with the draft.
        """
        shutil.rmtree(self._staged.folder, ignore_errors=True)

    @property
    def _staged(self) -> Staged:
        folder = self.draft.resolve() / f"{self.name}.staged"
        return Staged(folder, self.schema, self.order)

    def _count(self, told: dict[str, Any]) -> None:
        tally = self.tally
        tally.read += told["read"]
        tally.accepted += told["accepted"]
        tally.left_out += told["left_out"]
        tally.quarantined += Counter(told["quarantined"])
        tally.repaired += Counter(told["repaired"])
        days = [day for day in (tally.future_day, told["future_day"]) if day is not None]
        tally.future_day = min(days, default=None)
        self.sampled.extend(told["sampled"])
        for source, line, mark, raw in told["mends"]:
            self.mends.used[source, line, mark] = raw

    def _ends(self) -> list[str]:
        """Return the last customer of every part but the last, rising."""
        n_parts = math.ceil(self.tally.accepted / EVENTS_A_PART)
        ids = sorted(self.sampled)
        ends = (ids[len(ids) * k // n_parts] for k in range(1, n_parts) if ids)
        return list(dict.fromkeys(ends))


def _repeats_one_customer(mapper: Mapper) -> bool:
    """Return whether rows that repeat each other are of one customer.

    Those of the same text are; those of the same order number, say, may not be.
    """
    keys = mapper.source.unique_by
    return mapper.table.name == "customers" or not keys or "customer_id" in keys


def _learn_date_order(mapper: Mapper, number: int, pieces: Sequence[Piece]) -> None:
    """Let the first rows of a source say whether its written dates put the day first."""
    run = next(run for piece in pieces for run in piece if run.number == number)
    mapper.learn_date_order(next(parquet_rows(run.part, run.name, run.groups)))
