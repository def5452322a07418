"""What came of a publication once its horizon has closed, as it is kept."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, ConfigDict

from configs.section import Text
from training.anchor import TargetName

MAIN = {"churn": "auc", "clv": "ngini"}
BESIDE = {"churn": "ece15", "clv": "bias"}
LEVEL_OFF = 0.2
"""Share by which a total may miss before it is an alarm: twice the ten percent that models are
asked for, so that a season a little unlike the last one passes."""
ORDER_LOST = 0.05
"""Loss of AUC or nGini since training that is an alarm: about half of what models are better than
simple rules by."""
FEWEST = 100
"""Customers below which order is not judged."""


class TierOutcome(BaseModel):
    """One tier's part of an outcome.

    Attributes:
        code, name: of the tier that customers were published in.
        n: customers.
        expected, actual: leavers or money, in all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    name: Text
    n: int
    expected: float
    actual: float


class Outcome(BaseModel):
    """One target of one publication, once its horizon has closed.

    Totals and figures are of the customers who had bought by the publication's day, as at
    training.

    Attributes:
        expected: leavers or money that was expected in all.
        actual: what came; ``actual_low`` and ``actual_high`` hold the expectation in 95 of 100
            cases where it is right, by the spread between customers.
        then: the same figures at training, empty where they are not known.
        tiers: the same for each tier of the publication, the highest first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    publication: str
    model: str
    target: TargetName
    as_of: dt.date
    closed_on: dt.date
    n: int
    expected: float
    actual: float
    actual_low: float
    actual_high: float
    figures: dict[str, float]
    then: dict[str, float] = {}
    tiers: tuple[TierOutcome, ...] = ()

    @property
    def bias(self) -> float | None:
        """Expected over actual, less one."""
        return None if self.actual <= 0 else self.expected / self.actual - 1.0

    @property
    def is_level_off(self) -> bool:
        """Whether the total is off by much, and by more than chance."""
        by_chance = self.actual_low <= self.expected <= self.actual_high
        return self.bias is not None and abs(self.bias) >= LEVEL_OFF and not by_chance

    @property
    def order_lost(self) -> float:
        """By how much customers are ordered worse than at training; 0 where it is not known."""
        main = MAIN[self.target]
        if self.n < FEWEST or main not in self.then or main not in self.figures:
            return 0.0
        return max(self.then[main] - self.figures[main], 0.0)
