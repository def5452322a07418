"""The plan: the best assignment that keeps every limit, and how far from the best it can be.

The way: split choices give a bound and prices (``relaxation.py``); rounding them gives a plan;
columns that the prices prove to be in no better plan are left out; HiGHS settles those that remain
and shares the pool's work out among people (``integers.py``). The gap printed is against the bound
of split choices, so that it counts all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from configs.progress import Progress, silent
from serving.allocation.columns import POOL, Columns, columns_of
from serving.allocation.integers import best_whole
from serving.allocation.question import HOUR, Assignment, Flags, Ints, Question, broken
from serving.allocation.relaxation import Relaxed, Short, as_wishes, relaxed, shortage
from serving.allocation.rules import fill
from serving.allocation.seats import Seats

STEP = "allocate"
WHOLE = 1.0 - 1e-6


@dataclass(frozen=True)
class Solved:
    """A plan that keeps every limit.

    Attributes:
        made: who does what for whom.
        kept: whom the plan owed a contact and gives one.
        value: of it, costs and hand-overs taken off.
        relaxed: the split plan; its value is the bound, its prices say what limits are worth.
        short: what is missing for all that is owed; ``None`` where nothing is.
        n_columns: choices in the program.
    """

    made: Assignment
    kept: Flags
    value: float
    relaxed: Relaxed
    short: Short | None
    n_columns: int

    @property
    def bound(self) -> float:
        """No plan under the same limits is worth more."""
        return self.relaxed.value

    @property
    def gap(self) -> float:
        """The share of the bound that a better plan might still add; 0 for none."""
        return max(0.0, self.bound - self.value) / max(abs(self.bound), HOUR)


def solve(question: Question, progress: Progress = silent) -> Solved:
    """Return the best plan; where not all that is owed fits, one that keeps as much as fits."""
    progress(STEP, 0.0)
    columns = columns_of(question)
    split = None if question.out_of_reach.any() else relaxed(question, columns)
    progress(STEP, 0.3)
    made = None if split is None else _settled(question, columns, split, progress)
    if made is not None and split is not None:
        return _told(question, made, split, None, len(columns), progress)
    short = shortage(question)
    wishes = as_wishes(question)
    wished = columns_of(wishes)
    first = relaxed(wishes, wished)
    assert first is not None  # nothing is owed any more
    made = _settled(wishes, wished, first, progress)
    assert made is not None
    kept = question.owing(question.obliged & (made.options >= 0))
    split = relaxed(kept, columns_of(kept))
    assert split is not None  # the plan itself fits
    return _told(kept, made, split, short, len(columns), progress)


def _told(
    question: Question,
    made: Assignment,
    split: Relaxed,
    short: Short | None,
    n_columns: int,
    progress: Progress,
) -> Solved:
    wrong = broken(question, made)
    if wrong:
        raise AssertionError(f"the plan breaks {', '.join(wrong)}")
    progress(STEP, 1.0)
    return Solved(made, question.obliged, made.value(question), split, short, n_columns)


def _settled(
    question: Question, columns: Columns, split: Relaxed, progress: Progress
) -> Assignment | None:
    """Return the best whole plan found, ``None`` where what is owed cannot be given whole."""
    order = np.lexsort((-columns.gains, -split.reduced, -np.round(split.shares, 6)))
    rounded = _rounded(question, columns, split.shares > WHOLE, order)
    low = -np.inf if rounded is None else rounded.value(question)
    progress(STEP, 0.5)
    hopeful = np.flatnonzero(split.reduced >= low - split.value - HOUR)
    taken = best_whole(question, columns.only(hopeful))
    progress(STEP, 0.8)
    if taken is None:
        return rounded
    seats = Seats(question)
    chosen = hopeful[taken.columns]
    for at, employee in zip(chosen.tolist(), taken.employees.tolist(), strict=True):
        seats.take(int(columns.customers[at]), int(columns.options[at]), employee)
    fill(seats, columns, order)
    return _better(question, rounded, seats.made())


def _rounded(question: Question, columns: Columns, chosen: Flags, order: Ints) -> Assignment | None:
    """Return the chosen columns shared out among people, filled up in ``order``.

    Owners' own work comes first, then what only few can do, the longest first. ``None`` where
    somebody owed a contact is left out.
    """
    seats = Seats(question)
    owned = np.flatnonzero(chosen & (columns.employees != POOL))
    fill(seats, columns, owned, gainful=False)
    pooled = np.flatnonzero(chosen & (columns.employees == POOL))
    owed = question.obliged[columns.customers[pooled]]
    keys = (-columns.hours[pooled], -columns.levels[pooled], ~owed)
    fill(seats, columns, pooled[np.lexsort(keys)], gainful=False)
    fill(seats, columns, order[question.obliged[columns.customers[order]]], gainful=False)
    fill(seats, columns, order)
    made = seats.made()
    return None if (question.obliged & (made.options < 0)).any() else made


def _better(
    question: Question, one: Assignment | None, other: Assignment | None
) -> Assignment | None:
    """Return the one worth more, the first of equals."""
    known = [made for made in (one, other) if made is not None]
    return max(known, key=lambda made: made.value(question), default=None)


def hour_worth(question: Question, solved: Solved, level: int) -> float:
    """Return what the bound gains by one more hour of somebody of ``level``.

    It is asked for by solving again: where a limit is reached by whole customers, a price holds
    to one side only.
    """
    return _gained(question.owing(solved.kept).with_hours(level, 1.0), solved)


def money_worth(question: Question, solved: Solved, tier: int, more: float) -> float:
    """Return what the bound gains by ``more`` money in a tier's budget; 0 where none is set."""
    if not np.isfinite(question.budgets[tier]):
        return 0.0
    return _gained(question.owing(solved.kept).with_budget(tier, more), solved)


def _gained(question: Question, solved: Solved) -> float:
    again = relaxed(question, columns_of(question))
    assert again is not None  # it has more than what the plan fits into
    return max(0.0, again.value - solved.bound)
