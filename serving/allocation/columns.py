"""The choices of a plan as columns of a linear program that knows pools instead of people.

What an assignment is worth depends on the employee only by whether they are the owner, and whether
they may do it only by skill. So a customer's option is one column for the owner and one for the
*pool*: anybody with the skill. Hours of the pool nest: for each level, work that needs at least
that level plus owners' work by people of at least that level fits into those people's hours.
Hall's condition makes these few rows exact for divisible hours: whatever satisfies them can be
shared out among people. 5,000 customers × 6 options × 50 people are 60,000 columns, not 1.5 M.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.allocation.question import LEVELS, Flags, Floats, Ints, Question

POOL = -1


@dataclass(frozen=True)
class Columns:
    """Choices that may be worth taking, one per entry.

    Attributes:
        customers: index of the customer.
        options: index of the option.
        employees: index of the owner, or :data:`POOL`.
        gains: value, hand-over taken off.
        hours: of work.
        costs: money.
        levels: skill that the hours count for: the owner's own, or the least that is needed.
    """

    customers: Ints
    options: Ints
    employees: Ints
    gains: Floats
    hours: Floats
    costs: Floats
    levels: Ints

    def __len__(self) -> int:
        return len(self.customers)

    def only(self, kept: Flags | Ints) -> Columns:
        """Return some of them, in their order."""
        return Columns(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))


def columns_of(question: Question) -> Columns:
    """Return the choices of a question, those without a chance left out.

    Left out are losses that nothing demands, and what another choice of the same customer beats
    in value without taking more hours, money or skill.
    """
    owned = _columns(question, question.by_owner, is_owner=True)
    pooled = _columns(question, question.by_others, is_owner=False)
    both = Columns(
        *(
            np.concatenate([getattr(owned, name), getattr(pooled, name)])
            for name in Columns.__dataclass_fields__
        )
    )
    wanted = (both.gains > 0) | question.obliged[both.customers]
    return both.only(wanted)


def _columns(question: Question, allowed: Flags, is_owner: bool) -> Columns:
    lost = np.where(question.owners >= 0, 0.0 if is_owner else question.handover_cost, 0.0)
    gains = question.gains - lost[:, None]
    customers, options = np.nonzero(allowed & ~_beaten(question, allowed, gains))
    least = question.levels[customers, options]
    return Columns(
        customers,
        options,
        question.owners[customers] if is_owner else np.full(len(customers), POOL),
        gains[customers, options],
        question.hours[customers, options],
        question.costs[customers, options],
        question.owner_skills[customers] if is_owner else least,
    )


def _beaten(question: Question, allowed: Flags, gains: Floats) -> Flags:
    """Return options that another is as good as in all respects; of equals the first stays."""
    found = np.zeros_like(allowed)
    n_options = allowed.shape[1]
    for one in range(n_options):
        for other in range(n_options):
            if one == other:
                continue
            no_worse = (
                allowed[:, other]
                & (gains[:, other] >= gains[:, one])
                & (question.hours[:, other] <= question.hours[:, one])
                & (question.costs[:, other] <= question.costs[:, one])
                & (question.levels[:, other] <= question.levels[:, one])
            )
            better = (
                (gains[:, other] > gains[:, one])
                | (question.hours[:, other] < question.hours[:, one])
                | (question.costs[:, other] < question.costs[:, one])
                | (question.levels[:, other] < question.levels[:, one])
            )
            found[:, one] |= no_worse & (better | (other < one))
    return found


@dataclass(frozen=True)
class Rows:
    """The limits as rows ``least <= matrix @ x <= limits``.

    Attributes:
        matrix: sparse, (n_rows, n_columns): hours of people of at least each level, hours of each
            employee, money of each tier that has a budget, then one row per customer.
        limits: right-hand sides.
        least: 1 for customers that must be served, else minus infinity.
        tiers: which tiers have a row, in the rows' order.
        n_shared: how many rows are not of one customer.
    """

    matrix: Any
    limits: Floats
    least: Floats
    tiers: Ints
    n_shared: int


def rows_of(question: Question, columns: Columns) -> Rows:
    """Return the limits of ``question`` on ``columns``."""
    from scipy.sparse import csr_array

    n_people = len(question.capacities)
    tiers = np.flatnonzero(np.isfinite(question.budgets))
    row_of_tier = np.full(len(question.budgets), -1)
    row_of_tier[tiers] = LEVELS + n_people + np.arange(len(tiers))
    n_shared = LEVELS + n_people + len(tiers)
    served = np.unique(np.concatenate([columns.customers, np.flatnonzero(question.obliged)]))
    row_of_customer = np.full(question.n_customers, -1)
    row_of_customer[served] = n_shared + np.arange(len(served))
    every = np.arange(len(columns))
    nested = [every[columns.levels >= level] for level in range(LEVELS)]
    owned = every[columns.employees != POOL]
    budgeted = every[(row_of_tier[question.tiers[columns.customers]] >= 0) & (columns.costs > 0)]
    parts = [
        *((np.full(len(at), level), at, columns.hours[at]) for level, at in enumerate(nested)),
        (LEVELS + columns.employees[owned], owned, columns.hours[owned]),
        (
            row_of_tier[question.tiers[columns.customers[budgeted]]],
            budgeted,
            columns.costs[budgeted],
        ),
        (row_of_customer[columns.customers], every, np.ones(len(columns))),
    ]
    at_row, at_column, values = (np.concatenate(piece) for piece in zip(*parts, strict=True))
    shape = (n_shared + len(served), len(columns))
    least = np.full(shape[0], -np.inf)
    least[n_shared:][question.obliged[served]] = 1.0
    return Rows(
        csr_array((values, (at_row, at_column)), shape=shape),
        np.concatenate([_hours(question), question.budgets[tiers], np.ones(len(served))]),
        least,
        tiers,
        n_shared,
    )


def _hours(question: Question) -> Floats:
    """Return hours of people of at least each level, then of each employee."""
    nested = [question.capacities[question.skills >= level].sum() for level in range(LEVELS)]
    return np.concatenate([nested, question.capacities])
