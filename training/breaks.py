"""Natural breaks: K-means centres of values on a line, found exactly, with no start to choose.

On a line the best groups are neighbours, so a table over "the first j values in k groups" holds the
best of all (Wang and Song 2011, Ckmeans.1d.dp, The R Journal 3(2)). Many values are first counted
in narrow bins; what the bins blur, steps of Lloyd's algorithm on all values put right.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
BINS = 512
LLOYD_STEPS = 100


def centres_of(values: Vector, groups: int) -> Vector:
    """Return the rising centres of the ``groups`` groups that lie closest about their means.

    Args:
        values: of shape (n,); at least ``groups`` different ones.
        groups: how many.

    >>> centres_of(np.array([0.0, 1.0, 10.0, 11.0]), 2)
    array([ 0.5, 10.5])
    """
    ordered = np.sort(values)
    centres = _best_of_bins(*_binned(ordered), groups)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    for _ in range(LLOYD_STEPS):
        cuts = np.searchsorted(ordered, (centres[1:] + centres[:-1]) / 2.0)
        ends = np.concatenate([[0], cuts, [len(ordered)]])
        if (np.diff(ends) == 0).any():
            break
        moved = np.diff(sums[ends]) / np.diff(ends)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return np.asarray(centres, dtype=np.float64)


def _binned(ordered: Vector) -> tuple[Vector, Vector]:
    """Return different values, or the means of bins, and how many values each stands for."""
    unique, counts = np.unique(ordered, return_counts=True)
    if len(unique) <= BINS:
        return unique, counts.astype(np.float64)
    even = np.linspace(ordered[0], ordered[-1], BINS // 2)
    edges = np.unique(np.concatenate([even, unique[:: len(unique) // (BINS // 2)]]))
    place = np.searchsorted(edges, ordered, side="right")
    weights = np.bincount(place).astype(np.float64)
    sums = np.bincount(place, weights=ordered)
    held = weights > 0
    return sums[held] / weights[held], weights[held]


def _best_of_bins(means: Vector, weights: Vector, groups: int) -> Vector:
    """Return the centres of the best groups of neighbouring bins."""
    n = len(means)
    middle = float(np.average(means, weights=weights))
    moments = [weights * (means - middle) ** power for power in range(3)]
    w, s, q = (np.concatenate([[0.0], np.cumsum(moment)]) for moment in moments)
    first, last = np.arange(n)[:, None], np.arange(1, n + 1)[None, :]
    held = np.where(last > first, w[last] - w[first], 1.0)
    spread = q[last] - q[first] - (s[last] - s[first]) ** 2 / held
    cost = np.where(last > first, spread, np.inf)
    best, cuts = cost[0], []
    for _ in range(groups - 1):
        through = np.concatenate([[np.inf], best[:-1]])[:, None] + cost
        cuts.append(through.argmin(axis=0))
        best = through.min(axis=0)
    ends = [n]
    for cut in reversed(cuts):
        ends.append(int(cut[ends[-1] - 1]))
    bounds = np.array([0, *reversed(ends)])
    return middle + np.diff(s[bounds]) / np.diff(w[bounds])
