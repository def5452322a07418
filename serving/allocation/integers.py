"""Whole choices: the mixed-integer program over columns, by HiGHS through SciPy.

Work of the pool is shared out within the same program, yet not customer by customer: jobs of equal
hours and skill are alike, so one whole number per kind of job and person says how many of them
that person does. That is exact, and 5,000 customers, 6 options and 50 people need some hundreds of
such numbers more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from serving.allocation.columns import POOL, Columns, rows_of
from serving.allocation.question import LEVELS, Flags, Floats, Ints, Question

RELATIVE_GAP = 1e-4
EXACT_COLUMNS = 1_000
"""Up to so many the search goes on until nothing better can be there."""
NODES = 300
"""Branches that a bigger search looks at; a number and no time, so that it ends alike each time."""


@dataclass(frozen=True)
class Taken:
    """Columns of the best plan found, and who does each.

    Attributes:
        columns: indices.
        employees: of each of them.
    """

    columns: Ints
    employees: Ints


def best_whole(question: Question, columns: Columns) -> Taken | None:
    """Return the best plan found; ``None`` where what is owed does not fit, or none was found."""
    from scipy.optimize import LinearConstraint, milp

    if len(columns) == 0:
        nothing = Taken(np.zeros(0, np.int64), np.zeros(0, np.int64))
        return None if question.obliged.any() else nothing
    kinds = _kinds(question, columns)
    matrix, least, limits = _rows(question, columns, kinds)
    n_shares = len(kinds.kinds)
    solved = milp(
        np.concatenate([-columns.gains, np.zeros(n_shares)]),
        constraints=LinearConstraint(matrix, least, limits),
        integrality=np.ones(len(columns) + n_shares),
        bounds=(0, np.concatenate([np.ones(len(columns)), kinds.most])),
        options=_EXACT if len(columns) <= EXACT_COLUMNS else _LIMITS,
    )
    if solved.x is None:
        return None
    whole = np.rint(solved.x).astype(np.int64)
    return _shared_out(columns, kinds, whole[: len(columns)] > 0, whole[len(columns) :])


_EXACT = {"mip_rel_gap": 0.0}
_LIMITS = {"mip_rel_gap": RELATIVE_GAP, "node_limit": NODES}


@dataclass(frozen=True)
class _Kinds:
    """How many jobs of a kind a person does: one whole number for each pair that may be.

    Attributes:
        of_column: kind of each column; -1 for owners' work.
        hours: of one job of each kind.
        kinds: kind of each pair.
        employees: person of each pair.
        most: jobs that fit into the person's hours.
    """

    of_column: Ints
    hours: Floats
    kinds: Ints
    employees: Ints
    most: Floats


def _kinds(question: Question, columns: Columns) -> _Kinds:
    pooled = np.flatnonzero(columns.employees == POOL)
    pairs = np.stack([columns.hours[pooled], columns.levels[pooled].astype(np.float64)], axis=1)
    found, inverse = np.unique(pairs, axis=0, return_inverse=True)
    of_column = np.full(len(columns), -1)
    of_column[pooled] = inverse.reshape(-1)
    fits = (question.skills[None, :] >= found[:, 1:]) & (
        question.capacities[None, :] >= found[:, :1] - 1e-9
    )
    kinds, employees = np.nonzero(fits)
    hours = found[:, 0]
    most = np.floor(question.capacities[employees] / hours[kinds] + 1e-9)
    return _Kinds(of_column, hours, kinds, employees, most)


def _rows(question: Question, columns: Columns, kinds: _Kinds) -> tuple[object, Floats, Floats]:
    """Return matrix, lower and upper limits: people, budgets, customers, then kinds."""
    from scipy.sparse import csr_array, hstack, vstack

    rows = rows_of(question, columns)
    n_people, n_pairs, n_kinds = len(question.capacities), len(kinds.kinds), len(kinds.hours)
    pairs = np.arange(n_pairs)
    below = rows.matrix.shape[0] - LEVELS - n_people
    shares = vstack(
        [
            _sparse(kinds.hours[kinds.kinds], kinds.employees, pairs, (n_people, n_pairs)),
            csr_array((below, n_pairs)),
            _sparse(-np.ones(n_pairs), kinds.kinds, pairs, (n_kinds, n_pairs)),
        ]
    )
    pooled = np.flatnonzero(kinds.of_column >= 0)
    jobs = _sparse(np.ones(len(pooled)), kinds.of_column[pooled], pooled, (n_kinds, len(columns)))
    matrix = hstack([vstack([rows.matrix[LEVELS:], jobs]), shares])
    least = np.concatenate([rows.least[LEVELS:], np.full(n_kinds, -np.inf)])
    return csr_array(matrix), least, np.concatenate([rows.limits[LEVELS:], np.zeros(n_kinds)])


def _sparse(values: Floats, rows: Ints, columns: Ints, shape: tuple[int, int]) -> object:
    from scipy.sparse import csr_array

    return csr_array((values, (rows, columns)), shape=shape)


def _shared_out(columns: Columns, kinds: _Kinds, taken: Flags, counts: Ints) -> Taken:
    at = np.flatnonzero(taken)
    employees = columns.employees[at].copy()
    for kind in range(len(kinds.hours)):
        jobs = np.flatnonzero(kinds.of_column[at] == kind)
        employees[jobs] = list(_turns(kinds, kind, counts))[: len(jobs)]
    return Taken(at, employees)


def _turns(kinds: _Kinds, kind: int, counts: Ints) -> Iterator[int]:
    """Yield who does the next job of a kind, until all numbers are used up."""
    for pair in np.flatnonzero(kinds.kinds == kind).tolist():
        for _ in range(int(counts[pair])):
            yield int(kinds.employees[pair])
