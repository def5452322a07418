"""No feature changes when anything after its cutoff is added, altered or removed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from features.catalogue import FEATURES
from features.plan import Window
from features.totals import asked_source
from features.totals.timeline import timeline
from tests.engines import matrix_on
from tests.histories import CUTOFFS, histories, other_futures, together

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
N_CASES = 1_000
Matrix = dict[tuple[str, int], dict[str, float | None]]


@functools.cache
def cases(n_cases: int = N_CASES) -> tuple[dict[str, int], dict[str, Any]]:
    """Return each customer's cutoff, and all tables as they were (a/) and as changed (b/)."""
    customers = histories(n_cases, seed=7)
    at, changed = other_futures(customers, CUTOFFS, seed=8)
    before, after = together(customers, "a/"), together(changed, "b/")
    return at, {name: before[name] + after[name] for name in before}


def changes(matrix: Matrix, at: dict[str, int]) -> list[tuple[str, int, str]]:
    """Return customer, cutoff and feature of every value that another future changed."""
    found = []
    for customer, cutoff in at.items():
        for day in (day for day in CUTOFFS if day <= cutoff):
            one, other = matrix.get((f"a/{customer}", day)), matrix.get((f"b/{customer}", day))
            if (one is None) != (other is None):
                found.append((customer, day, "known"))
            elif one is not None and other is not None:
                found += [(customer, day, name) for name in one if one[name] != other[name]]
    return found


@pytest.mark.slow
def test_the_future_changes_no_feature_in_a_thousand_cases() -> None:
    at, _ = cases()
    matrix = catalogue()
    assert changes(matrix, at) == []
    assert sum(row is not None for row in matrix.values()) > 2 * N_CASES


@functools.cache
def catalogue() -> Matrix:
    """Return every feature of the catalogue for all cases."""
    return matrix_on("duckdb", cases()[1], FEATURES, CUTOFFS)


@pytest.mark.slow
def test_the_cases_tell_something_most_features_have_many_values() -> None:
    matrix = catalogue()
    several = [one.name for one in FEATURES if len({row[one.name] for row in matrix.values()}) > 2]
    assert len(several) > 0.9 * len(FEATURES)


LEAKS: dict[str, tuple[object, str, Callable[..., Any]]] = {
    "rows recorded later": (
        asked_source,
        "timeline",
        lambda rows, cutoffs, members: timeline(replace(rows, known=None), cutoffs, members),
    ),
    "days after the cutoff": (Window, "end", lambda window, cutoff: cutoff - window.lag_days + 60),
}


@pytest.mark.slow
@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_caught(leak: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*LEAKS[leak])
    at, tables = cases(40)
    assert changes(matrix_on("duckdb", tables, FEATURES, CUTOFFS), at) != []


@pytest.mark.slow
def test_rows_that_hide_when_they_were_recorded_are_caught() -> None:
    at, tables = cases(40)
    early = [row | {"known_day": row["day"]} for row in tables["transactions"]]
    leaking = {**tables, "transactions": early}
    assert changes(matrix_on("duckdb", leaking, FEATURES, CUTOFFS), at) != []


@pytest.mark.slow
def test_the_order_of_rows_changes_nothing() -> None:
    _, tables = cases(40)
    turned = {name: rows[::-1] for name, rows in tables.items()}
    assert matrix_on("duckdb", turned, FEATURES, CUTOFFS) == matrix_on(
        "duckdb", tables, FEATURES, CUTOFFS
    )
