"""Contract customers: value while they stay, explained like every other number."""

from __future__ import annotations

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pytest

from configs.errors import ConfigError, TrainingError
from configs.load import load, shipped
from configs.progress import silent
from configs.records import SnapshotFile, SnapshotSource, Sources
from configs.schema import Config
from features.spec import Feature
from training.additive import AdditiveModel
from training.anchor import Anchor
from training.contract import ContractValue, listed, typical_monthly_value
from training.contract_fit import cross_validated
from training.dataset import Dataset
from training.fit import fit
from training.metrics import auc
from training.models import read_model

RNG = np.random.default_rng(0)
COLUMNS = {
    "fee": np.array([20.0, 80.0, np.nan, 0.0, 35.0]),
    "months": np.array([1.0, 60.0, 12.0, 30.0, np.nan]),
}


def _trees() -> str:
    X = RNG.uniform(0, 60, (500, 2))
    y = (X[:, 1] < 20).astype(float)
    settings = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1}
    return lgb.train(settings, lgb.Dataset(X, y), 40).model_to_string()


NOISE = Feature(
    name="noise",
    value=str,
    family="snapshot",
    concept="noise",
    unit="number",
    label={"zh": "噪声", "en": "Noise"},
)
CHURN = AdditiveModel("churn", 365, Anchor(365, -1.0), ("fee", "months"), _trees())
VALUE = ContractValue(365, CHURN, "fee", typical_value=30.0)


def test_value_is_money_per_month_times_months_times_the_chance_to_stay():
    stays = 1 - CHURN.predict(COLUMNS)
    months = 365 / (365.25 / 12)
    assert VALUE.predict(COLUMNS)[:2] == pytest.approx([20, 80] * stays[:2] * months)
    assert VALUE.predict(COLUMNS)[2] == pytest.approx(30 * stays[2] * months)
    assert (VALUE.predict(COLUMNS) > 0).all()


@pytest.mark.parametrize("intercept", [-40.0, -1.0, 0.0, 40.0])
def test_contributions_add_up_for_every_customer(intercept):
    model = replace(VALUE, churn=replace(CHURN, intercept=intercept))
    base, parts = model.contributions(COLUMNS)
    assert set(parts) == set(model.inputs)
    assert np.abs(base + sum(parts.values()) - model.link_score(COLUMNS)).max() < 1e-9


def test_what_raises_churn_lowers_value_and_the_other_way_round():
    _, of_churn = CHURN.contributions(COLUMNS)
    _, of_value = VALUE.contributions(COLUMNS)
    assert (np.sign(of_churn["months"]) == -np.sign(of_value["months"])).all()


def test_without_a_monthly_value_expected_months_are_counted():
    months = replace(VALUE, value_input=None, typical_value=1.0)
    assert (months.predict(COLUMNS) < 12.1).all()
    assert months.inputs == ("fee", "months")


def test_a_model_read_back_gives_the_same_bits():
    files = {**CHURN.to_files(), **VALUE.to_files()}
    again = read_model("clv", files)
    assert np.array_equal(again.link_score(COLUMNS), VALUE.link_score(COLUMNS))


def test_the_typical_value_is_the_median_of_known_ones():
    assert typical_monthly_value(np.array([10.0, np.nan, 30.0])) == 20.0
    assert typical_monthly_value(np.array([np.nan])) == 1.0


def config(**changes) -> Config:
    defaults = load(shipped("default.yaml"), environment={})
    snapshot = SnapshotSource(
        source=SnapshotFile(path="x.csv"),
        label="left",
        positive="yes",
        value_per_month="fee",
        observed_on="2024-01-01",
        **changes,
    )
    return defaults.model_copy(update={"sources": Sources(snapshot=snapshot)})


def contracts(n: int, seed: int = 0, copies: int = 0) -> pa.Table:
    """Return customers who leave early in the contract and on the free plan, as intake writes."""
    rng = np.random.default_rng(seed)
    months, free = rng.uniform(0, 60, n), rng.uniform(size=n) < 0.4
    link = 0.8 - 0.08 * months + 1.0 * free
    table = pa.table(
        {
            "customer_id": [f"C{i:05d}" for i in range(n)],
            "label": (rng.uniform(size=n) < 1 / (1 + np.exp(-link))).astype(np.int8),
            "value_per_month": np.where(free, 5.0, 40.0),
            "fee": np.where(free, 5.0, 40.0),
            "months": months,
            "plan": np.where(free, "free", "full"),
        }
    )
    again = table.slice(0, copies)
    ids = pa.array([f"D{i:05d}" for i in range(copies)], pa.string())
    return pa.concat_tables([table, again.set_column(0, "customer_id", ids)])


@pytest.fixture(scope="module")
def trained():
    return fit(config(), contracts(1_200, copies=50))


def test_contract_customers_are_cross_validated_beside_logistic_regression(trained):
    churn = trained.evaluation.targets["churn"]
    assert churn.protocol == "cross_validated"
    assert churn.model["auc"] > 0.7
    assert churn.model["auc"] > churn.baselines["logistic_regression"]["auc"] - 0.03
    assert churn.baselines["base_rate"]["auc"] == pytest.approx(0.5, abs=0.05)
    value = trained.evaluation.targets["clv"]
    assert value.model["ngini"] > value.baselines["full_value"]["ngini"]
    assert abs(value.model["bias"]) < 0.05


def test_customers_alike_in_everything_are_kept_and_never_split(trained):
    churn = trained.evaluation.targets["churn"]
    assert churn.n == 1_250
    assert "50 customers equal another" in " ".join(note.en for note in churn.notes)


@pytest.mark.slow
def test_a_copy_of_a_customer_tells_nothing_about_the_other():
    rng = np.random.default_rng(0)
    once = pa.table(
        {"customer_id": [f"C{i:04d}" for i in range(400)], "noise": rng.uniform(size=400)}
    )
    labels = (rng.uniform(size=400) < 0.5).astype(float)
    twice = pa.concat_tables([once, once, once])
    cutoff = pa.array(np.zeros(1_200, dtype=np.int32))
    data = Dataset(twice.add_column(1, "cutoff", cutoff), np.tile(labels, 3))
    held_out = cross_validated(data, [NOISE], config(), silent)
    assert held_out is not None
    assert auc(data.y, held_out.model) < 0.6


@pytest.mark.slow
def test_where_columns_are_few_and_coarse_probabilities_stay_what_they_are():
    rng = np.random.default_rng(1)
    free = rng.uniform(size=2_000) < 0.5
    label = (rng.uniform(size=2_000) < np.where(free, 0.3, 0.1)).astype(np.int8)
    plans = {
        "customer_id": [f"C{i:05d}" for i in range(2_000)],
        "label": label,
        "value_per_month": pa.nulls(2_000, pa.float64()),
        "plan": np.where(free, "free", "full"),
    }
    coarse = config(categories=("plan",))
    snapshot = coarse.sources.snapshot.model_copy(update={"value_per_month": None})
    fitted = fit(coarse.model_copy(update={"sources": Sources(snapshot=snapshot)}), pa.table(plans))
    p = fitted.models["churn"].predict(
        {"plan=free": np.array([1.0, 0.0]), "plan=full": np.array([0.0, 1.0])}
    )
    assert p == pytest.approx([label[free].mean(), label[~free].mean()], abs=0.03)
    assert fitted.evaluation.targets["churn"].model["auc"] > 0.6


def test_everything_a_bundle_needs_is_there(trained):
    assert [feature.name for feature in trained.features] == [
        "fee", "months", "plan=free", "plan=full",
    ]  # fmt: skip
    assert trained.intervals.source == "cross_validated"
    assert trained.golden.num_rows > 0
    assert len(trained.policy.thresholds) == 3
    assert trained.reference.n_customers == 1_250


def test_a_column_that_is_the_label_stops_training_by_name():
    table = contracts(400)
    leaking = table.append_column("left_for_good", table["label"].cast("float64"))
    with pytest.raises(TrainingError, match="left_for_good"):
        fit(config(), leaking)


def test_reasons_for_leaving_stop_training_by_their_column():
    table = contracts(400)
    why = np.where(table["label"].to_numpy() > 0, np.arange(400) % 5, -1)
    reasons = pa.array([None if i < 0 else f"reason {i}" for i in why], pa.string())
    with pytest.raises(TrainingError, match=r"'why' alone .*leave_out_columns"):
        fit(config(), table.append_column("why", reasons))


def test_thirty_contract_customers_get_rules_only():
    few = fit(config(), contracts(30))
    assert few.models["churn"].is_rules_only
    assert few.models["clv"].predict({"fee": np.array([40.0])}) > 0


def test_a_monthly_value_that_is_no_listed_number_is_refused():
    with pytest.raises(ConfigError, match="value_per_month is 'fee'"):
        fit(config(numbers=("months",)), contracts(300))


def test_columns_that_no_configuration_lists_are_all_that_intake_kept():
    named = listed(config().sources.snapshot, contracts(3))
    assert (named.numbers, named.categories) == (("fee", "months"), ("plan",))


@pytest.mark.slow
def test_a_large_table_is_learnt_from_a_part_and_says_so():
    defaults = config()
    few = defaults.training.model_copy(update={"max_rows": 1_000})
    fitted = fit(defaults.model_copy(update={"training": few}), contracts(1_100))
    churn = fitted.evaluation.targets["churn"]
    assert churn.n == 1_000
    assert "1,000 of 1,100 customers" in " ".join(note.en for note in churn.notes)


def test_a_direction_of_what_is_no_number_is_refused():
    with pytest.raises(ConfigError, match="monotone names 'plan'"):
        fit(config(monotone={"plan": 1}), contracts(300))


@pytest.mark.slow
def test_a_declared_direction_is_kept_by_the_model_that_is_served():
    fitted = fit(config(monotone={"months": 1}), contracts(400))
    grid = {"months": np.linspace(0, 60, 30), "fee": np.full(30, 40.0)}
    levels = {"plan=free": np.zeros(30), "plan=full": np.ones(30)}
    assert (np.diff(fitted.models["churn"].link_score(grid | levels)) >= -1e-12).all()
