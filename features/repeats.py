"""Rows that repeat an earlier one: found by short digests first, then by what they really say.

Half a digest takes eight bytes, so those of all rows are compared, some at a time; the long texts
behind them are read of the few rows alone whose digest another row has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

AT_ONCE = 1 << 24
"""Digests compared at a time."""
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
    found = [_sharing(path, row, digest, bits, part) for part in range(1 << bits)]
    return pa.array(np.sort(np.concatenate(found)), pa.int64())


def _sharing(path: Path, row: str, digest: str, bits: int, part: int) -> Rows:
    """Return the rows of the digests that start with the ``bits`` of ``part``."""
    parts = [digests[_is_of(digests, bits, part)] for _, digests in _batches(path, row, digest)]
    rising = np.sort(np.concatenate([np.zeros(0, np.uint64), *parts]))
    shared = np.unique(rising[1:][rising[1:] == rising[:-1]])
    if not len(shared):
        return np.zeros(0, np.int64)
    return np.concatenate(
        [rows[np.isin(digests, shared)] for rows, digests in _batches(path, row, digest)]
    )


def _is_of(digests: Digests, bits: int, part: int) -> npt.NDArray[np.bool_] | slice:
    return digests >> np.uint64(64 - bits) == part if bits else slice(None)


def _batches(path: Path, row: str, digest: str) -> Iterator[tuple[Rows, Digests]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1 << 20, columns=[row, digest]):
            wide = batch.column(digest).cast(_BYTES)
            halves = np.frombuffer(wide.buffers()[1], ">u8")[::2]
            first = halves[wide.offset : wide.offset + len(wide)].astype(np.uint64)
            yield batch.column(row).to_numpy(), first
