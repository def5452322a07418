"""What a plan is asked: customers with what may be done for them, people with hours, limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

LEVELS = 3
"""Of skill: 0 automation, 1 regular, 2 experienced; who has one can do what needs a lower one."""
HOUR = 1e-5
"""Hours, and money, below this are rounding."""


@dataclass(frozen=True)
class Question:
    """At most one option per customer, done by one employee, for the most value in all.

    Attributes:
        gains: value that an option is expected to save, less its cost, (n_customers, n_options).
        costs: money that an option takes from its tier's budget, same shape.
        hours: of work, same shape.
        levels: least skill that is needed, same shape.
        possible: whether an option may be chosen at all, same shape.
        tiers: index into ``budgets`` per customer.
        owners: index of the employee who looks after each customer; -1 for nobody.
        obliged: whether a customer must be given one of their options.
        dedicated: whether nobody but the owner, where there is one, may serve a customer.
        capacities: hours of each employee in the period of the plan.
        skills: level of each employee.
        budgets: money per tier; infinite where there is no limit.
        handover_cost: money off the value where somebody other than the owner serves.
    """

    gains: Floats
    costs: Floats
    hours: Floats
    levels: Ints
    possible: Flags
    tiers: Ints
    owners: Ints
    obliged: Flags
    dedicated: Flags
    capacities: Floats
    skills: Ints
    budgets: Floats
    handover_cost: float

    @property
    def n_customers(self) -> int:
        """How many customers."""
        return len(self.tiers)

    @cached_property
    def owner_skills(self) -> Ints:
        """Level of each customer's owner; -1 where there is none."""
        if len(self.skills) == 0:
            return np.full(self.n_customers, -1)
        return np.where(self.owners >= 0, self.skills[np.maximum(self.owners, 0)], -1)

    @cached_property
    def by_owner(self) -> Flags:
        """Which options each customer's owner can do, (n_customers, n_options)."""
        return self.possible & (self.owner_skills[:, None] >= self.levels)

    @cached_property
    def by_others(self) -> Flags:
        """Which options somebody without a tie to the customer may do, same shape."""
        highest = int(self.skills.max(initial=-1))
        bound = self.dedicated & (self.owners >= 0)
        return self.possible & (self.levels <= highest) & ~bound[:, None]

    @cached_property
    def out_of_reach(self) -> Flags:
        """Customers owed a contact that nobody can give, whatever the hours."""
        return self.obliged & ~(self.by_owner | self.by_others).any(axis=1)

    def worth(self, customer: int, option: int, employee: int) -> float:
        """Return the value of one assignment, the cost of a hand-over taken off."""
        owner = self.owners[customer]
        gone = self.handover_cost if owner not in (-1, employee) else 0.0
        return float(self.gains[customer, option] - gone)

    def may(self, customer: int, option: int, employee: int) -> bool:
        """Return whether an employee may do an option for a customer, hours and money aside."""
        if employee == self.owners[customer]:
            return bool(self.by_owner[customer, option])
        skilled = self.skills[employee] >= self.levels[customer, option]
        return bool(self.by_others[customer, option] and skilled)

    def owing(self, obliged: Flags) -> Question:
        """Return the question with other customers obliged."""
        return replace(self, obliged=obliged)

    def with_hours(self, level: int, hours: float) -> Question:
        """Return the question with one more employee of ``level`` for so many hours."""
        return replace(
            self,
            capacities=np.append(self.capacities, hours),
            skills=np.append(self.skills, level),
        )

    def with_budget(self, tier: int, more: float) -> Question:
        """Return the question with ``more`` money in a tier's budget."""
        budgets = self.budgets.copy()
        budgets[tier] += more
        return replace(self, budgets=budgets)


@dataclass(frozen=True)
class Assignment:
    """Who does what for whom; -1 for nothing.

    Attributes:
        options: index of the option per customer.
        employees: index of who does it per customer.
    """

    options: Ints
    employees: Ints

    @cached_property
    def served(self) -> Ints:
        """Customers who are given something."""
        return np.flatnonzero(self.options >= 0)

    def value(self, question: Question) -> float:
        """Return the value of all of it, costs and hand-overs taken off."""
        at = self.served
        owners = question.owners[at]
        handed = (owners >= 0) & (owners != self.employees[at])
        total = question.gains[at, self.options[at]].sum()
        return float(total - question.handover_cost * handed.sum())

    def used(self, question: Question) -> Floats:
        """Return the hours that each employee works."""
        at = self.served
        hours = question.hours[at, self.options[at]]
        return np.bincount(self.employees[at], hours, len(question.capacities)).astype(np.float64)

    def spent(self, question: Question) -> Floats:
        """Return the money spent in each tier."""
        at = self.served
        costs = question.costs[at, self.options[at]]
        return np.bincount(question.tiers[at], costs, len(question.budgets)).astype(np.float64)


def broken(question: Question, made: Assignment) -> list[str]:
    """Return which limits an assignment breaks, in English, for tests and for the last check."""
    found = []
    if (made.used(question) > question.capacities + HOUR).any():
        found.append("hours of an employee")
    if (made.spent(question) > question.budgets + HOUR).any():
        found.append("the budget of a tier")
    served = zip(
        made.served.tolist(),
        made.options[made.served].tolist(),
        made.employees[made.served].tolist(),
        strict=True,
    )
    if not all(question.may(*one) for one in served):
        found.append("skill, owner or a possible option")
    if (question.obliged & (made.options < 0)).any():
        found.append("a contact that is owed")
    return found
