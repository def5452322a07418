"""Fitting one target: better than its anchor, the same twice, and safe on tiny or odd data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from configs.learning import Training, Trees
from training import metrics
from training.anchor import VALUE_INPUTS, fitted_purchase
from training.boosting import fit_target
from training.dataset import Dataset

SETTINGS = Training(
    seed=0,
    threads=1,
    minimum_customers=200,
    interval_level=0.8,
    segments_at_most=8,
    purchase_model="mbg_nbd",
    max_rows=3_000_000,
    trees=Trees(
        count=80, leaves=4, learning_rate=0.05, minimum_rows_per_leaf=50, tweedie_power=1.5
    ),
)


def shop(cutoff: int, n: int, seed: int) -> Dataset:
    """Return customers whose mood, unknown to the purchase model, decides as much as rhythm."""
    rng = np.random.default_rng(seed)
    rate, mood = rng.gamma(1.0, 0.03, n), rng.uniform(-1, 1, n)
    tenure = rng.uniform(30, 700, n)
    frequency = rng.poisson(rate * tenure).astype(float)
    recency = np.where(frequency > 0, tenure * rng.beta(frequency + 1, 1), 0.0)
    spend = rng.gamma(5, 10, n)
    later = rng.poisson(rate * 90 * np.exp(1.5 * mood))
    columns = {
        "frequency": frequency,
        "recency_days": recency,
        "tenure_days": tenure,
        "monetary_value": spend,
        "csat_mean_364d": np.where(rng.uniform(size=n) < 0.2, np.nan, mood),
        "always_the_same": np.ones(n),
    }
    never = rng.uniform(size=n) < 0.05
    table = {name: np.where(never, np.nan, values) for name, values in columns.items()}
    keys = {"customer_id": [f"{i}" for i in range(n)], "cutoff": np.full(n, cutoff, np.int32)}
    matrix = pa.table(keys | {k: pa.array(v, from_pandas=True) for k, v in table.items()})
    return Dataset(matrix, np.where(never, 0.0, later * spend))


def together(*parts: Dataset) -> Dataset:
    return Dataset(
        pa.concat_tables([part.matrix for part in parts]), np.concatenate([p.y for p in parts])
    )


def churned(data: Dataset) -> Dataset:
    return Dataset(data.matrix, (data.y == 0).astype(float))


TRAIN = together(*(shop(cutoff, 1_500, cutoff) for cutoff in (0, 28, 56, 146)))
LATER = shop(300, 5_000, 300)
INPUTS = ("csat_mean_364d", "always_the_same")


def fitted(target, train, present, settings=SETTINGS):
    purchases = {
        cutoff: fitted_purchase(data.at([cutoff]).columns(VALUE_INPUTS))
        for data in (train, present)
        for cutoff in data.cutoffs
    }
    return fit_target(target, 90, train, present, purchases, INPUTS, settings)


def predicted(model, data):
    return model.predict(data.columns(("frequency", *model.inputs)))


@pytest.fixture(scope="module")
def churn():
    return fitted("churn", churned(TRAIN), LATER)


@pytest.fixture(scope="module")
def clv():
    return fitted("clv", TRAIN, LATER)


def test_trees_add_to_the_order_that_the_purchase_model_alone_gives(churn, clv):
    buyers = LATER.buyers()
    alone = replace(churn.model, trees=None, tree_inputs=())
    y = (buyers.y == 0).astype(float)
    assert metrics.auc(y, predicted(churn.model, buyers)) > 0.02 + metrics.auc(
        y, predicted(alone, buyers)
    )
    alone = replace(clv.model, trees=None, tree_inputs=())
    assert metrics.normalised_gini(buyers.y, predicted(clv.model, buyers)) > 0.02 + (
        metrics.normalised_gini(buyers.y, predicted(alone, buyers))
    )


def test_predictions_are_level_with_what_comes(churn, clv):
    buyers = LATER.buyers()
    y = (buyers.y == 0).astype(float)
    assert metrics.calibration_error(y, predicted(churn.model, buyers)) < 0.06
    assert abs(metrics.bias(buyers.y, predicted(clv.model, buyers))) < 0.1


def test_churn_is_calibrated_where_a_later_closed_horizon_exists_and_says_so(churn):
    assert churn.model.slope != 1.0
    assert "calibrated (Platt)" in " ".join(note.en for note in churn.notes)
    early = churned(TRAIN.at([0, 28, 56]))
    uncalibrated = fitted("churn", early, LATER)
    assert (uncalibrated.model.intercept, uncalibrated.model.slope) == (0.0, 1.0)
    assert "not calibrated" in " ".join(note.en for note in uncalibrated.notes)


@pytest.mark.slow
def test_training_twice_gives_the_same_model_to_the_bit(clv):
    assert fitted("clv", TRAIN, LATER).model == clv.model


def test_a_feature_that_never_varies_is_no_input(churn):
    assert churn.model.tree_inputs == ("csat_mean_364d",)


def test_who_never_bought_is_scored_by_the_rate_of_their_like(churn, clv):
    never = LATER.where(~LATER.has_bought)
    assert len(never) > 0
    assert predicted(churn.model, never).min() > 0.9
    assert predicted(clv.model, never).max() < 0.1 * LATER.y.mean()


@pytest.mark.parametrize("target", ["churn", "clv"])
def test_thirty_customers_get_rules_only(target):
    few, now = shop(0, 30, 1), shop(120, 30, 2)
    result = fitted(target, churned(few) if target == "churn" else few, now)
    assert result.model.is_rules_only
    assert "rules only: " in " ".join(note.en for note in result.notes)
    assert np.isfinite(predicted(result.model, now)).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "label"), [("churn", 0.0), ("churn", 1.0), ("clv", 0.0)], ids=str
)
def test_labels_that_are_all_alike_get_rules_only_with_finite_scores(target, label):
    alike = Dataset(TRAIN.matrix, np.full(len(TRAIN), label))
    result = fitted(target, alike, LATER)
    assert result.model.is_rules_only
    assert np.isfinite(predicted(result.model, LATER)).all()


def test_before_any_horizon_closes_the_purchase_model_forecasts_by_itself():
    nothing = Dataset(TRAIN.matrix.slice(0, 0), np.empty(0))
    buyers = LATER.buyers()
    churn, clv = fitted("churn", nothing, LATER), fitted("clv", nothing, LATER)
    assert churn.model.is_rules_only
    assert metrics.auc((buyers.y == 0).astype(float), predicted(churn.model, buyers)) > 0.65
    assert metrics.normalised_gini(buyers.y, predicted(clv.model, buyers)) > 0.4


@pytest.mark.slow
def test_money_in_other_units_gives_the_same_order_and_scaled_values(clv):
    def in_cents(data: Dataset) -> Dataset:
        column = data.matrix.column_names.index("monetary_value")
        cents = pc.multiply(data.matrix["monetary_value"], 100.0)
        return Dataset(data.matrix.set_column(column, "monetary_value", cents), data.y * 100)

    cents = fitted("clv", in_cents(TRAIN), in_cents(LATER))
    assert predicted(cents.model, in_cents(LATER)) == pytest.approx(
        100 * predicted(clv.model, LATER), rel=1e-3
    )


@pytest.mark.slow
def test_the_seed_draws_what_each_tree_sees(clv):
    other = fitted("clv", TRAIN, LATER, SETTINGS.model_copy(update={"seed": 1}))
    assert other.model.trees != clv.model.trees
    assert predicted(other.model, LATER) == pytest.approx(predicted(clv.model, LATER), rel=0.5)
