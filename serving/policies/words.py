"""A tier policy in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from configs.section import Language, Text
from configs.tiers import Guard
from serving.scores.numbers import number, percent
from serving.scores.wording import Described
from training.policy import Policy

HYSTERESIS = Text(
    zh="客户要高出上一等级门槛{band}才升级，要低于本等级门槛{band}才降级；在此之间保持原等级。",
    en="A customer rises only {band} above the start of the next tier and falls only {band} below "
    "the start of their own; in between they stay where they are.",
)
NO_HYSTERESIS = Text(
    zh="不设缓冲：越过门槛即升级或降级。",
    en="There is no buffer: whoever crosses a start moves at once.",
)
STAY = Text(
    zh="进入一个等级后至少停留{days}天。", en="Whoever enters a tier stays {days} days at least."
)
NO_STAY = Text(zh="不设最短停留期。", en="There is no minimum stay.")
BANDS = Text(
    zh="流失概率达到{high}为高风险，达到{medium}为中风险。",
    en="A churn probability of {high} is high risk, of {medium} medium.",
)
CAP = Text(
    zh="“{name}”：{feature}{bounds}时，等级最高为{tier}。",
    en="“{name}”: where {feature} is {bounds}, the tier is {tier} at most.",
)
LIFT = Text(
    zh="“{name}”：{feature}{bounds}时，等级至少为{tier}。",
    en="“{name}”: where {feature} is {bounds}, the tier is {tier} at least.",
)
AT_LEAST = Text(zh="不低于{bound}", en="{bound} or more")
AT_MOST = Text(zh="不高于{bound}", en="{bound} or less")
AND = Text(zh="且", en=" and ")
NO_GUARDS = Text(zh="没有另设规则。", en="There are no guard rules.")


def sentences(policy: Policy, features: Sequence[Described], language: Language) -> list[str]:
    """Return what the policy says beside its thresholds.

    Args:
        policy: with its amounts frozen.
        features: those that guards may read, with their labels.
        language: of the sentences.
    """
    buffer = HYSTERESIS if policy.hysteresis else NO_HYSTERESIS
    stay = STAY if policy.minimum_stay_days else NO_STAY
    bands = policy.churn_bands
    high, medium = (percent(edge, language) for edge in (bands.high, bands.medium))
    guards = [guard_sentence(guard, policy, features, language) for guard in policy.guards]
    return [
        buffer[language].format(band=percent(policy.hysteresis, language)),
        stay[language].format(days=policy.minimum_stay_days),
        BANDS[language].format(high=high, medium=medium),
        *(guards or [NO_GUARDS[language]]),
    ]


def guard_sentence(
    guard: Guard, policy: Policy, features: Sequence[Described], language: Language
) -> str:
    """Return one guard rule as a sentence."""
    labels = {one.name: one.label[language] for one in features}
    names = {tier.code: tier.name[language] for tier in policy.tiers}
    bounds = [
        text[language].format(bound=number(bound, language))
        for text, bound in ((AT_LEAST, guard.at_least), (AT_MOST, guard.at_most))
        if bound is not None
    ]
    said = CAP if guard.cap is not None else LIFT
    return said[language].format(
        name=guard.name[language],
        feature=labels.get(guard.feature, guard.feature),
        bounds=AND[language].join(bounds),
        tier=names[guard.cap or guard.lift or ""],
    )
