"""LightGBM's own data set, filled a batch of rows at a time: one byte a value, or less.

Bins come from 200,000 rows drawn by LightGBM, whose row numbers it asks for one after the other;
then every batch is binned and let go. There is never a matrix of floating point numbers of all
rows. The bins, and so the trees, are those that LightGBM finds in such a matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from training.dataset import Columns, Dataset

Vector = NDArray[np.float64]
ROWS_AT_ONCE = 16_384


def binned(
    rows: Dataset,
    names: Sequence[str],
    label: Vector,
    parameters: Mapping[str, object],
    init_score: Vector | None = None,
) -> lgb.Dataset:
    """Return ``rows`` × ``names`` as LightGBM holds them.

    Args:
        rows: read twice, from first to last.
        names: columns, in the order of the model's inputs.
        label: shape (n,).
        parameters: those of the training, ``bin_seed`` among them.
        init_score: where trees start from, shape (n,).
    """
    data = lgb.Dataset(_Rows(rows, names), label, init_score=init_score, params=dict(parameters))
    return data.construct()


def bin_seed(seed: int) -> dict[str, object]:
    """Return the parameter that LightGBM would derive from ``seed`` to draw the rows of its bins.

    It derives it for data in memory only: of data in batches, ``seed`` is not told to whatever
    draws. As in ``Config::Set`` and ``utils/random.h`` of LightGBM 4.7.

    >>> bin_seed(0)
    {'data_random_seed': 38}
    """
    state = (214_013 * seed + 2_531_011) % 2**32
    return {"data_random_seed": ((state >> 16) & 0x7FFF) % 0x7FFF}


class _Rows(lgb.Sequence):
    """Rows that are asked for in rising order: some one by one, then all in batches."""

    batch_size = ROWS_AT_ONCE

    _first: int
    _chunk: Vector
    _coming: Iterator[Columns]

    def __init__(self, rows: Dataset, names: Sequence[str]) -> None:
        self._rows, self._names = rows, list(names)
        self._start()

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: int | slice | list[int]) -> Vector:
        if isinstance(at, slice):
            return np.concatenate([*self._between(at.start, at.stop)])
        if isinstance(at, list):
            return np.array([self[one] for one in at])
        self._reach(int(at))
        return self._chunk[at - self._first].copy()  # a view would keep the whole chunk

    def _between(self, start: int, stop: int) -> Iterator[Vector]:
        while start < stop:
            self._reach(start)
            part = self._chunk[start - self._first : stop - self._first]
            start += len(part)
            yield part

    def _reach(self, row: int) -> None:
        """Read on until the chunk at hand holds ``row``; from the start where it lies behind."""
        if row < self._first:
            self._start()
        while row >= self._first + len(self._chunk):
            self._first += len(self._chunk)
            columns = next(self._coming)
            self._chunk = np.column_stack([columns[name] for name in self._names])

    def _start(self) -> None:
        self._first, self._chunk = 0, np.empty((0, len(self._names)))
        self._coming = self._rows.batches(self._names)
