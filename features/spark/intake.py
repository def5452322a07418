"""Parquet taken in by Spark's workers: the contract, cleaning and quarantine that DuckDB's way has.

A worker reads some row groups of one file, takes them in by the very code that one machine uses,
and leaves them staged, the accepted and the refused; Spark then finds the duplicates and sorts.
Rows are numbered in the order of reading, so that it settles every tie, as on one machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from configs.progress import Progress
from configs.records import Source
from configs.section import Language
from features.checks import Clock
from features.generation import files_in
from features.mapping import Mapper
from features.mending import Mends
from features.reading import FilePart, Start, files_of, is_parquet, name_of, parquet_rows
from features.spark.parts import (
    EVENTS_A_PART,
    Form,
    bounds,
    frame,
    set_parallelism,
    spread,
    write_parts,
)
from features.staging import (
    REFUSED_ORDER,
    ROW,
    ROWS_A_GROUP,
    Staging,
    repeated_rows,
    with_repeated,
    without,
    write_refused,
)
from features.taking import Taker, Tally

if TYPE_CHECKING:
    import ibis

ROWS_AT_ONCE = 1_000_000
"""Rows of a file that one task takes in, or one row group of more."""


@dataclass(frozen=True)
class Piece:
    """Neighbouring row groups of one file.

    Attributes:
        number: of the source.
        part: of the file, from the first of these rows on.
        name: what people call the file.
        groups: numbers of the row groups.
        first_row: how many rows of the table were read before.
        order: place of the file in the order of reading.
    """

    number: int
    part: FilePart
    name: str
    groups: tuple[int, ...]
    first_row: int
    order: int


def is_for_spark(folder: Path, sources: Sequence[Source]) -> bool:
    """Return whether all that ``sources`` name is Parquet, which workers read in pieces."""
    return all(
        source.path is not None
        and all(is_parquet(one.path, source.format) for one in files_of(folder, source.path))
        for source in sources
    )


@dataclass(frozen=True)
class SparkTable:
    """One record table taken in by Spark's workers; it is staged as ``Staging`` stages one.

    Attributes:
        draft: folder that every worker sees.
        name: of the table.
        schema: of its rows.
        mappers: one for each source.
        clock: the last day that is possible.
        mends: what people mended of refused rows; those used are noted in it.
        progress: told of reading and sorting.
    """

    draft: Path
    name: str
    schema: pa.Schema
    mappers: Sequence[Mapper]
    clock: Clock
    mends: Mends
    progress: Progress
    tally: Tally = field(default_factory=Tally)

    def read(self, backend: ibis.BaseBackend, folder: Path) -> None:
        """Stage every row of every source; paths are relative to ``folder``."""
        pieces = list(_pieces(folder, self.mappers))
        paths = {piece.part.path for piece in pieces}
        set_parallelism(backend._session, sum(path.stat().st_size for path in paths))
        for number, mapper in enumerate(self.mappers):
            _learn_date_order(mapper, next(p for p in pieces if p.number == number))
        for kind in ("accepted", "refused"):
            (self._staged / kind).mkdir(parents=True)
        staged, schema, mappers = self._staged, self.schema, self.mappers
        clock, known = self.clock, self.mends.known

        def take(number: int) -> dict[str, Any]:
            piece = pieces[number]
            taker = Taker(mappers[piece.number], piece.number, clock, Mends(known))
            return _taken(piece, number, taker, schema, staged)

        step = f"reading {self.name}"
        for told in spread(backend._session, len(pieces), take, step, self.progress):
            self._count(told)
        self.progress(step, 1.0)

    def write(
        self, backend: ibis.BaseBackend, records: Path, order: tuple[str, ...], duplicate: str
    ) -> int:
        """Write the accepted rows as sorted parts; return how many duplicates were not."""
        staged = backend.read_parquet(str(self._staged / "accepted"))
        refused = backend.read_parquet(str(self._staged / "refused"))
        found = self._staged / "repeated"
        frame(backend, repeated_rows(staged)).write.parquet(str(found))
        repeated = backend.read_parquet(str(found))
        count = sum(pq.read_metadata(file).num_rows for file in found.glob("*.parquet"))
        if count:
            staged = without(staged, repeated)
            refused = with_repeated(refused, repeated, duplicate)
        rows = frame(backend, staged)
        ends = bounds(rows, self.tally.accepted - count, EVENTS_A_PART)
        form = Form(self.schema, ROWS_A_GROUP, "zstd")
        write_parts(rows.select(*self.schema.names, ROW), records, ends, [*order, ROW], form)
        if not files_in(records):
            pq.write_table(self.schema.empty_table(), records / "part-00000.parquet")
        ranked = frame(backend, refused).coalesce(1).sortWithinPartitions(*REFUSED_ORDER)
        ranked.write.parquet(str(self._staged / "quarantine"))
        return count

    def write_quarantine(self, path: Path, language: Language) -> None:
        """Write the refused rows to the CSV file ``path``, by file and line."""
        write_refused((self._staged / "quarantine").glob("*.parquet"), path, language)

    @property
    def _staged(self) -> Path:
        return self.draft.resolve() / f"{self.name}.staged"

    def _count(self, told: dict[str, Any]) -> None:
        tally = self.tally
        tally.read += told["read"]
        tally.accepted += told["accepted"]
        tally.left_out += told["left_out"]
        tally.quarantined += Counter(told["quarantined"])
        tally.repaired += Counter(told["repaired"])
        days = [day for day in (tally.future_day, told["future_day"]) if day is not None]
        tally.future_day = min(days, default=None)
        for source, line, mark, raw in told["mends"]:
            self.mends.used[source, line, mark] = raw


def _taken(
    piece: Piece, number: int, taker: Taker, schema: pa.Schema, staged: Path
) -> dict[str, Any]:
    """Take in one piece, on a worker: its files appear whole, however often it is tried."""
    own = Path(tempfile.mkdtemp(prefix=f"try-{number}-", dir=staged))
    tally = Tally()
    try:
        order_of = {piece.name: piece.order}
        staging = Staging(own, "rows", schema, piece.first_row, order_of)
        for raw in parquet_rows(piece.part, piece.name, piece.groups):
            taker.take(raw, staging, tally)
        staging.close()
        os.replace(staging.accepted, staged / "accepted" / f"part-{number:06}.parquet")
        os.replace(staging.refused, staged / "refused" / f"part-{number:06}.parquet")
    finally:
        shutil.rmtree(own, ignore_errors=True)
    return {
        "read": tally.read,
        "accepted": tally.accepted,
        "left_out": tally.left_out,
        "quarantined": dict(tally.quarantined),
        "repaired": {what: int(count) for what, count in tally.repaired.items()},
        "future_day": tally.future_day,
        "mends": [[*place, raw] for place, raw in taker.mends.used.items()],
    }


def _pieces(folder: Path, mappers: Sequence[Mapper]) -> Iterator[Piece]:
    """Yield every file in the order of reading, cut between row groups."""
    first_row = order = 0
    for number, mapper in enumerate(mappers):
        unpivot = mapper.source.unpivot
        times = 1 if unpivot is None else len(unpivot.columns)
        for whole in files_of(folder, mapper.source.path or ""):
            sizes, name = _sizes(whole.path), name_of(whole.path, folder)
            for groups in _runs(sizes):
                before = sum(sizes[: groups[0]]) if groups else 0
                part = FilePart(whole.path.resolve(), whole.partition, Start(rows=before))
                yield Piece(number, part, name, groups, first_row, order)
                first_row += times * sum(sizes[group] for group in groups)
            order += 1


def _sizes(path: Path) -> list[int]:
    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]


def _runs(sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield runs of row groups of about ``ROWS_AT_ONCE`` rows; one empty run of an empty file."""
    run: list[int] = []
    for group, size in enumerate(sizes):
        if run and sum(sizes[one] for one in run) + size > ROWS_AT_ONCE:
            yield tuple(run)
            run = []
        run.append(group)
    if run or not sizes:
        yield tuple(run)


def _learn_date_order(mapper: Mapper, piece: Piece) -> None:
    """Let the first rows of a source say whether its written dates put the day first."""
    mapper.learn_date_order(next(parquet_rows(piece.part, piece.name, piece.groups[:1])))
