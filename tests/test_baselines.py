"""The simple rules: what anyone could do, done right and learnt from training only."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from training.baselines import RULES, figures_of, learnt_rules, scored
from training.dataset import Dataset
from training.metrics import auc
from training.results import METHODS


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
        "spend_84d": rng.gamma(2, 50, n),
        "spend_182d": rng.gamma(2, 90, n),
    }
    return buyers(columns, (silent >= 50).astype(float))


def buyers(columns: dict, label) -> Dataset:
    n = len(label)
    keys = {"customer_id": [str(i) for i in range(n)], "cutoff": pa.array([0] * n, pa.int32())}
    return Dataset(pa.table(keys | columns), np.asarray(label, dtype=float))


TRAIN, TEST = customers(2_000, 0), customers(500, 1)
NOBODY = TRAIN.where(np.zeros(len(TRAIN), dtype=bool))


def scores(target, train: Dataset = TRAIN, test: Dataset = TEST, days: int = 200):
    rules = scored(target, learnt_rules(target, train, days), test)
    return {name: rule.scores for name, rule in rules.items()}


def test_the_best_silence_is_found_among_halvings_of_the_horizon():
    told = scores("churn")["no_purchase_rule"]
    left = TEST.y > 0
    assert (told[left] > 0.99).all()
    assert (told[~left] < 0.01).all()


@pytest.mark.parametrize("target", ["churn", "clv"])
def test_rules_learn_nothing_from_the_customers_they_are_measured_on(target):
    turned = Dataset(TEST.matrix, 1 - TEST.y)
    before, after = scores(target), scores(target, test=turned)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_recency_orders_by_silence_and_is_a_probability_once_it_has_learnt():
    silence = TEST.matrix["tenure_days"].to_numpy() - TEST.matrix["recency_days"].to_numpy()
    told = scores("churn")["recency"]
    assert np.array_equal(np.argsort(told), np.argsort(silence))
    assert 0 < told.min() < told.max() < 1
    untold = scored("churn", learnt_rules("churn", NOBODY, 90), TEST)
    assert "brier" not in figures_of("churn", TEST.y, untold)["recency"]


def test_the_rfm_regression_learns_what_frequency_says():
    rng = np.random.default_rng(2)
    frequency = rng.poisson(4, 2_000).astype(float)
    column = {"frequency": frequency, "recency_days": 10.0 * frequency}
    column |= {"tenure_days": column["recency_days"] + 20.0, "monetary_value": frequency * 0 + 9.0}
    rare = buyers(column, rng.uniform(size=2_000) < np.exp(-frequency / 3.0))
    told = scores("churn", rare, rare)
    assert auc(rare.y, told["rfm_logit"]) > auc(rare.y, told["recency"]) + 0.1


def test_a_spend_rate_is_monthly_spend_times_months_times_what_came_again_in_training():
    column = {
        "frequency": [4.0, 0.0],
        "recency_days": [100.0, 0.0],
        "tenure_days": [100.0, 2.0],
        "monetary_value": [20.0, 7.0],
    }
    promised = np.array([5 * 20 / 100 * 50, 7 / 28 * 50])
    pair = buyers(column, promised * [0.5, 0.5])
    nobody = pair.where(np.zeros(2, dtype=bool))
    assert scores("clv", nobody, pair, days=50)["spend_rate"] == pytest.approx(promised)
    assert scores("clv", pair, pair, days=50)["spend_rate"].sum() == pytest.approx(pair.y.sum())
    assert "last_period" not in scores("clv", pair, pair)


def test_the_last_period_is_the_declared_window_nearest_to_the_horizon():
    for horizon, column, factor in [(182, "spend_182d", 1.0), (42, "spend_84d", 0.5)]:
        told = scores("clv", NOBODY, days=horizon)["last_period"]
        assert told == pytest.approx(TEST.columns([column])[column] * factor)


def test_every_rule_is_stated_in_words():
    found = {*scores("churn"), *scores("clv")}
    assert found <= set(RULES) <= set(METHODS)


def test_without_training_only_rules_that_learn_nothing_are_left():
    assert set(scores("churn", NOBODY)) == {"recency"}
    assert set(scores("clv", NOBODY)) == {"spend_rate", "last_period"}


def test_where_everybody_left_every_rule_says_so():
    told = scores("churn", Dataset(TRAIN.matrix, np.ones(len(TRAIN))))
    assert set(told) == {"recency", "no_purchase_rule", "rfm_logit", "base_rate"}
    assert all((p > 0.99).all() for p in told.values())
