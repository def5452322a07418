"""Two models on the same customers: what differs, and how surely.

The interval is the percentile bootstrap over customers (Efron and Tibshirani 1993, ch. 13); each
resample draws the same customers for both models, so what is hard for both cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training import metrics
from training.resample import drawn_figures, resampled_auc, resampled_gini

Vector = NDArray[np.float64]
Figure = Callable[[Vector, Vector], float]
Counted = Callable[[Vector], Vector]

SEED = 0
LEVEL = 0.9
FEWEST_RESAMPLES, MOST_RESAMPLES = 60, 400
CUSTOMERS_DRAWN = 4_000_000
"""Customers drawn over all resamples; many customers need few resamples."""

FIGURES: dict[str, dict[str, Figure]] = {
    "churn": {
        "auc": metrics.auc,
        "brier": metrics.brier,
        "log_loss": metrics.log_loss,
        "ece15": metrics.calibration_error,
    },
    "clv": {
        "ngini": metrics.normalised_gini,
        "mae": metrics.mean_absolute_error,
        "bias": metrics.bias,
    },
}
MAIN = {"churn": "auc", "clv": "ngini"}
"""The figure of each target that decides."""


@dataclass(frozen=True)
class Duel:
    """One figure of two models on the same customers.

    Attributes:
        metric: its name.
        champion, challenger: NaN where it cannot be computed, as with one class only.
        low, high: bounds of challenger minus champion that hold 90 % of resamples.
    """

    metric: str
    champion: float
    challenger: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """Challenger minus champion."""
        return self.challenger - self.champion


def duel(metric: str, target: str, y: Vector, champion: Vector, challenger: Vector) -> Duel:
    """Return one figure of both models and the bounds of its difference.

    Args:
        metric: a key of ``FIGURES[target]``.
        target: ``churn`` or ``clv``.
        y: what came after, shape (n,).
        champion: predictions of the champion, in the order of ``y``.
        challenger: those of the challenger.
    """
    drawn = _drawn(metric, y, [champion, challenger])
    low, high = _bounds(drawn[:, 1] - drawn[:, 0])
    figure = FIGURES[target][metric]
    return Duel(metric, figure(y, champion), figure(y, challenger), low, high)


def interval(metric: str, target: str, y: Vector, p: Vector) -> tuple[float, float, float]:
    """Return one figure of one model with the bounds that hold 90 % of resamples."""
    low, high = _bounds(_drawn(metric, y, [p])[:, 0])
    return FIGURES[target][metric](y, p), low, high


def resamples(n: int) -> int:
    """Return how many resamples ``n`` customers get: fewer of more.

    >>> resamples(500), resamples(20_000), resamples(1_000_000)
    (400, 200, 60)
    """
    return int(np.clip(CUSTOMERS_DRAWN // max(n, 1), FEWEST_RESAMPLES, MOST_RESAMPLES))


def _drawn(metric: str, y: Vector, forecasts: Sequence[Vector]) -> Vector:
    """Return the figure of every forecast on every resample, shape (resamples, n_forecasts)."""
    n = len(y)
    if metric == "auc":
        return resampled_auc(y, forecasts, resamples(n), SEED)
    if metric == "ngini":
        return resampled_gini(np.maximum(y, 0.0), forecasts, resamples(n), SEED)
    return drawn_figures([COUNTED[metric](y, p) for p in forecasts], n, resamples(n), SEED)


def _mean_of(loss: Callable[[Vector, Vector], Vector]) -> Callable[[Vector, Vector], Counted]:
    def of(y: Vector, p: Vector) -> Counted:
        losses = loss(y, p)
        return lambda counts: losses @ counts / len(losses)

    return of


def _log_losses(y: Vector, p: Vector) -> Vector:
    likely = np.clip(p, 1e-15, 1.0 - 1e-15)
    return -(y * np.log(likely) + (1.0 - y) * np.log1p(-likely))


def _bias_of(y: Vector, p: Vector) -> Counted:
    def bias(counts: Vector) -> Vector:
        total = y @ counts
        of_all = np.full(len(total), np.nan)
        return np.divide(p @ counts, total, out=of_all, where=total > 0) - 1.0

    return bias


def _calibration_of(y: Vector, p: Vector) -> Counted:
    """Return ECE by counts; the bins stay those of all customers."""
    bins = metrics.equal_bins(p, 15)

    def error(counts: Vector) -> Vector:
        gaps = [np.abs((y[rows] - p[rows]) @ counts[rows]) for rows in bins]
        return np.asarray(np.sum(gaps, axis=0) / len(y))

    return error


COUNTED: dict[str, Callable[[Vector, Vector], Counted]] = {
    "brier": _mean_of(lambda y, p: (p - y) ** 2),
    "log_loss": _mean_of(_log_losses),
    "ece15": _calibration_of,
    "mae": _mean_of(lambda y, p: np.abs(p - y)),
    "bias": _bias_of,
}
"""From outcomes and predictions to a figure as a function of how often each customer is drawn."""


def _bounds(drawn: Vector) -> tuple[float, float]:
    """Return the bounds that hold ``LEVEL`` of the resamples; NaN where none has a figure."""
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return float("nan"), float("nan")
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(known, [tail, 1.0 - tail])
    return float(low), float(high)
