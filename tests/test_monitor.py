"""Monitoring of what is live: what has moved, and what came of past forecasts."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from configs.errors import PublicationError
from features.sources import open_engine, records_from_arrow
from serving.cli import app
from serving.monitoring import monitor as monitoring
from serving.monitoring.findings import (
    category_findings,
    column_findings,
    score_findings,
    tier_findings,
)
from serving.monitoring.monitor_console import render
from serving.monitoring.monitor_page import page_html
from serving.monitoring.outcomes import closed_outcomes, outcome_findings
from serving.scores.publish import publish_matrix
from tests.small_bundle import UNITS, matrix_of, small_bundle, terms
from tests.small_fitted import small_fitted, small_store
from training.evaluate import Evaluation
from training.fitted import served_scores, shares_of, summarise

DAY = 20_000
VERSION = "12"


def store(root, matrix=None):
    """Return a configuration whose stores hold a model and the publication of ``matrix``."""
    learnt = matrix_of(3_000, seed=1)
    columns = {name: learnt[name].to_numpy() for name in learnt.column_names[2:]}
    bundle = small_bundle()
    scores = served_scores(bundle.models, columns)
    tiers = bundle.policy.assign(scores["clv_expected"], guard_columns=columns).codes
    fitted = small_fitted().with_mixes({"interactions.kind": {"visit": 1.0}})
    reference = summarise(columns, tiers, scores)
    reference = reference.model_copy(update={"mixes": fitted.reference.mixes})
    config, folder, _ = small_store(root, _with(fitted, reference))
    shutil.copytree(folder, config.stores.bundles / VERSION)
    _write_records(config)
    publish(config, matrix_of(3_000, seed=2) if matrix is None else matrix)
    return config


def _with(fitted, reference):
    from dataclasses import replace

    return replace(fitted, reference=reference, models=small_bundle().models)


def publish(config, matrix):
    from serving.scores.job import Job

    job = Job(config, small_bundle(), terms(config), "records-1", UNITS)
    return publish_matrix(job, matrix)


def _write_records(config, kind="visit"):
    folder = config.stores.records / "records-1"
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in _tables(kind).items():
        pq.write_table(table, folder / f"{name}.parquet")
    (config.stores.records / "CURRENT").write_text("records-1\n")


def _tables(kind="visit", bought=range(0, 3_000, 2), first=DAY - 40, later=DAY + 10):
    """Everybody bought before the publication, every other one after it, for 10."""
    who = [f"C{i:06d}" for i in range(3_000)] + [f"C{i:06d}" for i in bought]
    days = np.array([first] * 3_000 + [later] * len(bought) + [DAY + 400], dtype=np.int32)
    return {
        "transactions": pa.table(
            {
                "customer_id": [*who, "C000000"],
                "day": days,
                "known_day": days,
                "amount": [10.0] * len(days),
                "kind": ["purchase"] * len(days),
            }
        ),
        "interactions": pa.table(
            {
                "customer_id": ["C000000"],
                "day": pa.array([DAY - 3], pa.int32()),
                "known_day": pa.array([DAY - 3], pa.int32()),
                "kind": [kind],
            }
        ),
    }


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    return store(tmp_path_factory.mktemp("quiet"))


@pytest.fixture(scope="module")
def shifted(tmp_path_factory):
    matrix = matrix_of(3_000, seed=2)
    place = matrix.column_names.index("spend_364d")
    spend = pa.array(matrix["spend_364d"].to_numpy() * 1.5)
    return store(tmp_path_factory.mktemp("shifted"), matrix.set_column(place, "spend_364d", spend))


def drift_alarms(found):
    return [one for one in found.alarms if one.kind != "outcome"]


def test_customers_like_those_at_training_raise_no_alarm(quiet):
    assert drift_alarms(monitoring.monitor(quiet)) == []


def test_a_feature_that_grew_by_half_is_named_with_its_size_and_what_to_do(shifted):
    found = monitoring.monitor(shifted)
    (one,) = [one for one in found.alarms if one.kind == "feature"]
    assert one.name == "spend_364d"
    assert one.factor == pytest.approx(1.5, rel=0.1)
    assert "Spend in 12 months" in one.text.en
    assert "近12个月消费" in one.text.zh
    assert one.advice.en
    assert one.advice.zh


def test_what_was_found_is_kept_beside_the_publications(shifted):
    found = monitoring.monitor(shifted)
    (kept,) = shifted.stores.monitoring.glob("*.json")
    stored = json.loads(kept.read_text())
    assert stored["publication"] == found.publication
    assert [one["name"] for one in stored["findings"]] == [one.name for one in found.findings]


def test_a_feature_that_nothing_served_reads_raises_no_alarm():
    columns = {"points": np.arange(1.0, 1_001.0)}
    reference = summarise(columns, np.full(1_000, "low"))
    label = small_bundle().policy.tiers[0].name
    _, found = column_findings(reference, "points", label, columns["points"] * 3, False)
    assert [(one.kind, one.is_alarm) for one in found] == [("feature", False)]


def test_values_that_go_missing_are_told_apart_from_values_that_move():
    rng = np.random.default_rng(0)
    values = rng.normal(10, 1, 2_000)
    reference = summarise({"csat": values}, np.full(2_000, "low"))
    now = np.where(rng.random(2_000) < 0.15, np.nan, rng.normal(10, 1, 2_000))
    label = small_bundle().policy.tiers[0].name
    _, found = column_findings(reference, "csat", label, now, True)
    assert [one.kind for one in found] == ["missing"]
    assert found[0].size == pytest.approx(0.15, abs=0.03)


def test_new_and_vanished_categories_are_found_and_rare_ones_are_not():
    before = {"interactions.channel": {"app": 0.6, "web": 0.395, "fax": 0.005}}
    now = {"interactions.channel": {"app2": 0.6, "web": 0.395, "telex": 0.005}}
    found = {one.name: one.size for one in category_findings(before, now)}
    assert found == {"interactions.channel=app2": 0.6, "interactions.channel=app": -0.6}


def test_expected_is_held_against_what_came_once_the_horizon_has_closed(quiet):
    (kept,) = [p for p in quiet.stores.publications.iterdir() if p.is_dir()]
    scores = pq.read_table(kept / "scores.parquet").to_pandas()
    scores = scores[scores.fallback != "no_purchases"]
    stayed = scores.customer_id.str[1:].astype(int) % 2 == 0
    churn, clv = monitoring.monitor(quiet).outcomes
    assert (churn.target, clv.target) == ("churn", "clv")
    assert churn.expected == pytest.approx(scores.churn_probability.sum())
    assert churn.actual == (~stayed).sum()
    assert clv.actual == pytest.approx(10.0 * stayed.sum())
    assert churn.actual_low < churn.actual < churn.actual_high


def test_an_open_horizon_has_no_outcome(quiet):
    records = records_from_arrow(open_engine(quiet.engine), _tables())
    until = {last: closed_outcomes(quiet, records, last, {}) for last in (DAY + 89, DAY + 90)}
    assert until[DAY + 89] == ()
    assert [one.target for one in until[DAY + 90]] == ["churn"]


def test_a_forecast_far_off_is_an_alarm_and_says_which_way(quiet):
    records = records_from_arrow(open_engine(quiet.engine), _tables(bought=[0, 2]))
    outcomes = closed_outcomes(quiet, records, DAY + 90, {VERSION: Evaluation(targets={})})
    found = outcome_findings(outcomes)
    assert outcomes[0].bias < -0.2
    assert "too low" in found[0].text.en
    assert "偏低" in found[0].text.zh


def test_an_earlier_publication_can_be_compared_with(shifted):
    (kept,) = [p for p in shifted.stores.publications.iterdir() if p.is_dir()]
    found = monitoring.monitor(shifted, since=kept.name)
    assert drift_alarms(found) == []
    with pytest.raises(PublicationError, match="no publication 'nine'"):
        monitoring.monitor(shifted, since="nine")


def test_the_page_stands_alone_and_speaks_both_languages(shifted):
    html = page_html(shifted, monitoring.monitor(shifted))
    assert "模型监测" in html
    assert "Monitoring" in html
    assert "http" not in html.replace("http-equiv", "")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_terminal_shows_alarms_and_outcomes(shifted, language, capsys):
    from rich.console import Console

    Console(width=200).print(render(monitoring.monitor(shifted), language))
    shown = capsys.readouterr().out
    assert {"zh": "近12个月消费", "en": "Spend in 12 months"}[language] in shown


def test_an_alarm_ends_the_command_with_ten(shifted, monkeypatch, tmp_path):
    monkeypatch.setenv("ECHELON_STORES__ROOT", str(shifted.stores.root))
    page = tmp_path / "page.html"
    ended = CliRunner().invoke(app, ["monitor", "--json", "--out", str(page)])
    assert ended.exit_code == 10
    assert page.exists()
    assert json.loads(ended.stdout)["model"] == VERSION


def looked_at(n, seed):
    """Return features, scores and tiers of ``n`` customers like those of any other seed."""
    matrix, bundle = matrix_of(n, seed=seed), small_bundle()
    columns = {name: matrix[name].to_numpy() for name in matrix.column_names[2:]}
    scores = served_scores(bundle.models, columns)
    value = scores["clv_expected"]
    return columns, scores, bundle.policy.assign(value, guard_columns=columns).codes


def is_alarmed(reference, columns, scores, tiers):
    label = small_bundle().policy.tiers[0].name
    found = [
        one
        for name, values in columns.items()
        for one in column_findings(reference, name, label, values, True)[1]
    ]
    found += [
        one for name, values in scores.items() for one in score_findings(reference, name, values)
    ]
    return bool(found + tier_findings(reference, shares_of(tiers), len(tiers), {}))


def scaled(columns, scores, tiers, rng):
    name = rng.choice(["spend_364d", "monetary_value", "visits_84d", "csat_latest"])
    return columns | {name: columns[name] * 1.5}, scores, tiers


def missing(columns, scores, tiers, rng):
    name = rng.choice(["spend_364d", "order_count_84d", "visits_84d"])
    gone = rng.random(len(tiers)) < 0.15
    return columns | {name: np.where(gone, np.nan, columns[name])}, scores, tiers


def promoted(columns, scores, tiers, rng):
    lucky = (tiers == "low") & (rng.random(len(tiers)) < 0.2)
    return columns, scores, np.where(lucky, "vip", tiers)


def riskier(columns, scores, tiers, rng):
    churn = np.minimum(scores["churn_probability"] + 0.1, 1.0)
    return columns, scores | {"churn_probability": churn}, tiers


def values_with_many_near_nothing(rng):
    gone = rng.random(4_000) < 0.4
    return np.where(gone, np.exp(rng.uniform(-14, -4, 4_000)), np.exp(rng.normal(6, 1.2, 4_000)))


def test_a_fall_of_all_values_is_seen_though_customers_long_gone_are_near_0_as_ever():
    rng, seen, quiet = np.random.default_rng(0), 0, 0
    for _ in range(40):
        before, now = (values_with_many_near_nothing(rng) for _ in range(2))
        reference = summarise({}, np.full(4_000, "low"), {"clv_expected": before})
        seen += bool(score_findings(reference, "clv_expected", now / 1.5))
        quiet += not score_findings(reference, "clv_expected", now)
    assert seen >= 38
    assert quiet >= 38


@pytest.mark.slow
def test_two_hundred_looks_at_customers_like_before_are_quiet_in_95_of_100():
    quiet = 0
    for seed in range(200):
        reference = summarise(*reordered(looked_at(1_500, seed)))
        quiet += not is_alarmed(reference, *looked_at(1_500, 1_000 + seed))
    assert quiet >= 190


@pytest.mark.slow
@pytest.mark.parametrize("shift", [scaled, missing, promoted, riskier])
def test_planted_shifts_raise_an_alarm_in_95_of_100(shift):
    rng = np.random.default_rng(0)
    caught = 0
    for seed in range(60):
        reference = summarise(*reordered(looked_at(1_500, seed)))
        caught += is_alarmed(reference, *shift(*looked_at(1_500, 1_000 + seed), rng))
    assert caught >= 57


def reordered(looked):
    columns, scores, tiers = looked
    return columns, tiers, scores
