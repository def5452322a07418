"""Phrases that sentences about figures are made of: a figure with its unit, then, beside others."""

from __future__ import annotations

import re
from collections.abc import Mapping

from configs.section import Language, Text
from serving.scores.numbers import money, number, percent

OUT_OF = re.compile(r"（满分\d+分）| out of \d+")
FLAGS = frozenset({"flag", "yes_no"})
"""Units of features that are 1 or 0."""
YES = Text(zh="是", en="yes")
NO = Text(zh="否", en="no")


def quantity(
    value: float, unit: str, units: Mapping[str, Text], currency: str, language: Language
) -> str:
    """Return a value with its unit.

    >>> units = {"orders": Text(zh="单", en="orders")}
    >>> quantity(2, "orders", units, "CNY", "zh"), quantity(1, "orders", units, "CNY", "en")
    ('2单', '1 order')
    >>> quantity(0.25, "share", units, "CNY", "en"), quantity(1200, "currency", units, "CNY", "zh")
    ('25%', '¥1,200')
    """
    if unit == "currency":
        return money(value, currency, language)
    if unit == "share":
        return percent(round(value, 2) + 0.0, language)
    if unit in FLAGS:
        return (YES if value >= 0.5 else NO)[language]
    shown = number(value, language)
    word = units[unit][language] if unit in units else ""
    if not word:
        return shown
    if language == "zh" or word == "%":
        return f"{shown}{word}"
    return f"{shown} {counted(word, shown)}"


def counted(plural: str, shown: str) -> str:
    """Return the English word for the number shown: ``1 order``, ``2 orders``."""
    if shown != "1":
        return plural
    if plural.endswith("ies"):
        return plural[:-3] + "y"
    return plural[:-1] if plural.endswith("s") else plural


def span(days: int, language: Language) -> str:
    """Return a window's length in words.

    >>> span(84, "en"), span(84, "zh"), span(365, "en"), span(30, "zh"), span(7, "en")
    ('12 weeks', '12周', '12 months', '30天', '7 days')
    """
    if days in (364, 365, 366):
        return "12个月" if language == "zh" else "12 months"
    if days % 7 == 0 and days > 7:
        return f"{days // 7}周" if language == "zh" else f"{days // 7} weeks"
    return f"{days}天" if language == "zh" else f"{days} days"


def category(label: str, value: float, language: Language) -> str:
    """Return a sentence for one level of a category, ``contract=Two year``."""
    column, _, level = label.partition("=")
    if not level:
        colon = "：" if language == "zh" else ": "
        return f"{label}{colon}{(YES if value >= 0.5 else NO)[language]}"
    if language == "zh":
        return f"{column}：{'' if value >= 0.5 else '非'}{level}"
    return f"{column}: {'' if value >= 0.5 else 'not '}{level}"


def then(
    shown: str, was: str, value: float, before: float, window_days: int, language: Language
) -> str:
    """Return a figure beside what it was in the window before.

    >>> then("3", "5", 3.0, 5.0, 84, "en"), then("3次", "3次", 3.0, 3.0, 84, "zh")
    ('3, down from 5 in the 12 weeks before', '3次，与此前12周相同')
    """
    window = span(window_days, language)
    if language == "zh":
        if shown == was:
            return f"{shown}，与此前{window}相同"
        return f"{shown}，此前{window}为{was}"
    if shown == was:
        return f"{shown}, the same as in the {window} before"
    direction = "up" if value > before else "down"
    return f"{shown}, {direction} from {was} in the {window} before"


def within(count: str, days: float, language: Language) -> str:
    """Return a count with the days that it took.

    >>> within("5次", 1130.0, "zh"), within("5", 1.0, "en")
    ('1,130天内5次', '5 in 1 day')
    """
    shown = number(float(round(days)), language)
    return (
        f"{shown}天内{count}"
        if language == "zh"
        else f"{count} in {shown} {counted('days', shown)}"
    )


def beside_rhythm(shown: str, usual: float, language: Language) -> str:
    """Return a wait beside the days that usually pass.

    >>> beside_rhythm("231", 45.0, "en"), beside_rhythm("231天", 45.0, "zh")
    ('231; the customer usually buys every 45 days', '231天，此前平均每45天购买一次')
    """
    days = number(float(round(usual)) if usual >= 10 else usual, language)
    if language == "zh":
        return f"{shown}，此前平均每{days}天购买一次"
    every = "day" if days == "1" else f"{days} days"
    return f"{shown}; the customer usually buys every {every}"


def beside(shown: str, of_all: str | None, of_tier: str | None, language: Language) -> str:
    """Return a figure beside the median of all customers, whom points start near, and its tier's.

    >>> beside("18", "6", "25", "en")
    "18; all customers' median is 6, the tier's 25"
    >>> beside("1件", "0件", "0件", "zh")
    '1件，全体及同级客户的中位数均为0件'
    >>> beside("6", "6", "6", "en")
    '6, the same as the median of all customers and of the tier'
    """
    if of_all is None:
        return shown
    if of_all == of_tier:
        return shown + of_both(of_all, bare(shown) == of_all, language)
    if language == "zh":
        tail = "" if of_tier is None else f"，同级客户中位数{of_tier}"
        return f"{shown}，全体客户中位数{of_all}{tail}"
    tail = "" if of_tier is None else f", the tier's {of_tier}"
    return f"{shown}; all customers' median is {of_all}{tail}"


def beside_either(shown: str, of_all: str | None, of_tier: str | None, language: Language) -> str:
    """Return a figure beside the medians there are.

    >>> beside_either("1", None, "2", "en"), beside_either("1次", None, None, "zh")
    ("1; the tier's median is 2", '1次')
    """
    if of_all is None:
        return shown + of_peers(of_tier, language)
    return beside(shown, of_all, of_tier, language)


def of_both(median: str, is_own: bool, language: Language) -> str:
    """Return that all customers and the tier have the same median, the customer's own or not."""
    if is_own:
        zh, en = (
            "，与全体及同级客户的中位数相同",
            ", the same as the median of all customers and of the tier",
        )
    else:
        zh = f"，全体及同级客户的中位数均为{median}"
        en = f"; the median of all customers and of the tier is {median}"
    return zh if language == "zh" else en


def of_peers(of_tier: str | None, language: Language) -> str:
    """Return what the tier's median is, where there is one."""
    if of_tier is None:
        return ""
    return f"；同级客户中位数{of_tier}" if language == "zh" else f"; the tier's median is {of_tier}"


def bare(quantity: str) -> str:
    """Return a score without what it is out of.

    >>> bare("4分（满分5分）"), bare("4.1 out of 5"), bare("2 orders")
    ('4分', '4.1', '2 orders')
    """
    return OUT_OF.sub("", quantity) if "满" in quantity or " o" in quantity else quantity
