"""Intervals: they cover what they promise, and never contradict the number they surround."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.intervals import Intervals, tiers_of


def outcomes(n: int, seed: int):
    """Expected value, and an outcome that is often nothing and has a long tail."""
    rng = np.random.default_rng(seed)
    expected = rng.lognormal(5, 1, n)
    comes = rng.uniform(size=n) < 0.7
    return expected, comes * expected / 0.7 * rng.lognormal(-0.32, 0.8, n)


def mostly_lost(n: int, seed: int):
    """Half of the customers as above, half with next to no chance to come back."""
    rng = np.random.default_rng(seed)
    expected, actual = outcomes(n, seed)
    lost = rng.uniform(size=n) < 0.4
    chance = np.where(lost, 0.05, 1.0)
    return expected * chance, np.where(rng.uniform(size=n) < chance, actual, 0.0)


EDGES = tuple(np.quantile(mostly_lost(10_000, 0)[0], (0.6, 0.85, 0.95)))
FITTED = Intervals.fit(*outcomes(5_000, 0), level=0.8)
BY_TIER = Intervals.fit(*mostly_lost(10_000, 0), level=0.8, thresholds=EDGES)


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
    for fitted in (FITTED, BY_TIER):
        low, high, median = fitted.bounds(expected)
        assert (low >= 0).all()
        assert (low <= median).all()
        assert (median <= high).all()
        for bound in (low, median, high):
            assert (np.diff(bound) >= -1e-9 * (1 + np.abs(bound[1:]))).all()


def shares_by_tier(inside, expected, thresholds=EDGES):
    tier = tiers_of(expected, thresholds)
    return [inside[tier == rank].mean() for rank in range(len(thresholds) + 1)]


def test_every_tier_is_covered_as_promised_though_most_of_the_lowest_bring_nothing():
    expected, actual = mostly_lost(40_000, 1)
    low, high, _ = BY_TIER.bounds(expected)
    inside = (low <= actual) & (actual <= high)
    lost = expected < 20
    assert (actual[lost] == 0).mean() > 0.9
    assert (low[lost] == 0).all()
    assert inside.mean() == pytest.approx(0.8, abs=0.02)
    assert shares_by_tier(inside, expected) == pytest.approx([0.8] * 4, abs=0.04)


def test_who_may_bring_nothing_is_told_so_though_the_tier_asks_for_less():
    expected, actual = mostly_lost(40_000, 1)
    low, high, _ = BY_TIER.bounds(expected)
    assert np.mean(actual[tiers_of(expected, EDGES) == 0] == 0) > 0.5
    assert (low[tiers_of(expected, EDGES) == 0] == 0).all()
    assert (high[expected > 100] > 0).all()


def test_customers_measured_count_as_often_as_there_are_such_customers_now():
    expected, actual = mostly_lost(40_000, 1)
    fewer_lost = (expected > 20) | (np.arange(len(expected)) % 4 == 0)
    now, came = expected[fewer_lost], actual[fewer_lost]
    lowest = tiers_of(now, EDGES) == 0
    weighted = Intervals.fit(*mostly_lost(10_000, 0), level=0.8, thresholds=EDGES, present=now)

    def covered(fitted):
        low, high, _ = fitted.bounds(now)
        return ((low <= came) & (came <= high))[lowest].mean()

    assert covered(weighted) == pytest.approx(0.8, abs=0.02)
    assert covered(BY_TIER) < 0.76


def test_a_tier_too_small_to_be_measured_borrows_from_its_neighbour_and_says_so():
    expected, actual = mostly_lost(2_000, 0)
    highest = float(np.sort(expected)[-30])
    fitted = Intervals.fit(expected, actual, level=0.8, thresholds=(*EDGES[:2], highest))
    assert fitted.pooled == (False, False, False, True)
    assert fitted.in_tier[-1] == 30
    assert fitted.is_pooled_at([1.0, highest * 2]).tolist() == [False, True]
    assert np.isfinite(fitted.bounds([highest * 2])[1]).all()


def test_thresholds_beyond_all_customers_leave_tiers_empty_and_the_rest_covered():
    expected, actual = outcomes(5_000, 0)
    fitted = Intervals.fit(expected, actual, level=0.8, thresholds=(1e-9, 1e9))
    assert fitted.pooled == (True, False, True)
    low, high, _ = fitted.bounds(expected)
    assert ((low <= actual) & (actual <= high)).mean() == pytest.approx(0.8, abs=0.01)


def test_the_expected_value_is_never_below_what_is_likely():
    rng = np.random.default_rng(0)
    expected = rng.uniform(900, 1_000, 5_000)
    actual = np.where(rng.uniform(size=5_000) < 0.05, 0.0, expected / 0.95)
    fitted = Intervals.fit(expected, actual, level=0.8)
    low, high, _ = fitted.bounds(expected)
    assert (low <= expected).all()
    assert (expected <= high).all()
    assert np.mean((low <= actual) & (actual <= high)) >= 0.8


def test_few_customers_share_one_factor_and_fewer_get_no_interval():
    assert Intervals.fit(*outcomes(150, 0), level=0.8).is_pooled
    assert not FITTED.is_pooled
    none = Intervals.fit(*outcomes(19, 0), level=0.8)
    assert none.source == "none"
    assert all(np.isnan(bound).all() for bound in none.bounds([1.0, 2.0]))


def test_customers_who_all_spend_nothing_are_told_so():
    empty = Intervals.fit(np.full(100, 5.0), np.zeros(100), level=0.8)
    assert [bound.tolist() for bound in empty.bounds([5.0, 8.0])] == [[0.0, 0.0]] * 3


def test_intervals_survive_json():
    assert Intervals.model_validate_json(BY_TIER.model_dump_json()) == BY_TIER
