"""Laws of comparing the arms of a trial."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.pooled import pooled
from training.trial_effects import (
    Arms,
    arms,
    is_as_drawn,
    look_level,
    mean_difference,
    rate_difference,
)
from training.uplift_trial import judged

TIERS = ("vip", "general", "low")
TRIALS = 400


def trial(n: int, effect: float, seed: int, share: float = 0.1) -> Arms:
    """Return a trial in which ``effect`` is added to everybody's probability to stay."""
    rng = np.random.default_rng(seed)
    tier = rng.choice(TIERS, n)
    risk = rng.beta(2, 4, n) * np.where(tier == "low", 1.2, 0.8)
    held_out = rng.random(n) < share
    stays = np.clip(1 - risk + np.where(held_out, 0, effect), 0, 1)
    predicted = np.clip(1 - risk + rng.normal(0, 0.1, n), 0, 1)
    return arms((rng.random(n) < stays).astype(float), held_out, tier.tolist(), predicted)


@pytest.mark.parametrize(("n", "effect"), [(600, 0.0), (3_000, 0.05)])
def test_nineteen_of_twenty_intervals_hold_the_true_effect(n, effect):
    told = [rate_difference(trial(n, effect, seed)) for seed in range(TRIALS)]
    held = np.mean([one.low <= effect <= one.high for one in told])
    assert 0.92 <= held <= 0.98


def test_estimates_are_neither_too_high_nor_too_low():
    errors = np.array([rate_difference(trial(2_000, 0.05, s)).estimate - 0.05 for s in range(200)])
    assert abs(errors.mean()) < 3 * errors.std() / 200**0.5


def test_what_was_predicted_makes_the_interval_narrower():
    one = trial(4_000, 0.05, seed=1)
    blind = Arms(one.y, one.held_out, one.tier, np.full(len(one.y), np.nan))
    by_means = mean_difference(blind)
    assert rate_difference(one).high - rate_difference(one).low < by_means.high - by_means.low


def test_an_arm_of_a_few_customers_tells_nothing():
    assert rate_difference(trial(60, 0.2, seed=0)) is None


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_a_prediction_moved_by_a_constant_changes_nothing(seed):
    one = trial(800, 0.1, seed)
    moved = Arms(one.y, one.held_out, one.tier, one.predicted + 5.0)
    a, b = mean_difference(one), mean_difference(moved)
    assert (a.estimate, a.low) == pytest.approx((b.estimate, b.low), abs=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_swapping_the_arms_turns_the_effect_round(seed):
    one = trial(800, 0.1, seed, share=0.5)
    turned = Arms(one.y, ~one.held_out, one.tier, one.predicted)
    a, b = rate_difference(one), rate_difference(turned)
    assert (a.estimate, a.low, a.high) == pytest.approx((-b.estimate, -b.high, -b.low))


def test_intervals_of_many_looks_hold_together():
    missed = sum(1 - look_level(look) for look in range(1, 10_000))
    assert 0.0499 < missed <= 0.05 + 1e-12


def test_a_mean_tier_is_drawn_to_the_others_and_a_sure_one_hardly():
    mean, spread = pooled([0.30, 0.05, 0.06], [0.20, 0.01, 0.01])
    assert mean[0] < 0.2
    assert abs(mean[1] - 0.05) < 0.01
    assert (spread <= [0.20, 0.01, 0.01]).all()


def test_arms_that_lost_customers_are_not_compared():
    assert is_as_drawn(900, 100, 0.1)
    assert not is_as_drawn(900, 20, 0.1)


@pytest.mark.slow
def test_a_model_of_whom_an_action_moves_is_used_only_where_it_orders_customers_it_never_saw():
    rng = np.random.default_rng(3)
    n = 9_000
    X, treated = rng.normal(size=(n, 3)), (rng.random(n) < 0.7).astype(float)
    ids = np.array([f"C{i // 2}" for i in range(n)])
    for moved, is_used in ((0.35, True), (0.0, False)):
        stays = 0.4 + moved * (X[:, 0] > 0) * treated
        y = (rng.random(n) < stays).astype(float)
        found = judged(X, treated, y, ids, seed=0, threads=1)
        assert found.is_better_than_chance == is_used
    assert judged(X[:900], treated[:900], y[:900], ids[:900], seed=0, threads=1) is None
