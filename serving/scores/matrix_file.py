"""The features to publish as a file: written batch by batch, read by rows or by column."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from configs.errors import PublicationError
from serving.scores.population import Array, column
from serving.scores.publication import digest_of

ROWS_OF_A_GROUP = 10_000
KEYS = 2
"""Columns before the features: ``customer_id`` and ``cutoff``."""


@dataclass(frozen=True)
class MatrixFile:
    """Features of all customers on one day, sorted by ``customer_id``; never held whole.

    Attributes:
        path: Parquet, ``customer_id, cutoff, <feature>…``.
    """

    path: Path

    def __len__(self) -> int:
        """Return the number of customers."""
        return int(self._file.metadata.num_rows)

    @property
    def features(self) -> list[str]:
        """Names of the features, in their order."""
        return list(self._file.schema_arrow.names[KEYS:])

    def rows(self, start: int, n: int) -> pa.Table:
        """Return ``n`` customers from ``start`` on, or as many as there are."""
        groups, first = self._groups(start, n)
        return self._file.read_row_groups(groups).slice(start - first, n)

    def column(self, name: str) -> Array:
        """Return one feature of all customers as float64, NaN where missing."""
        return column(self._file.read(columns=[name]), name)

    def ids(self) -> Iterator[list[str]]:
        """Yield the ids of all customers, a row group at a time."""
        for group in range(self._file.num_row_groups):
            yield self._file.read_row_group(group, ["customer_id"])["customer_id"].to_pylist()

    @cached_property
    def as_of(self) -> dt.date:
        """The day that the features are of.

        Raises:
            PublicationError: they are of several days, or of nobody.
        """
        days = self._file.read(columns=["cutoff"])["cutoff"].unique().to_pylist()
        return day_of(days, len(self))

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the file, which is the same for the same values.

        Raises:
            PublicationError: customers are not sorted, or one comes twice.
        """
        last: list[str] = []
        for ids in self.ids():
            _check_order([*last, *ids])
            last = ids[-1:]
        return digest_of(self.path)

    @cached_property
    def _file(self) -> pq.ParquetFile:
        return pq.ParquetFile(self.path)

    def _groups(self, start: int, n: int) -> tuple[list[int], int]:
        """Return the row groups that hold these rows, and the first row of the first of them."""
        found: list[int] = []
        first, begin = start, 0
        for group in range(self._file.num_row_groups):
            end = begin + self._file.metadata.row_group(group).num_rows
            if begin < start + n and end > start:
                first = begin if not found else first
                found.append(group)
            begin = end
        return found, first

    def __getstate__(self) -> dict[str, Path]:
        """Return what another process opens the file by."""
        return {"path": self.path}


def day_of(days: list[int], customers: int) -> dt.date:
    """Return the one day among ``days``.

    Raises:
        PublicationError: there are several, or none.
    """
    if len(days) != 1:
        raise PublicationError(
            f"a publication is of one day with at least one customer; there are {customers} "
            f"customers on {len(days)} days. Check `as_of` against the days in your records"
        )
    return dt.date(1970, 1, 1) + dt.timedelta(days=days[0])


def _check_order(ids: list[str]) -> None:
    for one, next_ in itertools.pairwise(ids):
        if one >= next_:
            raise PublicationError(
                f"customers are published sorted by id, each once, but {next_!r} comes after "
                f"{one!r}. Sort the features by customer_id"
            )


def write_grouped(
    path: Path, schema: pa.Schema, tables: Iterable[pa.Table], rows_of_a_group: int
) -> None:
    """Write ``tables``, one after the other, in row groups of one size however they are cut."""
    with pq.ParquetWriter(path, schema) as writer:
        for table in grouped(tables, rows_of_a_group):
            writer.write_table(table, row_group_size=rows_of_a_group)


def grouped(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """Yield the rows of ``tables`` in tables of ``size`` rows; the last one may have fewer.

    >>> numbers = [pa.table({"x": [1, 2, 3]}), pa.table({"x": [4, 5]})]
    >>> [table["x"].to_pylist() for table in grouped(numbers, 2)]
    [[1, 2], [3, 4], [5]]
    """
    waiting: list[pa.Table] = []
    n = 0
    for table in tables:
        waiting.append(table)
        n += len(table)
        while n >= size:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, size).combine_chunks()
            waiting, n = [whole.slice(size)], n - size
    if n:
        yield pa.concat_tables(waiting).combine_chunks()
