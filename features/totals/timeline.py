"""Rows of many customers on one line, by customer and day, and where windows begin and end on it.

A window of a customer at a cutoff is a stretch of the line: from one place to another. The places
of all customers are found by counting rows once, whatever the number of windows and cutoffs.

*Late rows.* A row counts from the day it was known. Where a cutoff lies between the day of a row
and that day, its customer gets a second stretch at the end of the line, for that cutoff alone, with
the rows known by then. Everywhere else all of a customer's rows before a cutoff were known. So no
window may look past its cutoff, unless all rows always count.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
SPARE = 0.125
"""Share of all rows that copies may take beyond, lest few late customers part many cutoffs."""


@dataclass(frozen=True)
class Timeline:
    """Rows in order, and who stands where.

    Attributes:
        order: which given row stands at each place; ``None`` where all stand as given.
        again: the places whose rows stand once more at the end, in second stretches.
        codes: whose row it is, rising: the customer's number, or that of a second stretch.
        days: the row's day, rising within a code.
        n_codes: one more than the largest code there may be.
        who: for every cutoff, the code to look at for each of the customers asked for.
    """

    order: Ints | None
    again: Ints
    codes: Ints
    days: Ints
    n_codes: int
    who: tuple[Ints, ...]


@dataclass(frozen=True)
class Rows:
    """Rows as they were given.

    Attributes:
        codes: the number of each row's customer, from 0.
        days: each row's day.
        known: the day each row was known; ``None`` where rows always count.
    """

    codes: Ints
    days: Ints
    known: Ints | None


def together(rows: Rows, cutoffs: Sequence[int]) -> list[slice]:
    """Return the cutoffs in neighbours whose second stretches have few rows.

    They have no more than the customers who had late rows have, and ``SPARE`` of all: that is what
    is allowed for them in memory. One cutoff alone never has more.

    >>> rows = Rows(np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([9, 2, 2]))
    >>> together(rows, [1, 3, 5, 7])
    [slice(0, 1, None), slice(1, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    copied, most = _copied(rows, cutoffs), _rows_of_late(rows) + SPARE * len(rows.codes)
    edges, held = [0], 0
    for number, more in enumerate(copied):
        if number > edges[-1] and held + more > most:
            edges.append(number)
            held = 0
        held += more
    return [slice(*edge) for edge in itertools.pairwise([*edges, len(cutoffs)])]


def _rows_of_late(rows: Rows) -> int:
    """Return how many rows the customers have of whom one was known late."""
    if rows.known is None:
        return 0
    late = np.unique(rows.codes[rows.known > rows.days])
    return int(np.bincount(rows.codes)[late].sum()) if len(late) else 0


def _copied(rows: Rows, cutoffs: Sequence[int]) -> list[int]:
    """Return for every cutoff how many rows the customers have who had late rows at it."""
    if rows.known is None:
        return [0] * len(cutoffs)
    later, first, end = _late(rows.days, rows.known, cutoffs)
    if not (first < end).any():
        return [0] * len(cutoffs)
    count = np.bincount(rows.codes)
    here = ((first <= k) & (k < end) for k in range(len(cutoffs)))
    return [int(count[np.unique(rows.codes[later[some]])].sum()) for some in here]


def _late(days: Ints, known: Ints, cutoffs: Sequence[int]) -> tuple[Ints, Ints, Ints]:
    """Return the rows known after their day, and the cutoffs from and to which they were not."""
    later = np.flatnonzero(known > days)
    first, end = (np.searchsorted(cutoffs, day[later], "left") for day in (days, known))
    return later, first, end


def timeline(rows: Rows, cutoffs: Sequence[int], members: Sequence[Ints]) -> Timeline:
    """Return rows in order of customer and day.

    Args:
        rows: the rows.
        cutoffs: day numbers, rising.
        members: for every cutoff, the numbers of the customers to answer for.
    """
    codes, days, known = rows.codes, rows.days, rows.known
    n = 1 + max(int(codes.max(initial=-1)), *(int(one.max(initial=-1)) for one in members))
    key = codes << 32 | (days + (1 << 31))
    order = None if bool((key[1:] >= key[:-1]).all()) else np.argsort(key, kind="stable")
    if order is not None:
        codes, days = codes[order], days[order]
        known = None if known is None else known[order]
    line = Timeline(order, np.zeros(0, np.int64), codes, days, n, tuple(members))
    return line if known is None else _with_late(line, known, cutoffs)


def _with_late(line: Timeline, known: Ints, cutoffs: Sequence[int]) -> Timeline:
    """Return the line with second stretches for who had late rows at a cutoff."""
    later, first, end = _late(line.days, known, cutoffs)
    if not (first < end).any():
        return line
    starts = np.searchsorted(line.codes, np.arange(line.n_codes + 1))
    again, codes, who = [], [line.codes], list(line.who)
    n_codes = line.n_codes
    for k, cutoff in enumerate(cutoffs):
        here = later[(first <= k) & (k < end)]
        affected = np.unique(line.codes[here])
        stretch, place = _stretches(starts[affected], starts[affected + 1])
        then = known[stretch] <= cutoff
        again.append(stretch[then])
        codes.append(n_codes + place[then])
        now = np.arange(line.n_codes)
        now[affected] = n_codes + np.arange(len(affected))
        who[k] = now[who[k]]
        n_codes += len(affected)
    places = np.concatenate(again)
    days = np.concatenate([line.days, line.days[places]])
    return Timeline(line.order, places, np.concatenate(codes), days, n_codes, tuple(who))


def _stretches(starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Return all places of the stretches, one after the other, and which stretch each is of."""
    lengths = ends - starts
    of = np.repeat(np.arange(len(starts)), lengths)
    before = np.cumsum(lengths) - lengths
    return starts[of] + np.arange(len(of)) - before[of], of


class Places:
    """Where days end on a line, for every code.

    >>> rows = Rows(np.array([0, 0, 1]), np.array([5, 9, 7]), None)
    >>> line = timeline(rows, [9], [np.array([0, 1])])
    >>> places = Places(line, [4, 8])
    >>> places.after(8).tolist(), places.after(None).tolist()
    ([1, 3], [0, 2])
    """

    def __init__(self, line: Timeline, days: Iterable[int]) -> None:
        """Count the rows of ``line`` between ``days``."""
        bounds = np.unique(np.array(list(days), np.int64))
        width = len(bounds) + 1
        first = int(line.days.min(initial=0))
        every = np.arange(first, int(line.days.max(initial=0)) + 1)
        bucket = np.searchsorted(bounds, every, "left")[line.days - first]
        count = np.bincount(line.codes * width + bucket, minlength=line.n_codes * width)
        self._ends = np.cumsum(count).reshape(line.n_codes, width).T.copy()
        self._at = {int(day): row for row, day in enumerate(bounds)}

    def after(self, day: int | None) -> Ints:
        """Return the place of the first row after ``day``; ``None``: of the first row of all."""
        if day is not None:
            return np.asarray(self._ends[self._at[day]])
        return np.concatenate([[0], self._ends[-1]])[:-1]
