"""The season in log ratios of what came to what was expected, drawn towards none.

Observed are periods of 28 days, thirteen to a year, counted back from a cutoff. Each log ratio is

    season(period of the year) + shock(period) + bias(steps ahead) + level + noise,

all normal around 0; the season follows its neighbours in the cycle of the year (an Ornstein-
Uhlenbeck covariance), its spread is the one most likely given the ratios (empirical Bayes). So
where a company has no season, or records say little of it, the estimate is close to 0.

References:
    Rasmussen, Williams (2006), Gaussian Processes for Machine Learning, eq. (2.23) and (2.30).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Whole = NDArray[np.int64]

PERIOD_DAYS = 28
PERIODS = 13
"""Periods a year: 364 days, whole weeks."""
SPREADS = (0.001, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6)
"""Standard deviations of the season that are weighed against each other."""
USUAL_SPREAD = 0.15
SHOCK = 0.08
"""Standard deviation of what befalls one period of one year and is no season."""
STEP, LEVEL = 0.1, 0.1
"""Standard deviations of the bias a number of steps ahead, and of the level of all."""
NEIGHBOURS = 1.5
"""Periods over which the correlation of the season falls to 1/e."""


def season(period: Whole, step: Whole, log_ratio: Vector, variance: Vector) -> Vector:
    """Return the season's log effects, shape (13,): entry ``s`` is ``s`` periods ahead.

    Args:
        period: 0 for the 28 days up to the cutoff, -1 for those before, and so on.
        step: how many periods ahead of its own cutoff a ratio was expected.
        log_ratio: log of what came over what was expected.
        variance: of the noise in each.
    """
    if len(log_ratio) == 0:
        return np.zeros(PERIODS)
    of_year = (period - 1) % PERIODS
    around = _around_the_year()
    others = SHOCK**2 * _same(period) + STEP**2 * _same(step) + np.diag(variance) + LEVEL**2
    shape = around[np.ix_(of_year, of_year)]
    spread = _likeliest(shape, others, log_ratio, SPREADS)
    weights = np.linalg.solve(spread**2 * shape + others, log_ratio)
    effects: Vector = spread**2 * around[:, of_year] @ weights
    return effects


def _around_the_year() -> Vector:
    apart = np.abs(np.subtract.outer(np.arange(PERIODS), np.arange(PERIODS)))
    return np.exp(-np.minimum(apart, PERIODS - apart) / NEIGHBOURS)


def _same(values: Whole) -> Vector:
    return np.equal.outer(values, values).astype(float)


def _likeliest(shape: Vector, others: Vector, y: Vector, spreads: Sequence[float]) -> float:
    """Return the spread of the season with the highest posterior density."""

    def density(spread: float) -> float:
        root = np.linalg.cholesky(spread**2 * shape + others)
        white = np.linalg.solve(root, y)
        usual = math.log(max(spread, 0.02) / USUAL_SPREAD)
        return float(-0.5 * white @ white - np.log(np.diag(root)).sum() - 0.5 * usual**2)

    return max(spreads, key=density)
