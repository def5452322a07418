"""The tier outlook: probabilities that add up, never contradict each other, and come true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.load import load
from serving.pages.explain import _stays
from serving.scores.numbers import percent
from serving.scores.scorer import Scorer
from tests.small_bundle import config_in, matrix_of, small_bundle
from training.anchor import VALUE_INPUTS, fitted_purchase
from training.dataset import Dataset
from training.intervals import tiers_of
from training.metrics import brier, calibration_error
from training.outlook import read_outlook, shares_of_tiers, sorted_down, stay_and_reach
from training.outlook_fit import fit_outlook

SETTINGS = load(None, environment={}).training.model_copy(update={"threads": 1})
THRESHOLDS = (150.0, 500.0)
HORIZON = 180


def columns_of(matrix: pa.Table) -> dict[str, np.ndarray]:
    return {name: matrix[name].to_numpy() for name in matrix.column_names[2:]}


def bought(n: int, seed: int, day: int = 20_000) -> Dataset:
    """Customers whose spend follows their rate, their spend per purchase, and their contacts."""
    matrix = matrix_of(n, day=day, seed=seed)
    c = columns_of(matrix)
    rng = np.random.default_rng(seed + 100)
    rate = np.nan_to_num((c["frequency"] + 0.5) / (c["tenure_days"] + 60.0))
    pleased = np.where(np.isnan(c["csat_latest"]), 1.0, c["csat_latest"] / 3.0)
    orders = rng.poisson(rate * HORIZON * pleased)
    return Dataset(matrix, orders * np.nan_to_num(c["monetary_value"]))


def learnt(train: Dataset, present: Dataset, inputs=("csat_latest", "tenure_days")):
    purchases = {
        day: fitted_purchase(data.columns(VALUE_INPUTS))
        for data in (train, present)
        for day in data.cutoffs
    }
    return fit_outlook(train, present, purchases, THRESHOLDS, inputs, HORIZON, SETTINGS)


@pytest.fixture(scope="module")
def outlook():
    return learnt(bought(4_000, 1, day=19_800), bought(500, 2))


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1, max_size=20))
def test_tiers_share_all_that_can_happen_whatever_the_single_models_say(rows):
    shares = shares_of_tiers(sorted_down(np.array(rows)))
    assert not np.signbit(shares).any(), "no answer says -0"
    assert (shares >= 0).all()
    assert shares.sum(axis=1) == pytest.approx(np.ones(len(rows)))


def test_a_higher_threshold_is_never_likelier(outlook):
    reach = outlook.reach(columns_of(matrix_of(1_000, seed=5)))
    assert reach.shape == (1_000, 2)
    assert ((reach > 0) & (reach < 1)).all()
    assert (np.diff(reach, axis=1) <= 0).all()


def test_what_is_forecast_comes_true_as_often_as_said_and_beats_the_rate_of_all(outlook):
    later = bought(6_000, 3, day=20_000).buyers()
    reach = outlook.reach(later.columns(outlook.inputs))
    for place, threshold in enumerate(THRESHOLDS):
        came = (later.y >= threshold).astype(float)
        said = reach[:, place]
        assert said.mean() == pytest.approx(came.mean(), abs=0.03)
        assert calibration_error(came, said) < 0.06
        assert brier(came, said) < 0.85 * came.mean() * (1 - came.mean())


def test_trees_tell_more_than_the_line_alone(outlook):
    later = bought(6_000, 3, day=20_000).buyers()
    alone = learnt(bought(4_000, 1, day=19_800), bought(500, 2), inputs=())
    assert all(one.trees is None for one in alone.reaches)
    came = (later.y >= THRESHOLDS[0]).astype(float)
    errors = [brier(came, one.reach(later.columns(one.inputs))[:, 0]) for one in (outlook, alone)]
    assert errors[0] < errors[1]


def test_one_customer_alone_gets_the_bits_that_all_get(outlook):
    columns = columns_of(matrix_of(300, seed=6))
    together = outlook.reach(columns)
    for row in (0, 7, 299):
        own = {name: values[row : row + 1] for name, values in columns.items()}
        assert np.array_equal(outlook.reach(own)[0], together[row])


def test_a_threshold_that_hardly_anybody_reached_has_no_trees_and_still_an_answer():
    train, present = bought(1_000, 1, day=19_800), bought(200, 2)
    top = float(np.sort(train.y)[-5])
    purchases = {
        day: fitted_purchase(data.columns(VALUE_INPUTS))
        for data in (train, present)
        for day in data.cutoffs
    }
    fitted = fit_outlook(train, present, purchases, (top,), ("visits_84d",), HORIZON, SETTINGS)
    assert fitted.reaches[0].trees is None
    reach = fitted.reach(present.columns(fitted.inputs))
    assert ((reach > 0) & (reach < 0.5)).all()


def test_an_outlook_survives_its_files(outlook):
    again = read_outlook(outlook.to_files(), {})
    columns = columns_of(matrix_of(50, seed=8))
    assert np.array_equal(again.reach(columns), outlook.reach(columns))
    assert read_outlook({}, {}) is None


@settings(max_examples=30)
@given(st.floats(0.01, 0.99), st.floats(1, 1e5))
def test_a_contract_customer_reaches_what_staying_brings_as_likely_as_they_stay(stays, full):
    reach = stay_and_reach(np.array([stays]), np.array([full]), (full / 2, full, full * 2))
    assert reach.tolist() == [[stays, stays, 0.0]]


def test_scores_name_every_tier_and_agree_with_the_outlook(tmp_path):
    bundle, matrix = small_bundle(), matrix_of(200)
    lifecycle = config_in(tmp_path).lifecycle
    scored = Scorer(bundle, lifecycle).score(matrix)["tier_outlook"].to_pylist()
    shares = shares_of_tiers(bundle.outlook.reach(columns_of(matrix)))
    assert scored == shares[:, ::-1].tolist()
    without = Scorer(replace(bundle, outlook=None), lifecycle).score(matrix)
    assert without["tier_outlook"].null_count == 200


def test_valuable_customers_are_likelier_to_be_valuable_again(tmp_path):
    bundle, matrix = small_bundle(), matrix_of(2_000)
    value = bundle.models["clv"].predict(columns_of(matrix))
    shares = shares_of_tiers(bundle.outlook.reach(columns_of(matrix)))
    rank = tiers_of(value, bundle.policy.thresholds)
    to_be_highest = [shares[rank == one, -1].mean() for one in range(4)]
    assert to_be_highest == sorted(to_be_highest)


@pytest.mark.parametrize(
    ("code", "zh", "en"),
    [
        ("vip", "，保持概率62%", ", 62% to stay"),
        ("potential", "，保持或升级的概率92%", ", 92% to stay or rise"),
        ("low", "，保持概率8%", ", 8% to stay"),
    ],
)
def test_the_chance_to_stay_is_said_in_words(code, zh, en):
    tier = {"code": code, "outlook": {"vip": 0.62, "potential": 0.3, "low": 0.08}}
    assert (_stays(tier, "zh"), _stays(tier, "en")) == (zh, en)
    assert _stays(tier | {"outlook": None}, "en") == ""
    assert percent(0.62, "en") in _stays(tier | {"code": "vip"}, "en")
