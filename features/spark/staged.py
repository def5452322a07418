"""What Spark's workers do of intake: pieces of files staged, and ranges of customers written.

    <staged>/accepted/part-000000.parquet    what a piece gave, sorted by customer
    <staged>/refused/part-000000.parquet
    <staged>/repeated/part-000000.parquet    rows of a range of customers that were not written

Every file appears whole, and is the same however often a task is tried, and wherever.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.raw.checks import Clock
from features.raw.mapping import Mapper
from features.raw.mending import Mends, Place
from features.raw.reading import parquet_rows
from features.sources import read_parts
from features.spark.pieces import Piece
from features.spark.worker_engine import on_worker
from features.stored.staging import ROW, Staging, repeated_rows, without, write_sorted
from features.stored.taking import Taker, Tally
from features.stored.tally import described

if TYPE_CHECKING:
    import ibis

ROWS_A_STAGED_GROUP = 8_192
"""Few, so that a range of customers is read without many others."""
MEMORY_LIMIT = "768MiB"
"""Of DuckDB in a task, which sorts a piece with its raw texts; sorting beyond it spills."""


@dataclass(frozen=True)
class Staged:
    """One record table between reading and sorting, as every worker knows it.

    Attributes:
        folder: that every worker sees.
        schema: of the rows.
        order: columns to sort by, before the order of reading.
    """

    folder: Path
    schema: pa.Schema
    order: tuple[str, ...]

    def prepare(self) -> None:
        """Make the folders."""
        for kind in ("accepted", "refused", "repeated"):
            (self.folder / kind).mkdir(parents=True)

    def files(self, kind: str) -> list[Path]:
        """Return the ``accepted``, ``refused`` or ``repeated`` files."""
        return sorted((self.folder / kind).glob("*.parquet"))

    def place(self, kind: str, number: int) -> Path:
        """Return where a file belongs."""
        return self.folder / kind / f"part-{number:06}.parquet"

    @contextmanager
    def attempt(self, number: int) -> Iterator[tuple[Path, ibis.BaseBackend]]:
        """Yield a folder of its own, and DuckDB, for one try of a task.

        If the worker is lost, the folder goes with all that is staged.
        """
        own = Path(tempfile.mkdtemp(prefix=f"try-{number}-", dir=self.folder))
        try:
            with on_worker(MEMORY_LIMIT) as backend:
                yield own, backend
        finally:
            shutil.rmtree(own, ignore_errors=True)


@dataclass(frozen=True)
class Reading:
    """Takes in pieces of files.

    Attributes:
        staged: where rows go.
        mappers: one for each source.
        clock: the last day that is possible.
        mends: what people mended of refused rows.
        sampled_every: of how many accepted rows one says whose it is.
    """

    staged: Staged
    mappers: tuple[Mapper, ...]
    clock: Clock
    mends: dict[Place, str]
    sampled_every: int

    def take(self, piece: Piece, number: int) -> dict[str, Any]:
        """Stage one piece and return its counts."""
        mends = Mends(self.mends)
        with self.staged.attempt(number) as (own, backend):
            staging, tally = self._taken(piece, own, mends)
            rows, ordered = backend.read_parquet(staging.accepted), own / "sorted.parquet"
            rows = rows.order_by([*self.staged.order, ROW])
            settings = {"compression": "lz4", "row_group_size": ROWS_A_STAGED_GROUP}
            backend.to_parquet(rows, ordered, **settings)
            sampled = _sampled(ordered, self.sampled_every)
            os.replace(ordered, self.staged.place("accepted", number))
            os.replace(staging.refused, self.staged.place("refused", number))
        return {
            "read": tally.read,
            "accepted": tally.accepted,
            "left_out": tally.left_out,
            "quarantined": dict(tally.quarantined),
            "repaired": {what: int(count) for what, count in tally.repaired.items()},
            "future_day": tally.future_day,
            "mends": [[*place, raw] for place, raw in mends.used.items()],
            "sampled": sampled,
        }

    def _taken(self, piece: Piece, own: Path, mends: Mends) -> tuple[Staging, Tally]:
        """Stage one piece in the order of reading."""
        tally, order_of = Tally(), {run.name: run.order for run in piece}
        staging = Staging(own, "rows", self.staged.schema, piece[0].first_row, order_of)
        for run in piece:
            taker = Taker(self.mappers[run.number], run.number, self.clock, mends)
            for raw in parquet_rows(run.part, run.name, run.groups):
                taker.take(raw, staging, tally)
        staging.close()
        return staging, tally


@dataclass(frozen=True)
class Writing:
    """Writes ranges of customers as parts of the records.

    Attributes:
        staged: where rows come from.
        records: folder of the parts.
        repeated: file of the repeated rows, where they were looked for before.
    """

    staged: Staged
    records: Path
    repeated: Path | None

    def write(self, number: int, after: str | None, until: str | None) -> dict[str, Any]:
        """Write the customers beyond ``after``, ``until`` included; return what was written."""
        with self.staged.attempt(number) as (own, backend):
            rows = read_parts(backend, self.staged.files("accepted"))
            if after is not None:
                rows = rows.filter(rows["customer_id"] > after)
            if until is not None:
                rows = rows.filter(rows["customer_id"] <= until)
            found, part = self.repeated or own / "repeated.parquet", own / "part.parquet"
            if self.repeated is None:
                backend.to_parquet(repeated_rows(rows), found)
            rows = without(rows, backend.read_parquet(found))
            write_sorted(backend, rows, self.staged.order, self.staged.schema.names, part)
            about = described(backend, [part])
            if self.repeated is None:
                os.replace(found, self.staged.place("repeated", number))
            os.replace(part, self.records / f"part-{number:05}.parquet")
        return {"counts": about.counts.model_dump(), "customers": about.customers}


def _sampled(ordered: Path, every: int) -> list[str]:
    """Return the customers of rows that lie evenly in a sorted file."""
    ids = pq.read_table(ordered, columns=["customer_id"])["customer_id"]
    rows = pa.array(range(every // 2, len(ids), every), pa.int64())
    return list(ids.take(rows).to_pylist())
