"""A served number and its contributions: they add up, and survive being written."""

from __future__ import annotations

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pytest

from configs.errors import ModelError
from training.additive import AdditiveModel
from training.anchor import Anchor
from training.models import read_model
from training.purchase import GammaGamma, MbgNbd

N = 3_000
TREE_INPUTS = ("days_since_last_purchase", "order_count_84d", "csat_mean_364d")


def shop(seed: int = 0):
    """Return columns of customers, a tenth of whom never bought, with missing values."""
    rng = np.random.default_rng(seed)
    frequency = rng.poisson(3, N).astype(float)
    tenure = rng.uniform(0, 700, N)
    columns = {
        "frequency": frequency,
        "recency_days": np.where(frequency > 0, tenure * rng.uniform(size=N), 0.0),
        "tenure_days": tenure,
        "monetary_value": rng.gamma(2, 30, N),
        "days_since_last_purchase": rng.uniform(0, 365, N),
        "order_count_84d": rng.poisson(1, N).astype(float),
        "csat_mean_364d": np.where(rng.uniform(size=N) < 0.4, np.nan, rng.uniform(1, 5, N)),
    }
    never = rng.uniform(size=N) < 0.1
    return {name: np.where(never, np.nan, values) for name, values in columns.items()}


def trees(objective: str) -> str:
    columns = shop(1)
    X = np.column_stack([columns[name] for name in TREE_INPUTS])
    y = (np.nan_to_num(X[:, 0]) > 150).astype(float)
    settings = {"objective": objective, "num_leaves": 4, "verbosity": -1, "num_threads": 1}
    return lgb.train(settings, lgb.Dataset(X, y), 30).model_to_string()


REFERENCE = {"frequency": 2.0, "recency_days": 90.0, "tenure_days": 300.0, "monetary_value": 50.0}
PURCHASE = MbgNbd(0.6, 5.0, 0.7, 2.5)
CHURN = AdditiveModel(
    target="churn",
    horizon_days=90,
    anchor=Anchor(90, -0.3, -1.2, 3.0, REFERENCE, PURCHASE),
    tree_inputs=TREE_INPUTS,
    trees=trees("binary"),
    intercept=0.1,
    slope=0.9,
)
CLV = AdditiveModel(
    target="clv",
    horizon_days=365,
    anchor=Anchor(365, 0.1, 1.0, -2.0, REFERENCE, PURCHASE, GammaGamma(2.0, 3.0, 30.0)),
    tree_inputs=TREE_INPUTS,
    trees=trees("tweedie"),
    intercept=-0.05,
)
CONTRACT = replace(CHURN, anchor=Anchor(90, -1.0))
RULES = replace(CLV, trees=None, tree_inputs=())
MODELS = {"churn": CHURN, "clv": CLV, "contract": CONTRACT, "rules only": RULES}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


@every_model
def test_contributions_add_up_to_the_link_for_every_customer(model):
    columns = shop()
    base, parts = model.contributions(columns)
    assert set(parts) == set(model.inputs)
    assert np.abs(base + sum(parts.values()) - model.link_score(columns)).max() < 1e-9


@every_model
def test_the_base_is_the_same_whoever_is_asked_about(model):
    columns = shop()
    alone = {name: values[7:8] for name, values in columns.items()}
    nobody = {name: values[:0] for name, values in columns.items()}
    bases = {model.contributions(some)[0] for some in (columns, alone, nobody)}
    assert len(bases) == 1


@every_model
def test_a_customer_alone_scores_the_same_to_the_bit(model):
    columns = shop()
    together = model.link_score(columns)
    for i in (0, 1, 2, 50):
        alone = {name: values[i : i + 1] for name, values in columns.items()}
        assert model.link_score(alone)[0] == together[i]


@every_model
def test_a_customer_alone_is_explained_the_same_to_the_bit(model):
    columns = shop()
    _, together = model.contributions(columns)
    for i in (0, 1, 2, 50):
        alone = {name: values[i : i + 1] for name, values in columns.items()}
        _, parts = model.contributions(alone)
        assert {name: part[0] for name, part in parts.items()} == {
            name: together[name][i] for name in parts
        }


@every_model
def test_a_model_read_back_from_its_files_gives_the_same_bits(model):
    again = read_model(model.target, model.to_files())
    assert np.array_equal(again.link_score(shop()), model.link_score(shop()))
    assert again == replace(model, threads=again.threads)


def test_who_never_bought_gets_the_base_rate_whatever_the_trees_say():
    columns = shop()
    never = CHURN.fallback(columns)
    assert 0 < never.sum() < N
    assert CHURN.link_score(columns)[never] == pytest.approx(0.1 + 0.9 * 3.0)
    _, parts = CHURN.contributions(columns)
    assert all((parts[name][never] == 0).all() for name in CHURN.inputs if name != "frequency")


def test_predictions_are_probabilities_and_positive_money_even_at_extremes():
    for model in (CHURN, CLV):
        far = replace(model, intercept=500.0).predict(shop())
        near = replace(model, intercept=-500.0).predict(shop())
        assert np.isfinite(far).all()
        assert (near > 0).all()
    assert (replace(CHURN, intercept=500.0).predict(shop()) < 1).all()


def test_a_bundle_without_the_trees_is_refused_by_name():
    files = {"churn.json": CHURN.to_files()["churn.json"]}
    with pytest.raises(ModelError, match=r"churn\.txt"):
        read_model("churn", files)


def test_a_model_of_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(ModelError, match="known: additive, contract"):
        read_model("churn", {"churn.json": b'{"kind": "magic"}'})
