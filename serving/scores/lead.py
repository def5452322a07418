"""A customer in one sentence: who, which tier, what risk, and what to do about it first."""

from __future__ import annotations

import shlex
from typing import Any

from configs.section import Language, Text
from serving.scores.answers import Answer
from serving.scores.numbers import money, percent

BANDS: dict[str, Text] = {
    "high": Text(zh="高风险", en="high risk"),
    "medium": Text(zh="中风险", en="medium risk"),
    "low": Text(zh="低风险", en="low risk"),
}
NEAR = 0.25
"""A next tier is worth a word where this much more expected value reaches it."""

SOON = Text(zh="本周内联系：{act}", en="get in touch this week to {act}")
THIS_MONTH = Text(zh="本月内联系：{act}", en="get in touch this month to {act}")
TOGETHER = Text(
    zh="价值不高，不必单独联系，纳入下一次挽回活动",
    en="of little value, so no call of their own: include them in the next win-back offer",
)
EASY = Text(
    zh="价值不高，发消息即可：{act}",
    en="of little value, so send a message rather than call, to {act}",
)
WATCH = Text(
    zh="风险不高但在上升，下次发布时再看", en="a low risk, but rising: look again next time"
)
NEAR_NEXT = Text(
    zh="无需挽留；预期价值再增加{gap}即可升级",
    en="nothing to mend; {gap} more expected value reaches the next tier",
)
BY_COMMAND = Text(
    zh="，可用`echelon paths {who}`查看途径", en=", and `echelon paths {who}` says how"
)
"""How to find the way to the next tier, where no link leads there."""
NOTHING = Text(zh="目前无需行动", en="nothing to do now")
ASK = Text(zh="询问近况和需求", en="ask how they are and what they need")
ACTS: dict[str, Text] = {
    "complaints": Text(zh="先解决投诉", en="settle their complaint first"),
    "support": Text(zh="先解决其反馈的问题", en="settle what they reported first"),
    "service_speed": Text(zh="加快响应，先回复未决事项", en="answer what is still open first"),
    "satisfaction": Text(zh="询问哪里不满意", en="ask what they were not satisfied with"),
    "recommendation": Text(zh="询问为何不愿推荐", en="ask why they would not recommend us"),
    "effort": Text(zh="询问办事中的不便", en="ask what was made hard for them"),
    "feedback": Text(zh="回应其意见", en="answer what they wrote"),
    "refunds": Text(zh="询问退款的原因", en="ask why they sent things back"),
    "purchase_frequency": Text(
        zh="了解最近的购买打算，给出再次购买的理由",
        en="ask what they plan to buy and give a reason to order again",
    ),
    "purchase_interval": Text(
        zh="询问为何迟迟没有再次购买", en="ask why they have not come back when they usually do"
    ),
    "purchase_recency": Text(
        zh="询问为何迟迟没有再次购买", en="ask why they have not bought for so long"
    ),
    "purchase_trend": Text(zh="询问购买减少的原因", en="ask why they order less"),
    "spend": Text(zh="了解消费减少的原因", en="ask what they buy elsewhere"),
    "interaction_frequency": Text(zh="邀请来访或参加活动", en="invite them in"),
    "interaction_recency": Text(zh="邀请来访或参加活动", en="invite them in"),
    "interaction_trend": Text(zh="询问来往减少的原因", en="ask why they come less often"),
    "campaigns": Text(zh="换一种联系方式", en="try another way than the last campaigns"),
}


ASKED_BY = dict.fromkeys(
    ("purchase_frequency", "purchase_interval", "purchase_recency", "purchase_trend", "spend"),
    "purchase_frequency",
) | dict.fromkeys(
    ("interaction_frequency", "interaction_recency", "interaction_trend"), "interaction_frequency"
)
"""What to ask by a reason that cannot be mended: words that suit a figure that rose, too."""


def lead(answer: Answer, language: Language) -> str:
    """Return the first sentence about a customer.

    >>> lead({"customer_id": "C1", "lifecycle": "mature", "tier": {"falls_below": 3000.0,
    ...     "rises_at": None, "name": {"zh": "VIP客户", "en": "VIP"}}, "reasons": [],
    ...     "clv": {"expected": 8420.0, "currency": "CNY", "horizon_days": 365},
    ...     "churn": {"probability": 0.37, "band": "medium", "trend": None, "horizon_days": 90}},
    ...     "en")[:84]
    'C1 is in tier VIP, 37% likely to leave within 90 days (medium risk) and worth CN¥8,4'
    """
    todo = advice(answer, language)
    if is_near_next(answer):
        todo += BY_COMMAND[language].format(who=shlex.quote(answer["customer_id"]))
    if language == "zh":
        return f"{state(answer, language)}。{todo + '。' if todo else ''}"
    return f"{state(answer, language)}{': ' + todo if todo else ''}."


def state(answer: Answer, language: Language) -> str:
    """Return who it is, which tier, what risk and what worth, without a full stop."""
    who = answer["customer_id"]
    facts = [*_tier(answer, language), *_churn(answer, language), *_value(answer, language)]
    if language == "zh":
        return f"{who}：{'，'.join(facts)}"
    told = f"{', '.join(facts[:-1])} and {facts[-1]}" if facts[1:] else "".join(facts)
    return f"{who} is {told}"


def advice(answer: Answer, language: Language) -> str:
    """Return what to do first: by risk, by value, and by what raises the risk."""
    churn, tier = answer["churn"], answer["tier"]
    if churn is None:
        return ""
    if churn["band"] != "low":
        to_mend, to_ask = _acts(answer)
        if tier is not None and tier["falls_below"] is None:
            return EASY[language].format(act=to_mend[language]) if to_mend else TOGETHER[language]
        how = SOON if churn["band"] == "high" else THIS_MONTH
        return how[language].format(act=(to_mend or to_ask)[language])
    if churn["trend"] == "rising":
        return WATCH[language]
    gap = _gap(answer)
    if gap is None:
        return NOTHING[language]
    more = money(gap, answer["clv"]["currency"], language)
    return NEAR_NEXT[language].format(gap=more)


def is_near_next(answer: Answer) -> bool:
    """Return whether the advice is to look for the way to the next tier."""
    churn = answer["churn"]
    if churn is None or churn["band"] != "low" or churn["trend"] == "rising":
        return False
    return _gap(answer) is not None


def _acts(answer: Answer) -> tuple[Text | None, Text]:
    """Return what to do about the strongest reason that can be helped, and what to ask about.

    Of reasons that raise the risk; ``None`` where none of them can be helped.
    """
    raising = [one for one in answer["reasons"] if one["target"] == "churn" and one["points"] > 0]
    to_mend = [ACTS.get(one["concept"], ASK) for one in raising if one["actionable"]]
    to_ask = [ACTS[ASKED_BY[one["concept"]]] for one in raising if one["concept"] in ASKED_BY]
    return next(iter(to_mend), None), next(iter(to_ask), ASK)


def _gap(answer: Answer) -> float | None:
    """Return the money missing to the next tier, ``None`` where it is far or there is none."""
    clv, tier = answer["clv"], answer["tier"]
    if clv is None or tier is None or tier["rises_at"] is None:
        return None
    gap = float(tier["rises_at"] - clv["expected"])
    return gap if 0 < gap <= NEAR * clv["expected"] else None


def _tier(answer: Answer, language: Language) -> list[str]:
    if answer["tier"] is None:
        return []
    name = str(answer["tier"]["name"][language])
    return [name if language == "zh" else f"in tier {name}"]


def _churn(answer: Answer, language: Language) -> list[str]:
    churn: dict[str, Any] | None = answer["churn"]
    if churn is None:
        return []
    chance, band = percent(churn["probability"], language), BANDS[churn["band"]][language]
    if language == "zh":
        return [f"未来{churn['horizon_days']}天流失概率{chance}（{band}）"]
    return [f"{chance} likely to leave within {churn['horizon_days']} days ({band})"]


def _value(answer: Answer, language: Language) -> list[str]:
    clv: dict[str, Any] | None = answer["clv"]
    if clv is None:
        return []
    worth = money(clv["expected"], clv["currency"], language)
    if language == "zh":
        return [f"未来{clv['horizon_days']}天预期价值{worth}"]
    return [f"worth {worth} over {clv['horizon_days']} days"]
