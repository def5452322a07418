"""The plan with choices that may be split: its bound, the price of each limit, what is short.

Solved by HiGHS (Huangfu and Hall, 2018, Math. Prog. Comp. 10, 119-142) by way of SciPy; this and
``integers.py`` are the modules that know it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from serving.allocation.columns import POOL, Columns, Rows, columns_of, rows_of
from serving.allocation.question import HOUR, LEVELS, Floats, Question

INFEASIBLE = 2


@dataclass(frozen=True)
class Relaxed:
    """The best split plan.

    Attributes:
        value: of it; no plan is worth more.
        shares: of each column, 0 to 1.
        prices: value that one more unit of each shared limit would bring, (n_shared,).
        reduced: how much value would be lost by taking a column whole that is not; 0 or less.
        tiers: which tiers have a price, in their order.
    """

    value: float
    shares: Floats
    prices: Floats
    reduced: Floats
    tiers: tuple[int, ...]

    def hour_price(self, level: int) -> float:
        """Return what one more hour of somebody of ``level``, free for anybody, is worth."""
        return float(self.prices[: level + 1].sum())

    def money_prices(self, question: Question) -> Floats:
        """Return what one more unit of money is worth per tier; 0 where nothing limits it."""
        found = np.zeros(len(question.budgets))
        found[list(self.tiers)] = self.prices[LEVELS + len(question.capacities) :]
        return found


def relaxed(question: Question, columns: Columns) -> Relaxed | None:
    """Return the best split plan; ``None`` where what is owed does not fit into the limits."""
    from scipy.optimize import linprog

    rows = rows_of(question, columns)
    if len(columns) == 0:
        return _nothing(rows) if not question.obliged.any() else None
    must = np.isfinite(rows.least)
    equal, at_most = rows.matrix[must], rows.matrix[~must]
    solved = linprog(
        -columns.gains,
        A_ub=at_most,
        b_ub=rows.limits[~must],
        A_eq=equal if must.any() else None,
        b_eq=rows.limits[must] if must.any() else None,
        bounds=(0.0, None),
        method="highs",
    )
    if solved.status == INFEASIBLE:
        return None
    if solved.status != 0:
        raise ArithmeticError(f"HiGHS gave up on the relaxed plan: {solved.message}")
    duals = np.zeros(len(rows.limits))
    duals[~must] = -solved.ineqlin.marginals
    if must.any():
        duals[must] = -solved.eqlin.marginals
    reduced = columns.gains - rows.matrix.T @ duals
    prices = np.maximum(duals[: rows.n_shared], 0.0)
    tiers = tuple(rows.tiers.tolist())
    return Relaxed(-float(solved.fun), solved.x, prices, np.minimum(reduced, 0.0), tiers)


def beyond(question: Question, columns: Columns, prices: Relaxed) -> float:
    """Return at most how much value customers that were not asked about could add.

    What a choice brings beyond what it takes of hours and money at the prices of a split plan,
    the best of each customer, none below 0: added to that plan's value it bounds all plans over
    both (Lagrangian duality: the prices are a feasible dual solution).

    Args:
        question: of the customers that were left out, under the same limits.
        columns: of that question.
        prices: the split plan of the others.
    """
    hours = np.cumsum(prices.prices[:LEVELS])[columns.levels]
    owned = columns.employees != POOL
    hours[owned] += prices.prices[LEVELS + columns.employees[owned]]
    money = prices.money_prices(question)[question.tiers[columns.customers]]
    left = columns.gains - columns.hours * hours - columns.costs * money
    best = np.zeros(question.n_customers)
    np.maximum.at(best, columns.customers, left)
    return float(best.sum())


def _nothing(rows: Rows) -> Relaxed:
    empty = np.zeros(0)
    return Relaxed(0.0, empty, np.zeros(rows.n_shared), empty, tuple(rows.tiers.tolist()))


@dataclass(frozen=True)
class Short:
    """By how much limits fall short of what is owed, the least in all.

    Attributes:
        own_hours: of each employee, for the customers that only they may serve, (n_employees,).
        hours: by level, of anybody who has it, (LEVELS,).
        money: of each tier, (n_tiers,).
        beyond: customers owed a contact that nobody has the skill for, or only an owner without.
    """

    own_hours: Floats
    hours: Floats
    money: Floats
    beyond: int


def shortage(question: Question) -> Short:
    """Return the least hours and money that would have to be added for all that is owed.

    An elastic program: every shared limit may be exceeded at a price of one an hour, or one a unit
    of money, and the total is least. Hours of one employee are dearer by a hair, hours of a higher
    level, too, so that what anybody could give is asked of anybody.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, hstack

    beyond = question.out_of_reach
    owed = question.owing(question.obliged & ~beyond)
    every = columns_of(owed)
    columns = every.only(owed.obliged[every.customers])
    rows = rows_of(owed, columns)
    n_people, n_tiers = len(owed.capacities), len(rows.tiers)
    more = np.zeros((len(rows.limits), LEVELS + n_people + n_tiers))
    for level in range(LEVELS):
        more[: level + 1, level] = -1.0
    for employee, level in enumerate(owed.skills.tolist()):
        more[: level + 1, LEVELS + employee] = -1.0
        more[LEVELS + employee, LEVELS + employee] = -1.0
    more[LEVELS + n_people : rows.n_shared, LEVELS + n_people :] = -np.eye(n_tiers)
    dearness = 1.0 + 1e-3 * np.concatenate(
        [np.arange(LEVELS), LEVELS + 0.0 * owed.capacities, np.zeros(n_tiers)]
    )
    must = np.isfinite(rows.least)
    whole = csr_array(hstack([rows.matrix, csr_array(more)]))
    solved = linprog(
        np.concatenate([np.zeros(len(columns)), dearness]),
        A_ub=whole[~must],
        b_ub=rows.limits[~must],
        A_eq=whole[must] if must.any() else None,
        b_eq=rows.limits[must] if must.any() else None,
        bounds=(0.0, None),
        method="highs",
    )
    extra = np.where(solved.x[len(columns) :] > HOUR, solved.x[len(columns) :], 0.0)
    money = np.zeros(len(owed.budgets))
    money[rows.tiers] = extra[LEVELS + n_people :]
    return Short(extra[LEVELS : LEVELS + n_people], extra[:LEVELS], money, int(beyond.sum()))


def as_wishes(question: Question) -> Question:
    """Return the question with nothing owed, but more value in what was than in all else.

    What each of them is worth more is above what a plan could gain by leaving one out.
    """
    gains = np.where(question.possible, question.gains, 0.0)
    more = 2.0 * gains.max(initial=0.0) - gains.min(initial=0.0) + question.handover_cost + 1.0
    raised = question.gains + more * question.obliged[:, None]
    return replace(question, gains=raised, obliged=np.zeros_like(question.obliged))
