"""Arrow columns as NumPy arrays and back: without pandas, which Arrow's own ways load."""

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
    kind = np.dtype(f"{_letter(array.type)}{array.type.byte_width}")
    if len(array) == 0:
        return np.zeros(0, kind)
    start = array.offset * kind.itemsize
    bare = np.frombuffer(array.buffers()[1], kind, len(array), start)
    return np.where(present(array), bare, kind.type(0)) if array.null_count else bare


def arrow(values: Numbers, missing: Flags | None = None) -> pa.Array:
    """Return whole numbers or fractions as an Arrow array.

    >>> arrow(np.array([7, 8, 9]), missing=np.array([False, True, False])).to_pylist()
    [7, None, 9]
    """
    there = None
    if missing is not None and missing.any():
        there = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [there, data])


def _letter(kind: pa.DataType) -> str:
    """Return what NumPy calls ``kind``."""
    if pa.types.is_floating(kind):
        return "f"
    return "u" if pa.types.is_unsigned_integer(kind) else "i"


def _bits(array: pa.Array, buffer: int) -> Flags:
    packed = np.frombuffer(array.buffers()[buffer], np.uint8)
    bits = np.unpackbits(packed, count=array.offset + len(array), bitorder="little")
    return bits[array.offset :].view(np.bool_)
