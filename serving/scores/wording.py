"""Sentences about a customer's figures, in Chinese and English.

They state what was counted and set it beside the customer's own past, or the medians of all
customers and of the tier.
They never say that one thing made another: a contribution describes the model, not the world.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from configs.section import Language, Text
from serving.scores.numbers import CACHED, money, number, percent, rounded
from serving.scores.population import EVERYBODY
from training.policy import Policy

REST = Text(zh="其余各项合计", en="everything else together")
NO_RECORD = Text(zh="没有相应资料", en="not on record")
TOO_LITTLE: dict[str, Text] = {
    "transactions": Text(zh="购买记录不足，无法判断", en="too few purchases on record to tell"),
    "interactions": Text(zh="互动记录不足，无法判断", en="too few contacts on record to tell"),
    "satisfaction": Text(zh="没有相应评价", en="no such answer on record"),
}
"""What is told of a figure that is missing, by the source that it would be counted from."""
NEVER_BOUGHT = Text(zh="尚未购买", en="no purchase yet")
FLAGS = frozenset({"flag", "yes_no"})
"""Units of features that are 1 or 0."""
TOLD_BY = {"recency_days": "days_since_last_purchase"}
"""Inputs of models whose contribution is that of something people know: days of silence."""
RHYTHM = {"days_since_last_purchase": "usual_interval_days"}
"""Waits that are long or short by the customer's own rhythm, told beside it where it is known."""
RATE = {"frequency": "tenure_days"}
"""Counts of a customer's whole time, whose contribution is that of the rate: told with the time."""
CAPPED = re.compile(
    r"（(?P<years>[一两三])年封顶）| \(capped at a year\)|, up to (two|three) years"
)
"""What labels say of figures counted up to so many days; sentences say it where it matters."""
LANGUAGES: tuple[Language, ...] = ("zh", "en")
OUT_OF = re.compile(r"（满分\d+分）| out of \d+")
CAPS = {"一": 365, "两": 728, "三": 1095}
TIER_SENTENCE = ("clv_expected", "tier_guard", "tier_rises_at", "tier_falls_below", "tier_held")
"""Columns of the scores that the sentence about a tier is made of."""
REMEMBERED = 100_000
"""Sentences kept, so that a million customers' do not fill the memory: about 70 MB."""


class Told(NamedTuple):
    """A part of a sentence; lighter than :class:`Text`, as there are several of every customer."""

    zh: str
    en: str


HELD = Told(zh="缓冲区间内，保留原等级", en="kept within the buffer zone")
REACHED = Told(zh="已达到上一等级的金额", en="at the next tier's amount already")
YES = Text(zh="是", en="yes")
NO = Text(zh="否", en="no")


FALLBACKS: dict[str, Text] = {
    "no_purchases": Text(
        zh="尚无购买记录，按同类客户的平均水平估计",
        en="no purchase yet: the average of such customers",
    ),
    "nothing_known": Text(
        zh="该客户的各列均未知，按模型对缺失值的处理估计",
        en="nothing known of the customer: what the model makes of missing values",
    ),
    "rules_only": Text(
        zh="仅按规则估计：客户太少，或模型不优于规则",
        en="rules only: too few customers for a model, or none that beats the rule",
    ),
}
"""Why figures are not the model's own, by code."""


class Described(Protocol):
    """What a sentence needs to know of a feature; ``features.spec.Feature`` has it."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def family(self) -> str: ...  # noqa: D102
    @property
    def concept(self) -> str: ...  # noqa: D102
    @property
    def unit(self) -> str: ...  # noqa: D102
    @property
    def label(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def source(self) -> str | None: ...  # noqa: D102
    @property
    def window_days(self) -> int | None: ...  # noqa: D102
    @property
    def lag_days(self) -> int: ...  # noqa: D102
    @property
    def inputs(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def when_empty(self) -> float | None: ...  # noqa: D102
    @property
    def actionable(self) -> bool: ...  # noqa: D102


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


def sibling_of(feature: Described, features: Sequence[Described]) -> Described | None:
    """Return the feature that says the same of the window just before, if one is declared."""
    if feature.window_days is None or feature.source is None:
        return None
    stem = _stem(feature)
    for other in features:
        same = (other.source, other.unit, other.window_days) == (
            feature.source,
            feature.unit,
            feature.window_days,
        )
        before = other.lag_days == feature.lag_days + feature.window_days
        if same and before and _stem(other) == stem:
            return other
    return None


def _stem(feature: Described) -> str:
    """Return the name without its window: ``order_count`` of ``order_count_84d_before``."""
    return feature.name.split(f"_{feature.window_days}d")[0]


class Sentences:
    """Writes the sentence of one feature's value; remembers those already written.

    Args:
        features: every declared feature, for labels and siblings.
        units: words of units, by key.
        currency: ISO 4217 code.
        medians: tier → feature → median of its customers; ``EVERYBODY`` → of all.
    """

    def __init__(
        self,
        features: Sequence[Described],
        units: Mapping[str, Text],
        currency: str,
        medians: Mapping[str, Mapping[str, float]],
    ) -> None:
        self._features = {feature.name: feature for feature in features}
        self._siblings = {feature.name: sibling_of(feature, features) for feature in features}
        self._currency = currency
        self._medians = medians
        self._told_medians: dict[tuple[str, str, Language], str | None] = {}
        self._told_rates: dict[tuple[str, str, Language], str | None] = {}
        self._units_of = {
            (one.name, language): _units_beside(one, units, language)
            for one in features
            for language in LANGUAGES
        }
        self._caps = {one.name: _cap(one) for one in features}
        self._labels = {
            (one.name, language): CAPPED.sub("", one.label[language])
            for one in features
            for language in LANGUAGES
            if language in one.label
        }
        self._written: dict[tuple[str, float | None, float | None, str, int], tuple[str, str]] = {}

    def subject(self, name: str) -> str:
        """Return the feature that a sentence about ``name`` speaks of.

        Some inputs of models have a sibling that people know better. A window before is told
        beside the window after it, and a trend, derived from the two, likewise.
        """
        if TOLD_BY.get(name) in self._features:
            return TOLD_BY[name]
        feature = self._features[name]
        later = [one for one, other in self._siblings.items() if other is feature]
        if later:
            return later[0]
        if feature.source is None and len(feature.inputs) == 2:
            for one, other in (feature.inputs, feature.inputs[::-1]):
                sibling = self._siblings.get(one)
                if sibling is not None and sibling.name == other:
                    return one
        return name

    def sibling(self, name: str) -> str | None:
        """Return the feature that ``name`` is told beside: its window before, or the rhythm."""
        if name in RHYTHM | RATE:
            return (RHYTHM | RATE)[name]
        sibling = self._siblings[name]
        return None if sibling is None else sibling.name

    def write(
        self, name: str, value: float, before: float, tier: str, weighs: int = 0
    ) -> tuple[str, str]:
        """Return the sentence in Chinese and in English.

        A rise that speaks against a customer, or a fall that speaks for them, is not told as one:
        points come from the level, so the level is told, beside medians on the side of the points.

        Args:
            name: the feature.
            value: its value, NaN where missing.
            before: the value of its ``sibling``, NaN where there is none.
            tier: the customer's tier; its median and that of all are set beside the value
                where there is no sibling.
            weighs: 1 where the points speak for the customer, -1 against, 0 where nothing is said.
        """
        key = (name, _key(value), _key(before), tier, weighs)
        if key not in self._written:
            if len(self._written) >= REMEMBERED:
                self._written.clear()
            self._written[key] = (
                self._sentence(name, value, before, tier, weighs, "zh"),
                self._sentence(name, value, before, tier, weighs, "en"),
            )
        return self._written[key]

    def _sentence(
        self, name: str, value: float, before: float, tier: str, weighs: int, language: Language
    ) -> str:
        feature = self._features[name]
        label = self._labels[name, language]
        colon = "：" if language == "zh" else ": "
        if math.isnan(value):
            return f"{label}{colon}{self._missing(name)[language]}"
        if feature.family == "snapshot" and feature.unit in FLAGS:
            return _category(label, value, language)
        shown = self._quantity(feature, value, language) + self._or_more(name, value, language)
        of_tier = self._median(tier, name, language)
        if not math.isnan(before) and feature.window_days is not None:
            was = self._quantity(feature, before, language)
            if weighs * (value - before) < 0:
                of_all = self._on_side(EVERYBODY, name, value, weighs, language)
                of_tier = self._on_side(tier, name, value, weighs, language)
                return label + colon + _beside_either(shown, of_all, of_tier, language)
            then = _then(shown, _bare(was), value, before, feature.window_days, language)
            return label + colon + then + _of_peers(of_tier, language)
        if not math.isnan(before) and name in RHYTHM:
            return label + colon + _beside_rhythm(shown, before, language)
        of_all = self._median(EVERYBODY, name, language)
        if not math.isnan(before) and name in RATE:
            shown = _within(shown, before, language)
            of_all = self._median_rate(EVERYBODY, name, language)
            of_tier = self._median_rate(tier, name, language)
        return label + colon + _beside(shown, of_all, of_tier, language)

    def _missing(self, name: str) -> Text:
        """Return what is told where a figure is missing: what there is too little of."""
        if name in RATE:
            return NEVER_BOUGHT
        feature = self._features[name]
        sources = [feature.source] if feature.source else [self._source(i) for i in feature.inputs]
        told = [TOO_LITTLE[one] for one in sources if one in TOO_LITTLE]
        return told[0] if told else NO_RECORD

    def _source(self, name: str) -> str | None:
        return self._features[name].source if name in self._features else None

    def _on_side(
        self, group: str, name: str, value: float, weighs: int, language: Language
    ) -> str | None:
        """Return a median that the value lies on the side of that its points speak for."""
        median = self._medians.get(group, {}).get(name)
        if median is None or weighs * (value - median) <= 0:
            return None
        return self._median(group, name, language)

    def _median_rate(self, group: str, name: str, language: Language) -> str | None:
        """Return the median of a count with the median of the time that it took."""
        key = (group, name, language)
        if key not in self._told_rates:
            median, days = self._median(*key), self._medians.get(group, {}).get(RATE[name])
            told = None if median is None or days is None else _within(median, days, language)
            self._told_rates[key] = median if told is None else told
        return self._told_rates[key]

    def _median(self, group: str, name: str, language: Language) -> str | None:
        """Return a median with its unit; the scale that a score is out of is told once before."""
        key = (group, name, language)
        if key not in self._told_medians:
            self._told_medians[key] = self._told_median(*key)
        return self._told_medians[key]

    def _told_median(self, group: str, name: str, language: Language) -> str | None:
        median = self._medians.get(group, {}).get(name)
        if median is None:
            return None
        feature = self._features[name]
        return _bare(self._quantity(feature, median, language)) + self._or_more(
            name, median, language
        )

    def _quantity(self, feature: Described, value: float, language: Language) -> str:
        units = self._units_of[feature.name, language]
        return quantity(value, feature.unit, units, self._currency, language)

    def _or_more(self, name: str, value: float, language: Language) -> str:
        """Return what a figure counted up to a number of days lacks where it has reached it."""
        if value < self._caps[name]:
            return ""
        return "以上" if language == "zh" else " or more"


def _units_beside(
    feature: Described, units: Mapping[str, Text], language: Language
) -> Mapping[str, Text]:
    """Return the words of units; English leaves out a unit that the label says."""
    word = units[feature.unit].en if feature.unit in units else ""
    is_said = language == "en" and word in feature.label.get("en", "").lower().split()
    return {} if is_said else units


def _cap(feature: Described) -> float:
    """Return the days up to which a feature counts."""
    capped = CAPPED.search(feature.label.get("zh", ""))
    return math.inf if capped is None else CAPS[capped["years"]]


def _key(value: float) -> float | None:
    """Return what tells values apart; NaN is not even equal to itself."""
    return None if math.isnan(value) else value


def _category(label: str, value: float, language: Language) -> str:
    """Return a sentence for one level of a category, ``contract=Two year``."""
    column, _, level = label.partition("=")
    if not level:
        colon = "：" if language == "zh" else ": "
        return f"{label}{colon}{(YES if value >= 0.5 else NO)[language]}"
    if language == "zh":
        return f"{column}：{'' if value >= 0.5 else '非'}{level}"
    return f"{column}: {'' if value >= 0.5 else 'not '}{level}"


def _then(
    shown: str, was: str, value: float, before: float, window_days: int, language: Language
) -> str:
    window = span(window_days, language)
    if language == "zh":
        if shown == was:
            return f"{shown}，与此前{window}相同"
        return f"{shown}，此前{window}为{was}"
    if shown == was:
        return f"{shown}, the same as in the {window} before"
    direction = "up" if value > before else "down"
    return f"{shown}, {direction} from {was} in the {window} before"


def _within(count: str, days: float, language: Language) -> str:
    """Return a count with the days that it took.

    >>> _within("5次", 1130.0, "zh"), _within("5", 1.0, "en")
    ('1,130天内5次', '5 in 1 day')
    """
    shown = number(float(round(days)), language)
    return (
        f"{shown}天内{count}"
        if language == "zh"
        else f"{count} in {shown} {counted('days', shown)}"
    )


def _beside_rhythm(shown: str, usual: float, language: Language) -> str:
    """Return a wait beside the days that usually pass.

    >>> _beside_rhythm("231", 45.0, "en"), _beside_rhythm("231天", 45.0, "zh")
    ('231; the customer usually buys every 45 days', '231天，此前平均每45天购买一次')
    """
    days = number(float(round(usual)) if usual >= 10 else usual, language)
    if language == "zh":
        return f"{shown}，此前平均每{days}天购买一次"
    every = "day" if days == "1" else f"{days} days"
    return f"{shown}; the customer usually buys every {every}"


def _beside(shown: str, of_all: str | None, of_tier: str | None, language: Language) -> str:
    """Return a figure beside the median of all customers, whom points start near, and its tier's.

    >>> _beside("18", "6", "25", "en")
    "18; all customers' median is 6, the tier's 25"
    >>> _beside("1件", "0件", "0件", "zh")
    '1件，全体及同级客户的中位数均为0件'
    >>> _beside("6", "6", "6", "en")
    '6, the same as the median of all customers and of the tier'
    """
    if of_all is None:
        return shown
    if of_all == of_tier:
        return shown + _of_both(of_all, _bare(shown) == of_all, language)
    if language == "zh":
        tail = "" if of_tier is None else f"，同级客户中位数{of_tier}"
        return f"{shown}，全体客户中位数{of_all}{tail}"
    tail = "" if of_tier is None else f", the tier's {of_tier}"
    return f"{shown}; all customers' median is {of_all}{tail}"


def _beside_either(shown: str, of_all: str | None, of_tier: str | None, language: Language) -> str:
    """Return a figure beside the medians there are.

    >>> _beside_either("1", None, "2", "en"), _beside_either("1次", None, None, "zh")
    ("1; the tier's median is 2", '1次')
    """
    if of_all is None:
        return shown + _of_peers(of_tier, language)
    return _beside(shown, of_all, of_tier, language)


def _of_both(median: str, is_own: bool, language: Language) -> str:
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


def _of_peers(of_tier: str | None, language: Language) -> str:
    if of_tier is None:
        return ""
    return f"；同级客户中位数{of_tier}" if language == "zh" else f"; the tier's median is {of_tier}"


def _bare(quantity: str) -> str:
    """Return a score without what it is out of.

    >>> _bare("4分（满分5分）"), _bare("4.1 out of 5"), _bare("2 orders")
    ('4分', '4.1', '2 orders')
    """
    return OUT_OF.sub("", quantity) if "满" in quantity or " o" in quantity else quantity


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
