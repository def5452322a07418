"""Tabled Shapley values: what LightGBM and shap say, for every kind of tree and missing value."""

from __future__ import annotations

from itertools import combinations
from math import comb

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.errors import ModelError
from training.additive import AdditiveModel
from training.anchor import Anchor
from training.plots import tree_explanation
from training.tree_tables import LONGEST_PATH, Leaf, leaf_tables
from training.treeshap import TreeShap

OBJECTIVES = ("binary", "tweedie")
MISSING = {
    "NaN": {},
    "zero": {"zero_as_missing": True},
    "nothing": {"use_missing": False},
}


def customers(seed: int, n: int = 400, n_features: int = 7) -> np.ndarray:
    """Return numbers, counts with many zeros and a constant; a sixth of some is missing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_features))
    X[:, ::2] = rng.poisson(1, size=X[:, ::2].shape)
    X[:, 1] = 3.0
    X[:, 2:][rng.uniform(size=(n, n_features - 2)) < 1 / 6] = np.nan
    return X


def grown(X: np.ndarray, objective: str = "binary", leaves: int = 4, **more) -> lgb.Booster:
    rng = np.random.default_rng(0)
    known = np.nan_to_num(X)
    signal = known[:, 0] - known[:, 2] * known[:, 3] + np.isnan(X[:, 4]) + rng.normal(size=len(X))
    y = (signal > 0).astype(float) if objective == "binary" else np.maximum(signal, 0.0)
    given = {"objective": objective, "num_leaves": leaves, "min_data_in_leaf": 5, "max_depth": 11}
    quiet = {"num_threads": 1, "verbosity": -1, "learning_rate": 0.3}
    return lgb.train(given | quiet | more, lgb.Dataset(X, y), 8)


def awkward(booster: lgb.Booster, X: np.ndarray) -> np.ndarray:
    """Return ``X`` and rows of thresholds, zeros, the nearly zero, infinities and missing."""
    found = booster.trees_to_dataframe()["threshold"].dropna().to_numpy()
    edges = np.concatenate([found, [0.0, -0.0, 1e-36, 2e-35, -1e-35, np.inf, -np.inf, np.nan]])
    rng = np.random.default_rng(1)
    return np.vstack([X, rng.choice(edges, size=(300, X.shape[1]))])


def text_of(booster: lgb.Booster) -> str:
    return booster.model_to_string()


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    leaves=st.integers(2, 31),
    objective=st.sampled_from(OBJECTIVES),
    missing=st.sampled_from(sorted(MISSING)),
)
def test_tables_say_what_lightgbm_says_of_any_row(seed, leaves, objective, missing):
    X = customers(seed)
    booster = grown(X, objective, leaves, **MISSING[missing])
    rows = awkward(booster, X)
    theirs = booster.predict(rows, pred_contrib=True, num_threads=1)
    ours = TreeShap.from_text(text_of(booster))
    assert np.abs(ours.contributions(rows) - theirs[:, :-1]).max() < 1e-12
    assert ours.expected == pytest.approx(theirs[0, -1], abs=1e-12)


@pytest.mark.parametrize("leaves", [2, 4, 15, 31])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_contributions_add_up_to_the_raw_score(objective, leaves):
    X = customers(3)
    booster = grown(X, objective, leaves)
    ours = TreeShap.from_text(text_of(booster))
    total = ours.expected + ours.contributions(X).sum(axis=1)
    assert np.abs(total - booster.predict(X, raw_score=True)).max() < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_tables_say_what_shap_says(objective):
    X = customers(4)
    booster = grown(X, objective, 15)
    names = tuple(f"feature_{i}" for i in range(X.shape[1]))
    model = AdditiveModel("churn", 90, Anchor(90, 0.0), names, trees=text_of(booster))
    theirs = tree_explanation(model, dict(zip(names, X.T, strict=True)))
    ours = TreeShap.from_text(text_of(booster))
    assert np.abs(ours.contributions(X) - theirs.values).max() < 1e-9
    assert ours.expected == pytest.approx(float(np.ravel(theirs.base_values)[0]), abs=1e-9)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(shares=st.lists(st.floats(0, 1), min_size=1, max_size=6), value=st.floats(-5, 5))
def test_a_leaf_splits_its_value_as_shapley_defined(shares, value):
    d = len(shares)
    [table] = leaf_tables([Leaf(value, dict.fromkeys(range(d), ()), tuple(shares))])
    for code in range(2**d):
        agrees = [code >> i & 1 for i in range(d)]
        assert table[code] == pytest.approx(by_definition(agrees, shares, value), abs=1e-12)


def by_definition(agrees: list[int], shares: list[float], value: float) -> list[float]:
    """Return Shapley values by the sum over subsets."""
    d = len(shares)

    def worth(known: set[int]) -> float:
        return value * float(np.prod([agrees[j] if j in known else shares[j] for j in range(d)]))

    return [
        sum(
            (worth({*some, i}) - worth(set(some))) / (d * comb(d - 1, size))
            for size in range(d)
            for some in combinations([j for j in range(d) if j != i], size)
        )
        for i in range(d)
    ]


@pytest.mark.parametrize("leaves", [4, 31])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_alone_has_the_same_bits_as_in_any_company(leaves, threads):
    X = np.vstack([customers(seed) for seed in range(4)])
    ours = TreeShap.from_text(text_of(grown(X, leaves=leaves)))
    together = ours.contributions(X)
    assert np.array_equal(together, ours.contributions(X, threads))
    for size in (1, 2, 7, 513):
        some = ours.contributions(X[600 : 600 + size], threads)
        assert np.array_equal(some, together[600 : 600 + size])


def test_trees_of_a_single_leaf_contribute_nothing():
    X = customers(5)
    booster = grown(X, min_data_in_leaf=300)
    ours = TreeShap.from_text(text_of(booster))
    assert booster.predict(X, pred_contrib=True)[0, -1] == ours.expected
    assert not ours.contributions(X).any()


def test_no_rows_have_no_contributions():
    ours = TreeShap.from_text(text_of(grown(customers(6))))
    assert ours.contributions(np.empty((0, 7))).shape == (0, 7)


def categorical() -> str:
    X = customers(7)
    X[:, 0] = np.arange(len(X)) % 5
    data = lgb.Dataset(X, X[:, 0] % 2, categorical_feature=[0])
    given = {"objective": "binary", "min_data_per_group": 1, "cat_smooth": 0, "verbosity": -1}
    return text_of(lgb.train(given, data, 2))


def a_chain() -> str:
    """Return a tree that splits off one customer after the other."""
    X = np.arange(60.0)[:, None]
    given = {"objective": "regression", "min_data_in_leaf": 1, "num_leaves": 31, "verbosity": -1}
    data = lgb.Dataset(X, 3.0 ** X[:, 0], params={"min_data_in_bin": 1})
    return text_of(lgb.train(given, data, 1))


def linear() -> str:
    return text_of(grown(np.nan_to_num(customers(8)), "tweedie")).replace(
        "is_linear=0", "is_linear=1"
    )


def averaged() -> str:
    return text_of(
        grown(customers(9), boosting="rf", bagging_freq=1, bagging_fraction=0.5, learning_rate=1.0)
    )


def classes() -> str:
    X = customers(10)
    given = {"objective": "multiclass", "num_class": 3, "verbosity": -1}
    return text_of(lgb.train(given, lgb.Dataset(X, np.arange(len(X)) % 3), 2))


REFUSED = {
    "splits on categories": categorical,
    f"more than {LONGEST_PATH}": a_chain,
    "linear leaves": linear,
    "averages": averaged,
    "3 trees an iteration": classes,
}


def test_tables_of_groups_add_up_the_features_of_each():
    X = customers(12)
    tables = TreeShap.from_text(text_of(grown(X, leaves=9)))
    groups = np.array([2, 0, 1, 2, 1, 0, 1])
    alone, summed = tables.contributions(X), tables.summed(groups).contributions(X)
    expected = np.stack([alone[:, groups == group].sum(axis=1) for group in range(3)], axis=1)
    np.testing.assert_allclose(summed, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("why", REFUSED)
def test_trees_that_tables_cannot_hold_are_refused_by_name(why):
    with pytest.raises(ModelError, match=why):
        TreeShap.from_text(REFUSED[why]())


def test_a_model_too_deep_for_tables_is_explained_by_lightgbm():
    deep = AdditiveModel("clv", 365, Anchor(365, 0.0), ("order_count_84d",), trees=a_chain())
    columns = {"order_count_84d": np.arange(60.0)}
    base, parts = deep.contributions(columns)
    assert deep.shap_tables is None
    scores = deep.link_score(columns)
    assert base + parts["order_count_84d"] == pytest.approx(scores, rel=1e-9)
    nobody = {"order_count_84d": np.empty(0)}
    assert deep.contributions(nobody)[0] == base


def test_a_shallow_model_is_explained_without_lightgbm():
    X = customers(11)
    names = tuple(f"feature_{i}" for i in range(X.shape[1]))
    model = AdditiveModel("churn", 90, Anchor(90, 0.0), names, trees=text_of(grown(X)))
    base, parts = model.contributions(dict(zip(names, X.T, strict=True)))
    assert "booster" not in vars(model)
    scores = model.booster.predict(X, raw_score=True)
    assert base + sum(parts.values()) == pytest.approx(scores, abs=1e-12)
