"""Intervals: they cover what they promise, and never contradict the number they surround."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.intervals import Intervals, coverage_of_others


def outcomes(n: int, seed: int):
    """Expected value, and an outcome that is often nothing and has a long tail."""
    rng = np.random.default_rng(seed)
    expected = rng.lognormal(5, 1, n)
    comes = rng.uniform(size=n) < 0.7
    return expected, comes * expected / 0.7 * rng.lognormal(-0.32, 0.8, n)


FITTED = Intervals.fit(*outcomes(5_000, 0), level=0.8)


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_other_customers_fall_inside_as_often_as_promised(level):
    fitted = Intervals.fit(*outcomes(5_000, 0), level=level)
    expected, actual = outcomes(20_000, 1)
    low, high, _ = fitted.bounds(expected)
    inside = (low <= actual) & (actual <= high)
    assert inside.mean() == pytest.approx(level, abs=0.02)
    for fifth in np.array_split(np.argsort(expected), 5):
        assert inside[fifth].mean() == pytest.approx(level, abs=0.04)


def test_where_nobody_can_fall_below_nothing_all_misses_lie_above():
    expected, actual = outcomes(20_000, 1)
    low, high, _ = FITTED.bounds(expected)
    assert (low == 0).all()
    assert np.mean(actual > high) == pytest.approx(0.2, abs=0.02)


@given(st.lists(st.floats(0, 1e7), min_size=2, max_size=20))
def test_bounds_are_ordered_and_rise_with_the_expected_value(values):
    expected = np.sort(np.array(values))
    low, high, median = FITTED.bounds(expected)
    assert (low >= 0).all()
    assert (low <= median).all()
    assert (median <= high).all()
    assert (low <= expected).all()
    assert (expected <= high).all()
    for bound in (low, median, high):
        assert (np.diff(bound) >= -1e-9 * (1 + np.abs(bound[1:]))).all()


def test_few_customers_share_one_factor_and_fewer_get_no_interval():
    assert Intervals.fit(*outcomes(150, 0), level=0.8).is_pooled
    assert not FITTED.is_pooled
    none = Intervals.fit(*outcomes(19, 0), level=0.8)
    assert none.source == "none"
    assert all(np.isnan(bound).all() for bound in none.bounds([1.0, 2.0]))


def test_customers_who_all_spend_nothing_give_an_interval_up_to_the_expected_value():
    empty = Intervals.fit(np.full(100, 5.0), np.zeros(100), level=0.8)
    low, high, median = empty.bounds([5.0, 8.0])
    assert low.tolist() == median.tolist() == [0.0, 0.0]
    assert high.tolist() == [5.0, 8.0]


def test_intervals_survive_json():
    assert Intervals.model_validate_json(FITTED.model_dump_json()) == FITTED


def test_coverage_is_counted_on_customers_who_taught_nothing():
    assert coverage_of_others(*outcomes(4_000, 2), level=0.8) == pytest.approx(0.8, abs=0.03)
    expected, actual = outcomes(60, 3)
    own = Intervals.fit(expected, actual, level=0.8).bounds(expected)
    assert ((own[0] <= actual) & (actual <= own[1])).mean() >= 0.8
    assert coverage_of_others(expected[:39], actual[:39], level=0.8) is None


def test_coverage_shows_that_the_two_halves_are_different_worlds():
    expected = np.full(400, 100.0)
    actual = np.where(np.arange(400) % 2 == 0, 50.0, 500.0)
    assert coverage_of_others(expected, actual, level=0.8) < 0.6
