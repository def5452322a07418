"""The sentence about a tier: where a customer stands between its thresholds, and what set it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa

from serving.scores.numbers import CACHED, money, rounded
from training.policy import Policy

TIER_SENTENCE = ("clv_expected", "tier_guard", "tier_rises_at", "tier_falls_below", "tier_held")
"""Columns of the scores that the sentence about a tier is made of."""


class Told(NamedTuple):
    """A part of a sentence; lighter than :class:`Text`, as there are several of every customer."""

    zh: str
    en: str


HELD = Told(zh="缓冲区间内，保留原等级", en="kept within the buffer zone")
REACHED = Told(zh="已达到上一等级的金额", en="at the next tier's amount already")


def tier_sentences(scores: pa.Table, policy: Policy, currency: str) -> tuple[list[str], list[str]]:
    """Return where customers stand between the tiers' thresholds, in Chinese and English.

    Args:
        scores: table of schema ``SCORES``.
        policy: the tiers and their guard rules.
        currency: ISO 4217 code.
    """
    columns = (scores[name].to_pylist() for name in TIER_SENTENCE)
    told = [_tier_parts(row, policy, currency) for row in zip(*columns, strict=True)]
    en = ["; ".join([part.en for part in parts]) for parts in told]
    return (
        ["；".join([part.zh for part in parts]) for parts in told],
        [text[:1].upper() + text[1:] for text in en],
    )


def _tier_parts(row: tuple[Any, ...], policy: Policy, currency: str) -> list[Told]:
    """Return what is said of one customer, by the columns ``TIER_SENTENCE``."""
    value, guard, rises_at, falls_below, is_held = row
    parts = []
    if guard is not None:
        rule = policy.guards[guard].name
        parts.append(Told(f"由规则「{rule.zh}」确定", f"set by the rule “{rule.en}”"))
    if value is not None and rises_at is not None:
        parts.append(_missing_to_rise(rises_at - value, currency))
    if value is not None and falls_below is not None:
        parts.append(_above_the_floor(value - falls_below, currency))
    if is_held:
        parts.append(HELD)
    return parts


def _missing_to_rise(distance: float, currency: str) -> Told:
    if distance <= 0:
        return REACHED
    zh, en = _amount(rounded(distance), currency)
    return Told(f"距上一等级还差{zh}", f"{en} short of the next tier")


def _above_the_floor(distance: float, currency: str) -> Told:
    zh, en = _amount(rounded(abs(distance)), currency)
    if distance < 0:
        return Told(f"低于本等级下限{zh}", f"{en} below this tier's floor")
    return Told(f"高于本等级下限{zh}", f"{en} above this tier's floor")


@lru_cache(CACHED)
def _amount(shown: float, currency: str) -> Told:
    return Told(money(shown, currency, "zh"), money(shown, currency, "en"))
