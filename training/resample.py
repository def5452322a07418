"""The order metrics of many resamples of the same customers, for several forecasts at once.

Each resample is a row of counts: how often each customer was drawn. All forecasts are measured on
the same resamples, so that their differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from training.metrics import descending

Vector = NDArray[np.float64]
Counts = NDArray[np.float64]
CELLS_AT_ONCE = 500_000
"""Counts held in memory at once: 4 MB, which caches hold."""


def resampled_auc(
    y: Vector, forecasts: Sequence[Vector], resamples: int, seed: int
) -> NDArray[np.float64]:
    """Return the AUC of every forecast on every resample, shape (resamples, n_forecasts).

    Args:
        y: 1 for churned, 0 for stayed.
        forecasts: scores of the same customers; the higher, the likelier to leave.
        resamples: how many.
        seed: of the draws.
    """
    return drawn_figures([_auc_of(y, scores) for scores in forecasts], len(y), resamples, seed)


def resampled_gini(
    y: Vector, forecasts: Sequence[Vector], resamples: int, seed: int
) -> NDArray[np.float64]:
    """Return the normalised Gini of every forecast on every resample.

    Args:
        y: money, at least 0.
        forecasts: expected money of the same customers.
        resamples: how many.
        seed: of the draws.
    """
    perfect = _gini_of(y, y)
    ginis = [_gini_of(y, scores) for scores in forecasts]

    def normalised(own: Callable[[Counts], Vector]) -> Callable[[Counts], Vector]:
        return lambda counts: own(counts) / perfect(counts)

    return drawn_figures([normalised(one) for one in ginis], len(y), resamples, seed)


def drawn_figures(
    metrics: Sequence[Callable[[Counts], Vector]], n: int, resamples: int, seed: int
) -> NDArray[np.float64]:
    """Return every figure on every resample of ``n`` customers, shape (resamples, n_figures).

    Args:
        metrics: from counts, shape (n, some resamples), to the figure of each resample.
        n: customers.
        resamples: how many.
        seed: of the draws.
    """
    blocks = [
        np.column_stack([metric(counts) for metric in metrics])
        for counts in _draws(n, resamples, np.random.default_rng(seed))
    ]
    return np.concatenate(blocks)


def _draws(n: int, resamples: int, rng: np.random.Generator) -> Iterator[Counts]:
    """Yield counts of ``n`` draws with replacement, shape (n, some of the resamples).

    A customer's counts lie beside each other, so that customers are put in order row by row.
    """
    columns = max(CELLS_AT_ONCE // n, 1)
    for start in range(0, resamples, columns):
        size = min(columns, resamples - start)
        drawn = rng.integers(0, n, (n, size), dtype=np.int32).astype(np.int64)
        counts = np.bincount((drawn * size + np.arange(size)).ravel(), minlength=n * size)
        yield counts.reshape(n, size).astype(np.float64)


def _auc_of(y: Vector, scores: Vector) -> Callable[[Counts], Vector]:
    """Return the AUC as a function of counts; ties count half."""
    order = np.argsort(scores, kind="stable")
    groups = np.flatnonzero(np.append(True, np.diff(scores[order]) != 0))
    left = (y[order] > 0)[:, None]

    def area(counts: Counts) -> Vector:
        drawn = counts[order]
        all_churners = drawn * left
        churners = _summed(all_churners, groups)
        stayers = _summed(drawn, groups) - churners
        below = np.cumsum(stayers, axis=0) - stayers / 2.0
        pairs = churners.sum(axis=0) * stayers.sum(axis=0)
        return _ratio(np.einsum("ij,ij->j", churners, below), pairs)

    return area


def _summed(rows: Counts, groups: NDArray[np.int64]) -> Counts:
    """Return the sums of rows that are tied; ``groups`` are where each tie begins."""
    return rows if len(groups) == len(rows) else np.add.reduceat(rows, groups, axis=0)


def _gini_of(y: Vector, scores: Vector) -> Callable[[Counts], Vector]:
    """Return the Gini as a function of counts; a customer drawn k times stands k times in a row.

    Of the k cumulated sums of such a customer, each is ``before + j · money``, j from 1 to k.
    """
    order = descending(scores)
    money = y[order][:, None]

    def gini(counts: Counts) -> Vector:
        drawn = counts[order]
        held = np.cumsum(drawn * money, axis=0)
        middle = held - money * (drawn - 1.0) / 2.0
        shares = np.einsum("ij,ij->j", drawn, middle)
        return 2.0 * _ratio(shares, drawn.sum(axis=0) * held[-1]) - 1.0

    return gini


def _ratio(part: Vector, whole: Vector) -> Vector:
    """Return part / whole, NaN where a resample has nothing to measure."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
