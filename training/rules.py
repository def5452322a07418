"""Simple rules in their learnt form: what anyone could write into a spreadsheet.

A rule reads *facts* of a customer by the name of the feature that they are credited to:
``recency_days`` stands for the days since the last purchase, every other name for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit

from training.anchor import FREQUENCY

Vector = NDArray[np.float64]
Facts = Mapping[str, Vector]

RECENCY, TENURE, MONEY = "recency_days", "tenure_days", "monetary_value"
SHORTEST_TENURE_DAYS = 28
"""A first order today is no rate: tenures under four weeks count as four weeks."""
SMALLEST_MONEY = 0.01
"""Nobody is expected to bring less, so that the logarithm exists."""


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Inactivity(_Rule):
    """No purchase for so long means lost: one churn rate on each side of the limit."""

    kind: Literal["inactivity"] = "inactivity"
    limit_days: float
    active_rate: float
    silent_rate: float

    @property
    def players(self) -> tuple[str, ...]:
        """The facts it reads."""
        return (RECENCY,)

    def number(self, facts: Facts) -> Vector:
        """Return churn probabilities."""
        is_silent = facts[RECENCY] >= self.limit_days
        return np.where(is_silent, self.silent_rate, self.active_rate)


class LogitLine(_Rule):
    """Churn by logistic regression on log(1 + fact), of recency alone or with the others."""

    kind: Literal["logit_line"] = "logit_line"
    intercept: float
    slopes: dict[str, float]

    @property
    def players(self) -> tuple[str, ...]:
        """The facts it reads."""
        return tuple(self.slopes)

    def number(self, facts: Facts) -> Vector:
        """Return churn probabilities."""
        terms = (slope * logged(facts[name]) for name, slope in self.slopes.items())
        probabilities: Vector = expit(self.intercept + sum(terms))
        return probabilities


class SpendRate(_Rule):
    """Average monthly spend × months × the share of such money that came again in training."""

    kind: Literal["spend_rate"] = "spend_rate"
    horizon_days: int
    share: float = 1.0

    @property
    def players(self) -> tuple[str, ...]:
        """The facts it reads."""
        return (FREQUENCY, TENURE, MONEY)

    def number(self, facts: Facts) -> Vector:
        """Return expected money."""
        spent = np.nan_to_num(facts[MONEY]) * (facts[FREQUENCY] + 1.0)
        rate = spent / np.maximum(facts[TENURE], SHORTEST_TENURE_DAYS)
        return np.maximum(rate * self.horizon_days * self.share, SMALLEST_MONEY)


class LastPeriod(_Rule):
    """The spend of a past window again: ``factor`` scales it to the horizon."""

    kind: Literal["last_period"] = "last_period"
    column: str
    factor: float = 1.0

    @property
    def players(self) -> tuple[str, ...]:
        """The facts it reads."""
        return (self.column,)

    def number(self, facts: Facts) -> Vector:
        """Return expected money."""
        return np.maximum(np.nan_to_num(facts[self.column]) * self.factor, SMALLEST_MONEY)


class Same(_Rule):
    """The same number for everybody."""

    kind: Literal["same"] = "same"
    value: float

    @property
    def players(self) -> tuple[str, ...]:
        """It reads nothing."""
        return ()

    def number(self, facts: Facts) -> Vector:
        """Return the number once per customer."""
        return np.full(len(facts[FREQUENCY]), self.value)


LearntRule = Annotated[
    Inactivity | LogitLine | SpendRate | LastPeriod | Same, Field(discriminator="kind")
]


def facts_of(columns: Facts) -> dict[str, Vector]:
    """Return the facts of customers from their features."""
    return {**columns, RECENCY: columns[TENURE] - columns[RECENCY]}


def columns_of(players: tuple[str, ...]) -> tuple[str, ...]:
    """Return the features that the facts ``players`` are made of, and who has bought at all."""
    own = (TENURE, *players) if RECENCY in players else players
    return tuple(dict.fromkeys((FREQUENCY, *own)))


def logged(values: Vector) -> Vector:
    """Return log(1 + value), a missing or negative value counted as 0."""
    return np.log1p(np.maximum(np.nan_to_num(values), 0.0))
