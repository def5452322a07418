"""What is true of simulated customers at the end of the span, seen and unseen.

Expectations are given the hidden state of that day: whether the customer has left, whether a drift
has begun, and the engagement of the moment. Realised figures are what the year after brings.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from features.simulated.calendar import Flags, Floats, Ints
from features.simulated.contacts import VISITS_SEASON
from features.simulated.export import dates
from features.simulated.lives import ENGAGEMENT_MEMORY, ENGAGEMENT_SIGMA, FUTURE_DAYS, Lives
from features.simulated.orders import (
    REFUNDED_LINE_SHARE,
    Lines,
    expected_spend,
    refund_probability,
)

STEP_DAYS = 5
ACTION_DAYS = 90
MISSED_DAYS = 84
IRRITATED_SHARE = 0.25
"""Probability that a retention action starts a drift in an irritable customer."""


def truth(lives: Lives, lines: Lines, customer_ids: list[str]) -> pa.Table:
    """Return one row per customer; money in the currency of the transactions.

    Hidden: ``drifted_on`` and ``churned_on`` (null when after the last day), ``purchases_per_day``
    and ``mean_spend`` of an order while a customer, ``satisfaction``, ``drift_per_day`` (hazard)
    and ``drift_days`` (from drift to leaving).

    Causes, of those whose drift has begun: ``drifted_by_complaint`` (a complaint left open began
    it), ``visits_missed_84d`` (visits of the last 84 days that the drift has cost, expected) and
    ``probability_of_none_90d_if_settled`` (of no purchase, had no drift begun).

    Expected, of the days after the last one: ``expected_purchases_365d`` (orders),
    ``expected_spend_365d`` (before refunds), ``expected_value_365d`` (after refunds),
    ``expected_value_365d_if_alive`` (had the customer neither left nor begun to drift),
    ``probability_of_none_90d`` (no purchase) and ``survival_90d`` (still a customer).

    What a retention action on the last day would add: ``action_effect_on_survival_90d`` and
    ``action_effect_on_value_365d``; positive for drifting customers, negative for irritable ones.

    Realised: ``purchase_days_next_90d`` (0 is churn), ``spend_next_365d``, ``refunds_next_365d``.
    """
    traits, last_day = lives.traits, lives.span.last_day
    orders = _orders_if_alive(lives)
    spend = orders * expected_spend(lives, np.arange(lives.n_customers)[:, None], _days(lives))
    kept_share = 1.0 - refund_probability(traits.satisfaction) * REFUNDED_LINE_SHARE
    stays = _over_steps(lives, _survival_at)
    value = (stays * spend).sum(axis=1) * kept_share
    value_if_alive = (_over_steps(lives, _survival_afresh) * spend).sum(axis=1) * kept_share
    columns = {
        "customer_id": pa.array(customer_ids),
        "signed_up_on": dates(traits.signed_up),
        "drifted_on": dates(lives.drifted, lives.drifted > last_day),
        "churned_on": dates(lives.left, lives.left > last_day),
        "purchases_per_day": traits.purchases_per_day,
        "mean_spend": expected_spend(lives, np.arange(lives.n_customers), np.array(last_day)),
        "satisfaction": lives.mood(*_today(lives)),
        "drift_per_day": traits.drift_per_day,
        "drift_days": traits.drift_days,
        "drifted_by_complaint": lives.by_complaint & (lives.drifted <= last_day),
        "visits_missed_84d": _visits_missed(lives),
        "expected_purchases_365d": (stays * orders).sum(axis=1),
        "expected_spend_365d": (stays * spend).sum(axis=1),
        "expected_value_365d": value,
        "expected_value_365d_if_alive": value_if_alive,
        "probability_of_none_90d": _probability_of_none(lives, orders, _survival_at),
        "probability_of_none_90d_if_settled": _probability_of_none(lives, orders, _survival_afresh),
        "survival_90d": _survival_at(lives, ACTION_DAYS),
        **_action_effects(lives, value, value_if_alive),
        **_realised(lives, lines),
    }
    return pa.table(columns)


def _today(lives: Lives) -> tuple[Ints, Ints]:
    return np.arange(lives.n_customers), np.full(lives.n_customers, lives.span.last_day)


def _steps() -> Ints:
    """Return the middles of the steps that cover the year after the last day, in days."""
    return np.arange(0, FUTURE_DAYS, STEP_DAYS) + (STEP_DAYS + 1) // 2


def _days(lives: Lives) -> Ints:
    """Return the day numbers in the middle of the steps."""
    return lives.span.last_day + _steps()


def _orders_if_alive(lives: Lives) -> Floats:
    """Return expected orders per customer and step of the year, if still a customer."""
    traits, calendar, last_day = lives.traits, lives.calendar, lives.span.last_day
    start = last_day + 1 - calendar.first_day
    weights = calendar.weights[start : start + FUTURE_DAYS].reshape(-1, STEP_DAYS).sum(axis=1)
    rate = traits.purchases_per_day[:, None] * _engagement(lives, _days(lives)) * weights
    orders = np.where(_days(lives) >= traits.first_order[:, None], rate, 0.0)
    opens = np.flatnonzero(_opens_ahead(lives))
    orders[opens, (traits.first_order[opens] - last_day - 1) // STEP_DAYS] += 1.0
    return orders


def _opens_ahead(lives: Lives) -> Flags:
    """Return who has signed up and is about to place the opening order."""
    return (lives.traits.first_order > lives.span.last_day) & (lives.traits.purchases_per_day > 0)


def _engagement(lives: Lives, day: Ints) -> Floats:
    """Return the expected engagement on future days, given the present one."""
    now = lives.calendar.period_of(lives.span.last_day).item()
    level = np.log(lives.engagement[:, now]) + ENGAGEMENT_SIGMA**2 / 2
    memory = ENGAGEMENT_MEMORY ** (lives.calendar.period_of(day) - now).astype(np.float64)
    return np.exp(level[:, None] * memory - (ENGAGEMENT_SIGMA * memory) ** 2 / 2)


def _over_steps(lives: Lives, survival: Callable[[Lives, int], Floats]) -> Floats:
    """Return a probability of still being a customer at the middle of each step."""
    return np.stack([survival(lives, days) for days in _steps().tolist()], axis=1)


def _survival_afresh(lives: Lives, days: int) -> Floats:
    """Return the survival of a customer who has not begun to drift, ``days`` after the last day."""
    exposed = np.maximum(days - lives.traits.drift_days, 0)
    return np.exp(-lives.traits.drift_per_day * exposed)


def _survival_at(lives: Lives, days: int) -> Floats:
    last_day = lives.span.last_day
    has_drifted = lives.drifted <= last_day
    return np.where(has_drifted, lives.left > last_day + days, _survival_afresh(lives, days))


def _visits_missed(lives: Lives) -> Floats:
    """Return the visits of their own accord that drifts have cost in the last 84 days, expected."""
    n, last_day, first = lives.n_customers, lives.span.last_day, lives.calendar.first_day
    calendar = lives.calendar.flattened(VISITS_SEASON)
    missed = np.zeros(n)
    for day in range(last_day - MISSED_DAYS + 1, last_day + 1):
        days = np.full(n, day)
        rate = lives.traits.visits_per_day * lives.engagement[:, calendar.period_of(day)]
        present = lives.presence(np.arange(n), days)
        known = day >= lives.traits.signed_up
        missed += np.where(known, rate * calendar.weights[day - first] * (1.0 - present), 0.0)
    return missed


def _probability_of_none(
    lives: Lives, orders: Floats, survival: Callable[[Lives, int], Floats]
) -> Floats:
    """Return P(no order in 90 days): over when they leave, Poisson with expected engagement.

    As engagement will vary about what is expected, the figure is low by up to some 0.03.
    """
    n_steps = ACTION_DAYS // STEP_DAYS
    ends = [survival(lives, STEP_DAYS * step) for step in range(n_steps + 1)]
    leaves = -np.diff(np.stack(ends, axis=1), axis=1)
    so_far = np.cumsum(orders[:, :n_steps], axis=1)
    none = 1.0 - ends[0] + (leaves * np.exp(-so_far + orders[:, :n_steps] / 2)).sum(axis=1)
    none += ends[-1] * np.exp(-so_far[:, -1])
    return np.where(_opens_ahead(lives), 0.0, none)


def _action_effects(lives: Lives, value: Floats, value_if_alive: Floats) -> dict[str, Floats]:
    """Return what a retention action adds: it may end a drift, or start one in the irritable."""
    survival = _survival_at(lives, ACTION_DAYS)
    last_day = lives.span.last_day
    drifts = (lives.drifted <= last_day) & (lives.left > last_day)
    settled = lives.drifted > last_day
    helped = np.where(drifts, lives.traits.persuadable, 0.0)
    harmed = np.where(settled & lives.traits.irritable, IRRITATED_SHARE, 0.0)
    leaves_early = lives.traits.drift_days < ACTION_DAYS
    lost_value = value * np.clip(1.0 - lives.traits.drift_days / FUTURE_DAYS, 0.0, 1.0)
    gained = helped * (_survival_afresh(lives, ACTION_DAYS) - survival)
    return {
        "action_effect_on_survival_90d": gained - harmed * leaves_early * survival,
        "action_effect_on_value_365d": helped * (value_if_alive - value) - harmed * lost_value,
    }


def _realised(lives: Lives, lines: Lines) -> dict[str, Floats | Ints]:
    """Return what the days after the last one bring: the labels of a cutoff on that day."""
    n, last_day = lives.n_customers, lives.span.last_day
    near = (lives.order_day > last_day) & (lives.order_day <= last_day + ACTION_DAYS)
    key = lives.order_customer[near] * 10**6 + lives.order_day[near]
    ahead = (lines.day > last_day) & (lines.day <= last_day + FUTURE_DAYS)
    bought, returned = ahead & (lines.is_refund == 0), ahead & (lines.is_refund == 1)
    return {
        "purchase_days_next_90d": np.bincount(np.unique(key) // 10**6, minlength=n),
        "spend_next_365d": np.bincount(lines.customer[bought], lines.amount[bought], n),
        "refunds_next_365d": np.bincount(lines.customer[returned], lines.amount[returned], n),
    }
