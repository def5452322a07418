"""The figures that models are judged by; y is what happened, p what was predicted.

All are functions of two arrays of one length. Ties in p are broken by a fixed seeded random key,
never by input order, so a constant prediction scores what chance scores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc

Vector = NDArray[np.float64]
TIE_SEED = 20070601


def descending(p: ArrayLike) -> NDArray[np.int64]:
    """Return the order of ``p`` from the highest, ties in a fixed random order."""
    scores = np.asarray(p, dtype=float)
    key = np.random.default_rng(TIE_SEED).permutation(len(scores))
    return np.lexsort((key, -scores))


def gini(y: ArrayLike, p: ArrayLike) -> float:
    """Return 2 · mean(cumulative share of Σy, sorted by p descending) − 1."""
    ordered = np.asarray(y, dtype=float)[descending(p)]
    total = ordered.sum()
    return float(2.0 * np.mean(np.cumsum(ordered) / total) - 1.0) if total > 0 else 0.0


def normalised_gini(y: ArrayLike, p: ArrayLike) -> float:
    """Return the Gini of p over that of a perfect order: 1 is perfect, 0 is chance.

    >>> round(normalised_gini([0, 1, 2, 3], [0, 10, 20, 30]), 6)
    1.0
    """
    best = gini(y, y)
    return gini(y, p) / best if best > 0 else 0.0


def captured(y: ArrayLike, p: ArrayLike, share: float) -> float:
    """Return the part of Σy held by the ⌊share · n⌋ customers with the highest p (topK)."""
    y = np.asarray(y, dtype=float)
    total = y.sum()
    top = descending(p)[: int(share * len(y))]
    return float(y[top].sum() / total) if total > 0 else 0.0


def bias(y: ArrayLike, p: ArrayLike) -> float:
    """Return Σp / Σy − 1: +0.1 says a tenth too much in all; NaN where Σy is 0."""
    total = float(np.sum(y))
    return float(np.sum(p)) / total - 1.0 if total > 0 else float("nan")


def mean_absolute_error(y: ArrayLike, p: ArrayLike) -> float:
    """Return mean |p − y|."""
    return float(np.mean(np.abs(np.asarray(p, dtype=float) - np.asarray(y, dtype=float))))


def root_mean_squared_error(y: ArrayLike, p: ArrayLike) -> float:
    """Return √ mean (p − y)²."""
    return float(np.sqrt(np.mean((np.asarray(p, dtype=float) - np.asarray(y, dtype=float)) ** 2)))


def equal_bins(p: ArrayLike, count: int) -> list[NDArray[np.int64]]:
    """Return ``count`` groups of positions, equal in size to one, from the lowest p up."""
    return [part for part in np.array_split(descending(p)[::-1], count) if len(part)]


def decile_error(y: ArrayLike, p: ArrayLike) -> float:
    """Return dMAPE: mean over ten equal bins of |mean p − mean y| / mean y, y = 0 left out."""
    y, p = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    errors = [abs(p[i].mean() / y[i].mean() - 1.0) for i in equal_bins(p, 10) if y[i].mean() > 0]
    return float(np.mean(errors)) if errors else float("nan")


def calibration_error(y: ArrayLike, p: ArrayLike, bins: int = 15) -> float:
    """Return ECE: Σ n_b / n · |mean y − mean p| over equal-count bins of p."""
    y, p = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    gaps = [len(i) * abs(y[i].mean() - p[i].mean()) for i in equal_bins(p, bins)]
    return float(np.sum(gaps) / len(y))


def brier(y: ArrayLike, p: ArrayLike) -> float:
    """Return mean (p − y)²."""
    return float(np.mean((np.asarray(p, dtype=float) - np.asarray(y, dtype=float)) ** 2))


def log_loss(y: ArrayLike, p: ArrayLike) -> float:
    """Return −mean log-likelihood in nats, p kept 1e-15 away from 0 and 1."""
    y = np.asarray(y, dtype=float)
    likely = np.clip(np.asarray(p, dtype=float), 1e-15, 1.0 - 1e-15)
    return float(-np.mean(y * np.log(likely) + (1.0 - y) * np.log1p(-likely)))


def auc(y: ArrayLike, p: ArrayLike) -> float:
    """Return the chance that a churner scores above a stayer, ties as half; NaN with one class.

    >>> auc([0, 0, 1, 1], [.1, .2, .2, .9])
    0.875
    """
    from scipy.stats import rankdata

    y, p = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    positives = float(y.sum())
    negatives = len(y) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    rank_sum = float(rankdata(p)[y > 0].sum())
    return (rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives)


def top_decile_lift(y: ArrayLike, p: ArrayLike) -> float:
    """Return the churn rate of the ⌊n/10⌋ highest p over the base rate; NaN without churners."""
    y = np.asarray(y, dtype=float)
    top = descending(p)[: len(y) // 10]
    return float(y[top].mean() / y.mean()) if len(top) and y.sum() > 0 else float("nan")


def expected_maximum_profit(
    y: ArrayLike,
    p: ArrayLike,
    alpha: float = 6.0,
    beta: float = 14.0,
    value: float = 200.0,
    offer: float = 10.0,
    contact: float = 1.0,
) -> float:
    """Return EMPC in money per customer (Verbraken, Verbeke, Baesens 2013, eq. 19).

    The share γ of would-be churners who accept an offer is Beta(alpha, beta); targeting follows
    the best point of the ROC convex hull for each γ.
    """
    y = np.asarray(y, dtype=float)
    churners, stayers = _roc_hull(y, np.asarray(p, dtype=float))
    rate = float(y.mean())
    if rate in (0.0, 1.0):
        return float("nan")
    delta, phi = offer / value, contact / value
    cost = (1.0 - rate) * (delta + phi)
    with np.errstate(divide="ignore"):
        slopes = np.diff(stayers) / np.diff(churners)
    steps = (cost * slopes / rate + phi) / (1.0 - delta)
    edges = np.clip(np.concatenate([[0.0], steps, [1.0]]), 0.0, 1.0)
    mass = np.diff(betainc(alpha, beta, edges))
    accepted = alpha / (alpha + beta) * np.diff(betainc(alpha + 1.0, beta, edges))
    gain = (1.0 - delta) * accepted * rate * churners
    lost = (phi * rate * churners + cost * stayers) * mass
    return float(value * np.sum(gain - lost))


def _roc_hull(y: Vector, p: Vector) -> tuple[Vector, Vector]:
    """Return the hull's shares of churners and of stayers reached, from (0, 0) to (1, 1)."""
    order = np.argsort(-p, kind="stable")
    last = np.append(np.diff(p[order]) != 0, True)
    churners = np.append(0.0, np.cumsum(y[order])[last]) / max(y.sum(), 1.0)
    stayers = np.append(0.0, np.cumsum(1.0 - y[order])[last]) / max((1.0 - y).sum(), 1.0)
    hull: list[int] = []
    for i in range(len(churners)):
        while len(hull) > 1 and _turns_up(stayers, churners, hull[-2], hull[-1], i):
            hull.pop()
        hull.append(i)
    return churners[hull], stayers[hull]


def _turns_up(x: Vector, y: Vector, i: int, j: int, k: int) -> bool:
    return bool((y[j] - y[i]) * (x[k] - x[i]) <= (y[k] - y[i]) * (x[j] - x[i]))
