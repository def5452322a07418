"""What customers buy, how often, how lately, and how that changes.

Windows of all the series are those of ``features/declared/windows.py``. No monotone direction is
given here: these features correct an anchor that already knows recency, frequency and money, and a
correction may go either way even where the whole may not.
"""

from __future__ import annotations

from typing import Any

from features.declared.windows import (
    HALF_YEAR,
    QUARTER,
    WINDOWS,
    YEAR,
    before,
    change,
    changed,
    over,
)
from features.spec import Feature, ratio

LONGEST_RECENCY_DAYS = 365
LONGEST_TENURE_DAYS = 728
MOST_OVERDUE = 20
WEEKEND = (2, 3)
"""Days modulo 7: 1970-01-01, day 0, was a Thursday."""


def bought(t: Any) -> Any:
    """Return the claim that a transaction is a purchase."""
    return t.kind == "purchase"


def orders(t: Any) -> Any:
    """Return the number of orders; where orders have no number, each day is one."""
    return t.order_id.fill_null(t.day.cast("string")).nunique(where=bought(t))


def spend(t: Any) -> Any:
    """Return the money of purchases, refunds not taken off."""
    return t.amount.sum(where=bought(t))


def first_purchase_day(t: Any) -> Any:
    """Return the day of the first purchase."""
    return t.day.min(where=bought(t))


def last_purchase_day(t: Any) -> Any:
    """Return the day of the latest purchase."""
    return t.day.max(where=bought(t))


def purchase_days(t: Any) -> Any:
    """Return the number of days with a purchase, missing where there is none."""
    return t.day.nunique(where=bought(t)).nullif(0)


def usual_interval(t: Any) -> Any:
    """Return the mean days from one purchase day to the next, missing before the second."""
    return ratio(last_purchase_day(t) - first_purchase_day(t), purchase_days(t) - 1)


def overdue(t: Any) -> Any:
    """Return days since the last purchase over the usual interval, missing as the latter is."""
    waited = t.cutoff - last_purchase_day(t)
    observed = last_purchase_day(t) - first_purchase_day(t)
    return ratio(waited * (purchase_days(t) - 1), observed).clip(upper=MOST_OVERDUE)


def of_season(name: str, value: Any, unit: str, zh: str, en: str) -> Feature:
    """Return a figure over the 13 weeks that follow the cutoff, as they were 52 weeks earlier.

    Not stationary: without a year of records it is 0 for everyone.
    """
    return Feature(
        name=f"{name}_91d_year_ago",
        source="transactions",
        window_days=91,
        lag_days=YEAR - 91,
        value=value,
        when_empty=0,
        family="behaviour",
        concept="season",
        unit=unit,
        label={
            "zh": f"去年此时起13周内的{zh}",
            "en": f"{en} in the 13 weeks from this day last year",
        },
        stationary=False,
    )


ANCHOR = (
    Feature(
        name="frequency",
        source="transactions",
        value=lambda t: purchase_days(t) - 1,
        family="behaviour",
        concept="purchase_frequency",
        unit="times",
        label={"zh": "累计复购次数", "en": "Repeat purchases so far"},
        stationary=False,
    ),
    Feature(
        name="recency_days",
        source="transactions",
        value=lambda t: last_purchase_day(t) - first_purchase_day(t),
        family="behaviour",
        concept="purchase_recency",
        unit="days",
        label={"zh": "首次至最近一次购买的天数", "en": "Days from first to last purchase"},
        stationary=False,
    ),
    Feature(
        name="tenure_days",
        source="transactions",
        value=lambda t: t.cutoff - first_purchase_day(t),
        family="behaviour",
        concept="relationship",
        unit="days",
        label={"zh": "首次购买至今天数", "en": "Days since first purchase"},
        stationary=False,
    ),
    Feature(
        name="monetary_value",
        source="transactions",
        value=lambda t: ratio(spend(t), purchase_days(t)),
        family="behaviour",
        concept="spend",
        unit="currency",
        label={"zh": "累计每购买日平均消费金额", "en": "Mean spend per purchase day so far"},
        stationary=False,
    ),
)
"""Inputs of the purchase models: the whole history, so never inputs of trees."""

RECENCY_AND_TENURE = (
    Feature(
        name="days_since_last_purchase",
        source="transactions",
        value=lambda t: (t.cutoff - last_purchase_day(t)).clip(upper=LONGEST_RECENCY_DAYS),
        family="behaviour",
        concept="purchase_recency",
        unit="days",
        label={
            "zh": "距最近一次购买天数（一年封顶）",
            "en": "Days since the last purchase (capped at a year)",
        },
    ),
    Feature(
        name="days_since_first_purchase",
        source="transactions",
        value=lambda t: (t.cutoff - first_purchase_day(t)).clip(upper=LONGEST_TENURE_DAYS),
        family="behaviour",
        concept="relationship",
        unit="days",
        label={"zh": "合作天数（两年封顶）", "en": "Days as a buyer, up to two years"},
    ),
)

ORDER_COUNTS = tuple(
    Feature(
        name=f"order_count_{days}d",
        source="transactions",
        window_days=days,
        value=orders,
        when_empty=0,
        family="behaviour",
        concept="purchase_frequency",
        unit="orders",
        label=over(days, "订单数", "Orders"),
    )
    for days in WINDOWS
)
SPENDS = tuple(
    Feature(
        name=f"spend_{days}d",
        source="transactions",
        window_days=days,
        value=spend,
        when_empty=0,
        family="behaviour",
        concept="spend",
        unit="currency",
        label=over(days, "消费金额", "Spend"),
    )
    for days in WINDOWS
)
PURCHASE_DAYS = (
    Feature(
        name="purchase_day_count_364d",
        source="transactions",
        window_days=YEAR,
        value=lambda t: t.day.nunique(where=bought(t)),
        when_empty=0,
        family="behaviour",
        concept="purchase_frequency",
        unit="days",
        label=over(YEAR, "有购买的天数", "Days with a purchase"),
    ),
)

RHYTHM = (
    Feature(
        name="usual_interval_days",
        source="transactions",
        value=usual_interval,
        family="behaviour",
        concept="purchase_interval",
        unit="days",
        label={"zh": "累计平均购买间隔", "en": "Usual days between purchases so far"},
        stationary=False,
    ),
    Feature(
        name="purchase_interval_days_364d",
        source="transactions",
        window_days=YEAR,
        value=usual_interval,
        family="behaviour",
        concept="purchase_interval",
        unit="days",
        label=over(YEAR, "平均购买间隔", "Usual days between purchases"),
    ),
    Feature(
        name="overdue_ratio_364d",
        source="transactions",
        window_days=YEAR,
        value=overdue,
        family="behaviour",
        concept="purchase_interval",
        unit="ratio",
        label={
            "zh": "距最近一次购买为平均间隔的倍数",
            "en": "Time since the last purchase, in usual intervals",
        },
    ),
    Feature(
        name="weekend_share_364d",
        source="transactions",
        window_days=YEAR,
        value=lambda t: ratio(
            t.amount.sum(where=bought(t) & (t.day % 7).isin(WEEKEND)).fill_null(0), spend(t)
        ),
        family="behaviour",
        concept="habits",
        unit="share",
        label=over(YEAR, "周末消费占比", "Share of spend at weekends"),
    ),
)

EARLIER = tuple(
    feature
    for days in (QUARTER, HALF_YEAR)
    for feature in (
        Feature(
            name=f"order_count_{days}d_before",
            source="transactions",
            window_days=days,
            lag_days=days,
            value=orders,
            when_empty=0,
            family="behaviour",
            concept="purchase_trend",
            unit="orders",
            label=before(days, "订单数", "Orders"),
        ),
        Feature(
            name=f"spend_{days}d_before",
            source="transactions",
            window_days=days,
            lag_days=days,
            value=spend,
            when_empty=0,
            family="behaviour",
            concept="purchase_trend",
            unit="currency",
            label=before(days, "消费金额", "Spend"),
        ),
    )
)


def trend(figure: str, days: int, zh: str, en: str) -> Feature:
    """Return the change of ``figure`` from the window before to the window."""
    now, earlier = f"{figure}_{days}d", f"{figure}_{days}d_before"
    return Feature(
        name=f"{figure}_trend_{days}d",
        inputs=(now, earlier),
        value=lambda f: change(f[now], f[earlier]),
        family="behaviour",
        concept="purchase_trend",
        unit="balance",
        label=changed(days, zh, en),
    )


TRENDS = tuple(
    trend(figure, days, zh, en)
    for days in (QUARTER, HALF_YEAR)
    for figure, zh, en in (("order_count", "订单数", "orders"), ("spend", "消费金额", "spend"))
)

SEASON = (
    of_season("order_count", orders, "orders", "订单数", "Orders"),
    of_season("spend", spend, "currency", "消费金额", "Spend"),
    Feature(
        name="season_share_364d",
        inputs=("spend_91d_year_ago", "spend_364d", "tenure_days"),
        value=lambda f: (f.tenure_days >= YEAR).ifelse(
            ratio(f.spend_91d_year_ago, f.spend_364d), None
        ),
        family="behaviour",
        concept="season",
        unit="share",
        label={
            "zh": "去年此时起13周内的消费占全年比重",
            "en": "Share of the year's spend in the 13 weeks from this day last year",
        },
    ),
)

BEHAVIOUR = (
    *ANCHOR,
    *RECENCY_AND_TENURE,
    *ORDER_COUNTS,
    *SPENDS,
    *PURCHASE_DAYS,
    *RHYTHM,
    *EARLIER,
    *TRENDS,
    *SEASON,
)
