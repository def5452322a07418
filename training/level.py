"""How much all customers together will buy: the level that order alone does not tell.

Purchase model and trees put customers in order well, but their level is that of the seasons they
learnt from: if those hold the busy months and the horizon does not, all forecasts are too high.
Here the same histories are asked for the season. The models of one cutoff are applied to everybody
as they stood every 28 days before it, and what came in each of the following periods is held
against what was to be expected, as far as it had happened by the cutoff. What is left over, period
by period of the year, is the season (:mod:`training.season`). It sets the clock of the models
(:mod:`training.clock`), twice, and what the clock leaves over is added to the horizon.

Known customers only are counted, so a company that grows by newcomers does not pass for one whose
customers buy more. Spend per purchase has a season of its own. The level enters as a constant on
the link; order is never touched. The weaker the seasons, the less of the way is gone. Nothing is
done within the first year, where season and age cannot be told apart, nor in a company that
newcomers no longer come to, for the same reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from features.sources import Records
from training.additive import LINK_BOUND, AdditiveModel
from training.clock import YEAR_DAYS, Clock, ClockedModels
from training.purchase_days import PurchaseDays, purchase_days
from training.season import PERIOD_DAYS, PERIODS, Whole, season

Vector = NDArray[np.float64]

MOST_CUSTOMERS = 10_000
"""The season is learnt from at most so many customers."""
MOST_PERIODS, MOST_STEPS = 26, 7
FEWEST_CUSTOMERS, FEWEST_PURCHASES = 30, 50
CELL_SPREAD = 0.05
"""Standard deviation of a cell's log ratio beyond the chance of counts."""
STEADY_NEWCOMERS = 0.1
"""Customers who came in the later half of history, below which season and age look alike."""
NO_SEASON = 0.05
"""Standard deviation of log effects at which a forecast goes half way to the level."""
PASSES = 2
"""How often the clock is set."""
LARGEST_SHIFT = math.log(6.0)


@dataclass(frozen=True)
class Level:
    """What the customers who had bought by one cutoff are expected to do in a horizon.

    Attributes:
        value: money, all together; ``None`` where it is in margins that are not recorded.
        churn_rate: share of them who will not buy.
        weight: how far forecasts are moved towards it, 0 to 1.
    """

    value: float | None
    churn_rate: float
    weight: float


@dataclass(frozen=True)
class Levels:
    """The seasons at one cutoff, for any horizon."""

    cutoff: int
    days: PurchaseDays
    models: ClockedModels
    left_over: Vector
    """Log effects beyond the clock, by period ahead."""
    of_spend: Vector
    """Log effects on the spend per purchase day, by period ahead."""
    weight: float

    def ahead(self, horizon_days: int, measure: Literal["spend", "margin"] = "spend") -> Level:
        """Return the level of the horizon after the cutoff, in spend or in margin."""
        known = self.days.at(self.cutoff)
        worth = self.models.spend.expected_spend(known.x + 1.0, known.spend)
        total, before = 0.0, np.zeros(len(known.who))
        for step in range(-(-horizon_days // PERIOD_DAYS)):
            end = min((step + 1) * PERIOD_DAYS, horizon_days)
            by_then = self.models.ask("expected_purchases", known, self.cutoff, end)
            effect = (self.left_over + self.of_spend)[step % PERIODS]
            total += float((by_then - before) @ worth) * math.exp(effect)
            before = by_then
        none = self.models.ask("probability_of_none", known, self.cutoff, horizon_days)
        kept = self.days.margin_share if measure == "margin" else 1.0
        value = total * kept if kept is not None and kept > 0 else None
        return Level(value, float(none.mean()), self.weight)


def levels(records: Records, cutoff: int, kind: str) -> Levels | None:
    """Return the seasons as known at ``cutoff``; ``None`` where history tells of none."""
    return levels_of(purchase_days(records, cutoff), cutoff, kind)


def levels_of(days: PurchaseDays, cutoff: int, kind: str) -> Levels | None:
    """Return the seasons in ``days``, which hold nothing after ``cutoff``."""
    newcomers = _newcomers(days, cutoff)
    if newcomers == 0.0:
        return None
    some = days.thinned(MOST_CUSTOMERS)
    models = clocked(some, cutoff, kind)
    left_over, of_spend = season(*cells(some, models)), season(*spend_cells(some, cutoff))
    spread = float(np.var(models.clock.effects + left_over + of_spend))
    weight = newcomers * spread / (spread + NO_SEASON**2)
    return Levels(cutoff, days, models, left_over, of_spend, weight)


def clocked(days: PurchaseDays, cutoff: int, kind: str, passes: int = PASSES) -> ClockedModels:
    """Return models on the clock of the season that they find themselves.

    Models without a clock take part of the season for customers who leave or stay, so what they
    leave over is not all of it. Each pass learns it anew from the models on the clock so far.
    """
    models = ClockedModels.fit(days, Clock(cutoff, np.zeros(PERIODS)), kind)
    for _ in range(passes):
        period, step, left_over, variance = cells(days, models)
        whole = left_over + np.log(models.clock.speed)[(period - 1) % PERIODS]
        clock = Clock(cutoff, season(period, step, whole, variance))
        models = ClockedModels.fit(days, clock, kind, models)
    return models


def shift(model: AdditiveModel, scores: Vector, level: Level) -> float:
    """Return the constant to add to the link of ``model`` for buyers with the link ``scores``.

    With all of it, values would add up to the level, churn probabilities have its mean.
    """
    if len(scores) == 0:
        return 0.0
    if model.link == "logit":
        rate = level.churn_rate
        whole = _crossing(lambda c: float(model.inverse_link(scores + c).mean()) - rate)
    else:
        if level.value is None or level.value <= 0.0:
            return 0.0
        whole = math.log(level.value / float(model.inverse_link(scores).sum()))
    return float(np.clip(level.weight * whole, -LARGEST_SHIFT, LARGEST_SHIFT))


def cells(days: PurchaseDays, models: ClockedModels) -> tuple[Whole, Whole, Vector, Vector]:
    """Return period, steps ahead, log ratio and variance of every closed period.

    A cell is the customers known at a cutoff 28·j days before, in one later period.
    """
    cutoff, found = models.clock.cutoff, []
    furthest = min(MOST_PERIODS, (cutoff - days.first_day) // PERIOD_DAYS - 1)
    for back in range(1, furthest + 1):
        start = cutoff - back * PERIOD_DAYS
        known = days.at(start)
        if len(known.who) < FEWEST_CUSTOMERS:
            continue
        before = 0.0
        for step in range(1, min(back, MOST_STEPS) + 1):
            end = start + step * PERIOD_DAYS
            by_then = float(models.ask("expected_purchases", known, start, end - start).sum())
            came = float(days.counted(end - PERIOD_DAYS, end)[known.who].sum())
            found.append((step - back, step, came, by_then - before))
            before = by_then
    table = np.array(found, dtype=float).reshape(-1, 4)
    period, ahead = table[:, :2].T.astype(np.int64)
    bought, expected = table[:, 2:].T
    ratio = np.log((bought + 1.0) / (expected + 1.0))
    return period, ahead, ratio, 1.0 / (bought + 1.0) + CELL_SPREAD**2


def spend_cells(days: PurchaseDays, cutoff: int) -> tuple[Whole, Whole, Vector, Vector]:
    """Return the same for the spend on a purchase day, against each customer's own usual.

    Means of logs, so that a few huge orders do not make a season.
    """
    own = days.spend > 0
    customer, spend = days.customer[own], np.log(days.spend[own])
    count = np.bincount(customer)
    usual = np.bincount(customer, spend) / np.maximum(count, 1)
    back = (cutoff - days.day[own]) // PERIOD_DAYS
    tells = (count[customer] > 1) & (back < MOST_PERIODS)
    away, back = (spend - usual[customer])[tells], back[tells]
    n = np.bincount(back)
    mean = np.bincount(back, away) / np.maximum(n, 1)
    period = np.flatnonzero(n >= FEWEST_PURCHASES)
    noise = float(away.var()) if len(away) else 0.0
    variance = noise / n[period] + CELL_SPREAD**2
    return -period, np.ones(len(period), dtype=np.int64), mean[period], variance


def _newcomers(days: PurchaseDays, cutoff: int) -> float:
    """Return 0 within the first year, and towards 0 as newcomers cease; else 1."""
    if len(days.day) == 0 or cutoff - days.first_day < YEAR_DAYS:
        return 0.0
    first = days.at(cutoff).first
    came_later = float((first > (days.first_day + cutoff) / 2).mean())
    return min(came_later / STEADY_NEWCOMERS, 1.0)


def _crossing(excess: Callable[[float], float]) -> float:
    """Return where a rising function crosses 0, within the bounds of the link."""
    if excess(-LINK_BOUND) >= 0.0 or excess(LINK_BOUND) <= 0.0:
        return 0.0
    return float(brentq(excess, -LINK_BOUND, LINK_BOUND))
