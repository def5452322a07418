"""Uplift: who is moved by an action is told from who would have come anyway."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.errors import TrainingError
from training.uplift import UpliftModel
from training.uplift_metrics import qini, uplift_at

N = 6_000


def trial(seed: int):
    """Return X, treated, y and the true effect: feature 0 moves, feature 1 only buys."""
    rng = np.random.default_rng(seed)
    X, treated = rng.normal(size=(N, 2)), rng.integers(0, 2, N)
    effect = 0.2 * (X[:, 0] > 0.5)
    chance = 0.1 + 0.4 * (X[:, 1] > 0) + effect * treated
    return X, treated, (rng.uniform(size=N) < chance).astype(float), effect


def test_effects_follow_who_is_moved_and_not_who_buys_anyway():
    X, treated, y, _ = trial(0)
    model = UpliftModel().fit(X, treated, y)
    X, treated, y, effect = trial(1)
    predicted = model.predict(X)
    assert np.corrcoef(predicted, effect)[0, 1] > 0.7
    assert abs(np.corrcoef(predicted, X[:, 1])[0, 1]) < 0.2
    assert predicted.mean() == pytest.approx(model.average_effect_, abs=0.02)
    assert qini(y, predicted, treated) > 2 * abs(qini(y, X[:, 1], treated))


def test_the_same_trial_and_seed_give_the_same_effects():
    X, treated, y, _ = trial(0)
    first, second = (UpliftModel(seed=3).fit(X, treated, y) for _ in range(2))
    assert np.array_equal(first.predict(X), second.predict(X))


def test_too_few_with_the_action_are_refused_with_both_numbers():
    with pytest.raises(TrainingError, match=r"^30 customers got the action and 970 did not"):
        UpliftModel().fit(np.zeros((1000, 1)), np.arange(1000) < 30, np.zeros(1000))


def test_qini_agrees_with_scikit_uplift_on_small_cases():
    # figures of scikit-uplift's qini_auc_score
    y, treated = [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]
    assert qini(y, [1.304, 0.947, -0.704, -1.265, -0.623, 0.041], treated) == pytest.approx(5 / 9)


def test_a_perfect_order_scores_one_chance_nothing_and_uplift_counts_the_top():
    y = np.array([1, 0, 0, 1, 1, 0, 1, 0])
    treated = np.array([1, 0, 1, 0, 1, 0, 0, 1])
    assert qini(y, y * (2 * treated - 1), treated) == pytest.approx(1.0)
    assert qini(y, np.ones(8), treated) == pytest.approx(0.0)
    assert uplift_at(y, -np.arange(8), treated, 0.5) == pytest.approx(0.0)
    assert uplift_at(y, [4, 3, 0, 0, 2, 1, 0, 0], treated, 0.5) == pytest.approx(1.0)
    assert np.isnan(uplift_at(y, treated, treated, 0.25))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 5), st.floats(-3, 3))
def test_qini_sees_the_order_only(seed, slope, shift):
    rng = np.random.default_rng(seed)
    y, treated = rng.integers(0, 2, 200), rng.integers(0, 2, 200)
    effect = rng.normal(size=200).round(1)
    rows = rng.permutation(200)
    expected = qini(y, effect, treated)
    assert qini(y, np.exp(slope * effect + shift), treated) == pytest.approx(expected)
    assert qini(y[rows], effect[rows], treated[rows]) == pytest.approx(expected)
