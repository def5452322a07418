"""What an action changed: both arms of a trial compared, with intervals that hold as they say.

Arms are compared as they were drawn (intention to treat), tier by tier, and the tiers' differences
are weighted by their customers. Rates of small arms are compared by Newcombe's interval from two
Wilson intervals (Newcombe 1998, Statistics in Medicine 17, method 10), summed over tiers by the
method of variance estimates recovery (Zou & Donner 2008, Statistics in Medicine 27, eq. 5). Larger
arms, and money, are compared by means after what was predicted before is taken away (CUPED: Deng
et al. 2013, WSDM, eq. 4), with Welch's interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

Vector = NDArray[np.float64]
Method = Literal["newcombe", "adjusted"]

LEVEL = 0.95
FEWEST_A_SIDE = 20
"""Customers a side below which no difference is told."""
FEWEST_EVENTS = 15
"""Of either outcome and side: from here on, means are near enough to normal to be adjusted."""
FEWEST_A_TIER = 5
"""A tier with fewer on a side is taken together with the other such tiers."""


class Difference(BaseModel):
    """The outcome of those offered an action less that of those left out.

    Attributes:
        estimate: in the outcome's unit: a share for rates, money for money.
        low, high: interval at ``level``.
        level: share of trials in which such an interval holds the true effect.
        offered, held_out: the outcome's mean in either arm, as it was.
        n_offered, n_held_out: customers in either arm.
        method: how it was told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    estimate: float
    low: float
    high: float
    level: float
    offered: float
    held_out: float
    n_offered: int
    n_held_out: int
    method: Method

    @property
    def is_sure(self) -> bool:
        """Whether the interval leaves out no effect."""
        return self.low > 0 or self.high < 0

    @property
    def standard_error(self) -> float:
        """What the interval's width says of it."""
        return (self.high - self.low) / (2 * _normal(self.level))


@dataclass(frozen=True)
class Arms:
    """Customers of a trial: one number each.

    Attributes:
        y: the outcome.
        held_out: who was left out, at random.
        tier: code of each one's tier when the audience was chosen; arms are compared within it.
        predicted: of the outcome, from before the trial; NaN where nothing was.
    """

    y: Vector
    held_out: NDArray[np.bool_]
    tier: NDArray[np.str_]
    predicted: Vector

    def of(self, which: NDArray[np.bool_]) -> Arms:
        """Return some of them."""
        return Arms(self.y[which], self.held_out[which], self.tier[which], self.predicted[which])

    @property
    def n_a_side(self) -> tuple[int, int]:
        """Customers offered the action, and left out."""
        n = int(self.held_out.sum())
        return len(self.y) - n, n


@dataclass(frozen=True)
class _Part:
    """One tier's difference: weight, estimate, distances to its limits, variance, freedom."""

    weight: float
    estimate: float
    below: float
    above: float
    variance: float
    freedom: float


def arms(
    y: ArrayLike, held_out: ArrayLike, tier: Sequence[str | None], predicted: ArrayLike
) -> Arms:
    """Return the arms of a trial; customers without an outcome take no part."""
    outcome, left_out = np.asarray(y, float), np.asarray(held_out, bool)
    found = Arms(
        outcome, left_out, np.array([code or "" for code in tier]), np.asarray(predicted, float)
    )
    return found.of(~np.isnan(outcome))


def rate_difference(trial: Arms, level: float = LEVEL) -> Difference | None:
    """Return the difference of a rate; ``None`` where a side has too few customers.

    >>> offered, left_out = [1] * 80 + [0] * 20, [1] * 60 + [0] * 40
    >>> flags = [False] * 100 + [True] * 100
    >>> trial = arms(offered + left_out, flags, ["vip"] * 200, [float("nan")] * 200)
    >>> found = rate_difference(trial)
    >>> round(found.estimate, 3), round(found.low, 3), round(found.high, 3)
    (0.2, 0.073, 0.319)
    """
    if min(trial.n_a_side) < FEWEST_A_SIDE:
        return None
    if _has_events(trial) and not np.isnan(trial.predicted).all():
        return mean_difference(trial, level)
    parts = [_newcombe(stratum, weight, level) for stratum, weight in _strata(trial)]
    estimate = sum(part.weight * part.estimate for part in parts)
    below = math.sqrt(sum((part.weight * part.below) ** 2 for part in parts))
    above = math.sqrt(sum((part.weight * part.above) ** 2 for part in parts))
    return _told(trial, estimate, (below, above), level, "newcombe")


def mean_difference(trial: Arms, level: float = LEVEL) -> Difference | None:
    """Return the difference of means, adjusted by what was predicted, or ``None`` if too few."""
    if min(trial.n_a_side) < FEWEST_A_SIDE:
        return None
    left = _adjusted(trial)
    parts = [_welch(stratum, weight) for stratum, weight in _strata(left)]
    estimate = sum(part.weight * part.estimate for part in parts)
    variances = [part.weight**2 * part.variance for part in parts]
    spread = sum(variances)
    freedoms = sum(v**2 / part.freedom for v, part in zip(variances, parts, strict=True))
    freedom = spread**2 / freedoms if freedoms > 0 else math.inf
    reach = _student(level, freedom) * math.sqrt(spread)
    return _told(trial, estimate, (reach, reach), level, "adjusted")


def look_level(look: int, level: float = LEVEL) -> float:
    """Return the level of the interval at the ``look``-th look at one effect, counted from 1.

    Whoever looks after every quarter has many chances to be misled. The shares that intervals may
    miss, 5 % / (k (k + 1)) at look k, sum to 5 % over however many looks: all of them hold
    together in 95 of 100 cases (union bound).

    >>> [round(look_level(k), 4) for k in (1, 2, 3)]
    [0.975, 0.9917, 0.9958]
    """
    return 1.0 - (1.0 - level) / (look * (look + 1))


def customers_needed(
    rate: float, precision: float, holdout_share: float, level: float = LEVEL
) -> int:
    """Return how many customers an audience needs for an interval of ± ``precision``.

    >>> customers_needed(0.7, 0.02, 0.1)
    22409
    """
    spread = rate * (1 - rate) * (1 / holdout_share + 1 / (1 - holdout_share))
    return math.ceil(spread * (_normal(level) / precision) ** 2)


def is_as_drawn(n_offered: int, n_held_out: int, share: float) -> bool:
    """Return whether the arms have sizes as the draw would give them.

    Sizes that it gives in fewer than one trial of a thousand mean that customers went missing from
    one arm (sample ratio mismatch: Fabijan et al. 2019, KDD), and nothing can be told.
    """
    n = n_offered + n_held_out
    spread = math.sqrt(n * share * (1 - share))
    return abs(n_held_out - n * share) <= _normal(0.999) * spread + 0.5


def _has_events(trial: Arms) -> bool:
    """Return whether both outcomes are frequent enough on both sides."""
    sides = (trial.y[trial.held_out], trial.y[~trial.held_out])
    return all(min(side.sum(), len(side) - side.sum()) >= FEWEST_EVENTS for side in sides)


def _adjusted(trial: Arms) -> Arms:
    """Return the arms with what was predicted taken away from outcomes.

    One slope for both arms and all tiers, found within arms and tiers, so the action's effect plays
    no part in it.
    """
    known = ~np.isnan(trial.predicted)
    x = np.where(known, trial.predicted, trial.predicted[known].mean() if known.any() else 0.0)
    own_x, own_y = np.empty_like(x), np.empty_like(x)
    for cell in _cells(trial):
        own_x[cell], own_y[cell] = x[cell] - x[cell].mean(), trial.y[cell] - trial.y[cell].mean()
    spread = float(own_x @ own_x)
    slope = float(own_x @ own_y) / spread if spread > 0 else 0.0
    return Arms(trial.y - slope * (x - x.mean()), trial.held_out, trial.tier, trial.predicted)


def _cells(trial: Arms) -> Iterator[NDArray[np.intp]]:
    """Yield the customers of each arm of each stratum."""
    stratum = _stratum(trial)
    for code in np.unique(stratum):
        for side in (False, True):
            found = np.flatnonzero((stratum == code) & (trial.held_out == side))
            if len(found):
                yield found


def _strata(trial: Arms) -> Iterator[tuple[Arms, float]]:
    """Yield the arms of each stratum, and its share of customers."""
    stratum = _stratum(trial)
    for code in np.unique(stratum):
        which = stratum == code
        yield trial.of(which), float(which.mean())


def _stratum(trial: Arms) -> NDArray[np.str_]:
    """Return each customer's tier, small tiers together; all together where that is small, too."""
    stratum = trial.tier.astype(object)
    small = [code for code in np.unique(trial.tier) if _is_small(trial, trial.tier == code)]
    if small:
        stratum[np.isin(trial.tier, small)] = ""
        if _is_small(trial, stratum == ""):
            stratum[:] = ""
    return stratum.astype(str)


def _is_small(trial: Arms, which: NDArray[np.bool_]) -> bool:
    n = int(which.sum())
    n_held_out = int(trial.held_out[which].sum())
    return min(n_held_out, n - n_held_out) < FEWEST_A_TIER


def _newcombe(trial: Arms, weight: float, level: float) -> _Part:
    offered, left_out = trial.y[~trial.held_out], trial.y[trial.held_out]
    p, q = float(offered.mean()), float(left_out.mean())
    p_low, p_high = wilson(float(offered.sum()), len(offered), level)
    q_low, q_high = wilson(float(left_out.sum()), len(left_out), level)
    below, above = math.hypot(p - p_low, q_high - q), math.hypot(p_high - p, q - q_low)
    return _Part(weight, p - q, below, above, math.nan, math.inf)


def wilson(successes: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Return Wilson's interval of a rate (Wilson 1927).

    >>> [round(limit, 3) for limit in wilson(0, 20)]
    [0.0, 0.161]
    """
    z = _normal(level)
    middle = (successes + z * z / 2) / (n + z * z)
    reach = z / (n + z * z) * math.sqrt(successes * (n - successes) / n + z * z / 4)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def _welch(trial: Arms, weight: float) -> _Part:
    offered, left_out = trial.y[~trial.held_out], trial.y[trial.held_out]
    a, b = (float(side.var(ddof=1)) / len(side) for side in (offered, left_out))
    freedoms = a**2 / (len(offered) - 1) + b**2 / (len(left_out) - 1)
    freedom = (a + b) ** 2 / freedoms if freedoms > 0 else math.inf
    estimate = float(offered.mean() - left_out.mean())
    return _Part(weight, estimate, math.nan, math.nan, a + b, freedom)


def _told(
    trial: Arms, estimate: float, reach: tuple[float, float], level: float, method: Method
) -> Difference:
    n_offered, n_held_out = trial.n_a_side
    return Difference(
        estimate=estimate,
        low=estimate - reach[0],
        high=estimate + reach[1],
        level=level,
        offered=float(trial.y[~trial.held_out].mean()),
        held_out=float(trial.y[trial.held_out].mean()),
        n_offered=n_offered,
        n_held_out=n_held_out,
        method=method,
    )


def _normal(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)


def _student(level: float, freedom: float) -> float:
    from scipy.special import stdtrit

    return _normal(level) if math.isinf(freedom) else float(stdtrit(freedom, 0.5 + level / 2))
