"""Who customers are: sign-up, membership, points, followers, credit, their industry's growth.

Attributes are dated facts; the latest one known at the cutoff counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.declared.satisfaction import LOSES, Direction
from features.declared.windows import HALF_YEAR
from features.spec import Feature, ratio

LONGEST_MEMBERSHIP_DAYS = 1095


def latest(name: str, t: Any) -> Any:
    """Return the latest value of one attribute."""
    return t.number.argmax(t.day, where=t.name == name)


def attribute(
    name: str,
    concept: str,
    unit: str,
    label: Mapping[str, str],
    lag_days: int = 0,
    actionable: bool = False,
    monotone: Direction | None = None,
) -> Feature:
    """Return the latest value of an attribute, known ``lag_days`` before the cutoff."""
    return Feature(
        name=f"{name}_{lag_days}d_ago" if lag_days else name,
        source="attributes",
        lag_days=lag_days,
        value=lambda t: latest(name, t),
        family="profile",
        concept=concept,
        unit=unit,
        label=label,
        actionable=actionable,
        monotone=monotone or {},
    )


def gain(name: str, concept: str, unit: str, label: Mapping[str, str]) -> Feature:
    """Return by how much an attribute rose in half a year."""
    earlier = f"{name}_{HALF_YEAR}d_ago"
    return Feature(
        name=f"{name}_gain_{HALF_YEAR}d",
        inputs=(name, earlier),
        value=lambda f: f[name] - f[earlier],
        family="profile",
        concept=concept,
        unit=unit,
        label=label,
    )


STANDING = (
    Feature(
        name="days_since_sign_up",
        source="customers",
        value=lambda t: (t.cutoff - t.day.min(where=t.signed_up_on.notnull())).clip(
            upper=LONGEST_MEMBERSHIP_DAYS
        ),
        family="profile",
        concept="relationship",
        unit="days",
        label={"zh": "注册天数（三年封顶）", "en": "Days since sign-up, up to three years"},
    ),
    attribute(
        "membership_level",
        "membership",
        "levels",
        {"zh": "会员等级", "en": "Membership level"},
        actionable=True,
    ),
    attribute(
        "membership_level",
        "membership",
        "levels",
        {"zh": "26周前会员等级", "en": "Membership level 26 weeks ago"},
        lag_days=HALF_YEAR,
    ),
    gain(
        "membership_level",
        "membership",
        "levels",
        {"zh": "近26周会员等级变化", "en": "Change in membership level in 26 weeks"},
    ),
    attribute(
        "points", "points", "points", {"zh": "积分余额", "en": "Points balance"}, actionable=True
    ),
)

INFLUENCE = (
    attribute("followers", "influence", "followers", {"zh": "粉丝数量", "en": "Followers"}),
    attribute(
        "followers",
        "influence",
        "followers",
        {"zh": "26周前粉丝数量", "en": "Followers 26 weeks ago"},
        lag_days=HALF_YEAR,
    ),
    gain(
        "followers",
        "influence",
        "followers",
        {"zh": "近26周粉丝增长", "en": "Followers gained in 26 weeks"},
    ),
)

CREDIT = (
    attribute(
        "credit_limit",
        "credit",
        "currency",
        {"zh": "信用额度", "en": "Credit limit"},
        actionable=True,
    ),
    Feature(
        name="credit_use",
        source="attributes",
        value=lambda t: ratio(latest("credit_used", t), latest("credit_limit", t)),
        family="profile",
        concept="credit",
        unit="share",
        label={"zh": "信用额度使用率", "en": "Share of the credit limit in use"},
    ),
    attribute(
        "overdue_days",
        "credit",
        "days",
        {"zh": "逾期天数", "en": "Days overdue"},
        actionable=True,
        monotone=LOSES,
    ),
)

MARKET = (
    attribute(
        "industry_growth", "industry", "share", {"zh": "所在行业增长率", "en": "Industry growth"}
    ),
)

PROFILE = (*STANDING, *INFLUENCE, *CREDIT, *MARKET)
