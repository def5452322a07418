"""Who works for customers: employees, their hours and owners, and what each tier may cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.section import Section

Skill = Literal["automation", "regular", "experienced"]
SKILLS: tuple[Skill, ...] = ("automation", "regular", "experienced")
"""From the least to the most; whoever has one can do what needs a lower one."""


class TierTerms(Section):
    """What a tier is owed, and what it may cost in one planning period."""

    tier: str
    budget: Annotated[float | None, Field(ge=0)] = None
    """Money for offers to all customers of the tier together; no limit unless given."""
    offer_cap: Annotated[float | None, Field(ge=0)] = None
    """Money for one customer; no limit unless given."""
    contact_every_days: Annotated[int | None, Field(ge=1)] = None
    """Customers nobody spoke to for longer are owed a contact; nobody is unless given."""
    contact_minutes: Annotated[int | None, Field(ge=1)] = None
    """Of one such contact; default: the team's."""
    contact_skill: Skill = "automation"
    """The least skill that such a contact asks for."""
    dedicated: bool = False
    """Only their owner serves customers of this tier, as long as they have one."""


class Team(Section):
    """Employees and owners by file, and the terms of tiers; files start from ``data``."""

    employees: Path | None = None
    """CSV of ``code``, ``name``, ``skill``, ``hours_per_week`` and, if they sign in, ``person``."""
    owners: Path | None = None
    """CSV of ``customer_id`` and ``employee``: who looks after whom already."""
    weeks: Annotated[int, Field(ge=1, le=13)]
    """A plan is for this long."""
    contact_minutes: Annotated[int, Field(ge=1)]
    """Of one return visit by phone, notes included."""
    handover_cost: Annotated[float, Field(ge=0)]
    """Money that it is thought to cost when somebody other than the owner serves a customer."""
    tiers: tuple[TierTerms, ...] = ()

    @model_validator(mode="after")
    def _tiers_differ(self) -> Team:
        tiers = [terms.tier for terms in self.tiers]
        if len(set(tiers)) != len(tiers):
            raise ValueError(f"tiers repeat: {tiers}")
        if self.owners is not None and self.employees is None:
            raise ValueError("owners are given without employees; give team.employees, too")
        return self

    def terms(self, tier: str | None) -> TierTerms:
        """Return the terms of a tier; one that is not named here has no limits."""
        return next((one for one in self.tiers if one.tier == tier), TierTerms(tier=tier or ""))

    def minutes(self, tier: str | None) -> int:
        """Return how long a contact with a customer of ``tier`` takes."""
        return self.terms(tier).contact_minutes or self.contact_minutes
