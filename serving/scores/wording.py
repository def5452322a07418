"""Sentences about a customer's figures, in Chinese and English.

They state what was counted and set it beside the customer's own past, or the medians of all
customers and of the tier.
They never say that one thing made another: a contribution describes the model, not the world.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from configs.section import Language, Text
from serving.scores.phrases import (
    FLAGS,
    bare,
    beside,
    beside_either,
    beside_rhythm,
    category,
    of_peers,
    quantity,
    then,
    within,
)
from serving.scores.population import EVERYBODY

REST = Text(zh="其余各项合计", en="everything else together")
NO_RECORD = Text(zh="没有相应资料", en="not on record")
TOO_LITTLE: dict[str, Text] = {
    "transactions": Text(zh="购买记录不足，无法判断", en="too few purchases on record to tell"),
    "interactions": Text(zh="互动记录不足，无法判断", en="too few contacts on record to tell"),
    "satisfaction": Text(zh="没有相应评价", en="no such answer on record"),
}
"""What is told of a figure that is missing, by the source that it would be counted from."""
NEVER_BOUGHT = Text(zh="尚未购买", en="no purchase yet")
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
CAPS = {"一": 365, "两": 728, "三": 1095}
REMEMBERED = 100_000
"""Sentences kept, so that a million customers' do not fill the memory: about 70 MB."""
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
            return category(label, value, language)
        shown = self._quantity(feature, value, language) + self._or_more(name, value, language)
        of_tier = self._median(tier, name, language)
        if not math.isnan(before) and feature.window_days is not None:
            was = self._quantity(feature, before, language)
            if weighs * (value - before) < 0:
                of_all = self._on_side(EVERYBODY, name, value, weighs, language)
                of_tier = self._on_side(tier, name, value, weighs, language)
                return label + colon + beside_either(shown, of_all, of_tier, language)
            told = then(shown, bare(was), value, before, feature.window_days, language)
            return label + colon + told + of_peers(of_tier, language)
        if not math.isnan(before) and name in RHYTHM:
            return label + colon + beside_rhythm(shown, before, language)
        of_all = self._median(EVERYBODY, name, language)
        if not math.isnan(before) and name in RATE:
            shown = within(shown, before, language)
            of_all = self._median_rate(EVERYBODY, name, language)
            of_tier = self._median_rate(tier, name, language)
        return label + colon + beside(shown, of_all, of_tier, language)

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
            told = None if median is None or days is None else within(median, days, language)
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
        return bare(self._quantity(feature, median, language)) + self._or_more(
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
