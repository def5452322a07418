"""What is missing or stale about a customer, in words."""

from __future__ import annotations

from collections.abc import Sequence

from configs.section import Text
from serving.console.customer.asked import Asked
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
COLUMN = Text(zh="缺少“{name}”", en="“{name}” is not known")
UNUSUAL = Text(
    zh="“{name}”超出训练数据的范围，数值较不可靠",
    en="“{name}” lies outside what the model learnt from, so the figures are less certain",
)
NOT_KEPT: dict[str, Text] = {
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
    told = [] if fallback is None else [FALLBACKS[fallback]]
    told += [_warning(code, features) for code in asked.answer["warnings"]]
    return told + _not_kept(asked)


def _warning(code: str, features: Sequence[Described]) -> Text:
    kind, _, what = code.partition(":")
    words = {"missing": MISSING, "stale": STALE}.get(kind, {})
    if what in words:
        return words[what]
    labels = {one.name: Text(zh=one.label["zh"], en=one.label["en"]) for one in features}
    name = labels.get(what) or concept_name(what, features)
    words_of_one = UNUSUAL if kind == "out_of_range" else COLUMN
    return Text(zh=words_of_one.zh.format(name=name.zh), en=words_of_one.en.format(name=name.en))


def _not_kept(asked: Asked) -> list[Text]:
    """Return which records the company does not have at all."""
    if asked.served.contract is not None:
        return [SNAPSHOT]
    families = {one.family for one in asked.served.bundle.features}
    return [text for family, text in NOT_KEPT.items() if family not in families]
