"""What is fetched of a source's rows: whose, when, and a column for each thing that is reduced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.datatypes as dtypes
import ibis.expr.operations as ops

from features.plan import Asked, Window, bind, parts

WHO_AND_WHEN = ("customer_id", "day", "known_day")


@dataclass(frozen=True)
class Fetched:
    """A source's rows as an Ibis table, and the column that each part reduces."""

    table: ibis.Table
    columns: dict[ops.Reduction, str | None]


def fetched(rows: ibis.Table, asked: Asked, cutoffs: Sequence[int], as_known: bool) -> Fetched:
    """Return what is needed of ``rows`` to answer all that is ``asked``.

    Args:
        rows: a source.
        asked: parts and their windows.
        cutoffs: day numbers, rising.
        as_known: whether a row counts only from its ``known_day`` on.
    """
    rows = _that_can_count(rows, asked, cutoffs, as_known)
    names: dict[ops.Value, str] = {}
    columns: dict[ops.Reduction, str | None] = {}
    for part, windows in _windows_of(asked).items():
        value = _reduced(part, rows, _earliest(windows, cutoffs))
        if value is not None:
            columns[part] = names.setdefault(value.op(), f"column_{len(names)}")
        else:
            columns[part] = None
    values = {name: value.to_expr() for value, name in names.items()}
    return Fetched(rows.select(*WHO_AND_WHEN, **values), columns)


def answered_type(part: ops.Reduction) -> dtypes.DataType:
    """Return the type of what answers ``part``."""
    if isinstance(part, ops.Min | ops.Max):
        return part.arg.dtype
    return dtypes.float64 if isinstance(part, ops.ArgMax) else dtypes.int64


def _that_can_count(
    rows: ibis.Table, asked: Asked, cutoffs: Sequence[int], as_known: bool
) -> ibis.Table:
    windows = {window for _, window in asked}
    rows = rows.filter(rows.day <= max(window.end(cutoffs[-1]) for window in windows))
    earliest = _earliest(windows, cutoffs)
    rows = rows if earliest is None else rows.filter(rows.day > earliest)
    return rows.filter(rows.known_day <= cutoffs[-1]) if as_known else rows


def _windows_of(asked: Asked) -> dict[ops.Reduction, set[Window]]:
    windows: dict[ops.Reduction, set[Window]] = {}
    for part, window in asked:
        windows.setdefault(part, set()).add(window)
    return windows


def _earliest(windows: Iterable[Window], cutoffs: Sequence[int]) -> int | None:
    """Return the day before the first one in any of the windows; ``None``: there is no first."""
    starts = [None if w.days is None else int(w.start(cutoffs[0])) for w in windows]
    return None if None in starts else min(day for day in starts if day is not None)


def _reduced(part: ops.Reduction, rows: ibis.Table, earliest: int | None) -> Any:
    """Return the column of ``part``: null or false where a row does not count.

    Keys, which are costly to carry and to compare, are null also where no window begins so early.
    """
    if isinstance(part, ops.ArgMax):
        part = parts(ops.Mean(part.arg, where=part.where))[0]
    where = None if part.where is None else bind(part.where, rows, {})
    if isinstance(part, ops.CountStar):
        return None if where is None else where.fill_null(False)
    value = bind(part.arg, rows, {})
    if isinstance(part, ops.Count):
        there = value.notnull()
        return there if where is None else (there & where).fill_null(False)
    if isinstance(part, ops.CountDistinct) and earliest is not None:
        where = rows.day > earliest if where is None else (rows.day > earliest) & where
    return value if where is None else ibis.ifelse(where, value, ibis.null(value.type()))
