"""Service standards of the tiers: as configured, or the usual ones of a tier's place."""

from __future__ import annotations

from dataclasses import dataclass

from configs.schema import Config
from configs.section import Text
from training.policy import Policy

USUAL = ((2.0, 24.0, 30), (4.0, 48.0, 60), (8.0, 72.0, 90), (24.0, 120.0, 180))
"""Hours to answer, hours to resolve, days between contacts: of the highest tier, the next, those
between, and the lowest. Assumptions, until a company sets its own."""


@dataclass(frozen=True)
class Standard:
    """What one tier is promised.

    Attributes:
        code, name: of the tier.
        response_hours: to the first answer.
        resolution_hours: of complaints and support cases.
        contact_days: a customer nobody was in touch with for longer is owed a contact.
        usual: names of those that are the usual ones of the tier's place, not the company's own.
    """

    code: str
    name: Text
    response_hours: float
    resolution_hours: float
    contact_days: int
    usual: frozenset[str]


def standards(config: Config, policy: Policy) -> tuple[Standard, ...]:
    """Return the standard of every tier, the highest first."""
    levels = {level.tier: level for level in config.service_levels}
    found = []
    for place, tier in enumerate(policy.tiers):
        level = levels.get(tier.code)
        own = {
            "response_hours": None if level is None else level.first_response_hours,
            "resolution_hours": None if level is None else level.resolution_hours,
            "contact_days": config.team.terms(tier.code).contact_every_days,
        }
        response, resolution, days = usual(place, len(policy.tiers))
        found.append(
            Standard(
                code=tier.code,
                name=tier.name,
                response_hours=own["response_hours"] or response,
                resolution_hours=own["resolution_hours"] or resolution,
                contact_days=int(own["contact_days"] or days),
                usual=frozenset(name for name, value in own.items() if value is None),
            )
        )
    return tuple(found)


def usual(place: int, tiers: int) -> tuple[float, float, int]:
    """Return the usual standard of the tier at ``place`` from the top, of ``tiers``.

    >>> [usual(place, 3)[2] for place in range(3)]
    [30, 60, 180]
    """
    if place == tiers - 1:
        return USUAL[-1]
    return USUAL[min(place, 2)]
