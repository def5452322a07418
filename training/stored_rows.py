"""Rows of a matrix on disk, looked at as a table: read a column or a batch at a time.

In memory is one flag a row: which of them are meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.matrix import StoredMatrix

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class StoredRows:
    """Some rows and columns of a stored matrix, in its order.

    Attributes:
        stored: the matrix.
        counts: cutoff → its rows in the matrix, of the cutoffs that rows are of.
        column_names: in the order wanted.
        kept: which rows of these cutoffs are meant; ``None`` for all.
    """

    stored: StoredMatrix
    counts: dict[int, int]
    column_names: list[str]
    kept: Flags | None = None

    @classmethod
    def of(cls, stored: StoredMatrix) -> StoredRows:
        """Return all rows of ``stored``."""
        counts = {day: stored.count([day]) for day in stored.cutoffs}
        counts = {day: n for day, n in counts.items() if n}
        return cls(stored, counts, list(stored.schema.names))

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return sum(self.counts.values()) if self.kept is None else int(self.kept.sum())

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one column; the cutoffs are known without reading."""
        if name == "cutoff":
            days = np.repeat(np.array([*self.counts], np.int32), [*self.counts.values()])
            return pa.chunked_array([days if self.kept is None else days[self.kept]])
        kind = self.stored.schema.field(name).type
        return pa.chunked_array([batch.column(0) for batch in self.batches([name])], kind)

    def select(self, names: Sequence[str]) -> StoredRows:
        """Return the rows with these columns alone."""
        return replace(self, column_names=list(names))

    def filter(self, keep: Flags) -> StoredRows:
        """Return the rows that ``keep`` marks, one flag each."""
        flags = keep
        if self.kept is not None:
            flags = np.zeros(len(self.kept), dtype=bool)
            flags[self.kept] = keep
        ends = np.cumsum([0, *self.counts.values()])
        parts = {day: flags[ends[place] : ends[place + 1]] for place, day in enumerate(self.counts)}
        parts = {day: part for day, part in parts.items() if part.any()}
        flags = np.concatenate([*parts.values()]) if parts else np.empty(0, dtype=bool)
        counts = {day: len(part) for day, part in parts.items()}
        return replace(self, counts=counts, kept=None if flags.all() else flags)

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows with the columns ``names``, some thousand at a time."""
        first = 0
        for batch in self.stored.batches(names, self.counts):
            end = first + batch.num_rows
            keep = None if self.kept is None else self.kept[first:end]
            first = end
            if keep is None or keep.all():
                yield batch
            elif keep.any():
                yield batch.filter(pa.array(keep))

    def held(self) -> pa.Table:
        """Return the same rows and columns in memory."""
        schema = pa.schema([self.stored.schema.field(name) for name in self.column_names])
        return pa.Table.from_batches(self.batches(self.column_names), schema).combine_chunks()
