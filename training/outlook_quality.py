"""How good the tier outlook is on a later period, beside each tier's own rate."""

from __future__ import annotations

import datetime as dt

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from configs.section import Text
from training.intervals import tiers_of
from training.metrics import brier, calibration_error
from training.policy import Policy

Vector = NDArray[np.float64]
TOLD = Text(
    zh="等级展望在{cutoff}之后的误差（Brier，越低越好；括号内为按现等级的事后比率）：{reaches}",
    en="tier outlook after {cutoff}, Brier error, lower is better (in brackets: each tier's own "
    "rate, known in hindsight): {reaches}",
)


class ReachEvaluation(BaseModel):
    """How well one threshold was forecast.

    Attributes:
        tier: the tier that starts at the threshold.
        base_rate: share of customers whose value reached it.
        brier, ece15: of the probability to reach it.
        brier_of_tier: of the rule "as many as of one's tier", each tier's rate known in hindsight.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tier: str
    threshold: float
    base_rate: float
    brier: float
    brier_of_tier: float
    ece15: float


class OutlookEvaluation(BaseModel):
    """How well the tier outlook forecast a later period.

    Attributes:
        cutoff: the day of the forecast.
        n: customers.
        reaches: one per threshold, the highest first.
        names: of the tiers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cutoff: dt.date
    n: int
    reaches: tuple[ReachEvaluation, ...]
    names: dict[str, Text]


def evaluated(
    cutoff: dt.date, reach: Vector, actual: Vector, expected: Vector, policy: Policy
) -> OutlookEvaluation:
    """Return how good each threshold's probabilities are.

    Args:
        cutoff: the day of the forecast.
        reach: customers × thresholds.
        actual: money that came.
        expected: expected values, for the customers' tiers of the rule.
        policy: thresholds and names of the tiers.
    """
    thresholds, tiers = policy.thresholds, policy.codes
    tier = tiers_of(expected, thresholds)
    found = []
    for place in reversed(range(len(thresholds))):
        reached = (actual >= thresholds[place]).astype(float)
        of_tier = np.zeros(len(reached))
        for one in np.unique(tier):
            of_tier[tier == one] = reached[tier == one].mean()
        found.append(
            ReachEvaluation(
                tier=tiers[place + 1],
                threshold=thresholds[place],
                base_rate=float(reached.mean()),
                brier=brier(reached, reach[:, place]),
                brier_of_tier=brier(reached, of_tier),
                ece15=calibration_error(reached, reach[:, place]),
            )
        )
    return OutlookEvaluation(
        cutoff=cutoff,
        n=len(actual),
        reaches=tuple(found),
        names={tier.code: tier.name for tier in policy.tiers},
    )


def in_words(found: OutlookEvaluation) -> Text:
    """Return how good the outlook is, threshold by threshold."""
    parts = [
        (found.names[one.tier], f"{one.brier:.3f}", f"{one.brier_of_tier:.3f}")
        for one in found.reaches
    ]
    zh = "，".join(f"{name.zh}及以上{own}（{rule}）" for name, own, rule in parts)
    en = ", ".join(f"{name.en} or above {own} ({rule})" for name, own, rule in parts)
    return Text(
        zh=TOLD.zh.format(cutoff=found.cutoff, reaches=zh),
        en=TOLD.en.format(cutoff=found.cutoff, reaches=en),
    )
