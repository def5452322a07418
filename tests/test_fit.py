"""Training end to end: records in, everything a bundle needs out."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from configs.errors import ConfigError, TrainingError
from configs.load import load, shipped
from configs.schema import Config
from configs.section import Text
from configs.tiers import Guard
from features.sources import date_of, open_engine, records_from_arrow
from training.fit import fit
from training.fitted import Fitted, column_values

DAYS = 600


def config(**sections) -> Config:
    """Return the shipped defaults with horizons that fit the little shop."""
    changed = {"clv": {"horizon_days": 90}, "churn": {"horizon_days": 60}}
    changed |= {"training": {"threads": 1, "minimum_customers": 100}}
    changed |= {"features": {"families": ("behaviour",)}} | sections
    base = load(shipped("default.yaml"), environment={})
    return base.model_copy(
        update={
            name: getattr(base, name).model_copy(update=values) for name, values in changed.items()
        }
    )


def shop(n: int, days: int = DAYS, seed: int = 0) -> dict[str, pa.Table]:
    """Return tables of a shop: rates differ, customers leave, contacts cease before that."""
    rng = np.random.default_rng(seed)
    start, rate = rng.integers(0, days * 2 // 3, n), rng.gamma(1.5, 0.02, n)
    end = np.minimum(start + rng.exponential(400, n).astype(int) + 1, days)
    bought, contacted = [], []
    for i in range(n):
        count = 1 + rng.poisson(rate[i] * (end[i] - start[i]))
        later = rng.integers(start[i], end[i], count - 1) if count > 1 else []
        bought += [(i, day) for day in (start[i], *later)]
        quiet = end[i] - 30
        if quiet > start[i]:
            contacted += [(i, d) for d in rng.integers(start[i], quiet, rng.poisson(4))]
    return {
        "transactions": _events(bought, amount=rng.gamma(3, 20, len(bought)).round(2)),
        "interactions": _events(contacted),
    }


def _events(rows, **columns) -> pa.Table:
    rows = sorted((int(i), int(day)) for i, day in rows)
    days = np.array([day for _, day in rows], dtype=np.int32)
    return pa.table(
        {
            "customer_id": [f"C{i:05d}" for i, _ in rows],
            "occurred_at": pa.array(days.astype("datetime64[D]").astype("datetime64[us]")),
            "day": days,
            "known_day": days,
            **columns,
        }
    )


def records(tables):
    return records_from_arrow(open_engine(config().engine), tables)


@pytest.fixture(scope="module")
def trained() -> Fitted:
    return fit(config(), records(shop(600)))


@pytest.mark.slow
def test_every_family_of_features_can_be_trained_on():
    families = {"families": ("behaviour", "interaction", "satisfaction", "profile")}
    fitted = fit(config(features=families), records(shop(400)))
    assert "interaction_count_84d" in fitted.models["churn"].tree_inputs
    assert "csat_mean_364d" not in fitted.models["churn"].tree_inputs


@pytest.mark.slow
def test_the_configured_purchase_model_anchors_both_targets():
    training = {"threads": 1, "minimum_customers": 100, "purchase_model": "pareto_nbd"}
    fitted = fit(config(training=training), records(shop(300)))
    kinds = {model.anchor.to_dict()["purchase"]["kind"] for model in fitted.models.values()}
    assert kinds == {"pareto_nbd"}


def scored(fitted: Fitted, target: str) -> np.ndarray:
    columns = {name: column_values(fitted.golden, name) for name in fitted.models[target].inputs}
    return fitted.models[target].link_score(columns)


@pytest.mark.slow
def test_both_targets_are_measured_later_than_anything_they_learnt_from(trained):
    assert set(trained.models) == {"churn", "clv"}
    for one in trained.evaluation.targets.values():
        assert one.protocol == "out_of_time"
        horizon = dt.timedelta(days=one.horizon_days)
        assert all(cutoff + horizon <= one.cutoff for cutoff in one.training_cutoffs)
        assert one.cutoff + horizon <= trained.as_of
        assert all(c + horizon <= trained.as_of for c in trained.cutoffs[one.target])


@pytest.mark.slow
def test_intervals_are_counted_a_horizon_after_they_were_learnt(trained):
    found = trained.evaluation.targets["clv"].coverage
    assert found.how == "later_period"
    assert (found.counted_on - found.learnt_on).days == 90
    assert found.overall.n == trained.evaluation.targets["clv"].n


@pytest.mark.slow
def test_the_outlook_is_measured_later_than_anything_it_learnt_from(trained):
    assert trained.evaluation.outlook.cutoff == trained.evaluation.targets["clv"].cutoff
    columns = {n: column_values(trained.golden, n) for n in trained.outlook.inputs}
    assert trained.outlook.reach(columns).shape == (trained.golden.num_rows, 3)
    assert trained.portfolio.past_errors


@pytest.mark.slow
def test_every_figure_stands_beside_the_rules(trained):
    churn, clv = (trained.evaluation.targets[name] for name in ("churn", "clv"))
    rules = {"recency", "no_purchase_rule", "rfm_logit", "purchase_model", "base_rate"}
    assert set(churn.baselines) - {"model_not_served"} == rules
    rules = {"spend_rate", "last_period", "purchase_model", "base_rate"}
    assert set(clv.baselines) - {"model_not_served"} == rules
    assert churn.model["auc"] > churn.baselines["recency"]["auc"]
    assert clv.model["ngini"] > clv.baselines["last_period"]["ngini"]


@pytest.mark.slow
def test_golden_rows_give_their_link_scores_to_the_bit(trained):
    for target in ("churn", "clv"):
        golden = column_values(trained.golden, f"{target}_link")
        assert np.array_equal(scored(trained, target), golden)


@pytest.mark.slow
def test_contributions_add_up_on_real_features(trained):
    for target, model in trained.models.items():
        columns = {name: column_values(trained.golden, name) for name in model.inputs}
        base, parts = model.contributions(columns)
        assert np.abs(base + sum(parts.values()) - scored(trained, target)).max() < 1e-9


@pytest.mark.slow
def test_trees_read_stationary_features_only(trained):
    stationary = {feature.name for feature in trained.features if feature.stationary}
    for model in trained.models.values():
        assert set(model.tree_inputs) <= stationary
        assert set(model.inputs) <= {feature.name for feature in trained.features}


@pytest.mark.slow
def test_the_default_tiers_hold_half_thirty_fifteen_and_five_of_a_hundred(trained):
    medians = trained.reference.tier_medians
    assert set(medians) == {"vip", "potential", "general", "low"}
    assert medians["vip"]["spend_364d"] > medians["low"]["spend_364d"]
    assert trained.reference.n_customers == 600
    assert trained.reference.missing["frequency"] == 0.0


@pytest.mark.slow
def test_what_happens_after_the_as_of_day_changes_no_model():
    tables = shop(600)
    later = tables["transactions"].filter(pc.less(tables["transactions"]["day"], 500))
    until = config().model_copy(update={"as_of": date_of(499)})
    whole, cut = (
        fit(until, records({**tables, "transactions": t})) for t in (tables["transactions"], later)
    )
    assert whole.models == cut.models
    assert whole.policy == cut.policy


@pytest.mark.slow
def test_training_twice_gives_the_same_models(trained):
    again = fit(config(), records(shop(600)))
    assert again.models == trained.models
    assert again.segments == trained.segments
    assert again.intervals == trained.intervals


def test_thirty_customers_get_tiers_by_rules_only():
    few = fit(config(), records(shop(30)))
    assert all(model.is_rules_only for model in few.models.values())
    assert set(few.reference.tier_medians) == {"vip", "potential", "general", "low"}
    assert "rules only: " in " ".join(note.en for note in few.evaluation.targets["churn"].notes)


@pytest.mark.slow
def test_a_history_too_short_for_any_horizon_still_gives_a_forecast():
    young = fit(config(), records(shop(200, days=50)))
    assert young.evaluation.targets["clv"].protocol == "none"
    assert np.isfinite(scored(young, "clv")).all()
    assert young.intervals.source == "none"


def test_no_purchase_at_all_is_an_error_that_says_what_to_do():
    tables = shop(30)
    refunds = tables["transactions"].append_column(
        "kind", pa.array(["refund"] * len(tables["transactions"]))
    )
    with pytest.raises(TrainingError, match="called 'purchase'"):
        fit(config(), records({"transactions": refunds}))


def test_a_guard_on_a_feature_that_is_not_chosen_stops_before_any_work():
    guard = Guard(name=Text(zh="退款", en="refunds"), feature="refund_count", at_least=9, cap="low")
    with pytest.raises(ConfigError, match="'refunds' reads feature 'refund_count', which is not"):
        fit(config(policy={"guards": (guard,)}), records(shop(5)))
