"""What a plan supposes to be otherwise than it is."""

from __future__ import annotations

from pydantic import Field

from configs.section import Section
from configs.team import Skill


class Scenario(Section):
    """What is supposed to be otherwise; nothing in a plan that is carried out."""

    people: dict[Skill, int] = Field(default_factory=dict)
    """More employees of a skill, each with the usual hours of that skill."""
    hours: float = 1.0
    """What all hours are multiplied by."""
    budget: float = 1.0
    """What all budgets are multiplied by."""

    @property
    def is_real(self) -> bool:
        """Whether nothing is supposed."""
        return not any(self.people.values()) and self.hours == 1.0 and self.budget == 1.0
