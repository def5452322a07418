"""Drift is told by its size; that it is more than chance is asked besides."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.drift import bins_of, counted, distribution_of, factor, level_of, moved, share_moved

NUMBERS = st.lists(
    st.one_of(st.just(float("nan")), st.integers(-5, 20).map(float), st.floats(-1e6, 1e6)),
    max_size=80,
)
COUNTS = st.lists(st.integers(0, 500), min_size=2, max_size=10)


@given(NUMBERS)
def test_every_customer_with_a_value_is_in_one_bin(values):
    values = np.array(values, dtype=float)
    bins = bins_of(values)
    assert bins.n == np.count_nonzero(~np.isnan(values))
    assert list(bins.edges) == sorted(set(bins.edges))
    assert all(count > 0 for count in bins.counts) or bins.n == 0


@given(NUMBERS)
def test_the_same_customers_have_not_moved(values):
    one = distribution_of(np.array(values, dtype=float))
    assert moved(one.bins.counts, one.bins.counts).size == 0
    assert factor(one.level, one.level).size == 1


@given(COUNTS, COUNTS, st.integers(2, 50))
def test_more_customers_make_a_change_surer_and_hardly_larger(before, after, times):
    n = min(len(before), len(after))
    few = moved(before[:n], after[:n])
    many = moved([times * c for c in before[:n]], [times * c for c in after[:n]])
    assert many.is_sure or not few.is_sure
    shares = [np.array(c[:n]) / max(sum(c[:n]), 1) for c in (before, after)]
    if all(share.min() > 0.02 for share in shares) and min(sum(before[:n]), sum(after[:n])) > 400:
        assert abs(many.size - few.size) < 0.1 + 0.1 * few.size


def test_a_frequent_value_has_a_bin_of_its_own():
    orders = np.array([0.0] * 600 + [1.0] * 300 + [2.0] * 100)
    bins = bins_of(orders)
    assert bins.counts == (600, 300, 100)
    assert counted(orders * 1.5, bins.edges) == (600, 0, 400)


def test_a_wide_distribution_that_grows_by_half_is_told_by_its_level():
    rng = np.random.default_rng(0)
    spend = np.where(rng.random(5_000) < 0.7, 0.0, np.exp(rng.normal(5, 1.5, 5_000)))
    before, after = distribution_of(spend), spend * 1.5
    assert moved(before.bins.counts, counted(after, before.bins.edges)).size < 0.1
    change = factor(before.level, level_of(after))
    assert change.is_sure
    assert abs(change.size - 1.5) < 1e-9


def test_a_few_customers_prove_no_change_of_a_share():
    assert not share_moved(0.5, 20, 0.7, 20).is_sure
    assert share_moved(0.5, 2_000, 0.7, 2_000).is_sure
