"""What is true of simulated customers at the end of the span, seen and unseen.

Expectations are given the hidden state of that day: whether the customer has left, whether a drift
has begun, and the engagement of the moment. Realised figures are what the year after brings.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from features.simulated_calendar import Floats, Ints
from features.simulated_export import dates
from features.simulated_lives import ENGAGEMENT_MEMORY, ENGAGEMENT_SIGMA, FUTURE_DAYS, Lives
from features.simulated_orders import (
    REFUNDED_LINE_SHARE,
    Lines,
    expected_spend,
    refund_probability,
)

STEP_DAYS = 5
ACTION_DAYS = 90
IRRITATED_SHARE = 0.25
"""Probability that a retention action starts a drift in an irritable customer."""


def truth(lives: Lives, lines: Lines, customer_ids: list[str]) -> pa.Table:
    """Return one row per customer; money in the currency of the transactions, net of nothing.

    Columns: ``drifted_on`` and ``churned_on`` (null when after the last day), the hidden traits,
    ``expected_purchases_365d`` (orders), ``expected_spend_365d`` (before refunds),
    ``expected_value_365d`` (after refunds), ``expected_value_365d_if_alive`` (had the customer
    neither left nor begun to drift), ``survival_90d`` (probability of still being a customer),
    ``action_effect_on_survival_90d`` and ``action_effect_on_value_365d`` (what a retention action
    on the last day would add), and realised ``purchase_days_next_90d``, ``spend_next_365d`` and
    ``refunds_next_365d``.
    """
    traits, last_day = lives.traits, lives.span.last_day
    alive = _if_alive(lives)
    stays = _survival(lives)
    spend, orders = (stays * alive[name] for name in ("spend", "orders"))
    kept_share = 1.0 - refund_probability(traits.satisfaction) * REFUNDED_LINE_SHARE
    value_if_alive = (_survival_undrifted(lives) * alive["spend"]).sum(axis=1) * kept_share
    value = spend.sum(axis=1) * kept_share
    survival = _survival_at(lives, ACTION_DAYS)
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
        "expected_purchases_365d": orders.sum(axis=1),
        "expected_spend_365d": spend.sum(axis=1),
        "expected_value_365d": value,
        "expected_value_365d_if_alive": value_if_alive,
        "survival_90d": survival,
        **_action_effects(lives, value_if_alive - value, survival, value),
        **_realised(lives, lines),
    }
    return pa.table(columns)


def _today(lives: Lives) -> tuple[Ints, Ints]:
    return np.arange(lives.n_customers), np.full(lives.n_customers, lives.span.last_day)


def _steps() -> Ints:
    """Return the middles of the steps that cover the year after the last day, in days."""
    return np.arange(0, FUTURE_DAYS, STEP_DAYS) + (STEP_DAYS + 1) // 2


def _if_alive(lives: Lives) -> dict[str, Floats]:
    """Return expected orders and spend per customer and step of the year, if still a customer."""
    calendar, last_day = lives.calendar, lives.span.last_day
    start = last_day + 1 - calendar.first_day
    weights = calendar.weights[start : start + FUTURE_DAYS].reshape(-1, STEP_DAYS).sum(axis=1)
    day = last_day + _steps()
    rate = lives.traits.purchases_per_day[:, None] * _engagement(lives, day) * weights
    orders = np.where(day >= lives.traits.first_order[:, None], rate, 0.0)
    who = np.arange(lives.n_customers)[:, None]
    return {"orders": orders, "spend": orders * expected_spend(lives, who, day[None, :])}


def _engagement(lives: Lives, day: Ints) -> Floats:
    """Return the expected engagement on future days, given the present one."""
    now = lives.calendar.period_of(lives.span.last_day).item()
    level = np.log(lives.engagement[:, now]) + ENGAGEMENT_SIGMA**2 / 2
    memory = ENGAGEMENT_MEMORY ** (lives.calendar.period_of(day) - now).astype(np.float64)
    return np.exp(level[:, None] * memory - (ENGAGEMENT_SIGMA * memory) ** 2 / 2)


def _survival(lives: Lives) -> Floats:
    """Return the probability of still being a customer at the middle of each step."""
    return np.stack([_survival_at(lives, days) for days in _steps().tolist()], axis=1)


def _survival_undrifted(lives: Lives) -> Floats:
    return np.stack([_survival_afresh(lives, days) for days in _steps().tolist()], axis=1)


def _survival_afresh(lives: Lives, days: int) -> Floats:
    """Return the survival of a customer who has not begun to drift, ``days`` after the last day."""
    exposed = np.maximum(days - lives.traits.drift_days, 0)
    return np.exp(-lives.traits.drift_per_day * exposed)


def _survival_at(lives: Lives, days: int) -> Floats:
    last_day = lives.span.last_day
    has_drifted = lives.drifted <= last_day
    return np.where(has_drifted, lives.left > last_day + days, _survival_afresh(lives, days))


def _action_effects(
    lives: Lives, value_at_stake: Floats, survival: Floats, value: Floats
) -> dict[str, Floats]:
    """Return what a retention action adds: it may end a drift, or start one in the irritable."""
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
        "action_effect_on_value_365d": helped * value_at_stake - harmed * lost_value,
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
