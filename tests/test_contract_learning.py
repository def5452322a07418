"""The churn model of contract customers: blended, bounded by declared directions, explained."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest
from scipy.special import expit, logit

from training.contract_learning import can_learn, learn_churn, stacked
from training.contract_model import ContractChurn, read_churn
from training.folds import kept_together, left_out
from training.linear import Line, fitted_line
from training.metrics import calibration_error, log_loss
from training.models import read_model
from training.tree_sum import weighted_sum

TOTAL = ("total_day_fee", "total_night_fee", "total_intl_fee")


def customers(n: int, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return customers who leave when their whole bill is high, or their orders are dear."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.gamma(4.0, 5.0, n) for name in TOTAL}
    columns |= {"amount": rng.gamma(3.0, 30.0, n), "orders": rng.integers(1, 20, n).astype(float)}
    columns |= {"age": rng.uniform(18, 80, n), "plan=free": (rng.random(n) < 0.3).astype(float)}
    link = 5.0 * (sum(columns[name] for name in TOTAL) > 65) - 3.0 + columns["plan=free"]
    y = (rng.random(n) < expit(link + 0.02 * (columns["age"] - 50))).astype(float)
    columns["age"] = np.where(rng.random(n) < 0.1, np.nan, columns["age"])
    return columns, y


NUMBERS = (*TOTAL, "amount", "orders", "age")


def learnt(n: int = 900, **directions: int) -> ContractChurn:
    columns, y = customers(n)
    return learn_churn(columns, NUMBERS, y, 90, directions, seed=0, threads=1).model


@pytest.fixture(scope="module")
def model() -> ContractChurn:
    return learnt()


def test_a_bill_spread_over_columns_is_seen_as_one(model):
    known, left = customers(900)
    columns, y = customers(3_000, seed=1)
    line = expit(fitted_line(known, list(known), left, {}).link(columns, 3_000))
    assert log_loss(y, model.predict(columns)) < 0.8 * log_loss(y, line)


def test_probabilities_are_those_of_new_customers(model):
    columns, y = customers(6_000, seed=2)
    assert calibration_error(y, model.predict(columns)) < 0.04


def test_contributions_are_of_raw_columns_and_add_up(model):
    columns, _ = customers(500, seed=3)
    columns["orders"][:5] = 0.0
    columns[TOTAL[0]][:9] = np.nan
    base, parts = model.contributions(columns)
    assert set(parts) == set(model.inputs) <= set(columns)
    assert np.abs(base + sum(parts.values()) - model.link_score(columns)).max() < 1e-9


def test_a_model_read_back_gives_the_same_bits(model):
    columns, _ = customers(50, seed=4)
    files = model.to_files()
    for again in (read_model("churn", files), read_churn(files)):
        assert isinstance(again, ContractChurn)
        assert again.derived == model.derived
        assert np.array_equal(again.link_score(columns), model.link_score(columns))


@pytest.mark.slow
def test_learning_twice_gives_the_same_trees(model):
    assert learnt().to_files() == model.to_files()


@pytest.mark.slow
def test_churn_never_falls_where_a_column_is_declared_to_raise_it():
    falling = learnt(900, age=1, orders=-1)
    columns, _ = customers(40, seed=5)
    for name, grid, sign in (("age", np.linspace(18, 80, 20), 1), ("orders", np.arange(25.0), -1)):
        links = [falling.link_score(columns | {name: np.full(40, value)}) for value in grid]
        assert (sign * np.diff(links, axis=0) >= -1e-12).all(), name


def test_too_few_of_either_label_are_not_learnt_from():
    y = np.zeros(500)
    y[:9] = 1
    assert not can_learn(y, 200)
    assert not can_learn(1 - y, 200)
    y[9] = 1
    assert can_learn(y, 200)
    assert not can_learn(y, 501)


def test_noise_and_a_part_turned_round_get_hardly_any_weight():
    rng = np.random.default_rng(0)
    true = rng.normal(size=4_000)
    y = (rng.random(4_000) < expit(true)).astype(float)
    level, weights = stacked(np.column_stack([true, rng.normal(size=4_000), -true]), y)
    assert weights == pytest.approx([1.0, 0.0, 0.0], abs=0.1)
    assert level == pytest.approx(0.0, abs=0.1)


def test_the_line_finds_the_slopes_that_made_the_labels():
    rng = np.random.default_rng(1)
    columns = {"a": rng.normal(5, 2, 20_000), "b": rng.normal(size=20_000), "same": np.ones(20_000)}
    lacks = rng.random(20_000) < 0.2
    link = 0.4 * (columns["a"] - 5) + 1.0 * lacks
    y = (rng.random(20_000) < expit(link)).astype(float)
    columns["b"][lacks] = np.nan
    line = fitted_line(columns, list(columns), y, {})
    assert "same" not in line.inputs
    at = line.inputs.index("a"), line.inputs.index("b")
    assert line.slope[at[0]] == pytest.approx(0.4, abs=0.03)
    assert line.missing[at[1]] == pytest.approx(1.0, abs=0.1)
    parts = line.contributions(columns)
    assert line.level + sum(parts.values()) == pytest.approx(line.link(columns, 20_000))
    assert [abs(part.mean()) < 1e-9 for part in parts.values()] == [True, True]
    assert Line.from_dict(line.to_dict()) == line


def test_a_slope_may_not_have_the_other_sign():
    columns = {"a": np.linspace(-1, 1, 500)}
    y = (columns["a"] > 0).astype(float)
    assert fitted_line(columns, ["a"], y, {"a": 1}).slope[0] > 1
    assert fitted_line(columns, ["a"], y, {"a": -1}).inputs == ()


def test_a_weighted_sum_of_boosters_is_one_booster():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    y = (X[:, 0] * X[:, 1] > 0).astype(float)
    settings = {"objective": "binary", "num_leaves": 6, "verbosity": -1, "num_threads": 1}
    narrow = lgb.train(settings, lgb.Dataset(X[:, :2], y), 9)
    wide = lgb.train(settings, lgb.Dataset(X, y), 7)
    whole = lgb.Booster(model_str=weighted_sum([(narrow, 5, 0.25), (wide, 7, 2.0)]))
    alone = 0.25 * narrow.predict(X[:, :2], raw_score=True, num_iteration=5)
    both = alone + 2.0 * wide.predict(X, raw_score=True)
    assert whole.predict(X, raw_score=True) == pytest.approx(both, abs=1e-12)


def test_copies_stay_in_one_fold_and_every_row_is_left_out_once():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(100, 2)), 3, axis=0)
    y = np.repeat((rng.random(100) < 0.4).astype(float), 3)
    groups = kept_together(X, y)
    masks = np.array(list(left_out(y, groups, 5, seed=0)))
    assert (masks.sum(axis=0) == 1).all()
    for group in range(100):
        assert len(np.unique(masks[:, groups == group], axis=1).T) == 1


def test_a_certain_part_does_not_make_the_stack_endless():
    y = np.repeat([0.0, 1.0], 50)
    level, weights = stacked(np.column_stack([logit(np.clip(y, 1e-9, 1 - 1e-9))] * 2), y)
    assert np.isfinite([level, *weights]).all()
