"""What is missing or stale about a customer, in words."""

from __future__ import annotations

from collections.abc import Sequence

from configs.section import Text
from serving.console.customer.asked import Asked
from serving.console.given import Kind, given
from serving.scores.concept_names import concept_name
from serving.scores.wording import FALLBACKS, Described

MISSING: dict[str, Text] = {
    "behaviour": Text(zh="没有购买记录", en="No purchase on record"),
    "interaction": Text(zh="没有互动记录", en="No contact on record"),
    "satisfaction": Text(zh="没有满意度记录", en="No satisfaction answer on record"),
    "profile": Text(zh="没有档案资料", en="Nothing known of the profile"),
}
STALE: dict[str, Text] = {
    "interaction": Text(
        zh="最近一次互动已超过一年，互动情况可能已过时",
        en="The last contact is more than a year old and may tell little of today",
    ),
    "satisfaction": Text(
        zh="最近一次评价已超过一年，满意度可能已过时",
        en="The last satisfaction answer is more than a year old and may tell little of today",
    ),
}
OUT_OF_RANGE = "out_of_range:"
COLUMN = Text(zh="缺少“{name}”", en="“{name}” is not known")
UNUSUAL = Text(
    zh="{names}超出训练数据的范围，评分较不可靠",
    en="Outside what the model learnt from, so the scores are less certain: {names}",
)
NAMED = 3
MORE = Text(zh="等{n}项指标", en=" and {n} more figures")
NOT_KEPT: dict[Kind, Text] = {
    "interaction": Text(
        zh="公司未提供互动记录，本页不含互动内容",
        en="The company gives no records of contacts, so this page has none",
    ),
    "satisfaction": Text(
        zh="公司未提供满意度记录，本页不含满意度内容",
        en="The company gives no satisfaction records, so this page has none",
    ),
}
SNAPSHOT = Text(
    zh="合同客户的数据为汇总列，没有逐笔记录：时间线、假设和途径不适用",
    en="Contract customers come as ready columns, not as events: a timeline, what-if and paths do "
    "not apply",
)


def gaps(asked: Asked) -> list[Text]:
    """Return what to know about the inputs of this customer's figures."""
    features = asked.served.bundle.features
    fallback = asked.answer["confidence"]["fallback"]
    told = [] if fallback is None else [_begun(FALLBACKS[fallback])]
    codes = asked.answer["warnings"]
    told += [_warning(code, features) for code in codes if not code.startswith(OUT_OF_RANGE)]
    unusual = [code.removeprefix(OUT_OF_RANGE) for code in codes if code.startswith(OUT_OF_RANGE)]
    return [*told, *_unusual(unusual, features), *_not_kept(asked)]


def _unusual(names: Sequence[str], features: Sequence[Described]) -> list[Text]:
    """Return one sentence about the figures that are like nobody's in the training."""
    if not names:
        return []
    labels = {one.name: one.label for one in features}
    first = [labels[name] for name in names[:NAMED]]
    zh = "、".join(f"“{one['zh']}”" for one in first)
    en = ", ".join(f"“{one['en']}”" for one in first)
    if names[NAMED:]:
        zh += MORE.zh.format(n=len(names))
        en += MORE.en.format(n=len(names) - NAMED)
    return [Text(zh=UNUSUAL.zh.format(names=zh), en=UNUSUAL.en.format(names=en))]


def _begun(text: Text) -> Text:
    """Return ``text`` as a sentence begins."""
    return Text(zh=text.zh, en=text.en[:1].upper() + text.en[1:])


def _warning(code: str, features: Sequence[Described]) -> Text:
    kind, _, what = code.partition(":")
    words = {"missing": MISSING, "stale": STALE}.get(kind, {})
    if what in words:
        return words[what]
    name = concept_name(what, features)
    return Text(zh=COLUMN.zh.format(name=name.zh), en=COLUMN.en.format(name=name.en))


def _not_kept(asked: Asked) -> list[Text]:
    """Return which records the company does not have at all."""
    if asked.served.contract is not None:
        return [SNAPSHOT]
    known = given(asked.visit.config)
    return [text for family, text in NOT_KEPT.items() if family not in known]
