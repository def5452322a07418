"""A feature matrix or labels on disk: one folder a cutoff, rows sorted by customer.

    <folder>/cutoff=20543/part-00000.parquet    customer_id, <feature>…

The bytes do not depend on the memory there was: ranges of customers are computed one after the
other, and what comes out is cut into row groups of one size. The day is in the name of the folder
only (Hive's layout, which Spark writes and reads too); the reader puts it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from configs.errors import RecordsError
from configs.files import new_generation
from features.arrays import arrow, whole
from features.layout import at_cutoff

ROWS_A_GROUP = 8_192
"""Of a file: few, so that a batch of all features is some megabytes."""
CUTOFF = "cutoff="


class StoredMatrix:
    """A matrix on disk, read in batches: rows by cutoff, then customer."""

    def __init__(self, folder: Path) -> None:
        """Open the matrix in ``folder``.

        Raises:
            RecordsError: there is none.
        """
        self.folder = folder
        days = [one.name.removeprefix(CUTOFF) for one in folder.glob(f"{CUTOFF}*")]
        self.cutoffs: tuple[int, ...] = tuple(sorted(map(int, days)))
        if not self.cutoffs:
            raise RecordsError(f"{folder} holds no matrix: no folder {CUTOFF}<day> is in it")

    @cached_property
    def schema(self) -> pa.Schema:
        """``customer_id: string, cutoff: int32``, then float64 columns."""
        stored = pq.read_schema(self._files(self.cutoffs[0])[0])
        kinds = [(field.name, field.type) for field in stored if field.name != "customer_id"]
        return pa.schema([("customer_id", pa.string()), ("cutoff", pa.int32()), *kinds])

    def count(self, cutoffs: Iterable[int] | None = None) -> int:
        """Return the number of rows of ``cutoffs``; default: of all."""
        files = [file for day in self._chosen(cutoffs) for file in self._files(day)]
        return sum(int(pq.read_metadata(file).num_rows) for file in files)

    def batches(
        self, columns: Sequence[str] | None = None, cutoffs: Iterable[int] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of ``cutoffs``, rising, at most one row group at a time.

        Args:
            columns: names in the order wanted, of :attr:`schema`; default: all.
            cutoffs: default: all.
        """
        names = self.schema.names if columns is None else list(columns)
        for day in self._chosen(cutoffs):
            for file in self._files(day):
                yield from self._of(file, day, names)

    def table(
        self, columns: Sequence[str] | None = None, cutoffs: Iterable[int] | None = None
    ) -> pa.Table:
        """Return the rows of ``cutoffs`` in memory, as ``feature_matrix`` lays them out."""
        names = self.schema.names if columns is None else list(columns)
        schema = pa.schema([self.schema.field(name) for name in names])
        return pa.Table.from_batches(self.batches(names, cutoffs), schema)

    def _chosen(self, cutoffs: Iterable[int] | None) -> list[int]:
        return sorted(set(self.cutoffs if cutoffs is None else cutoffs) & set(self.cutoffs))

    def _files(self, day: int) -> list[Path]:
        return sorted((self.folder / f"{CUTOFF}{day}").glob("part-*.parquet"))

    def _of(self, file: Path, day: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([self.schema.field(name) for name in names])
        with pq.ParquetFile(file) as opened:
            stored = [name for name in names if name != "cutoff"]
            for group in range(opened.num_row_groups):
                read = opened.read_row_group(group, stored, use_threads=False)
                days = pa.repeat(pa.scalar(day, pa.int32()), len(read))
                columns = [days if n == "cutoff" else whole(read[n]) for n in names]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)


def store(ranges: Iterable[pa.Table], cutoffs: Sequence[int], folder: Path) -> StoredMatrix:
    """Write a matrix that comes in ranges of customers, wholly or not at all.

    Args:
        ranges: rows of all cutoffs, sorted by cutoff and customer; ranges rise by customer.
        cutoffs: day numbers; each gets a folder, also where nobody was known.
        folder: does not exist yet.

    Raises:
        FileExistsError: ``folder`` exists already.
    """
    with new_generation(folder.parent, folder.name) as draft, ExitStack() as open_files:
        files = {day: _File(draft, day) for day in sorted(set(cutoffs))}
        for table in ranges:
            for day, file in files.items():
                file.add(at_cutoff(table, day), open_files)
        for file in files.values():
            file.finish()
    return StoredMatrix(folder)


class _File:
    """The file of one cutoff: rows are held until they fill a row group."""

    def __init__(self, folder: Path, day: int) -> None:
        self._path = folder / f"{CUTOFF}{day}" / "part-00000.parquet"
        self._path.parent.mkdir()
        self._held: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: pa.Table, open_files: ExitStack) -> None:
        rows = rows.drop_columns("cutoff")
        if self._writer is None:
            self._writer = open_files.enter_context(
                pq.ParquetWriter(self._path, rows.schema, compression="lz4")
            )
        self._held.append(rows)
        while sum(map(len, self._held)) >= ROWS_A_GROUP:
            whole = pa.concat_tables(self._held)
            self._writer.write_table(whole.slice(0, ROWS_A_GROUP).combine_chunks())
            self._held = [whole.slice(ROWS_A_GROUP)]
        self._held = [_copied(table) for table in self._held]

    def finish(self) -> None:
        rest = pa.concat_tables(self._held) if self._held else None
        if self._writer is not None and rest is not None and len(rest):
            self._writer.write_table(rest.combine_chunks())
        self._held = []


def _copied(rows: pa.Table) -> pa.Table:
    """Return ``rows`` with memory of their own, lest a few of them keep all others."""
    return rows.take(arrow(np.arange(len(rows))))
