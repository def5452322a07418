"""Arrow columns as NumPy arrays: without pandas, which Arrow's own way loads, and hardly copied."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[Any]


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece; it is copied only where it is in several."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def present(array: pa.Array) -> Flags:
    """Return which values are not null.

    >>> present(pa.array([7, None, 9])[1:]).tolist()
    [False, True]
    """
    if array.null_count == 0:
        return np.ones(len(array), np.bool_)
    return _bits(array, 0)


def true(array: pa.BooleanArray) -> Flags:
    """Return which values are true.

    >>> true(pa.array([False, True, None, True])).tolist()
    [False, True, False, True]
    """
    if len(array) == 0:
        return np.zeros(0, np.bool_)
    return _bits(array, 1) & present(array) if array.null_count else _bits(array, 1)


def numbers(array: pa.Array) -> Numbers:
    """Return numbers, 0 for null.

    >>> numbers(pa.array([7, None, 9])).tolist()
    [7, 0, 9]
    """
    if array.null_count == 0:
        return np.asarray(array.to_numpy())
    bare = pa.Array.from_buffers(
        array.type, len(array), [None, array.buffers()[1]], offset=array.offset
    ).to_numpy()
    return np.where(present(array), bare, bare.dtype.type(0))


def _bits(array: pa.Array, buffer: int) -> Flags:
    packed = np.frombuffer(array.buffers()[buffer], np.uint8)
    bits = np.unpackbits(packed, count=array.offset + len(array), bitorder="little")
    return bits[array.offset :].view(np.bool_)
