"""How many customers the intervals of value cover, counted on customers who taught them nothing.

Best is a later period: intervals learnt on the errors of one horizon, counted on the next, with
the model, the tier thresholds and the intervals that would have been served then. Where history
is too short for two horizons, or a snapshot has but one day, halves of one take turns.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.special import ndtri

from configs.section import Text
from configs.tiers import TierPolicy
from training.intervals import FEWEST_ROWS, Intervals, tiers_of
from training.policy import Policy

Vector = NDArray[np.float64]
How = Literal["later_period", "halves"]
CONFIDENCE = 0.95
LEARNT: dict[How, Text] = {
    "later_period": Text(
        zh="{level}区间按{learnt}之后的结果学得，在{counted}之后覆盖了{share}的客户"
        "（{low}至{high}）：{tiers}",
        en="intervals of {level}, learnt on what followed {learnt}, covered {share} of customers "
        "after {counted} ({low} to {high}): {tiers}",
    ),
    "halves": Text(
        zh="{level}区间由一半客户在{counted}之后的结果学得，覆盖了另一半中的{share}"
        "（{low}至{high}）：{tiers}；没有更晚的时段可供检验",
        en="intervals of {level}, learnt on one half of customers after {counted}, covered "
        "{share} of the other ({low} to {high}): {tiers}; there is no later period to count on",
    ),
}


class Covered(BaseModel):
    """The share of ``n`` customers inside their interval, and how sure that share is (95 %)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    share: float
    low: float
    high: float


class Coverage(BaseModel):
    """Coverage of intervals over all customers and in each tier.

    Attributes:
        level: what was intended.
        how: ``later_period``, or ``halves`` of one period.
        learnt_on, counted_on: the cutoffs of the two periods; the same for halves.
        overall: all customers.
        tiers: by tier code, the highest first; a tier without customers is left out.
        names: of the tiers.
        pooled: codes of tiers too small to be measured alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float
    how: How
    learnt_on: dt.date
    counted_on: dt.date
    overall: Covered
    tiers: dict[str, Covered]
    names: dict[str, Text]
    pooled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Errors:
    """What a model expected of customers at one cutoff, and what came."""

    cutoff: dt.date
    expected: Vector
    actual: Vector

    def __len__(self) -> int:
        return len(self.expected)


def coverage(
    earlier: Errors | None, later: Errors, tiers: TierPolicy, level: float
) -> Coverage | None:
    """Return the coverage on ``later``, learnt on ``earlier`` if there is one; else by halves.

    ``None`` where there are too few customers to tell.
    """
    if len(later) < 2 * FEWEST_ROWS:
        return None
    if earlier is None or len(earlier) < FEWEST_ROWS:
        policy = Policy.freeze(tiers, later.expected)
        fitted, inside = _of_halves(later, policy.thresholds, level)
        return _counted("halves", later, later, policy, fitted, inside)
    policy = Policy.freeze(tiers, earlier.expected)
    fitted = Intervals.fit(
        earlier.expected,
        earlier.actual,
        level,
        thresholds=policy.thresholds,
        present=later.expected,
    )
    return _counted("later_period", earlier, later, policy, fitted, inside_of(fitted, later))


def in_words(found: Coverage) -> Text:
    """Return what to say of how many customers lie inside their intervals."""
    when = LEARNT[found.how]
    days = {"learnt": found.learnt_on, "counted": found.counted_on, "level": f"{found.level:.0%}"}
    one = found.overall
    days |= {"share": f"{one.share:.1%}", "low": f"{one.low:.1%}", "high": f"{one.high:.1%}"}
    by_tier = [(found.names[code], f"{tier.share:.0%}") for code, tier in found.tiers.items()]
    return Text(
        zh=when.zh.format(**days, tiers="，".join(f"{name.zh}{share}" for name, share in by_tier)),
        en=when.en.format(**days, tiers=", ".join(f"{name.en} {share}" for name, share in by_tier)),
    )


def inside_of(intervals: Intervals, errors: Errors) -> NDArray[np.bool_]:
    """Return who lies inside their interval."""
    low, high, _ = intervals.bounds(errors.expected)
    actual = np.maximum(errors.actual, 0.0)
    return (low <= actual) & (actual <= high)


def covered(inside: NDArray[np.bool_]) -> Covered:
    """Return a share with its Wilson interval.

    Reference: Wilson (1927), Probable inference, JASA 22, 209-212.

    >>> one = covered(np.arange(100) < 80)
    >>> round(one.low, 2), one.share, round(one.high, 2)
    (0.71, 0.8, 0.87)
    """
    n, share = len(inside), float(inside.mean())
    z = float(ndtri(0.5 + CONFIDENCE / 2.0))
    middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n)
    wide = z / (1.0 + z * z / n) * math.sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n))
    return Covered(n=n, share=share, low=max(middle - wide, 0.0), high=min(middle + wide, 1.0))


def _of_halves(
    errors: Errors, thresholds: Sequence[float], level: float
) -> tuple[Intervals, NDArray[np.bool_]]:
    """Return the intervals of one half, and who of each half lies inside the other's."""
    even = np.arange(len(errors)) % 2 == 0
    inside = np.zeros(len(errors), dtype=bool)
    for taught in (even, ~even):
        p, y = errors.expected[taught], errors.actual[taught]
        others = Errors(errors.cutoff, errors.expected[~taught], errors.actual[~taught])
        fitted = Intervals.fit(p, y, level, thresholds=thresholds, present=others.expected)
        inside[~taught] = inside_of(fitted, others)
    return fitted, inside


def _counted(
    how: How,
    learnt: Errors,
    counted: Errors,
    policy: Policy,
    fitted: Intervals,
    inside: NDArray[np.bool_],
) -> Coverage:
    tier = tiers_of(counted.expected, policy.thresholds)
    ranks = reversed(range(len(policy.codes)))
    return Coverage(
        level=fitted.level,
        how=how,
        learnt_on=learnt.cutoff,
        counted_on=counted.cutoff,
        overall=covered(inside),
        tiers={
            policy.codes[rank]: covered(inside[tier == rank])
            for rank in ranks
            if (tier == rank).any()
        },
        names={tier.code: tier.name for tier in policy.tiers},
        pooled=tuple(
            code for code, is_pooled in zip(policy.codes, fitted.pooled, strict=True) if is_pooled
        ),
    )
