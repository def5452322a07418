"""The highest posterior density, searched in log space: the fitter that every model shares.

Weak normal priors on the log parameters keep every parameter finite for every input; some hundred
customers drown them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Objective = Callable[[Vector], tuple[float, Vector]]
Terms = Callable[[Vector, slice], tuple[Vector, Vector]]
"""Log parameters and rows → log likelihood of each row, and its slopes (parameters × rows)."""

DAYS_PER_WEEK = 7.0
LOG_BOUND = 9.0
ROWS_AT_ONCE = 2**18
"""Rows evaluated together: bounds the memory of a fit, whatever the number of customers."""

TRIAL_ROWS = 2_500
"""Where there are more than twice as many rows, about so many are searched first."""
MOST_STEPS = 20
FLAT = 1e-9
"""Curvature of the mean log posterior under which a direction counts as flat."""
CURVATURE_STEP = 1e-4


@dataclass(frozen=True)
class Search:
    """What is searched for, and until when.

    Attributes:
        prior_spread: standard deviation of every log parameter a priori; infinity for none.
        tolerance: relative gain of the mean log posterior at which the search has settled.
    """

    prior_spread: float = 2.0
    tolerance: float = 1e7 * float(np.finfo(float).eps)


USUAL = Search()
"""Priors of a factor of 55 either way within 95 %."""
MAXIMUM_LIKELIHOOD = Search(prior_spread=math.inf, tolerance=1e-15)
"""No priors, as in the papers; parameters need not be finite where data say nothing."""


def highest(
    objective: Objective, starts: Sequence[Vector], tolerance: float = USUAL.tolerance
) -> Vector:
    """Return the log parameters where ``objective`` is least, the best of several starts."""
    from scipy.optimize import minimize

    bounds = [(-LOG_BOUND, LOG_BOUND)] * len(starts[0])
    options = {"ftol": tolerance, "gtol": min(1e-5, math.sqrt(tolerance))}
    fits = [
        minimize(
            objective,
            np.clip(start, *bounds[0]),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options=options,
        )
        for start in starts
    ]
    best: Vector = min(fits, key=lambda fit: float(fit.fun)).x
    return best


def settled(
    of_part: Callable[[int], Objective],
    rows: int,
    starts: Sequence[Vector],
    tolerance: float = USUAL.tolerance,
) -> Vector:
    """Return the log parameters where the objective of all rows is least.

    Where there are many rows, a part of them is searched first, which costs next to nothing. All
    rows then start at what it found, with its curvature, and a few steps are left to go.

    Args:
        of_part: step → the objective of each ``step``-th row, a fair part of all; 1 for all.
        rows: how many there are.
        starts: log parameters to search from.
        tolerance: as of :func:`highest`.
    """
    if rows <= 2 * TRIAL_ROWS:
        return highest(of_part(1), starts, tolerance)
    part, whole = of_part(rows // TRIAL_ROWS), of_part(1)
    found = highest(part, starts)
    there, is_settled = _quasi_newton(whole, found, _curvature(part, found), tolerance)
    return there if is_settled else highest(whole, [there], tolerance)


def _quasi_newton(
    objective: Objective, start: Vector, curvature: Vector, tolerance: float
) -> tuple[Vector, bool]:
    """Return where full BFGS steps led, and whether no more than ``tolerance`` is left to gain.

    Broyden, Fletcher, Goldfarb, Shanno (1970). It stops unsettled where a step would leave the
    bounds or gain nothing.
    """
    at, H = start, curvature
    value, slope = objective(at)
    for _ in range(MOST_STEPS):
        if np.linalg.eigvalsh(H)[0] <= FLAT:
            break
        step = -np.linalg.solve(H, slope)
        if np.abs(at + step).max() > LOG_BOUND:
            break
        if -0.5 * float(slope @ step) <= tolerance * max(abs(value), 1.0):
            return at + step, True
        new_value, new_slope = objective(at + step)
        if not new_value < value:
            break
        change, ahead = new_slope - slope, H @ step
        if change @ step > 0:
            H = H + np.outer(change, change) / (change @ step)
            H = H - np.outer(ahead, ahead) / (step @ ahead)
        at, value, slope = at + step, new_value, new_slope
    return at, False


def _curvature(objective: Objective, at: Vector) -> Vector:
    """Return the matrix of second derivatives, by differences of the gradient."""
    steps = CURVATURE_STEP * np.eye(len(at))
    rows = [(objective(at + h)[1] - objective(at - h)[1]) / (2 * CURVATURE_STEP) for h in steps]
    return (np.array(rows) + np.array(rows).T) / 2.0


def minus_posterior(
    terms: Terms, counts: NDArray[np.float64] | NDArray[np.int64], centre: Vector, spread: float
) -> Objective:
    """Return minus the mean log posterior and its gradient, as a function of log parameters."""
    total = max(float(counts.sum()), 1.0)
    chunks = [slice(at, at + ROWS_AT_ONCE) for at in range(0, max(len(counts), 1), ROWS_AT_ONCE)]

    def objective(log_parameters: Vector) -> tuple[float, Vector]:
        value, slope = 0.0, np.zeros(len(log_parameters))
        for rows in chunks:
            log_likelihood, slopes = terms(log_parameters, rows)
            value += float(counts[rows] @ log_likelihood)
            slope += slopes @ counts[rows]
        away = (log_parameters - centre) / spread
        value -= 0.5 * float(away @ away)
        return -value / total, -(slope - away / spread) / total

    return objective


def in_weeks(recency_days: Vector, tenure_days: Vector) -> tuple[Vector, Vector]:
    """Return recency and tenure in weeks, 0 ≤ recency ≤ tenure."""
    T = np.maximum(np.asarray(tenure_days, dtype=float), 0.0)
    t_x = np.clip(np.asarray(recency_days, dtype=float), 0.0, T)
    return t_x / DAYS_PER_WEEK, T / DAYS_PER_WEEK


def distinct(*columns: Vector) -> tuple[list[Vector], NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct rows column by column, how often each comes, and where each row went.

    Sorted by the first column, then the next. Several times faster than ``numpy.unique`` of rows.
    """
    order = np.lexsort(columns[::-1])
    ordered = [column[order] for column in columns]
    is_new = np.zeros(len(order), dtype=bool)
    is_new[:1] = True
    for column in ordered:
        is_new[1:] |= column[1:] != column[:-1]
    where = np.empty(len(order), dtype=np.int64)
    where[order] = np.cumsum(is_new) - 1
    return [column[is_new] for column in ordered], np.bincount(where).astype(np.int64), where


class Histories(NamedTuple):
    """Distinct purchase histories, times in weeks, and how many customers have each."""

    x: Vector
    t_x: Vector
    T: Vector
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, frequency: Vector, recency_days: Vector, tenure_days: Vector) -> Histories:
        """Return the histories of customers; those with a value not finite are left out."""
        columns = [np.asarray(c, dtype=float) for c in (frequency, recency_days, tenure_days)]
        known = np.isfinite(columns[0]) & np.isfinite(columns[1]) & np.isfinite(columns[2])
        x, recency, tenure = (column[known] for column in columns)
        rows, counts, _ = distinct(np.maximum(x, 0.0), *in_weeks(recency, tenure))
        return cls(rows[0], rows[1], rows[2], counts)

    def every(self, step: int) -> Histories:
        """Return each ``step``-th history, in order of x, t_x and T a fair part of all."""
        return Histories(self.x[::step], self.t_x[::step], self.T[::step], self.counts[::step])

    def typical_log_tenure(self) -> float:
        """Return the log of the mean tenure in weeks, the scale that rates are looked for at."""
        if not len(self.T):
            return 2.0
        return float(np.log(max(np.average(self.T, weights=self.counts), 1.0)))
