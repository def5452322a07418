"""How a customer's points, money and tiers stand on their page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from configs.section import Language, Text
from serving.console.customer.asked import Asked
from serving.console.customer.waterfall import Figure
from serving.scores.numbers import money, signed
from serving.scores.phrases import quantity
from training.anchor import TargetName

Write = Callable[[float], str]


def words(found: Asked) -> Mapping[str, Any]:
    """Return what the templates of a customer write values with.

    ``tier_name`` names a tier by code; ``figure_value`` writes a figure; ``date`` reads an ISO
    day; ``pp`` and ``more`` write a difference in percentage points and in money, with its sign.
    """
    language, currency = found.visit.language, found.terms.currency
    names = found.terms.tier_names

    def tier_name(code: str) -> Text:
        return names.get(code, Text(zh=code, en=code))

    return {
        "tier_name": tier_name,
        "figure_value": lambda one: _value(one, found),
        "date": dt.date.fromisoformat,
        "pp": lambda points: percentage_points(points, language),
        "more": lambda amount: more_money(amount, currency, language),
    }


def _value(one: Figure, found: Asked) -> str:
    language = found.visit.language
    if one.value is None:
        return {"zh": "未知", "en": "not known"}[language]
    units = found.served.reasoner.units
    return quantity(one.value, one.unit, units, found.terms.currency, language)


def writer(target: TargetName, currency: str, language: Language) -> Write:
    """Return what writes a difference of ``target`` with its sign."""
    if target == "churn":
        return lambda points: percentage_points(points, language)
    return lambda amount: more_money(amount, currency, language)


def percentage_points(points: float, language: Language) -> str:
    """Return percentage points with their sign.

    >>> percentage_points(9.44, "zh"), percentage_points(-0.5, "en"), percentage_points(0.01, "en")
    ('+9.4个百分点', '−0.5 pp', '0.0 pp')
    """
    unit = "个百分点" if language == "zh" else " pp"
    return signed(f"{abs(points):.1f}{unit}", round(points, 1))


def more_money(amount: float, currency: str, language: Language) -> str:
    """Return money with its sign.

    >>> more_money(-120.0, "CNY", "zh"), more_money(8.5, "GBP", "en")
    ('−¥120', '+£8.50')
    """
    return signed(money(abs(amount), currency, language), amount)
