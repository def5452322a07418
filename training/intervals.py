"""How far actual value strays from expected value: conformal intervals, tier by tier.

The factor actual / expected is measured on customers of a later period than the model was
trained on, in bins of expected value inside each tier. One level per tier is then moved until the
bounds, as they will be served, cover the intended share *of that tier*: where hardly anybody comes
back, "nothing" alone covers more than was asked for, and the others of the tier are told less.

References: Lei, G'Sell, Rinaldo, Tibshirani, Wasserman (2018), Distribution-free predictive
inference for regression, JASA 113, section 2.2. Vovk, Gammerman, Shafer (2005), Algorithmic
learning in a random world, section 4.5 (Mondrian). Tibshirani, Foygel Barber, Candès, Ramdas
(2019), Conformal prediction under covariate shift, NeurIPS, eq. 7 (weights).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from training.metrics import equal_bins

Vector = NDArray[np.float64]
Rows = NDArray[np.int64]
Source = Literal["out_of_time", "cross_validated", "none"]

BINS_AT_MOST = 10
"""Bins inside one tier."""
ROWS_PER_BIN = 100
FEWEST_ROWS = 20
SWEEPS = 3
"""Times that every tier's level is found again, as bounds between two tiers depend on both."""
HALVINGS = 12


class Intervals(BaseModel):
    """Frozen interval bounds; JSON by ``model_dump_json``.

    Attributes:
        level: intended coverage, such as 0.8.
        knots: expected value at each bin's middle, rising.
        low, median, high: money at the knots, rising.
        source: whose errors were measured; ``none`` gives no interval (NaN).
        is_pooled: whether all customers share one factor, too few for bins.
        n: customers measured.
        thresholds: the policy's, money, rising; empty where all are one group.
        pooled: for each tier, the lowest first, whether it was too small to be measured alone and
            borrowed from its neighbour.
        in_tier: customers measured in each tier.
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
    thresholds: tuple[float, ...] = ()
    pooled: tuple[bool, ...] = ()
    in_tier: tuple[int, ...] = ()

    @classmethod
    def fit(
        cls,
        expected: ArrayLike,
        actual: ArrayLike,
        level: float,
        source: Source = "out_of_time",
        thresholds: Sequence[float] = (),
        present: ArrayLike | None = None,
    ) -> Intervals:
        """Return intervals that cover ``level`` of customers like these, tier by tier.

        Args:
            expected: predicted money, positive.
            actual: what came, at least 0.
            level: coverage, 0 to 1.
            source: whether the customers are of a later period than the model's.
            thresholds: of the tiers, in money, rising.
            present: expected values of the customers that bounds will be given to; the measured
                ones count as often as there are such customers now.
        """
        p = np.maximum(np.asarray(expected, dtype=float), np.finfo(float).tiny)
        y = np.maximum(np.asarray(actual, dtype=float), 0.0)
        if len(p) < FEWEST_ROWS:
            return cls(level=level, n=len(p))
        tier = tiers_of(p, thresholds)
        in_tier = np.bincount(tier, minlength=len(thresholds) + 1)
        groups = _groups(in_tier)
        bins = _bins(p, y, groups[tier])
        now = p if present is None else np.asarray(present, dtype=float)
        curves = _covering(p, y, _weights(p, now, bins), bins, groups[tier], level)
        knots, low, median, high = curves.T
        return cls(
            level=level,
            knots=tuple(knots.tolist()),
            low=tuple(low.tolist()),
            median=tuple(median.tolist()),
            high=tuple(high.tolist()),
            source=source,
            is_pooled=len(bins) == 1,
            n=len(p),
            thresholds=tuple(thresholds),
            pooled=tuple(bool(n < ROWS_PER_BIN) for n in in_tier),
            in_tier=tuple(int(n) for n in in_tier),
        )

    def bounds(self, expected: ArrayLike) -> tuple[Vector, Vector, Vector]:
        """Return low, high and median money for each expected value; NaN without a source.

        ``0 ≤ low ≤ median ≤ high``; each rises with expected value, which is never below
        ``low``. It may lie above ``high``: eight in ten bring nothing, two bring a lot.
        """
        p = np.asarray(expected, dtype=float)
        if self.source == "none":
            return np.full(len(p), np.nan), np.full(len(p), np.nan), np.full(len(p), np.nan)
        low, median, high = (
            _between(self.knots, money, p) for money in (self.low, self.median, self.high)
        )
        return low, high, median

    def is_pooled_at(self, expected: ArrayLike) -> NDArray[np.bool_]:
        """Return for each expected value whether its tier was too small to be measured alone."""
        p = np.asarray(expected, dtype=float)
        pooled = np.array(self.pooled or (self.is_pooled,))
        return pooled[tiers_of(p, self.thresholds if self.pooled else ())]


@dataclass(frozen=True)
class _Bin:
    """Customers of one tier with like expected values: its middle, and sorted factors."""

    group: int
    middle: float
    largest: float
    ratios: Vector


def tiers_of(expected: ArrayLike, thresholds: Sequence[float]) -> Rows:
    """Return the rank of each expected value's tier, 0 the lowest."""
    edges = np.asarray(thresholds, dtype=float)
    return np.searchsorted(edges, np.asarray(expected, dtype=float), side="right").astype(np.int64)


def _groups(in_tier: Rows) -> Rows:
    """Return for each tier the one it is measured with: itself, or its neighbour if too small.

    A tier that is too small joins the next lower one, the lowest the next higher.
    """
    home = np.arange(len(in_tier))
    for tier in range(len(home) - 1, 0, -1):
        if in_tier[home == home[tier]].sum() < ROWS_PER_BIN:
            home[home == home[tier]] = tier - 1
    if in_tier[home == home[0]].sum() < ROWS_PER_BIN and home.max() > home[0]:
        home[home == home[0]] = home[home > home[0]].min()
    return home


def _bins(p: Vector, y: Vector, group: Rows) -> list[_Bin]:
    """Return bins of expected value inside each group, the lowest first."""
    bins = []
    for one in np.unique(group):
        own = np.flatnonzero(group == one)
        count = min(BINS_AT_MOST, max(len(own) // ROWS_PER_BIN, 1))
        for part in equal_bins(p[own], count):
            rows = own[part]
            middle, largest = float(np.median(p[rows])), float(p[rows].max())
            bins.append(_Bin(int(one), middle, largest, np.sort(y[rows] / p[rows])))
    return sorted(bins, key=lambda one: one.middle)


def _weights(p: Vector, now: Vector, bins: list[_Bin]) -> Vector:
    """Return how often each measured customer counts: the share of such customers now and then."""
    edges = np.array([one.largest for one in bins[:-1]])
    then = np.searchsorted(edges, p)
    before, after = (
        np.bincount(rows, minlength=len(bins)) / len(rows)
        for rows in (then, np.searchsorted(edges, now))
    )
    weights: Vector = (after / np.maximum(before, 1.0 / len(p)))[then]
    return weights


def _covering(
    p: Vector, y: Vector, weights: Vector, bins: list[_Bin], group: Rows, level: float
) -> Vector:
    """Return knots × (middle, low, median, high) that cover ``level`` of every group.

    Each group's level is halved in on, with the bounds interpolated between bins and tiers as
    they will be served.
    """
    rows = {one: np.flatnonzero(group == one) for one in np.unique(group)}
    rows = {one: own for one, own in rows.items() if weights[own].sum() > 0}
    levels = dict.fromkeys(np.unique(group).tolist(), level)
    for _ in range(SWEEPS):
        for one, own in rows.items():
            asked = min(level * (1.0 + 1.0 / len(own)), 1.0)
            below, above = 0.0, 1.0
            for _ in range(HALVINGS):
                levels[one] = (below + above) / 2.0
                curves = _curves(bins, levels, level)
                inside = _inside(curves, p[own], y[own])
                enough = np.average(inside, weights=weights[own]) >= asked
                below, above = (below, levels[one]) if enough else (levels[one], above)
            levels[one] = above
    return _curves(bins, levels, level)


def _curves(bins: list[_Bin], levels: dict[int, float], level: float) -> Vector:
    factors = np.array([_factors(one.ratios, levels[one.group], level) for one in bins])
    middles = np.array([one.middle for one in bins])
    money = np.maximum.accumulate(factors * middles[:, None])
    return np.column_stack([middles, money])


def _inside(curves: Vector, p: Vector, y: Vector) -> NDArray[np.bool_]:
    low, high = (_between(curves[:, 0], curves[:, column], p) for column in (1, 3))
    return (low <= y) & (y <= high)


def _between(knots: Sequence[float] | Vector, money: Sequence[float] | Vector, p: Vector) -> Vector:
    """Return straight lines through (0, 0) and the knots; past the last, its factor."""
    inside = np.interp(p, np.concatenate([[0.0], knots]), np.concatenate([[0.0], money]))
    return np.where(p > knots[-1], p * (money[-1] / knots[-1]), inside)


def _factors(ratios: Vector, level: float, asked: float) -> tuple[float, float, float]:
    """Return the low, the median and the high of sorted actual / expected.

    Where so many bring nothing that the low end is 0, nobody can fall below it, and all that may
    be missed is missed above. A level under the one ``asked`` for takes from the high end alone,
    so that the low end goes on saying whether nothing may come. The low end is never above the
    expected value, as it would be where nearly all bring a little more and a few nothing.
    """
    n, tail = len(ratios), (1.0 - max(level, asked)) / 2.0
    place = math.floor((n + 1) * tail) - 1
    low = float(ratios[place]) if place >= 0 else 0.0
    upper = level + tail if low > 0.0 else level
    high = min(math.ceil((n + 1) * upper) - 1, n - 1)
    median = float(np.median(ratios))
    return min(low, median, 1.0), median, max(float(ratios[high]), median)
