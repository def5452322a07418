"""The look-up of ``training/treeshap.py`` compiled by Numba, to measure what it would bring.

Zero as a missing value is left out; the product's models have none.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numba
import numpy as np

from training.treeshap import TreeShap

ROWS_AT_ONCE = 64


def compiled(tables: TreeShap, threads: int) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
    """Return the explaining function, and the seconds of its first call."""
    began = time.perf_counter()
    numba.set_num_threads(threads)
    look_up = numba.njit(parallel=True)(_look_up)
    flat = _flat(tables)

    def explain(X: np.ndarray) -> np.ndarray:
        shap = np.zeros((len(X), tables.n_features))
        look_up(X, *flat, shap)
        return shap

    explain(np.zeros((1, tables.n_features)))
    return explain, time.perf_counter() - began


def _flat(tables: TreeShap) -> tuple[np.ndarray, ...]:
    """Return the questions of every table and the columns of every table, one after the other."""
    asked, asked_ends, features, starts, value_ends, columns = [], [0], [], [], [0], []
    offset = 0
    for batch in tables.batches:
        feature = np.repeat(batch.features, np.diff(batch.total.indptr))
        for table in range(len(batch.asked[0])):
            asked += [splits[table] for splits in batch.asked if len(splits) > table]
            asked_ends.append(len(asked))
            mine = np.flatnonzero(batch.table == table)
            features += list(feature[mine])
            starts += list(batch.start[mine, 0] + offset)
            value_ends.append(len(features))
        columns.append(batch.columns)
        offset += len(batch.columns)
    splits = tables.splits
    goes_left = np.arange(len(splits.feature)) < splits.n_nan_left
    return (
        splits.feature[asked],
        splits.threshold[asked],
        goes_left[asked],
        *map(np.array, (asked_ends, features, starts, value_ends)),
        np.concatenate(columns),
    )


def _look_up(
    X, feature, threshold, nan_left, asked_ends, features, starts, value_ends, columns, shap
) -> None:
    for block in numba.prange((len(X) + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE):
        first = block * ROWS_AT_ONCE
        for table in range(len(asked_ends) - 1):
            for row in range(first, min(first + ROWS_AT_ONCE, len(X))):
                index = 0
                for k in range(asked_ends[table], asked_ends[table + 1]):
                    x = X[row, feature[k]]
                    left = nan_left[k] if np.isnan(x) else x <= threshold[k]
                    index |= int(left) << (k - asked_ends[table])
                for value in range(value_ends[table], value_ends[table + 1]):
                    shap[row, features[value]] += columns[starts[value] + index]
