"""The paired interval tells a better model from an equal one, on the same customers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.paired import FIGURES, duel, interval, resamples

RNG = np.random.default_rng(7)
TRUTH = RNG.random(400)
LEFT = (RNG.random(400) < TRUTH).astype(float)
SPENT = TRUTH * RNG.gamma(2.0, 50.0, 400)


def outcome(target):
    return LEFT if target == "churn" else SPENT


@pytest.mark.parametrize(
    ("target", "metric"), [(target, metric) for target, of in FIGURES.items() for metric in of]
)
def test_a_model_against_itself_differs_by_nothing_for_sure(target, metric):
    one = duel(metric, target, outcome(target), TRUTH, TRUTH)
    assert (one.difference, one.low, one.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("target", "metric"), [("churn", "auc"), ("clv", "ngini")])
def test_a_better_model_is_surely_better_and_the_other_way_round(target, metric):
    noise = RNG.random(400)
    won = duel(metric, target, outcome(target), noise, TRUTH)
    lost = duel(metric, target, outcome(target), TRUTH, noise)
    assert 0.0 < won.low <= won.difference <= won.high
    assert lost.low <= lost.difference <= lost.high < 0.0
    assert lost.difference == pytest.approx(-won.difference)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(30)))
def test_the_figures_do_not_depend_on_the_order_of_customers(order):
    rows = np.array(order)
    y, p, q = LEFT[:30], TRUTH[:30], TRUTH[30:60]
    one, other = duel("auc", "churn", y, p, q), duel("auc", "churn", y[rows], p[rows], q[rows])
    assert (one.champion, one.challenger) == pytest.approx((other.champion, other.challenger))


def test_one_class_only_has_no_ranking_and_says_so():
    figure, low, high = interval("auc", "churn", np.ones(50), TRUTH[:50])
    assert np.isnan([figure, low, high]).all()


def test_many_customers_get_few_resamples_and_never_none():
    assert resamples(10) >= resamples(50_000) >= resamples(5_000_000) > 0
