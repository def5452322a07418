"""Why a customer has the tier they have: every rule of the policy as a line of its own.

A trace is worked out customer by customer from what the policy says, apart from the arithmetic in
columns that published the tier; its last line's tier is the tier served.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from configs.section import Language, Text
from configs.tiers import Guard
from serving.scores.numbers import money, percent
from training.policy import Policy

Rule = Literal["value", "hysteresis", "minimum_stay", "guard"]
LANGUAGES: tuple[Language, Language] = ("zh", "en")


@dataclass(frozen=True)
class Step:
    """One rule and the tier after it.

    Attributes:
        rule: which part of the policy speaks.
        tier: rank of the tier after the rule; 0 is the lowest.
        moved: whether the rule changed the tier of the step before.
        guard: index into ``Policy.guards``, for a guard.
    """

    rule: Rule
    tier: int
    moved: bool
    guard: int | None = None


def replay(
    policy: Policy,
    value: float,
    previous: str | None = None,
    days_in_tier: float | None = None,
    guard_values: Mapping[str, float | None] | None = None,
) -> list[Step]:
    """Return the policy's rules in their order, for one customer.

    Value alone comes first; hysteresis where there was a tier before; the minimum stay where it
    is not over; then each guard that holds. The last step's tier is the customer's.

    Args:
        policy: with its amounts frozen.
        value: expected value in money.
        previous: tier code of last time.
        days_in_tier: days since ``previous`` began; ``None`` where unknown.
        guard_values: features that guards read; ``None`` where missing.
    """
    steps = [Step("value", bisect_right(policy.thresholds, value), False)]
    before = policy.codes.index(previous) if previous in policy.codes else None
    if before is not None:
        surely = bisect_right(_edges(policy, 1.0 + policy.hysteresis), value)
        possibly = bisect_right(_edges(policy, 1.0 - policy.hysteresis), value)
        steps.append(_then(steps, "hysteresis", min(max(before, surely), possibly)))
        if days_in_tier is not None and days_in_tier < policy.minimum_stay_days:
            steps.append(_then(steps, "minimum_stay", before))
    for i, guard in enumerate(policy.guards):
        if _holds(guard, (guard_values or {}).get(guard.feature)):
            steps.append(_then(steps, "guard", _bounded(policy, guard, steps[-1].tier), i))
    return steps


def _edges(policy: Policy, factor: float) -> list[float]:
    return [edge * factor for edge in policy.thresholds]


def _then(steps: list[Step], rule: Rule, tier: int, guard: int | None = None) -> Step:
    return Step(rule, tier, tier != steps[-1].tier, guard)


def _holds(guard: Guard, value: float | None) -> bool:
    if value is None or value != value:
        return False
    above = guard.at_least is None or value >= guard.at_least
    return above and (guard.at_most is None or value <= guard.at_most)


def _bounded(policy: Policy, guard: Guard, tier: int) -> int:
    lifted = tier if guard.lift is None else max(tier, policy.codes.index(guard.lift))
    return lifted if guard.cap is None else min(lifted, policy.codes.index(guard.cap))


def tier_trace(
    score: Mapping[str, Any], features: Mapping[str, float | None], policy: Policy, currency: str
) -> dict[str, Any] | None:
    """Return the trace of one customer, JSON-safe; ``None`` where there is no tier.

    Args:
        score: a row of the scores table.
        features: the customer's features, for the guards.
        policy: the one that the scores were made with.
        currency: ISO 4217 code.

    Returns:
        ``tier``; ``lines``, each with its ``rule``, the ``tier`` after it, whether it ``moved``
        the tier, and its ``text``; ``above`` and ``below``, the next boundaries by value, each
        with the ``tier`` beyond it, the money it lies ``at``, the ``distance`` from expected value
        (positive while not yet crossed) and its ``text``. Null beyond the highest and the lowest.
        ``outlook``: the chance that the next horizon's value reaches this tier's threshold, with
        its ``text``; null where none was learnt.
    """
    if score["tier"] is None:
        return None
    steps = replay(
        policy, score["clv_expected"], score["previous_tier"], _days_in_tier(score), features
    )
    told = _Told(score, policy, currency, steps)
    return {
        "tier": policy.codes[steps[-1].tier],
        "lines": [told.line(place) for place in range(len(steps))],
        "above": told.boundary("above"),
        "below": told.boundary("below"),
        "outlook": told.outlook(),
    }


def _days_in_tier(score: Mapping[str, Any]) -> float | None:
    since = score["previous_tier_since"]
    if since is None:
        return None
    return float(score["cutoff"] - (since - dt.date(1970, 1, 1)).days)


class _Told:
    """Writes the lines of one customer's trace."""

    def __init__(
        self, score: Mapping[str, Any], policy: Policy, currency: str, steps: list[Step]
    ) -> None:
        self._score, self._policy, self._currency, self._steps = score, policy, currency, steps
        self._value = score["clv_expected"]

    def line(self, place: int) -> dict[str, Any]:
        step = self._steps[place]
        write = {
            "value": self._by_value,
            "hysteresis": self._by_hysteresis,
            "minimum_stay": self._by_minimum_stay,
            "guard": self._by_guard,
        }[step.rule]
        return {
            "rule": step.rule,
            "tier": self._policy.codes[step.tier],
            "moved": step.moved,
            "text": {language: write(step, language) for language in LANGUAGES},
        }

    def boundary(self, side: Literal["above", "below"]) -> dict[str, Any] | None:
        at = self._score["tier_rises_at" if side == "above" else "tier_falls_below"]
        if at is None:
            return None
        by_value = [step for step in self._steps if step.rule != "guard"][-1].tier
        distance = at - self._value if side == "above" else self._value - at
        beyond = by_value + 1 if side == "above" else by_value - 1
        texts = {
            language: BOUNDARIES[side, distance > 0][language].format(
                tier=self._name(beyond, language),
                at=self._money(at, language),
                distance=self._money(abs(distance), language),
            )
            for language in LANGUAGES
        }
        code = self._policy.codes[beyond]
        return {"tier": code, "at": at, "distance": distance, "text": texts}

    def outlook(self) -> dict[str, Any] | None:
        shares = self._score.get("tier_outlook")
        if shares is None:
            return None
        rank = self._steps[-1].tier
        chance = min(sum(shares[: len(shares) - rank]), 1.0)
        texts = {
            language: OUTLOOK[language].format(
                chance=percent(chance, language), tier=self._name(rank, language)
            )
            for language in LANGUAGES
        }
        return {"chance": chance, "text": texts}

    def _by_value(self, step: Step, language: Language) -> str:
        lowest = step.tier == 0
        edge = self._policy.thresholds[0 if lowest else step.tier - 1]
        return BY_VALUE[lowest][language].format(
            value=self._money(self._value, language),
            edge=self._money(edge, language),
            tier=self._name(step.tier, language),
        )

    def _by_hysteresis(self, step: Step, language: Language) -> str:
        before = self._policy.codes.index(self._score["previous_tier"])
        kind = "kept" if step.moved else "same" if step.tier == before else "left"
        return HYSTERESIS[kind][language].format(
            band=percent(self._policy.hysteresis, language),
            before=self._name(before, language),
            tier=self._name(step.tier, language),
        )

    def _by_minimum_stay(self, step: Step, language: Language) -> str:
        until = self._score["previous_tier_since"] + dt.timedelta(self._policy.minimum_stay_days)
        return MINIMUM_STAY[language].format(
            days=self._policy.minimum_stay_days, until=until, tier=self._name(step.tier, language)
        )

    def _by_guard(self, step: Step, language: Language) -> str:
        assert step.guard is not None
        return GUARD[step.moved][language].format(
            rule=self._policy.guards[step.guard].name[language],
            tier=self._name(step.tier, language),
        )

    def _name(self, rank: int, language: Language) -> str:
        return self._policy.tiers[len(self._policy.tiers) - 1 - rank].name[language]

    def _money(self, amount: float, language: Language) -> str:
        return money(amount, self._currency, language)


BY_VALUE = {
    False: Text(
        zh="预期价值{value}，达到{tier}的起点{edge}",
        en="Expected value {value} is at or above {edge}, where {tier} starts",
    ),
    True: Text(
        zh="预期价值{value}，未达到{edge}：{tier}",
        en="Expected value {value} is below {edge}: {tier}",
    ),
}
"""By whether the tier is the lowest."""
HYSTERESIS = {
    "kept": Text(
        zh="上次为{before}；越过分界不足{band}，定为{tier}",
        en="Was {before}; not past the boundary by {band}: {tier}",
    ),
    "same": Text(
        zh="上次也是{before}，缓冲区（±{band}）无影响",
        en="Was {before} before as well; the buffer (±{band}) changes nothing",
    ),
    "left": Text(
        zh="上次为{before}；越过分界{band}以上，变为{tier}",
        en="Was {before}; past the boundary by {band} or more: {tier}",
    ),
}
MINIMUM_STAY = Text(
    zh="等级至少保持{days}天，到{until}为止：{tier}",
    en="A tier lasts at least {days} days, here until {until}: {tier}",
)
GUARD = {
    True: Text(zh="规则「{rule}」生效，定为{tier}", en="The rule “{rule}” holds and sets {tier}"),
    False: Text(
        zh="规则「{rule}」成立，等级不变", en="The rule “{rule}” holds and leaves the tier as it is"
    ),
}
"""By whether the rule moved the tier."""
OUTLOOK = Text(
    zh="下一期价值达到{tier}或更高的可能为{chance}",
    en="{chance} likely to bring the value of {tier} or more in the next horizon",
)
BOUNDARIES = {
    ("above", True): Text(
        zh="距{tier}还差{distance}（达到{at}时升入）",
        en="{distance} short of {tier}, which is reached at {at}",
    ),
    ("above", False): Text(
        zh="已达到{tier}的金额{at}，多出{distance}",
        en="{distance} above {at} already, the amount of {tier}",
    ),
    ("below", True): Text(
        zh="比{at}高{distance}，低于它则降为{tier}",
        en="{distance} above {at}, under which the tier is {tier}",
    ),
    ("below", False): Text(
        zh="已低于{at}，差{distance}，其下为{tier}",
        en="{distance} under {at} already, below which the tier is {tier}",
    ),
}
"""By side, and by whether the boundary is not crossed yet."""
