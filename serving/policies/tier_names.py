"""Ready sets of tier names, as companies use them; each tier with its code."""

from __future__ import annotations

from dataclasses import dataclass

from configs.section import Text
from configs.tiers import Tier


@dataclass(frozen=True)
class NameSet:
    """Names for a company's tiers, from the highest to the lowest."""

    code: str
    name: Text
    tiers: tuple[Tier, ...]


def _set(code: str, zh: str, en: str, *tiers: tuple[str, str, str]) -> NameSet:
    made = (Tier(code=one, name=Text(zh=chinese, en=english)) for one, chinese, english in tiers)
    return NameSet(code, Text(zh=zh, en=en), tuple(made))


NAME_SETS = (
    _set(
        "vip4",
        "VIP／潜力／一般／低价值",
        "VIP / potential / general / low value",
        ("vip", "VIP客户", "VIP"),
        ("potential", "潜力客户", "Potential"),
        ("general", "一般客户", "General"),
        ("low", "低价值客户", "Low value"),
    ),
    _set(
        "potential3",
        "高价值／潜力／一般",
        "High value / potential / general",
        ("high", "高价值客户", "High value"),
        ("potential", "潜力客户", "Potential"),
        ("general", "一般客户", "General"),
    ),
    _set(
        "value3",
        "高价值／中等价值／低价值",
        "High / medium / low value",
        ("high", "高价值客户", "High value"),
        ("medium", "中等价值客户", "Medium value"),
        ("low", "低价值客户", "Low value"),
    ),
    _set(
        "vip3",
        "VIP／重要／普通",
        "VIP / important / ordinary",
        ("vip", "VIP客户", "VIP"),
        ("important", "重要客户", "Important"),
        ("ordinary", "普通客户", "Ordinary"),
    ),
    _set(
        "senior3",
        "VIP／高级／普通",
        "VIP / senior / ordinary",
        ("vip", "VIP客户", "VIP"),
        ("senior", "高级客户", "Senior"),
        ("ordinary", "普通客户", "Ordinary"),
    ),
    _set(
        "member3",
        "金卡／银卡／普通会员",
        "Gold / silver / ordinary member",
        ("gold", "金卡会员", "Gold"),
        ("silver", "银卡会员", "Silver"),
        ("member", "普通会员", "Member"),
    ),
    _set(
        "service2",
        "高级／普通（服务标准）",
        "Senior / ordinary (standard of service)",
        ("senior", "高级客户", "Senior"),
        ("ordinary", "普通客户", "Ordinary"),
    ),
)
