"""Reductions over windows at many cutoffs, by running totals along a timeline.

A sum over any window is the difference of two running totals, hence two look-ups for each customer
and cutoff, however many rows and windows there are. Totals are int64 and exact: they may wrap
around on the way and come back in the difference. Distinct values are rows with a value, less those
whose value the customer had before inside the same window.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ibis.expr.operations as ops
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.arrays import Flags, Numbers, arrow, numbers, present, true, whole
from features.plan import SCALE, Window, is_day, is_whole
from features.totals.timeline import Ints, Places, Timeline

Small = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Repeats:
    """Rows whose value their customer had on an earlier day: when, and when before."""

    codes: Ints
    days: Ints
    before: Ints


class Running:
    """The rows of one source, and their running totals as far as they were asked for.

    Those of one column at a time: ask all of a column before the next.
    """

    def __init__(
        self, line: Timeline, cutoffs: Sequence[int], windows: set[Window], columns: pa.Table
    ) -> None:
        """Take rows.

        Args:
            line: the rows in order.
            cutoffs: day numbers, rising.
            windows: those that will be asked for.
            columns: what is reduced, in the order that was given to the line.
        """
        self._line, self._cutoffs, self._columns = line, cutoffs, columns
        ends = {window.end(day) for window in windows for day in cutoffs}
        starts = {w.start(day) for w in windows for day in cutoffs if w.days is not None}
        self._places = Places(line, ends | starts)
        self._placed: dict[int | None, Ints] = {}
        self._column: str | None = None
        self._known: dict[Hashable, Any] = {}

    def answer(self, part: ops.Reduction, column: str | None, window: Window) -> pa.Array:
        """Return ``part`` over ``window`` for all customers asked for, cutoff by cutoff.

        Args:
            part: an aggregate that ``features.plan.parts`` gave.
            column: what it reduces; ``None`` where rows are counted.
            window: one of those that were announced.
        """
        if column != self._column:
            self._column, self._known = column, {}
        return ANSWERS[type(part)](self, part, column, window)

    def count(self, part: ops.Reduction, column: str | None, window: Window) -> pa.Array:
        """Return how many rows count."""
        return arrow(self._count(column, window))

    def sum(self, part: ops.Reduction, column: str, window: Window) -> pa.Array:
        """Return the sum of whole numbers, missing where no row counts."""
        total = self._between(self._once(self._totals, column), window)
        return arrow(total, missing=self._count(column, window) == 0)

    def extreme(self, part: ops.Reduction, column: str, window: Window) -> pa.Array:
        """Return the least or the largest value, missing where no row counts."""
        if is_day(part.arg):
            return self._outermost_day(part, column, window)
        given, restored = self._once(self._ordered, column)
        choose, worst = _EXTREMES[type(part)]
        data = self._once(self._padded, (column, worst))
        found = []
        for cutoff, who in zip(self._cutoffs, self._line.who, strict=True):
            stretch = np.empty(2 * self._line.n_codes, np.int64)
            stretch[0::2], stretch[1::2] = self._stretch(window, cutoff)
            found.append(choose.reduceat(data, stretch)[::2][who])
        none = self._count(column, window) == 0
        best = np.where(none, given.dtype.type(0), np.concatenate(found))
        return restored(arrow(best, missing=none))

    def _outermost_day(self, part: ops.Reduction, column: str, window: Window) -> pa.Array:
        """Return the first or the last day on which a row counts: rows stand by day."""
        counts, days = self._once(self._counts, column), self._once(self._days, column)
        start, end = self._span(window)
        first, after = counts[start], counts[end]
        none = first == after
        found = days[np.where(none, -1, after - 1 if isinstance(part, ops.Max) else first)]
        return arrow(found, missing=none)

    def distinct(self, part: ops.Reduction, column: str, window: Window) -> pa.Array:
        """Return how many different values there are."""
        found = self._new_days if is_day(part.arg) else self._repeated
        new, repeats = self._once(found, column)
        total = self._between(new, window).astype(np.int64)
        if not len(repeats.codes):
            return arrow(total)
        again = []
        for cutoff, who in zip(self._cutoffs, self._line.who, strict=True):
            inside = repeats.days <= window.end(cutoff)
            if window.days is not None:
                inside &= repeats.before > window.start(cutoff)
            codes = repeats.codes[np.flatnonzero(inside)]
            count = np.bincount(codes, minlength=self._line.n_codes)
            again.append(count[who])
        return arrow(total - np.concatenate(again))

    def latest(self, part: ops.ArgMax, column: str, window: Window) -> pa.Array:
        """Return the mean on the last day on which a row counts."""
        last, first = self._once(self._last_valid, column)
        start, end = self._span(window)
        place = last[end]
        none = place < start
        place = np.where(none, 0, place)
        totals, counts = self._once(self._totals, column), self._once(self._counts, column)
        day, after = first[place], np.minimum(place + 1, len(totals) - 1)
        total = (totals[after] - totals[day]).astype(np.float64)
        count = np.where(none, 1, (counts[after] - counts[day]).astype(np.int64))
        total = total if is_whole(part.arg) else total / SCALE
        return arrow(total / count, missing=none)

    # ---- look-ups

    def _count(self, column: str | None, window: Window) -> Ints:
        if column is None:
            start, end = self._span(window)
            return end - start
        return self._between(self._once(self._counts, column), window).astype(np.int64)

    def _between(self, totals: Numbers, window: Window) -> Numbers:
        start, end = self._span(window)
        return totals.take(end) - totals.take(start)

    def _span(self, window: Window) -> tuple[Ints, Ints]:
        """Return the first place in the window and that after it, for all that are asked for."""
        start = None if window.days is None else window.start(0)
        return self._after(start), self._after(window.end(0))

    def _after(self, offset: int | None) -> Ints:
        """Return the places after days so far from the cutoffs, for all that are asked for."""
        if offset not in self._placed:
            days = (None if offset is None else cutoff + offset for cutoff in self._cutoffs)
            each = zip(days, self._line.who, strict=True)
            self._placed[offset] = np.concatenate([self._places.after(d)[who] for d, who in each])
        return self._placed[offset]

    def _stretch(self, window: Window, cutoff: int) -> tuple[Ints, Ints]:
        """Return the same of every code, at one cutoff."""
        start = None if window.days is None else window.start(cutoff)
        return self._places.after(start), self._places.after(window.end(cutoff))

    # ---- along the line, each computed once, those of a column while it is asked for

    def _once(self, compute: Callable[[Any], Any], what: Hashable) -> Any:
        key = (compute.__name__, what)
        if key not in self._known:
            self._known[key] = compute(what)
        return self._known[key]

    def _given(self, column: str) -> pa.Array:
        line, given = self._line, whole(self._columns[column])
        if line.order is not None:
            given = given.take(arrow(line.order))
        if not len(line.again):
            return given
        return pa.concat_arrays([given, given.take(arrow(line.again))])

    def _valid(self, column: str) -> Flags:
        """Return which rows count."""
        given = self._once(self._given, column)
        return true(given) if pa.types.is_boolean(given.type) else present(given)

    def _data(self, column: str) -> Numbers:
        """Return numbers, 0 where a row does not count."""
        return numbers(self._once(self._given, column))

    def _counts(self, column: str) -> Small:
        return _counted(self._once(self._valid, column))

    def _days(self, column: str) -> Small:
        """Return the days of the rows that count, and one more number."""
        rows = np.flatnonzero(self._once(self._valid, column))
        return np.append(self._line.days[rows], 0).astype(np.int32)

    def _totals(self, column: str) -> Ints:
        data = self._data(column)
        totals = np.zeros(len(data) + 1, np.int64)
        totals[1:] = data  # made wide first: the sum itself would do so slowly
        return np.cumsum(totals, out=totals)

    def _ordered(self, column: str) -> tuple[Numbers, Callable[[pa.Array], pa.Array]]:
        """Return numbers in the order of the values, and the way back to these."""
        given = self._once(self._given, column)
        if pa.types.is_integer(given.type) or pa.types.is_floating(given.type):
            return self._data(column), lambda found: found
        values = pc.unique(given.drop_null()).sort()
        return numbers(pc.index_in(given, values)).astype(np.int64), values.take

    def _padded(self, what: tuple[str, str]) -> Numbers:
        """Return numbers, the ``worst`` there may be where a row does not count and at the end."""
        column, worst = what
        given, _ = self._once(self._ordered, column)
        limits = np.iinfo if given.dtype.kind == "i" else np.finfo
        last = getattr(limits(given.dtype), worst)
        data = np.append(np.where(self._once(self._valid, column), given, last), last)
        data += given.dtype.type(0)  # no -0.0, lest the order of rows choose between the two zeros
        return data

    def _last_valid(self, column: str) -> tuple[Ints, Ints]:
        """Return the last counting place before each, and the first place of each one's day."""
        valid = self._once(self._valid, column)
        place = np.arange(len(valid))
        last = np.maximum.accumulate(np.append(-1, np.where(valid, place, -1)))
        begins = np.diff(self._dated, prepend=-1) != 0
        return last, np.append(np.maximum.accumulate(np.where(begins, place, 0)), 0)

    @cached_property
    def _dated(self) -> Small:
        """Return a number for each row, the same for rows of one code and day, rising."""
        line = self._line
        begins = np.ones(len(line.codes), np.bool_)
        np.not_equal(line.days[1:], line.days[:-1], out=begins[1:])
        begins[1:] |= line.codes[1:] != line.codes[:-1]
        return np.cumsum(begins, dtype=np.int32)

    def _new_days(self, column: str) -> tuple[Small, Repeats]:
        """Return totals of rows that are the first to count on their day; none has an earlier."""
        rows = np.flatnonzero(self._once(self._valid, column))
        dated = self._dated[rows]
        new = np.zeros(len(self._line.codes), np.bool_)
        new[rows[np.diff(dated, prepend=0) != 0]] = True
        none = np.zeros(0, np.int64)
        return _counted(new), Repeats(none, none, none)

    def _repeated(self, column: str) -> tuple[Small, Repeats]:
        """Return totals of values that are new on their day, and those seen on a day before."""
        line = self._line
        encoded = self._once(self._given, column).dictionary_encode()
        new, keys = present(encoded.indices), numbers(encoded.indices)
        rows = np.flatnonzero(new)
        rows = rows[_by_key(keys[rows], len(encoded.dictionary))]
        key, codes = keys[rows], line.codes[rows]
        same = np.flatnonzero((key[1:] == key[:-1]) & (codes[1:] == codes[:-1]))
        earlier, later = rows[same], rows[same + 1]
        today = self._dated[earlier] == self._dated[later]
        new[later[np.flatnonzero(today)]] = False
        past = np.flatnonzero(~today)
        earlier, later = earlier[past], later[past]
        again = Repeats(line.codes[later], line.days[later], line.days[earlier])
        return _counted(new), again


def _by_key(keys: Numbers, n_keys: int) -> Ints:
    """Return the order by key that leaves rows of a key in theirs; few keys are sorted by digit."""
    return np.argsort(keys.astype(np.min_scalar_type(n_keys)), kind="stable")


def _counted(flags: Flags) -> Small:
    """Return how many are true before each place, and of all."""
    counts = np.zeros(len(flags) + 1, np.int32)
    np.cumsum(flags.view(np.int8), dtype=np.int32, out=counts[1:])
    return counts


_EXTREMES: dict[type, tuple[np.ufunc, str]] = {
    ops.Max: (np.maximum, "min"),
    ops.Min: (np.minimum, "max"),
}
ANSWERS: dict[type, Callable[..., pa.Array]] = {
    ops.Sum: Running.sum,
    ops.Count: Running.count,
    ops.CountStar: Running.count,
    ops.Min: Running.extreme,
    ops.Max: Running.extreme,
    ops.CountDistinct: Running.distinct,
    ops.ArgMax: Running.latest,
}
