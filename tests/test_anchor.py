"""The anchor and its exact split over the inputs."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from configs.errors import ModelError
from training.anchor import (
    VALUE_INPUTS,
    Anchor,
    fitted_purchase,
    logistic_line,
    reference_customer,
    signal,
    unlabelled_line,
)
from training.purchase import KINDS, BgNbd, GammaGamma, MbgNbd, ParetoNbd

NAN = np.nan
CUSTOMERS = {
    "frequency": np.array([0.0, 3.0, 40.0, NAN, 2.0]),
    "recency_days": np.array([0.0, 90.0, 300.0, NAN, 60.0]),
    "tenure_days": np.array([5.0, 200.0, 310.0, NAN, 400.0]),
    "monetary_value": np.array([20.0, 55.0, 10.0, NAN, NAN]),
}
REFERENCE = {"frequency": 1.5, "recency_days": 50.0, "tenure_days": 180.0, "monetary_value": 30.0}
VALUE = Anchor(
    horizon_days=90,
    level=0.2,
    without_purchases=-4.0,
    reference=REFERENCE,
    purchase=MbgNbd(0.6, 5.0, 0.7, 2.5),
    spend=GammaGamma(2.0, 3.0, 30.0),
)
CHURN = Anchor(
    horizon_days=90,
    level=-0.4,
    slope=-1.3,
    without_purchases=2.5,
    reference=REFERENCE,
    purchase=MbgNbd(0.6, 5.0, 0.7, 2.5),
)


@pytest.mark.parametrize("anchor", [VALUE, CHURN], ids=["value", "churn"])
def test_the_parts_add_up_to_the_anchor_for_every_customer(anchor):
    base, parts = anchor.shapley(CUSTOMERS, 5)
    assert base + sum(parts.values()) == pytest.approx(anchor.link(CUSTOMERS, 5), abs=1e-12)


def test_the_split_is_the_mean_over_all_orders_of_replacing_the_reference():
    _, parts = VALUE.shapley(CUSTOMERS, 5)
    for name in VALUE_INPUTS:
        gains = []
        for order in itertools.permutations(VALUE_INPUTS):
            before = set(order[: order.index(name)])
            gains.append(_at(before | {name}) - _at(before))
        assert parts[name][:3] == pytest.approx(np.mean(gains, axis=0), abs=1e-12)


def _at(present):
    rows = [_mixed(present, {name: CUSTOMERS[name][i] for name in VALUE_INPUTS}) for i in range(3)]
    columns = {name: np.array([row[name] for row in rows]) for name in VALUE_INPUTS}
    return VALUE.level + signal(VALUE.purchase, VALUE.spend, 90, columns)


def _mixed(present, own):
    """The rate of buying, and the silence in purchases expected meanwhile, are kept."""
    silent, rated, old, spent = (
        own if name in present else REFERENCE
        for name in ("recency_days", "frequency", "tenure_days", "monetary_value")
    )
    tenure = old["tenure_days"]
    rate, silent_rate = (
        (0.6 + one["frequency"]) / (35.0 + one["tenure_days"]) for one in (rated, silent)
    )
    silence = (silent["tenure_days"] - silent["recency_days"]) * silent_rate / rate
    is_own_tenure = rated["tenure_days"] == tenure
    return {
        "tenure_days": tenure,
        "recency_days": max(tenure - silence, 0.0),
        "frequency": rated["frequency"]
        if is_own_tenure
        else max(round(rate * (35.0 + tenure) - 0.6), 0),
        "monetary_value": spent["monetary_value"],
    }


def test_a_longer_tenure_at_the_same_silence_and_rate_raises_no_churn():
    old = {"frequency": 6.0, "recency_days": 730.0, "tenure_days": 740.0, "monetary_value": 30.0}
    columns = {name: np.array([value]) for name, value in old.items()}
    _, parts = CHURN.shapley(columns, 1)
    assert parts["tenure_days"][0] < 0.0
    assert parts["recency_days"][0] < 0.0


def test_a_frequent_buyer_in_rhythm_is_not_told_that_frequency_raises_churn():
    regular = {"frequency": 41.0, "recency_days": 490.0, "tenure_days": 500.0}
    columns = {name: np.array([value]) for name, value in regular.items()}
    _, parts = CHURN.shapley(columns, 1)
    assert parts["frequency"][0] < 0.0


def test_the_reference_customer_has_no_contributions():
    columns = {name: np.array([value]) for name, value in REFERENCE.items()}
    base, parts = VALUE.shapley(columns, 1)
    assert base == VALUE.link(columns, 1)[0]
    assert max(abs(part[0]) for part in parts.values()) < 1e-12


def test_who_never_bought_gets_the_base_rate_and_frequency_is_the_reason():
    base, parts = CHURN.shapley(CUSTOMERS, 5)
    assert CHURN.link(CUSTOMERS, 5)[3] == 2.5
    assert parts["frequency"][3] == pytest.approx(2.5 - base)
    assert parts["recency_days"][3] == parts["tenure_days"][3] == 0.0


def test_an_unknown_spend_counts_as_the_typical_one():
    _, parts = VALUE.shapley(CUSTOMERS, 5)
    assert parts["monetary_value"][4] == 0.0
    assert np.isfinite(VALUE.link(CUSTOMERS, 5)).all()


def test_a_constant_anchor_reads_nothing_and_gives_everybody_its_level():
    constant = Anchor(horizon_days=30, level=-1.5)
    assert constant.inputs == ()
    assert constant.link({}, 3).tolist() == [-1.5] * 3
    assert constant.shapley({}, 3) == (-1.5, {})


def test_more_frequent_and_more_recent_buyers_are_worth_more_and_leave_less():
    columns = {
        "frequency": np.array([1.0, 8.0, 8.0]),
        "recency_days": np.array([50.0, 50.0, 290.0]),
        "tenure_days": np.full(3, 300.0),
        "monetary_value": np.full(3, 30.0),
    }
    silent, _, recent = VALUE.link(columns, 3)
    assert recent > silent
    assert np.argmin(CHURN.link(columns, 3)) == 2


@pytest.mark.parametrize("anchor", [VALUE, CHURN, Anchor(30, -1.0)])
def test_an_anchor_survives_json(anchor):
    assert Anchor.from_dict(anchor.to_dict()) == anchor


@pytest.mark.parametrize("model", [BgNbd(0.6, 5.0, 0.7, 2.5), ParetoNbd(0.6, 5.0, 0.7, 2.5)])
def test_an_anchor_of_another_purchase_model_survives_json_and_adds_up(model):
    anchor = replace(VALUE, purchase=model)
    base, parts = anchor.shapley(CUSTOMERS, 5)
    assert base + sum(parts.values()) == pytest.approx(anchor.link(CUSTOMERS, 5), abs=1e-12)
    assert Anchor.from_dict(json.loads(json.dumps(anchor.to_dict()))) == anchor


def test_json_names_the_kind_and_an_older_bundle_without_one_holds_mbg_nbd():
    described = VALUE.to_dict()
    assert described["purchase"].pop("kind") == "mbg_nbd"
    assert Anchor.from_dict(described) == VALUE


def test_a_kind_of_a_later_version_is_named_with_those_known():
    described = VALUE.to_dict()
    described["purchase"]["kind"] = "pareto_ggg"
    with pytest.raises(ModelError, match=r"'pareto_ggg'.*mbg_nbd, bg_nbd, pareto_nbd"):
        Anchor.from_dict(described)


@pytest.mark.parametrize("kind", KINDS)
def test_the_configured_purchase_model_is_fitted(kind):
    assert type(fitted_purchase(CUSTOMERS, kind).purchase) is KINDS[kind]


def test_purchase_models_of_a_cutoff_leave_out_who_never_bought():
    known = {name: np.delete(values, 3) for name, values in CUSTOMERS.items()}
    assert fitted_purchase(CUSTOMERS) == fitted_purchase(known)


def test_the_reference_is_the_median_of_known_values():
    assert reference_customer(CUSTOMERS, VALUE_INPUTS)["monetary_value"] == 20.0
    assert reference_customer({"frequency": np.array([NAN])}, ("frequency",)) == {"frequency": 0.0}


def test_logistic_regression_recovers_its_line_and_few_customers_keep_the_prior():
    rng = np.random.default_rng(0)
    x = rng.normal(-1, 1.5, 50_000)
    churned = (rng.uniform(size=len(x)) < 1 / (1 + np.exp(0.4 + 1.2 * x))).astype(float)
    assert logistic_line(x, churned, (2.0, 0.0)) == pytest.approx((-0.4, -1.2), abs=0.05)
    assert logistic_line(x[:0], churned[:0], (0.3, -0.9)) == pytest.approx((0.3, -0.9))
    level, slope = logistic_line(x[:30], np.ones(30), (0.3, -0.9))
    assert 0.3 < level < 4.0
    assert -2.5 < slope < 0.5


def test_without_labels_the_line_follows_the_purchase_model_itself():
    rng = np.random.default_rng(1)
    x = rng.poisson(2, 2_000).astype(float)
    columns = {
        "frequency": x,
        "recency_days": np.where(x > 0, rng.uniform(0, 300, 2_000), 0.0),
        "tenure_days": np.full(2_000, 300.0),
    }
    signals = signal(CHURN.purchase, None, 90, columns)
    level, slope = unlabelled_line(CHURN.purchase, 90, columns, signals)
    none = CHURN.purchase.probability_of_none(90, *columns.values())
    assert slope < 0
    assert np.abs(1 / (1 + np.exp(-level - slope * signals)) - none).mean() < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_that_begins_at_an_earlier_cutoff_ends_at_the_same_forecasts(kind):
    rng = np.random.default_rng(0)
    tenure = rng.uniform(60, 600, 1_500)
    frequency = rng.poisson(rng.gamma(1.0, 0.01, 1_500) * tenure).astype(float)
    recency = np.where(frequency > 0, tenure * rng.beta(frequency + 1, 1), 0.0)
    spend = rng.gamma(4, 10, 1_500)
    now = dict(zip(VALUE_INPUTS, (frequency, recency, tenure, spend), strict=True))
    half = {name: values[::2] for name, values in now.items()}

    cold, warm = (
        fitted_purchase(now, kind, start) for start in (None, fitted_purchase(half, kind))
    )

    forecasts = [signal(one.purchase, one.spend, 90, now) for one in (cold, warm)]
    np.testing.assert_allclose(*forecasts, atol=0.02)
