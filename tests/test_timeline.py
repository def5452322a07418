"""Windows answered by running totals are those answered by looking at every row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import ibis
import ibis.expr.operations as ops
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.plan import Window
from features.totals.running import Running
from features.totals.timeline import SPARE, Rows, timeline, together

CUTOFFS = (10, 14, 21)
BACK = (Window(None), Window(None, 3), Window(4), Window(7, 4))
AHEAD = (Window(5, -5), Window(None, -2))
N_CUSTOMERS = 3


@dataclass(frozen=True)
class Row:
    customer: int
    day: int
    known: int
    value: int | None
    key: str | None


def rows() -> st.SearchStrategy[list[Row]]:
    day = st.integers(0, 25)
    values, keys = st.none() | st.integers(-5, 5), st.none() | st.sampled_from("abc")
    made = st.tuples(st.integers(0, N_CUSTOMERS - 1), day, st.integers(0, 12), values, keys)
    return st.lists(made.map(lambda r: Row(r[0], r[1], r[1] + r[2], r[3], r[4])), max_size=25)


T = ibis.table({"value": "int64", "key": "string", "day": "int32"}, name="t")


def latest(inside: list[Row]) -> float | None:
    last = max((row.day for row in inside if row.value is not None), default=None)
    today = [row.value for row in inside if row.day == last and row.value is not None]
    return sum(today) / len(today) if today else None


def over_values(reduce: Callable[[list[int]], int]) -> Callable[[list[Row]], int | None]:
    def answer(inside: list[Row]) -> int | None:
        values = [row.value for row in inside if row.value is not None]
        return reduce(values) if values else None

    return answer


def over_days(reduce: Callable[[set[int]], int]) -> Callable[[list[Row]], int | None]:
    def answer(inside: list[Row]) -> int | None:
        days = {row.day for row in inside if row.value is not None}
        return reduce(days) if days else None

    return answer


REDUCTIONS = {
    "sum": (ops.Sum(T.value), "value", over_values(sum)),
    "least": (ops.Min(T.value), "value", over_values(min)),
    "largest": (ops.Max(T.value), "value", over_values(max)),
    "rows": (ops.CountStar(T), None, len),
    "first in the alphabet": (
        ops.Min(T.key),
        "key",
        lambda inside: min((row.key for row in inside if row.key), default=None),
    ),
    "keys": (
        ops.CountDistinct(T.key),
        "key",
        lambda inside: len({row.key for row in inside if row.key is not None}),
    ),
    "latest": (ops.ArgMax(T.value, T.day), "value", latest),
    "first day": (ops.Min(T.day), "on", over_days(min)),
    "last day": (ops.Max(T.day), "on", over_days(max)),
    "days": (ops.CountDistinct(T.day), "on", lambda inside: over_days(len)(inside) or 0),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@given(given_rows=rows(), as_known=st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_window_holds_what_looking_at_every_row_finds(
    name: str, given_rows: list[Row], as_known: bool
) -> None:
    part, column, expected = REDUCTIONS[name]
    columns = pa.table(
        {
            "value": pa.array([row.value for row in given_rows], pa.int64()),
            "key": pa.array([row.key for row in given_rows], pa.string()),
            "on": pa.array(
                [None if row.value is None else row.day for row in given_rows], pa.int32()
            ),
        }
    )
    who, days, known = (
        np.array([getattr(row, name) for row in given_rows], np.int64)
        for name in ("customer", "day", "known")
    )
    members = [np.arange(N_CUSTOMERS)] * len(CUTOFFS)
    line = timeline(Rows(who, days, known if as_known else None), CUTOFFS, members)
    windows = BACK if as_known else BACK + AHEAD
    running = Running(line, CUTOFFS, set(windows), columns)
    for window in windows:
        found = running.answer(part, column, window).to_pylist()
        assert found == [
            expected(
                [
                    row
                    for row in given_rows
                    if row.customer == customer
                    and row.day <= window.end(cutoff)
                    and (window.days is None or row.day > window.start(cutoff))
                    and (not as_known or row.known <= cutoff)
                ]
            )
            for cutoff in CUTOFFS
            for customer in range(N_CUSTOMERS)
        ]


@pytest.mark.parametrize("n_late", [1, 10])
def test_rows_known_late_at_many_cutoffs_take_little_more_than_is_allowed_for_them(
    n_late: int,
) -> None:
    n_rows, cutoffs = 1_000, tuple(range(2_000, 2_200))
    rows = Rows(np.repeat(np.arange(10), 100), np.arange(n_rows), np.arange(n_rows))
    rows.known[: 100 * n_late : 100] = 2_150
    members = [np.arange(10)] * len(cutoffs)
    assert len(timeline(rows, cutoffs, members).codes) > 10 * n_late * n_rows
    parts = together(rows, cutoffs)
    lines = [timeline(rows, cutoffs[part], members[part]) for part in parts]
    assert max(len(line.codes) for line in lines) <= n_rows + 100 * n_late + SPARE * n_rows
    assert sum((cutoffs[part] for part in parts), ()) == cutoffs
    assert together(replace(rows, known=rows.days), cutoffs) == [slice(0, len(cutoffs))]
