"""The two grains: events are collapsed once, then every cutoff and window is answered from those.

*Tally*: sums, counts, extremes per customer and day. *Distinct*: the last day on which a customer
was seen with each key, so that "different products in 84 days" is a count of keys seen since.
*Latest*: the same with the day as key, for the value on the last day of a window.

Days are rounded up to the next day on which some window starts or ends. No answer changes by it
(``a < day <= b`` is the same for both when a and b are such days), and a customer's thousand days
become as many rows as there are intervals between boundaries: the work grows with the events, not
with events × cutoffs × windows.

Each function returns one row per customer and cutoff with something to say, and one column for
each (part, window) asked for. A part is an Ibis reduction over the rows of a source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.datatypes as dtypes
import ibis.expr.operations as ops

from features.plan import Window, bind, parts, unscaled

ALWAYS = -(2**31)
"""A day before every cutoff: from when a row counts that always does."""
KEYS = ("customer_id", "cutoff")
Asked = dict[tuple[ops.Reduction, Window], str]
"""What is asked of a source: the column that answers each part over each window."""


@dataclass(frozen=True)
class Times:
    """The cutoffs, as a table and as numbers."""

    table: ibis.Table
    cutoffs: tuple[int, ...]
    as_known: bool = True
    """Whether a row counts only from its ``known_day`` on (features) or always (labels)."""


def answers(rows: ibis.Table, asked: Asked, times: Times) -> list[ibis.Table]:
    """Return tables keyed by customer and cutoff that together answer all that is ``asked``."""
    rows = _rounded(rows, asked, times)
    tables = []
    if tally := {key: to for key, to in asked.items() if _is_tally(key[0])}:
        tables.append(_tally(rows, tally, times))
    for key in dict.fromkeys(part.arg for part, _ in asked if isinstance(part, ops.CountDistinct)):
        same = {ask: to for ask, to in asked.items() if _counts(ask[0], key)}
        tables.append(_distinct(rows, key, same, times))
    if latest := {key: to for key, to in asked.items() if isinstance(key[0], ops.ArgMax)}:
        tables.append(_latest(rows, latest, times))
    return tables


def _is_tally(part: ops.Reduction) -> bool:
    return not isinstance(part, ops.CountDistinct | ops.ArgMax)


def _counts(part: ops.Reduction, key: ops.Value) -> bool:
    return isinstance(part, ops.CountDistinct) and part.arg == key


def _rounded(rows: ibis.Table, asked: Asked, times: Times) -> ibis.Table:
    """Return ``rows`` with their days rounded up to boundaries, as ``bucket`` and ``known``."""
    bounds = sorted(_bounds({window for _, window in asked}, times.cutoffs))
    rows = rows.filter(rows.day <= bounds[-1])
    if not times.as_known:
        return rows.mutate(bucket=_up(rows.day, bounds), known=_int32(ALWAYS))
    cutoffs = sorted(times.cutoffs)
    rows = rows.filter(rows.known_day <= cutoffs[-1])
    return rows.mutate(bucket=_up(rows.day, bounds), known=_up(rows.known_day, cutoffs))


def _bounds(windows: set[Window], cutoffs: Sequence[int]) -> set[int]:
    ends = {window.end(cutoff) for window in windows for cutoff in cutoffs}
    starts = {w.start(cutoff) for w in windows if w.days is not None for cutoff in cutoffs}
    return ends | starts


def _up(day: Any, bounds: Sequence[int]) -> Any:
    """Return the smallest bound that is not before ``day``; ``day`` is not after the last."""
    if len(bounds) == 1:
        return _int32(bounds[0])
    middle = len(bounds) // 2
    left, right = _up(day, bounds[:middle]), _up(day, bounds[middle:])
    return ibis.ifelse(day <= _int32(bounds[middle - 1]), left, right)


def _int32(number: int) -> Any:
    return ibis.literal(number, "int32")


STATE = ("bucket", "known")


def _tally(rows: ibis.Table, asked: Asked, times: Times) -> ibis.Table:
    columns = {part: f"part_{n}" for n, part in enumerate(dict.fromkeys(p for p, _ in asked))}
    collapsed = rows.group_by("customer_id", *STATE).aggregate(
        **{column: _collapse(part, rows) for part, column in columns.items()}
    )
    crossed = _at_cutoffs(collapsed, asked, times)
    return crossed.group_by(*KEYS).aggregate(
        **{
            to: _merge(part, crossed[columns[part]], _inside(crossed, crossed.bucket, window))
            for (part, window), to in asked.items()
        }
    )


def _collapse(part: ops.Reduction, rows: ibis.Table) -> Any:
    if not isinstance(part, ops.CountStar):
        return _narrow(part, bind(part, rows, {}))
    return rows.count() if part.where is None else rows.count(where=bind(part.where, rows, {}))


def _merge(part: ops.Reduction, column: Any, where: Any) -> Any:
    if isinstance(part, ops.Min):
        return column.min(where=where)
    if isinstance(part, ops.Max):
        return column.max(where=where)
    return _int64(column.sum(where=where))


def _narrow(part: ops.Reduction, value: Any) -> Any:
    return _int64(value) if isinstance(part, ops.Sum) else value


def _int64(value: Any) -> Any:
    """Return ``value`` as int64 in the engine too: DuckDB sums int64 into 128 bits."""
    return ops.Cast(value, dtypes.int64).to_expr()


def _distinct(rows: ibis.Table, key: ops.Value, asked: Asked, times: Times) -> ibis.Table:
    flags = {where: f"flag_{n}" for n, where in enumerate(dict.fromkeys(p.where for p, _ in asked))}
    keyed = rows.mutate(
        key=bind(key, rows, {}),
        **{to: _holds(where, rows).cast("int8") for where, to in flags.items()},
    )
    keyed = keyed.filter(keyed.key.notnull(), ibis.or_(*(keyed[to] == 1 for to in flags.values())))
    collapsed = keyed.group_by("customer_id", "key", *STATE).aggregate(
        **{to: keyed[to].max() for to in flags.values()}
    )
    crossed = _at_cutoffs(collapsed, asked, times)
    last = {
        (part.where, window.lag_days): f"{flags[part.where]}_{number}"
        for number, (part, window) in enumerate(asked)
    }
    seen = crossed.group_by(*KEYS, "key").aggregate(
        **{
            to: crossed.bucket.max(
                where=(crossed[flags[where]] == 1) & (crossed.bucket <= crossed.cutoff - lag)
            )
            for (where, lag), to in last.items()
        }
    )
    return seen.group_by(*KEYS).aggregate(
        **{
            to: _count_since(seen, seen[last[part.where, window.lag_days]], window)
            for (part, window), to in asked.items()
        }
    )


def _holds(where: ops.Value | None, rows: ibis.Table) -> Any:
    return ibis.literal(True) if where is None else bind(where, rows, {}).fill_null(False)


def _count_since(seen: ibis.Table, last: Any, window: Window) -> Any:
    inside = last.notnull() if window.days is None else last > window.start(seen.cutoff)
    return seen.count(where=inside)


def _latest(rows: ibis.Table, asked: Asked, times: Times) -> ibis.Table:
    numbers = {
        kind: number
        for number, kind in enumerate(dict.fromkeys((part.arg, part.where) for part, _ in asked))
    }
    sums: dict[str, ops.Reduction] = {}
    for (arg, where), number in numbers.items():
        total, count = parts(ops.Mean(arg, where=where))
        sums |= {f"total_{number}": total, f"count_{number}": count}
    collapsed = rows.group_by("customer_id", "day", "known").aggregate(
        **{to: _collapse(part, rows) for to, part in sums.items()}
    )
    crossed = _at_cutoffs(collapsed.mutate(bucket=collapsed.day), asked, times)
    days = crossed.group_by(*KEYS, "day").aggregate(
        **{to: _int64(crossed[to].sum()) for to in sums}
    )
    return days.group_by(*KEYS).aggregate(
        **{
            to: _on_latest_day(days, part.arg, numbers[part.arg, part.where], window)
            for (part, window), to in asked.items()
        }
    )


def _on_latest_day(days: ibis.Table, arg: ops.Value, number: int, window: Window) -> Any:
    count = days[f"count_{number}"]
    mean = unscaled(days[f"total_{number}"], arg).cast("float64") / count.nullif(0)
    inside = _inside(days, days.day, window)
    some = count > 0
    return mean.argmax(days.day, where=some if inside is None else some & inside)


def _at_cutoffs(collapsed: ibis.Table, asked: Asked, times: Times) -> ibis.Table:
    """Return each row beside each cutoff that it can count at."""
    crossed = collapsed.cross_join(times.table)
    latest_end = -min(window.lag_days for _, window in asked)
    return crossed.filter(
        crossed.known <= crossed.cutoff,
        crossed.bucket <= crossed.cutoff + latest_end,
    )


def _inside(crossed: ibis.Table, day: Any, window: Window) -> Any:
    """Return the condition that ``day`` is in the window, ``None`` if it always is."""
    conditions = []
    if window.days is not None:
        conditions.append(day > window.start(crossed.cutoff))
    conditions.append(day <= window.end(crossed.cutoff))
    return ibis.and_(*conditions)
