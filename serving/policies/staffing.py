"""What tiers cost by the team's terms: contacts owed in hours, and money for offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from configs.team import Team
from serving.policies.effect import Effect, TierSum

DAYS_IN_A_WEEK = 7


@dataclass(frozen=True)
class TierCost:
    """What a tier asks for in one planning period; ``None`` where its terms do not say.

    Attributes:
        hours: of contacts at the tier's cadence.
        budget: money for offers to all of the tier.
        per_customer: the budget over its customers.
    """

    hours: float | None
    budget: float | None
    per_customer: float | None


@dataclass(frozen=True)
class Staffing:
    """What the tiers as published, and by a policy, cost in ``weeks``.

    Attributes:
        before, after: by tier code.
        unnamed: tiers of the policy that the team's terms do not name.
    """

    weeks: int
    before: Mapping[str, TierCost]
    after: Mapping[str, TierCost]
    unnamed: tuple[str, ...]

    @property
    def hours_before(self) -> float:
        """Hours of contacts as tiers are published."""
        return sum(one.hours or 0.0 for one in self.before.values())

    @property
    def hours_after(self) -> float:
        """Hours of contacts by the policy."""
        return sum(one.hours or 0.0 for one in self.after.values())


def staffing_of(effect: Effect, team: Team) -> Staffing | None:
    """Return what a policy does to hours and money; ``None`` without terms of tiers."""
    if not team.tiers:
        return None
    named = {terms.tier for terms in team.tiers}
    return Staffing(
        weeks=team.weeks,
        before={code: _cost(team, code, one) for code, one in effect.sums_before.items()},
        after={code: _cost(team, code, one) for code, one in effect.sums_after.items()},
        unnamed=tuple(code for code in effect.codes_after if code not in named),
    )


def _cost(team: Team, code: str, tier: TierSum) -> TierCost:
    terms = team.terms(code)
    hours = None
    if terms.contact_every_days is not None:
        contacts = tier.customers * team.weeks * DAYS_IN_A_WEEK / terms.contact_every_days
        hours = contacts * team.minutes(code) / 60.0
    share = None if terms.budget is None or not tier.customers else terms.budget / tier.customers
    return TierCost(hours, terms.budget, share)
