"""Who simulated customers are on paper: sign-up, region, and dated attributes.

Membership and points follow spend and are reviewed twice a year; business customers have credit,
which they overdraw when discontent, and an industry that grows or shrinks.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from features.simulated.calendar import EPOCH, Floats, Ints
from features.simulated.export import DAY_SECONDS, as_table, coded, dates, stamps
from features.simulated.lives import Lives, Span
from features.simulated.orders import Lines

REGIONS = ("华东", "华南", "华北", "华中", "西南", "东北", "西北")
REGION_SHARES = (0.33, 0.2, 0.17, 0.12, 0.1, 0.05, 0.03)
INDUSTRIES = ("制造业", "餐饮", "零售", "教育", "医疗", "物流", "软件", "建筑")
SOURCES = ("搜索", "社交媒体", "门店", "朋友推荐", "电商平台")
MEMBERSHIP_SPEND = (400.0, 2_000.0, 6_000.0)
"""Spend of the last year from which level 1, 2 and 3 are given."""
CREDIT_LIMITS = np.array([5e3, 1e4, 2e4, 5e4, 1e5])
REVIEW_MONTHS = (1, 4, 7, 10)


def customers_table(rng: np.random.Generator, lives: Lives, customer_ids: list[str]) -> pa.Table:
    """Return one row per customer: id, sign-up and three attributes that never change."""
    n = lives.n_customers
    industry = rng.integers(0, len(INDUSTRIES), n)
    return as_table(
        {
            "customer_id": pa.array(customer_ids),
            "signed_up_on": dates(lives.traits.signed_up),
            "region": coded(rng.choice(len(REGIONS), n, p=REGION_SHARES), REGIONS),
            "source": coded(rng.integers(0, len(SOURCES), n), SOURCES),
            "segment": coded(lives.traits.is_business.astype(np.int64), ("个人", "企业")),
            "industry": coded(industry, INDUSTRIES, ~lives.traits.is_business),
        }
    )


def review_days(span: Span) -> Ints:
    """Return the first days of quarters in the span, as day numbers."""
    first, last = (EPOCH + dt.timedelta(day) for day in (span.first_day, span.last_day))
    starts = [dt.date(y, m, 1) for y in range(first.year, last.year + 1) for m in REVIEW_MONTHS]
    return np.array([(d - EPOCH).days for d in starts if first < d <= last], np.int64)


def attributes(
    rng: np.random.Generator, lives: Lives, lines: Lines, customer_ids: list[str]
) -> pa.Table:
    """Return the dated attributes (observed on quarter days), sorted by customer and time."""
    days = review_days(lives.span)
    observed = _observations(rng, lives, lines, days)
    names = tuple(observed)
    place = [np.nonzero(~np.isnan(values)) for values in observed.values()]
    customer = np.concatenate([who for who, _ in place])
    review = np.concatenate([when for _, when in place])
    name = np.repeat(np.arange(len(names)), [len(who) for who, _ in place])
    value = np.concatenate(
        [values[spot] for values, spot in zip(observed.values(), place, strict=True)]
    )
    order = np.lexsort((name, review, customer))
    at = days[review[order]] * DAY_SECONDS + 6 * 3600
    return as_table(
        {
            "customer_id": coded(customer[order], customer_ids),
            "observed_at": stamps(at),
            "name": coded(name[order], names),
            "value": pa.array([f"{number:g}" for number in value[order].tolist()]),
            "recorded_at": stamps(at + 3600),
        }
    )


def _observations(
    rng: np.random.Generator, lives: Lives, lines: Lines, days: Ints
) -> dict[str, Floats]:
    """Return a value per customer and review for each attribute; NaN where nothing is noted."""
    spend = spend_of_last_year(lives, lines, days)
    is_known = days[None, :] >= lives.traits.signed_up[:, None]
    is_half_year = (np.arange(len(days)) % 2 == 0)[None, :]
    level = np.digitize(spend, MEMBERSHIP_SPEND).astype(np.float64)
    changed = np.diff(np.where(is_known, level, -1.0), axis=1, prepend=-1.0) != 0
    noted = {
        "membership_level": np.where(is_known & changed, level, np.nan),
        "points": np.where(is_known & is_half_year & (spend > 0), np.round(spend), np.nan),
        "followers": np.where(is_known & is_half_year, _followers(rng, lives, days), np.nan),
    }
    business = is_known & lives.traits.is_business[:, None]
    credit = _credit(rng, lives, days, spend)
    return noted | {name: np.where(business, values, np.nan) for name, values in credit.items()}


def spend_of_last_year(lives: Lives, lines: Lines, days: Ints) -> Floats:
    """Return spend in the four quarters before each quarter day, shape (n_customers, n_days)."""
    if len(days) == 0:
        return np.zeros((lives.n_customers, 0))
    buys = np.flatnonzero((lines.is_refund == 0) & (lines.day < days[-1]))
    quarter = np.searchsorted(days, lines.day[buys], side="right")
    cell = lines.customer[buys] * len(days) + quarter
    per_quarter = np.bincount(cell, lines.amount[buys], lives.n_customers * len(days))
    shape = (lives.n_customers, len(days))
    total = np.cumsum(per_quarter.reshape(shape), axis=1, dtype=np.float64)
    total[:, 4:] -= total[:, :-4].copy()
    return total


def _followers(rng: np.random.Generator, lives: Lives, days: Ints) -> Floats:
    """Return followers on social media for a third of the customers, growing slowly."""
    social = rng.random(lives.n_customers) < 0.3
    start = np.exp(rng.normal(4.5, 1.4, lives.n_customers))
    growth = np.exp(rng.normal(0.03, 0.03, lives.n_customers))
    count = start[:, None] * growth[:, None] ** np.arange(len(days))[None, :]
    return np.where(social[:, None], np.round(np.minimum(count, 5e5)), np.nan)


def _credit(rng: np.random.Generator, lives: Lives, days: Ints, spend: Floats) -> dict[str, Floats]:
    """Return credit limit, its use, days overdue and the growth of the industry."""
    shape = spend.shape
    who = np.repeat(np.arange(shape[0]), shape[1])
    mood = lives.mood(who, np.tile(days, shape[0])).reshape(shape)
    limit = CREDIT_LIMITS[rng.integers(0, len(CREDIT_LIMITS), shape[0])][:, None]
    used = np.minimum(spend / 4 * rng.gamma(4.0, 0.25, shape), limit)
    is_late = rng.random(shape) < 1.0 / (1.0 + np.exp(2.6 + 0.9 * mood))
    growth = rng.normal(0.04, 0.06, lives.n_customers)[:, None] + rng.normal(0.0, 0.01, shape)
    return {
        "credit_limit": np.where(np.arange(shape[1]) % 4 == 0, limit, np.nan),
        "credit_used": np.round(used, 0),
        "overdue_days": np.where(is_late, 1.0 + rng.poisson(15.0, shape), 0.0),
        "industry_growth": np.round(growth, 3),
    }
