"""The metrics obey their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from training import metrics

RNG = np.random.default_rng(3)
P = RNG.uniform(0.02, 0.98, 5_000)
CHURNED = (RNG.uniform(size=5_000) < P).astype(float)
MONEY = RNG.gamma(0.4, 300.0, 5_000) * (RNG.uniform(size=5_000) < 0.6)


def test_a_perfect_order_scores_one_and_the_reverse_less_than_chance():
    assert metrics.normalised_gini(MONEY, MONEY) == pytest.approx(1.0)
    assert metrics.normalised_gini(MONEY, -MONEY) < -0.9
    assert metrics.captured(MONEY, MONEY, 1.0) == pytest.approx(1.0)


def test_a_constant_prediction_scores_what_chance_scores_in_any_order():
    for order in (np.argsort(MONEY), np.argsort(-MONEY)):
        assert abs(metrics.normalised_gini(MONEY[order], np.ones(5_000))) < 0.06
        assert metrics.captured(MONEY[order], np.ones(5_000), 0.1) == pytest.approx(0.1, abs=0.03)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 5.0), st.floats(-3.0, 3.0))
def test_figures_of_order_see_the_order_only(slope, shift):
    moved = np.exp(slope * P + shift)
    assert metrics.auc(CHURNED, moved) == pytest.approx(metrics.auc(CHURNED, P))
    assert metrics.normalised_gini(MONEY, moved) == pytest.approx(metrics.normalised_gini(MONEY, P))
    assert metrics.expected_maximum_profit(CHURNED, moved) == pytest.approx(
        metrics.expected_maximum_profit(CHURNED, P)
    )


def test_auc_and_log_loss_agree_with_scikit_learn_ties_included():
    tied = np.round(P, 1).clip(0.05, 0.95)
    assert metrics.auc(CHURNED, tied) == pytest.approx(roc_auc_score(CHURNED, tied))
    assert metrics.log_loss(CHURNED, tied) == pytest.approx(sklearn_log_loss(CHURNED, tied))


def test_true_probabilities_are_calibrated_and_halved_ones_are_not():
    assert metrics.calibration_error(CHURNED, P) < 0.03
    assert metrics.calibration_error(CHURNED, P / 2) == pytest.approx(P.mean() / 2, abs=0.02)
    assert metrics.brier(CHURNED, P) < metrics.brier(CHURNED, P / 2)


def test_bias_and_decile_error_of_a_doubled_forecast_are_one():
    assert metrics.bias(MONEY, MONEY * 2) == pytest.approx(1.0)
    assert metrics.decile_error(MONEY + 1, (MONEY + 1) * 2) == pytest.approx(1.0)
    assert metrics.decile_error(MONEY, MONEY) == pytest.approx(0.0)


def test_lift_of_true_probabilities_is_near_their_mean_in_the_top_decile():
    top = np.sort(P)[-500:].mean() / P.mean()
    assert metrics.top_decile_lift(CHURNED, P) == pytest.approx(top, rel=0.05)


def test_expected_maximum_profit_equals_the_integral_over_acceptance():
    y, p = CHURNED[:400], np.round(P[:400], 2)
    edges = np.unique(p)
    shares = [(np.mean((p >= t) & (y == 1)), np.mean((p >= t) & (y == 0))) for t in edges]
    churners, stayers = np.array([(0.0, 0.0), *shares]).T
    gamma = np.linspace(0, 1, 20_001)
    profit = 200 * ((gamma[:, None] * 0.95 - 0.005) * churners - (0.05 + 0.005) * stayers).max(
        axis=1
    )
    integral = np.trapezoid(profit * beta.pdf(gamma, 6, 14), gamma)
    assert metrics.expected_maximum_profit(y, p) == pytest.approx(integral, rel=1e-4)


def test_one_class_gives_no_figure_instead_of_a_wrong_one():
    ones = np.ones(20)
    assert np.isnan(metrics.auc(ones, P[:20]))
    assert np.isnan(metrics.expected_maximum_profit(ones, P[:20]))
    assert np.isnan(metrics.top_decile_lift(ones * 0, P[:20]))
    assert np.isnan(metrics.bias(ones * 0, P[:20]))
