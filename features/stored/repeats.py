"""Rows that repeat an earlier one: found by short digests first, then by what they really say.

Half a digest takes eight bytes, so those of all rows are compared, some at a time; the long texts
behind them are read of the few rows alone whose digest another row has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

AT_ONCE = 1 << 25
"""Digests compared at a time: 256 MiB."""
_BYTES = pa.binary(16)
Digests = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


def sharing_rows(path: Path, row: str, digest: str) -> pa.Array:
    """Return the numbers of the rows whose digest another row has, rising.

    Args:
        path: Parquet file of numbers and digests, in any order.
        row: its column of numbers.
        digest: its column of digests, 128 bits evenly spread, of which the first 64 are compared.
    """
    count = pq.read_metadata(path).num_rows
    bits = max(math.ceil(math.log2(max(count, 1) / AT_ONCE)), 0)
    shared = np.concatenate([_shared(path, digest, bits, part) for part in range(1 << bits)])
    if not len(shared):
        return pa.array([], pa.int64())
    batches = _batches(path, [row, digest])
    found = [_column(one, row)[np.isin(_halves(one[digest]), shared)] for one in batches]
    return pa.array(np.sort(np.concatenate(found)), pa.int64())


class RowNumbers:
    """Numbers of some of ``n`` rows, as a bit for each row: little, however many they are.

    >>> some = RowNumbers(9, [pa.array([1, 8])])
    >>> some.others(pa.array([8, 2, 1, 0])).tolist()
    [False, True, False, True]
    """

    def __init__(self, n: int, numbers: Iterable[pa.Array]) -> None:
        """Note the ``numbers``, from 0 to ``n`` - 1."""
        self._bits = np.zeros(n // 8 + 1, np.uint8)
        for some in numbers:
            rows = np.asarray(some, np.int64)
            np.bitwise_or.at(self._bits, rows >> 3, _bit(rows))

    def others(self, rows: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Return which of ``rows`` are not among these."""
        each = np.asarray(rows, np.int64)
        return (self._bits[each >> 3] & _bit(each)) == 0


def _bit(rows: Rows) -> npt.NDArray[np.uint8]:
    return np.left_shift(1, rows & 7).astype(np.uint8)


def _shared(path: Path, digest: str, bits: int, part: int) -> Digests:
    """Return the digests that come again, of those that start with the ``bits`` of ``part``."""
    rising, n = np.empty(pq.read_metadata(path).num_rows, np.uint64), 0
    for batch in _batches(path, [digest]):
        some = _of(_halves(batch[digest]), bits, part)
        rising[n : n + len(some)] = some
        n += len(some)
    rising = rising[:n]
    rising.sort()
    return np.unique(rising[1:][rising[1:] == rising[:-1]])


def _of(digests: Digests, bits: int, part: int) -> Digests:
    return digests[digests >> np.uint64(64 - bits) == part] if bits else digests


def _batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=1 << 20, columns=columns)


def _column(batch: pa.RecordBatch, name: str) -> Rows:
    return np.asarray(batch[name], np.int64)


def _halves(digests: pa.Array) -> Digests:
    """Return the first 64 bits of digests, as they lie in memory."""
    wide = digests.cast(_BYTES)
    halves = np.frombuffer(wide.buffers()[1], np.uint64)[::2]
    return halves[wide.offset : wide.offset + len(wide)]
