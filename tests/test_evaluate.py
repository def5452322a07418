"""What an evaluation holds."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluate import (
    CHURN_METRICS,
    VALUE_METRICS,
    Evaluation,
    TargetEvaluation,
    calibration_curve,
    churn_figures,
    lift_curve,
    value_figures,
)

RNG = np.random.default_rng(0)
P = RNG.uniform(size=2_000)
Y = (RNG.uniform(size=2_000) < P).astype(float)
MONEY = RNG.gamma(1, 100, 2_000)


def test_every_metric_is_there_and_those_that_need_probabilities_only_with_them():
    assert tuple(churn_figures(Y, P)) == CHURN_METRICS
    assert set(churn_figures(Y, P * 100, is_probability=False)) == {
        "auc",
        "top_decile_lift",
        "empc",
    }
    assert tuple(value_figures(MONEY, MONEY)) == VALUE_METRICS


def test_figures_that_cannot_be_computed_are_left_out_so_that_json_holds():
    evaluation = TargetEvaluation(
        target="churn",
        horizon_days=90,
        protocol="out_of_time",
        model=churn_figures(np.ones(50), P[:50]),
    )
    whole = Evaluation(targets={"churn": evaluation})
    assert "auc" not in evaluation.model
    assert Evaluation.model_validate_json(whole.model_dump_json()) == whole
    assert value_figures(np.zeros(50), P[:50]).keys().isdisjoint({"bias", "dmape"})


def test_the_calibration_curve_rises_and_counts_everybody():
    curve = calibration_curve(Y, P)
    assert sum(one.n for one in curve) == 2_000
    assert [one.predicted for one in curve] == sorted(one.predicted for one in curve)
    assert all(abs(one.actual - one.predicted) < 0.12 for one in curve)


def test_the_lift_curve_rises_to_all():
    curve = lift_curve(MONEY, MONEY)
    held = [point.captured for point in curve]
    assert held == sorted(held)
    assert held[-1] == pytest.approx(1.0)


def test_the_best_rule_is_the_one_with_the_best_main_metric():
    evaluation = TargetEvaluation(
        target="clv",
        horizon_days=90,
        protocol="out_of_time",
        baselines={"a": {"ngini": 0.4, "mae": 1.0}, "b": {"ngini": 0.6, "mae": 9.0}, "c": {}},
    )
    assert evaluation.best_rule == "b"
    assert TargetEvaluation(target="clv", horizon_days=9, protocol="none").best_rule is None
