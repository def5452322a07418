"""Many rows brought into the order of a record table without ever being held together.

Rows are written as they come in runs, each of them brought together by customer in memory. Then one
range of customers after the other is read out of all runs, which takes little more than its own
rows, and sorted in memory. Every row is written once on the way, however many there are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

CUSTOMER = "customer_id"
RUN_BYTES = 160 << 20
"""Two runs are held at most, besides one being sorted: while one is written the next one comes."""
RANGE_BYTES = 256 << 20
"""Three ranges are held at most: as it was read, sorted, and the one before on its way to disk."""
ROWS_A_RUN_GROUP = 8_192
"""Few, so that a range of customers is read without many others."""
_SAMPLED_EVERY = 1_024

Range = tuple[str | None, str | None]
"""Customers beyond the first id, the second included; ``None`` where there is no end."""


class Runs:
    """Writes rows to one Parquet file, run by run.

    Args:
        path: of the file.
        schema: of the rows; ``customer_id`` is one of its columns.
        long: columns of long texts, which are hardly ever the same.
        threads: with more than one, a run is written while the rows of the next one come.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, long: Sequence[str], threads: int = 1
    ) -> None:
        self.path = path
        self._short = [name for name in schema.names if name not in long]
        near = [field.name for field in schema if _lie_near(field.type)]
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression="lz4",
            use_dictionary=[name for name in self._short if name not in near],
            column_encoding=dict.fromkeys(near, "DELTA_BINARY_PACKED"),
            write_statistics=[CUSTOMER],
        )
        self._beside = ThreadPoolExecutor(1) if threads > 1 else None
        self._writing: Future[None] | None = None
        self._waiting: list[pa.Table] = []
        self._bytes = 0
        self._sampled: list[str] = []
        self.n_bytes = 0
        """Of all rows in memory, long texts apart, and of those of :meth:`count_in`."""

    def add(self, table: pa.Table) -> None:
        """Take rows in, after those that came before."""
        self._waiting.append(table)
        self._bytes += table.nbytes
        self.n_bytes += table.select(self._short).nbytes
        if self._bytes >= RUN_BYTES:
            self._end_run()

    def count_in(self, path: Path, names: Sequence[str]) -> None:
        """Have ranges allow for the rows of the Parquet file ``path``, which is read beside these.

        Args:
            path: of the file.
            names: its columns that will be read.
        """
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=list(names)):
                self.n_bytes += batch.nbytes
                self._sample(batch[CUSTOMER])

    def close(self) -> None:
        """Finish the file."""
        self._end_run()
        self._wait()
        if self._beside is not None:
            self._beside.shutdown()
        self._writer.close()

    def ranges(self) -> list[Range]:
        """Return ranges of customers, in order, whose rows take about ``RANGE_BYTES`` each."""
        count = max(math.ceil(self.n_bytes / RANGE_BYTES), 1)
        ids = sorted(self._sampled)
        ends = [ids[len(ids) * place // count] for place in range(1, count) if ids]
        edges = [None, *dict.fromkeys(ends), None]
        return list(itertools.pairwise(edges))

    def _end_run(self) -> None:
        """Write the rows that wait as a run, once the run before is written."""
        rows, self._waiting, self._bytes = self._waiting, [], 0
        if not rows:
            return
        self._wait()
        if self._beside is None:
            self._write(rows)
        else:
            self._writing = self._beside.submit(self._write, rows)

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()

    def _write(self, rows: list[pa.Table]) -> None:
        run = brought_together(pa.concat_tables(rows))
        rows.clear()
        self._writer.write_table(run, row_group_size=ROWS_A_RUN_GROUP)
        self._sample(run[CUSTOMER])

    def _sample(self, customers: pa.Array | pa.ChunkedArray) -> None:
        every = pa.array(np.arange(_SAMPLED_EVERY // 2, len(customers), _SAMPLED_EVERY))
        self._sampled += customers.take(every).to_pylist()


def _lie_near(kind: pa.DataType) -> bool:
    """Return whether values of ``kind``, all different, differ by little: moments and numbers."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_int64(kind))


def brought_together(table: pa.Table) -> pa.Table:
    """Return ``table`` by customer, each one's rows in the order that they had."""
    return in_order(table, (CUSTOMER,))


def in_order(table: pa.Table, order: Sequence[str]) -> pa.Table:
    """Return ``table`` sorted by the columns ``order``, nulls last, ties in the order they had.

    >>> in_order(pa.table({"customer_id": ["b", "a", "b"], "day": [2, 3, 1]}), ["customer_id"])[
    ...     "day"
    ... ].to_pylist()
    [3, 2, 1]
    """
    if len(table) < 2:
        return table
    if tuple(order) == (CUSTOMER,) and _is_rising(table[CUSTOMER]):
        return table
    place = np.zeros(len(table), dtype=np.int64)
    for name in order:
        ranks = _ranks(table[name])
        place = place * (int(ranks.max()) + 1) + ranks
    if bool((place[1:] >= place[:-1]).all()):
        return table
    return table.take(pa.array(np.argsort(place, kind="stable")))


def _is_rising(column: pa.ChunkedArray) -> bool:
    values = column.combine_chunks()
    if values.null_count:
        return False
    return bool(pc.all(pc.less_equal(values[:-1], values[1:])).as_py())


def _ranks(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return a number for each value, from 0 on, that rises as they do; that of null is highest."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    ranks = np.empty(len(encoded.dictionary) + 1, dtype=np.int64)
    ranks[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(encoded.dictionary))
    ranks[-1] = len(encoded.dictionary)
    codes = pc.fill_null(encoded.indices.cast(pa.int64()), len(encoded.dictionary))
    return np.asarray(ranks[codes.to_numpy()])


@dataclass(frozen=True)
class RunFile:
    """A Parquet file of which ranges of customers are read.

    Attributes:
        path: of the file.
        keep: which rows of a table read from it are kept, as a mask; ``None`` keeps all.
        beside: columns that ``keep`` looks at, beside those that are asked for.
    """

    path: Path
    keep: Callable[[pa.Table], Any] | None = None
    beside: tuple[str, ...] = ()


def read_ranges(
    files: Sequence[RunFile], ranges: Sequence[Range], schema: pa.Schema, order: Sequence[str]
) -> Iterator[pa.Table]:
    """Yield the rows of each range of customers, sorted by ``order``, then as the files have them.

    Args:
        files: those whose rows come first where they tie with others.
        ranges: one after the other.
        schema: of the rows wanted.
        order: columns to sort by, customers first.
    """
    opened = [(one, pq.ParquetFile(one.path)) for one in files]
    try:
        held = [_customers_of(file.metadata) for _, file in opened]
        for bounds in ranges:
            parts = [
                table
                for (one, file), groups in zip(opened, held, strict=True)
                for table in _read(one, file, groups, bounds, schema)
            ]
            yield in_order(pa.concat_tables([schema.empty_table(), *parts]), order)
    finally:
        for _, file in opened:
            file.close()


def _read(
    one: RunFile,
    file: pq.ParquetFile,
    held: Sequence[tuple[str, str] | None],
    bounds: Range,
    schema: pa.Schema,
) -> Iterator[pa.Table]:
    """Yield the rows of a file within ``bounds``.

    Row groups that begin before or end beyond are read one at a time and cut, so that they take no
    memory beside what is wanted of them, however many runs there are.
    """
    columns = [*schema.names, *one.beside]
    for groups, are_within in _touched(held, bounds):
        table = file.read_row_groups(groups, columns=columns)
        for end, is_inside in zip(bounds, (pc.greater, pc.less_equal), strict=True):
            if end is not None and not are_within:
                table = _filtered(table, is_inside(table[CUSTOMER], end))
        if one.keep is not None:
            table = _filtered(table, one.keep(table))
        yield table.select(schema.names).cast(schema)


def _filtered(table: pa.Table, mask: Any) -> pa.Table:
    return table if pc.all(mask).as_py() else table.filter(mask)


def _customers_of(metadata: pq.FileMetaData) -> list[tuple[str, str] | None]:
    """Return the first and the last customer of every row group; ``None`` where none is told."""
    column = metadata.schema.names.index(CUSTOMER)
    told = []
    for group in range(metadata.num_row_groups):
        about = metadata.row_group(group).column(column).statistics
        told.append((about.min, about.max) if about is not None and about.has_min_max else None)
    return told


def _touched(
    groups: Sequence[tuple[str, str] | None], bounds: Range
) -> Iterator[tuple[list[int], bool]]:
    """Yield the row groups that may hold customers within ``bounds``.

    Neighbours that hold no others come together, with the claim that they do not; any other alone.
    """
    within: list[int] = []
    for number, told in enumerate(groups):
        if _is_within(told, bounds):
            within.append(number)
        elif _may_meet(told, bounds):
            if within:
                yield within, True
            within = []
            yield [number], False
    if within:
        yield within, True


def _is_within(told: tuple[str, str] | None, bounds: Range) -> bool:
    after, until = bounds
    if told is None:
        return after is None and until is None
    return (after is None or told[0] > after) and (until is None or told[1] <= until)


def _may_meet(told: tuple[str, str] | None, bounds: Range) -> bool:
    after, until = bounds
    if told is None:
        return True
    return (after is None or told[1] > after) and (until is None or told[0] <= until)
