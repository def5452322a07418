"""The whole way: from source files to explained, tracked, published scores."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from configs.load import load, shipped
from features.simulator import simulate
from serving.cli import app
from serving.pipeline import report, run, score
from serving.scores.publication import open_live
from training.registry import champion, history, promote, rollback

pytestmark = pytest.mark.slow
HIGUIDES = Path(__file__).parent / "higuides.yaml"


def whole_way(tmp_path, path, data, **changes):
    """Run the configuration at ``path`` on ``data`` in a store of its own."""
    own = {"ECHELON_DATA": str(data), "ECHELON_STORES__ROOT": str(tmp_path / "store")}
    own |= {"ECHELON_TRAINING__THREADS": "1", "ECHELON_ENGINE__THREADS": "1"}
    config = load(path, own | changes)
    return config, run(config)


def a_real_shop_is_forecast_better_than_by_any_rule(outcome):
    """S2 of the scoreboard, at its last cutoff; simple rules: AUC .77, value nGini .855."""
    assert outcome.intake.tables["transactions"].read == 1_067_370
    churn, clv = (outcome.trained.evaluation.targets[name] for name in ("churn", "clv"))
    assert churn.n == clv.n == 4_969
    assert str(churn.cutoff) == str(clv.cutoff) == "2011-06-09"
    assert churn.model["auc"] > max(0.77, *(m["auc"] for m in churn.baselines.values()))
    assert clv.model["ngini"] > max(0.855, *(m["ngini"] for m in clv.baselines.values()))
    assert churn.model["ece15"] < 0.06


MORE = {"online_retail_ii": a_real_shop_is_forecast_better_than_by_any_rule}
"""What is promised of one data set beside what is promised of all."""


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["online_retail_ii", "complete_journey", "cdnow", "telco", "higuides"]
)
def test_public_data_go_the_whole_way(tmp_path, echelon_data, name):
    path = HIGUIDES if name == "higuides" else shipped(f"datasets/{name}.yaml")
    config, outcome = whole_way(tmp_path, path, echelon_data)
    MORE.get(name, lambda outcome: None)(outcome)
    outcome.publication.check()
    scores = outcome.publication.scores().to_pandas()
    assert scores.churn_probability.between(0, 1).all()
    assert (scores.clv_expected >= 0).all()
    assert set(scores.tier) <= {tier.code for tier in config.policy.tiers}
    assert outcome.report.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_thirty_customers_in_csv_files_get_tiers_by_rules_and_are_told_so(tmp_path, monkeypatch):
    def echelon(*words) -> str:
        done = CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "120"})
        assert done.exit_code == 0, done.output
        return done.output

    monkeypatch.delenv("ECHELON_DATA", raising=False)
    monkeypatch.setenv("ECHELON_STORES__ROOT", str(tmp_path / "store"))
    exports, mine = tmp_path / "exports", tmp_path / "mine.yaml"
    echelon("simulate", "--customers", 30, "--seed", 1, "--csv", "--out", exports)
    echelon("init", exports, "--out", mine)
    said = echelon("run", "-c", mine)
    assert said.count("评级N：仅用规则") == 2
    publication = open_live(tmp_path / "store" / "publications")
    scores = publication.scores().to_pandas()
    assert len(scores) == 30
    assert scores.tier.notna().all()
    assert set(scores.fallback) <= {"rules_only", "no_purchases"}
    one = scores.customer_id[0]
    assert publication.customer(one)["confidence"]["grade"] == "N"
    assert "too little to tell" in echelon("explain", one, "--language", "en", "-c", mine)


def test_a_second_champion_can_be_promoted_and_taken_back(tmp_path):
    simulate(300, seed=2, out=tmp_path / "exports", days=900)
    small = {"ECHELON_CLV__HORIZON_DAYS": "90", "ECHELON_FEATURES__FAMILIES": "[profile]"}
    config, first = whole_way(tmp_path, shipped("demo.yaml"), tmp_path / "exports", **small)
    second = run(config)
    promote(config, second.trained.version, "again")
    assert champion(config).version == second.trained.version
    rollback(config, "the first was better")
    assert champion(config).version == first.trained.version
    assert history(config)[0].reason == "the first was better"
    folder = score(config)
    assert open_live(config.stores.publications).folder == folder
    assert folder == first.publication.folder
    assert report(config, tmp_path / "page.html").is_file()


def test_records_are_published_as_of_the_last_day_by_default(small_company):
    config = load(small_company, {})
    publication = open_live(config.stores.publications)
    customers = pq.read_table(publication.folder / "scores.parquet")
    assert customers.num_rows == 500
    assert str(publication.manifest.as_of) == str(config.as_of)
