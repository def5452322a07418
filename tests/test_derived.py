"""Columns made of raw ones: totals and ratios, and whom their contribution is credited to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.derived import Derived, ratios, totals, with_derived

BILL = {
    "total_day_charge": np.array([10.0, 40.0]),
    "total_night_charge": np.array([5.0, 5.0]),
    "total_intl_charge": np.array([1.0, np.nan]),
    "total_day_calls": np.array([3.0, 4.0]),
    "tenure": np.array([1.0, 2.0]),
}
AMOUNTS = st.floats(0, 1e6)


def test_a_bill_in_three_parts_gets_a_total_and_other_units_none():
    [total] = totals(BILL)
    assert total.parts == ("total_day_charge", "total_night_charge", "total_intl_charge")


@pytest.mark.parametrize("names", [("dayCharge", "nightCharge", "intlCharge"),
                                   ("日 费用", "夜 费用", "周 费用")])  # fmt: skip
def test_words_are_told_apart_however_names_are_written(names):
    assert [one.parts for one in totals({name: np.ones(2) for name in names})] == [names]


def test_two_columns_alike_are_no_bill_and_a_shared_first_word_no_unit():
    columns = dict.fromkeys(
        ("avg_day_fee", "avg_night_fee", "sum_a", "sum_b", "sum_c"), BILL["tenure"]
    )
    assert totals(columns) == ()


def test_a_total_is_missing_where_a_part_is():
    [total] = totals(BILL)
    assert total.values(BILL)[0] == 16.0
    assert np.isnan(total.values(BILL)[1])


def test_a_ratio_divides_and_is_missing_where_nothing_can_be_divided_by():
    columns = {"amount": np.array([6.0, 6.0, np.nan]), "orders": np.array([2.0, 0.0, 3.0])}
    made = with_derived(columns, [Derived("ratio", ("amount", "orders"), (1.0, 1.0))])
    np.testing.assert_array_equal(made["amount / orders"], [3.0, np.nan, np.nan])


def test_flags_and_balances_are_not_divided():
    columns = {
        "flag": np.array([0.0, 1.0, 1.0]),
        "balance": np.array([-1.0, 2.0, 3.0]),
        "orders": np.array([1.0, 2.0, 3.0]),
        "amount": np.array([4.0, 5.0, 6.0]),
    }
    assert [one.name for one in ratios(columns)] == ["orders / amount"]


@settings(max_examples=50)
@given(kind=st.sampled_from(["total", "ratio"]), own=st.tuples(AMOUNTS, AMOUNTS),
       usual=st.tuples(AMOUNTS, AMOUNTS), contribution=st.floats(-5, 5))  # fmt: skip
def test_credit_adds_up_to_the_contribution(kind, own, usual, contribution):
    made = Derived(kind, ("a", "b"), usual)
    columns = {"a": np.array([own[0]]), "b": np.array([own[1]])}
    dealt = made.credit(columns, np.array([contribution]))
    assert sum(dealt.values())[0] == pytest.approx(contribution, abs=1e-12)


def test_credit_goes_to_the_part_that_moved_the_column():
    made = Derived("total", ("a", "b"), (10.0, 10.0))
    columns = {"a": np.array([30.0, 10.0, 5.0]), "b": np.array([10.0, 10.0, 25.0])}
    dealt = made.credit(columns, np.array([1.0, 1.0, 1.0]))
    assert dealt["a"].tolist() == [1.0, 0.5, 0.0]
    assert dealt["b"].tolist() == [0.0, 0.5, 1.0]
    share = Derived("ratio", ("a", "b"), (10.0, 10.0)).credit(columns, np.ones(3))
    assert share["a"].tolist() == [1.0, 0.5, pytest.approx(share["a"][2])]
    assert share["b"][2] > 0
