"""How far actual value strays from expected value: split-conformal intervals.

The factor actual / expected is measured on customers of a later period than the model was
trained on, in bins of expected value. Bounds in money rise with expected value.

Reference: Lei, G'Sell, Rinaldo, Tibshirani, Wasserman (2018), Distribution-free predictive
inference for regression, JASA 113, section 2.2.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from training.metrics import equal_bins

Vector = NDArray[np.float64]
Source = Literal["out_of_time", "cross_validated", "none"]

BINS_AT_MOST = 10
ROWS_PER_BIN = 100
FEWEST_ROWS = 20


class Intervals(BaseModel):
    """Frozen interval bounds; JSON by ``model_dump_json``.

    Attributes:
        level: intended coverage, such as 0.8.
        knots: expected value at each bin's middle, rising.
        low, median, high: money at the knots, rising.
        source: whose errors were measured; ``none`` gives no interval (NaN).
        is_pooled: whether all customers share one factor, too few for bins.
        n: customers measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float
    knots: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    median: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    source: Source = "none"
    is_pooled: bool = False
    n: int = 0

    @classmethod
    def fit(
        cls, expected: ArrayLike, actual: ArrayLike, level: float, source: Source = "out_of_time"
    ) -> Intervals:
        """Return intervals that cover ``level`` of customers like these.

        Args:
            expected: predicted money, positive.
            actual: what came, at least 0.
            level: coverage, 0 to 1.
            source: whether the customers are of a later period than the model's.
        """
        p = np.maximum(np.asarray(expected, dtype=float), np.finfo(float).tiny)
        y = np.maximum(np.asarray(actual, dtype=float), 0.0)
        if len(p) < FEWEST_ROWS:
            return cls(level=level, n=len(p))
        count = min(BINS_AT_MOST, max(len(p) // ROWS_PER_BIN, 1))
        bins = equal_bins(p, count)
        knots = np.array([np.median(p[i]) for i in bins])
        factors = np.array([_factors(y[i] / p[i], level) for i in bins])
        low, median, high = np.maximum.accumulate(factors * knots[:, None]).T
        return cls(
            level=level,
            knots=tuple(knots.tolist()),
            low=tuple(low.tolist()),
            median=tuple(median.tolist()),
            high=tuple(high.tolist()),
            source=source,
            is_pooled=count == 1,
            n=len(p),
        )

    def bounds(self, expected: ArrayLike) -> tuple[Vector, Vector, Vector]:
        """Return low, high and median money for each expected value; NaN without a source.

        ``0 ≤ low ≤ median ≤ high`` and ``low ≤ expected ≤ high``; each rises with expected value.
        """
        p = np.asarray(expected, dtype=float)
        if self.source == "none":
            return np.full(len(p), np.nan), np.full(len(p), np.nan), np.full(len(p), np.nan)
        median = self._between(self.median, p)
        low = np.minimum(np.minimum(self._between(self.low, p), median), p)
        high = np.maximum(np.maximum(self._between(self.high, p), median), p)
        return low, high, median

    def _between(self, money: tuple[float, ...], p: Vector) -> Vector:
        """Return straight lines through (0, 0) and the knots; past the last, its factor."""
        inside = np.interp(p, (0.0, *self.knots), (0.0, *money))
        return np.where(p > self.knots[-1], p * (money[-1] / self.knots[-1]), inside)


def coverage_of_others(expected: ArrayLike, actual: ArrayLike, level: float) -> float | None:
    """Return the share covered by intervals that other customers taught; ``None`` if too few.

    Every other customer teaches, the rest are counted, and the other way round. The intervals
    that are served learn from all of them, whom they cover by construction.
    """
    p, y = np.asarray(expected, dtype=float), np.maximum(np.asarray(actual, dtype=float), 0.0)
    if len(p) < 2 * FEWEST_ROWS:
        return None
    even = np.arange(len(p)) % 2 == 0
    inside = np.zeros(len(p), dtype=bool)
    for taught in (even, ~even):
        low, high, _ = Intervals.fit(p[taught], y[taught], level).bounds(p[~taught])
        inside[~taught] = (low <= y[~taught]) & (y[~taught] <= high)
    return float(inside.mean())


def _factors(ratios: Vector, level: float) -> tuple[float, float, float]:
    """Return the conformal low, the median and the conformal high of actual / expected.

    Where so many bring nothing that the low end is 0, nobody can fall below it, and all that may
    be missed is missed above.
    """
    ratios = np.sort(ratios)
    n, tail = len(ratios), (1.0 - level) / 2.0
    place = math.floor((n + 1) * tail) - 1
    low = float(ratios[place]) if place >= 0 else 0.0
    upper = 1.0 - tail if low > 0.0 else level
    high = min(math.ceil((n + 1) * upper) - 1, n - 1)
    return low, float(np.median(ratios)), max(float(ratios[high]), float(np.median(ratios)))
