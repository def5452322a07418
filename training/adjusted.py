"""Groups compared fairly: what came of each group's members less what was to be expected of them.

Expected is a regression on what was known before, fitted to everybody but the group itself
(indirect standardisation), so no group sets its own bar. Groups are then drawn to each other by as
much as their own data leave open, so that chance alone puts no small group at the top or the bottom
(Spiegelhalter 2005, Statistics in Medicine 24; Normand, Glickman & Gatsonis 1997, JASA 92).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from training.pooled import pooled

Vector = NDArray[np.float64]
FEWEST = 10
"""Members with a result below which nothing is said of a group."""
Z_95 = 1.96
RIDGE = 1e-8


class Attained(BaseModel):
    """One measure of one group, per member.

    Attributes:
        n: members with a result.
        actual, expected: means over them.
        difference: actual less expected, drawn to the other groups.
        low, high: its 95 % interval.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    actual: float
    expected: float
    difference: float
    low: float
    high: float

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the difference is more than chance gives."""
        return self.low > 0 or self.high < 0


def attained(
    y: Vector, X: Vector, group: NDArray[np.int64], n_groups: int
) -> list[Attained | None]:
    """Return what each group attained; ``None`` for groups with too few results.

    Args:
        y: the result of each member, NaN where there is none; shape (n,).
        X: what was known of each before, without NaN; shape (n, n_known).
        group: of each, -1 for nobody's.
        n_groups: how many there are.
    """
    has = ~np.isnan(y)
    y, X, group = y[has], np.column_stack([np.ones(int(has.sum())), X[has]]), group[has]
    gram, moment = X.T @ X, X.T @ y
    found: list[tuple[int, int, float, float, float] | None] = []
    for number in range(n_groups):
        own = group == number
        n = int(own.sum())
        found.append(None if n < FEWEST else (number, *_one(y[own], X[own], gram, moment, y, X)))
    told = [one for one in found if one is not None]
    if not told:
        return [None] * n_groups
    mean, spread = pooled([one[2] - one[3] for one in told], [one[4] for one in told])
    drawn = {one[0]: (float(m), float(s)) for one, m, s in zip(told, mean, spread, strict=True)}
    return [None if one is None else _attained(one, *drawn[one[0]]) for one in found]


def _one(
    y: Vector, X: Vector, gram: Vector, moment: Vector, all_y: Vector, all_X: Vector
) -> tuple[int, float, float, float]:
    """Return members, actual and expected means, and the standard error of their difference.

    The error is by everybody's spread: a group's own is small where it had luck, and would have
    luck count for more.
    """
    others = gram - X.T @ X
    others += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    weights = np.linalg.solve(others, moment - X.T @ y)
    mean_row = X.mean(axis=0)
    spread = float((all_y - all_X @ weights).var())
    fitted = spread * float(mean_row @ np.linalg.solve(others, mean_row))
    error = math.sqrt(spread / len(y) + fitted)
    return len(y), float(y.mean()), float(mean_row @ weights), error


def _attained(
    one: tuple[int, int, float, float, float], difference: float, spread: float
) -> Attained:
    _, n, actual, expected, _ = one
    reach = Z_95 * spread
    return Attained(
        n=n,
        actual=actual,
        expected=expected,
        difference=difference,
        low=difference - reach,
        high=difference + reach,
    )
