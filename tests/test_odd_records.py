"""Whatever records there are, features are those of the plain reference, in the same bytes."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.errors import FeatureError
from features.build import feature_matrix
from features.sources import date_of
from tests.engines import Row, records_of
from tests.reference import reference_matrix
from tests.test_build import ORDER_COUNT_84D, SPEND_84D, SPEND_84D_BEFORE, feature

CUTOFFS = [19_800, 19_716, 19_800, 19_632]
EDGES = sorted({day - back for day in CUTOFFS for back in (-1, 0, 1, 83, 84, 85, 168, 400)})
IDS = ["Ada", "ada", "10", "9", "张三", "é", "e\u0301", "\U0001f600", "\uffff", " ", "a'b", "\\"]
FEATURES = [
    ORDER_COUNT_84D,
    SPEND_84D,
    SPEND_84D_BEFORE,
    feature("rows", lambda t: t.count(where=t.kind == "refund"), window_days=84),
    feature("margins", lambda t: t.margin.count(), lag_days=84),
    feature("mean", lambda t: t.margin.mean(), window_days=1),
    feature("latest", lambda t: t.amount.argmax(t.day, where=t.kind == "purchase")),
    feature("latest_before", lambda t: t.margin.argmax(t.day), lag_days=84, when_empty=-1),
    feature("range", lambda t: t.margin.max() - t.margin.min(), window_days=10_000),
    feature("recency", lambda t: t.cutoff - t.day.max()),
    feature("any_dear", lambda t: (t.amount > 5).max().cast("float64"), window_days=168),
    feature("last_kind", lambda t: (t.kind.max() == "refund").cast("float64")),
    feature("categories", lambda t: t.category.nunique(where=t.kind == "purchase")),
    feature("ended", lambda t: t.count(), "endings", when_empty=0),
    feature("since", lambda t: t.cutoff - t.day.min(), "customers"),
]


def transactions() -> st.SearchStrategy[list[Row]]:
    amounts = st.sampled_from([0.0, 0.005, 1e-6, 7.1, 1e9])

    @st.composite
    def row(draw: st.DrawFn) -> Row:
        day = draw(st.sampled_from(EDGES))
        return {
            "customer_id": draw(st.sampled_from(IDS)),
            "occurred_at": dt.datetime.combine(date_of(day), dt.time()),
            "amount": draw(amounts),
            "margin": draw(st.none() | st.sampled_from([-0.0, 0.0, -1e9, 3.3])),
            "kind": draw(st.sampled_from(["purchase", "refund"])),
            "order_id": draw(st.none() | st.sampled_from(["", "1", "01"])),
            "category": draw(st.none() | st.sampled_from(["", "A", "a"])),
            "day": day,
            "known_day": max(day, draw(st.sampled_from([0, *EDGES]))),
        }

    return st.lists(row(), max_size=30)


def customers() -> st.SearchStrategy[list[Row]]:
    days = st.none() | st.sampled_from(EDGES)

    @st.composite
    def row(draw: st.DrawFn, customer_id: str) -> Row:
        day, ended = draw(days), draw(days)
        return {
            "customer_id": customer_id,
            "signed_up_on": None if day is None else date_of(day),
            "ended_on": None if ended is None else date_of(ended),
            "day": day,
            "known_day": day,
        }

    chosen = st.lists(st.sampled_from(IDS), unique=True, max_size=6)
    return chosen.flatmap(lambda ids: st.tuples(*map(row, ids))).map(list)


def close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.slow
@given(bought=transactions(), known=customers(), at_once=st.sampled_from([1_000, 20_000]))
@settings(max_examples=12, deadline=None)
def test_odd_records_give_what_the_reference_gives_however_they_are_split(
    bought: list[Row], known: list[Row], at_once: int
) -> None:
    tables: dict[str, Any] = {"transactions": bought, "customers": known}
    matrix = feature_matrix(records_of(tables), FEATURES, CUTOFFS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("features.build.BYTES_AT_ONCE", at_once)
        turned = {name: rows[::-1] for name, rows in tables.items()}
        split = feature_matrix(records_of(turned), FEATURES, CUTOFFS)
    assert split.to_pylist() == matrix.to_pylist()
    keys = list(zip(matrix["cutoff"].to_pylist(), matrix["customer_id"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    expected = reference_matrix(tables, FEATURES, sorted(set(CUTOFFS)))
    assert {(one, day) for day, one in keys} == expected.keys()
    for row in matrix.to_pylist():
        wanted = expected[row["customer_id"], row["cutoff"]]
        assert [n for n in wanted if not close(row[n], wanted[n])] == []


def bought(amount: float) -> Row:
    day = dt.datetime.combine(date_of(19_800), dt.time())
    row = {"customer_id": "ada", "occurred_at": day, "amount": amount}
    return {**row, "day": 19_800, "known_day": 19_800}


def test_the_order_of_rows_does_not_choose_between_the_two_zeros() -> None:
    least = feature("least", lambda t: t.amount.min())
    for amounts in ([0.0, -0.0], [-0.0, 0.0]):
        records = records_of({"transactions": [bought(one) for one in amounts]})
        [found] = feature_matrix(records, [least], [19_800])["least"].to_numpy()
        assert not np.signbit(found)


def test_sums_that_do_not_fit_are_refused_and_say_whose_they_are() -> None:
    fits = records_of({"transactions": [bought(1e9)] * 9_000})
    [found] = feature_matrix(fits, [SPEND_84D], [19_800])["spend_84d"].to_pylist()
    assert found == 9e12
    beyond = records_of({"transactions": [bought(1e9)] * 9_300})
    with pytest.raises(FeatureError, match=r"amount of customer 'ada' add up to more than .*units"):
        feature_matrix(beyond, [SPEND_84D], [19_800])
