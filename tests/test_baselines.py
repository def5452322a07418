"""The simple rules: what anyone could do, done right and learnt from training only."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from training.baselines import (
    LAST_PERIOD,
    RULES,
    churn_rules,
    figures_of,
    last_period_feature,
    value_rules,
)
from training.dataset import Dataset


def customers(n: int, seed: int) -> Dataset:
    """Return buyers who leave exactly where they have been silent for 50 days or more."""
    rng = np.random.default_rng(seed)
    tenure = rng.uniform(100, 400, n)
    silent = rng.uniform(0, 100, n)
    columns = {
        "frequency": rng.poisson(4, n).astype(float),
        "recency_days": tenure - silent,
        "tenure_days": tenure,
        "monetary_value": rng.gamma(3, 20, n),
        LAST_PERIOD: rng.gamma(2, 50, n),
    }
    keys = {"customer_id": [str(i) for i in range(n)], "cutoff": np.zeros(n, np.int32)}
    return Dataset(pa.table(keys | columns), (silent >= 50).astype(float))


TRAIN, TEST = customers(2_000, 0), customers(500, 1)


def test_the_best_silence_is_found_among_halvings_of_the_horizon():
    rule = churn_rules(TRAIN, TEST, horizon_days=200)["no_purchase_rule"]
    left = TEST.y > 0
    assert (rule.scores[left] > 0.99).all()
    assert (rule.scores[~left] < 0.01).all()


def test_rules_learn_nothing_from_the_customers_they_are_measured_on():
    turned = Dataset(TEST.matrix, 1 - TEST.y)
    for find in (churn_rules, value_rules):
        before, after = find(TRAIN, TEST, 90), find(TRAIN, turned, 90)
        assert all(np.array_equal(before[name].scores, after[name].scores) for name in before)


def test_recency_is_an_order_and_no_probability():
    figures = figures_of("churn", TEST.y, churn_rules(TRAIN, TEST, 90))
    assert figures["recency"]["auc"] == pytest.approx(1.0)
    assert "brier" not in figures["recency"]
    assert "brier" in figures["rfm"]


def test_spend_rates_are_money_over_the_horizon():
    columns = {
        "frequency": [4.0, 0.0],
        "recency_days": [100.0, 0.0],
        "tenure_days": [100.0, 2.0],
        "monetary_value": [20.0, 7.0],
    }
    keys = {"customer_id": ["a", "b"], "cutoff": pa.array([0, 0], pa.int32())}
    pair = Dataset(pa.table(keys | columns), np.array([1.0, 2.0]))
    rate = value_rules(TRAIN, pair, horizon_days=50)["spend_rate"].scores
    assert rate.tolist() == pytest.approx([5 * 20 / 100 * 50, 7 / 28 * 50])
    assert "last_period" not in value_rules(TRAIN, pair, 50)


def test_the_last_period_is_as_long_as_the_horizon():
    assert last_period_feature(182).window_days == 182
    assert np.array_equal(
        value_rules(TRAIN, TEST, 90)["last_period"].scores, TEST.columns([LAST_PERIOD])[LAST_PERIOD]
    )


def test_every_rule_is_stated_in_words():
    found = {*churn_rules(TRAIN, TEST, 90), *value_rules(TRAIN, TEST, 90)}
    assert found <= set(RULES)


def test_without_training_only_rules_that_learn_nothing_are_left():
    nothing = TRAIN.where(np.zeros(len(TRAIN), dtype=bool))
    assert set(churn_rules(nothing, TEST, 90)) == {"recency"}
    assert set(value_rules(nothing, TEST, 90)) == {"spend_rate", "last_period"}
