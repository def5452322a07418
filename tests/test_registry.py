"""The registry: what is trained, what is champion, and what was live when."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
import time

import pytest

from configs.errors import ModelError
from tests.small_bundle import config_in
from tests.small_fitted import PROVENANCE, small_fitted
from training import registry
from training.bundle import read_bundle, write_bundle
from training.champion_known import state_of
from training.registry import champion, history, log_run, promote, rollback
from training.signing import public_key, signing_key
from training.tracking import tracking_uri

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("mlflow")]


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory):
    """A fresh MLflow store takes seconds to make; every test gets a copy."""
    config = config_in(tmp_path_factory.mktemp("empty"))
    history(config)
    return config.stores.root / "mlflow.db"


@pytest.fixture
def config(tmp_path, empty_database):
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return config_in(tmp_path)


@pytest.fixture
def quick_check(monkeypatch):
    """Read the bundle here instead of in a child: what the child does is in test_bundle."""
    monkeypatch.setattr(registry, "check_in_child", read_bundle)


def trained(config, intercept=0.1, plots=()):
    folder = config.stores.root / "made"
    shutil.rmtree(folder, ignore_errors=True)
    fitted = small_fitted(intercept)
    write_bundle(fitted, folder, signing_key(config.stores.keys), PROVENANCE, config)
    return log_run(config, fitted, folder, plots)


def client_of(config):
    from mlflow import MlflowClient

    uri = tracking_uri(config.stores)
    return MlflowClient(uri, uri)


def test_a_run_has_settings_figures_of_model_and_rules_pictures_and_the_bundle(config, tmp_path):
    (tmp_path / "lift.png").write_bytes(b"png")
    info = trained(config, plots=[tmp_path / "lift.png"])
    client = client_of(config)
    run = client.get_run(info.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["training.seed"] == "0"
    assert run.data.params["churn.horizon_days"] == "90"
    assert run.data.params["data.transactions"] == PROVENANCE["data.transactions"]
    figures = small_fitted().evaluation.targets
    assert run.data.metrics["churn.model.auc"] == figures["churn"].model["auc"]
    assert run.data.metrics["clv.recency.mae"] == figures["clv"].baselines["recency"]["mae"]
    assert {f.path for f in client.list_artifacts(info.run_id)} == {
        "bundle", "config.yaml", "plots",
    }  # fmt: skip
    version = client.get_model_version("echelon", info.version)
    assert version.tags["policy"] == "vip4"
    assert client.get_registered_model("echelon").aliases == {"challenger": int(info.version)}


def test_the_champion_is_what_was_trained_and_survives_its_registry_run_folder(config, quick_check):
    info = trained(config, intercept=0.7)
    promote(config, reason="first model")
    held = champion(config)
    assert held.version == info.version
    assert held.folder == config.stores.bundles / info.version
    bundle = read_bundle(held.folder, public_key(config.stores.keys))
    assert bundle.models["churn"].intercept == 0.7
    shutil.rmtree(config.stores.root / "mlartifacts")
    assert champion(config) == held


def test_promotion_and_rollback_are_on_record_and_the_aliases_follow(config, quick_check):
    one, two, three = (trained(config, i).version for i in (0.1, 0.2, 0.3))
    for version in (one, two, three):
        promote(config, version, f"version {version}")
    assert rollback(config, "worse").version == two
    assert rollback(config, "worse still").version == one
    with pytest.raises(ModelError, match="no champion to go back to: version 1 is the first"):
        rollback(config)
    past = history(config)
    assert [p.version for p in past] == [one, two, three, two, one]
    assert [p.way for p in past] == ["rollback"] * 2 + ["promote"] * 3
    assert champion(config).version == one
    assert client_of(config).get_registered_model("echelon").aliases == {"champion": int(one)}


def test_what_was_live_then(config, quick_check):
    one, two = trained(config, 0.1).version, trained(config, 0.2).version
    first, second = promote(config, one), promote(config, two)
    moment = dt.timedelta(microseconds=1)
    assert history(config, first.at - moment) == []
    assert history(config, first.at) == [first]
    assert history(config, second.at - moment) == [first]
    assert history(config, second.at) == [second]
    shanghai = dt.timezone(dt.timedelta(hours=8))
    assert history(config, second.at.astimezone(shanghai).replace(tzinfo=None)) == [second]


def test_promoting_the_champion_again_changes_nothing(config, quick_check):
    trained(config)
    first = promote(config, "latest", "once")
    assert promote(config, "latest", "twice") == first
    assert history(config) == [first]


def test_latest_is_the_newest_and_an_unknown_version_lists_those_there_are(config, quick_check):
    with pytest.raises(ModelError, match=r"no version 'latest'; known: none"):
        promote(config)
    info = trained(config)
    client = client_of(config)
    first = client.get_model_version("echelon", info.version)
    for _ in range(10):
        client.create_model_version("echelon", first.source, info.run_id, first.tags)
    assert promote(config).version == "11"
    with pytest.raises(ModelError, match=r"no version '12'; known: 1, 2, .*, 11$"):
        promote(config, "12")


def test_before_the_first_promotion_the_way_there_is_named(config):
    with pytest.raises(ModelError, match=r"Run `echelon train`, then `echelon promote latest`"):
        champion(config)
    assert history(config) == []
    with pytest.raises(ModelError, match="nothing is promoted yet"):
        rollback(config)


def test_a_bundle_altered_in_the_registry_is_not_promoted_and_the_champion_stays(
    config, quick_check
):
    held = promote(config, trained(config, 0.1).version)
    bad = trained(config, 0.2)
    file = config.stores.root / "mlartifacts" / bad.run_id / "artifacts" / "bundle" / "churn.txt"
    file.write_text(file.read_text().replace("leaf_value=", "leaf_value=9", 1))
    with pytest.raises(ModelError, match=r"churn\.txt was altered"):
        promote(config, bad.version)
    assert history(config) == [held]
    assert champion(config).version == held.version
    assert sorted(p.name for p in config.stores.bundles.iterdir()) == [held.version]


def test_a_bundle_swapped_for_an_older_signed_one_is_refused(config, quick_check):
    one, two = trained(config, 0.1), trained(config, 0.2)
    runs = config.stores.root / "mlartifacts"
    shutil.rmtree(runs / two.run_id / "artifacts" / "bundle")
    shutil.copytree(
        runs / one.run_id / "artifacts" / "bundle", runs / two.run_id / "artifacts" / "bundle"
    )
    with pytest.raises(ModelError, match="is not the bundle registered as version 2"):
        promote(config, two.version)


def test_a_damaged_local_copy_is_fetched_anew(config, quick_check):
    promote(config, trained(config).version)
    file = champion(config).folder / "policy.json"
    whole = file.read_bytes()
    file.write_bytes(b"{}")
    assert (champion(config).folder / "policy.json").read_bytes() == whole


def test_a_bundle_that_fails_in_the_child_is_not_promoted(config, monkeypatch):
    def refuse(folder, key):
        raise ModelError("golden rows differ")

    trained(config)
    monkeypatch.setattr(registry, "check_in_child", refuse)
    with pytest.raises(ModelError, match="golden rows differ"):
        promote(config)
    assert history(config) == []


def test_an_unsigned_bundle_is_not_even_registered(config):
    trained(config)
    folder = config.stores.root / "made"
    (folder / "manifest.sig").write_text("00" * 64)
    with pytest.raises(ModelError, match="is not the signature"):
        log_run(config, small_fitted(), folder)
    with pytest.raises(ModelError, match=r"known: 1$"):
        promote(config, "2")


def test_an_alias_moved_by_hand_is_put_back(config, quick_check):
    one, two = trained(config, 0.1).version, trained(config, 0.2).version
    promote(config, one)
    client_of(config).set_registered_model_alias("echelon", "champion", two)
    assert champion(config).version == one
    assert str(client_of(config).get_model_version_by_alias("echelon", "champion").version) == one


def test_a_registry_that_nobody_wrote_to_since_is_not_asked_again(config, quick_check, monkeypatch):
    trained(config)
    promote(config)
    held = champion(config)
    with monkeypatch.context() as patched:
        patched.setattr(registry, "client_of", unreachable)
        assert champion(config) == held
    client_of(config).set_registered_model_tag("echelon", "seen by", "somebody else")
    monkeypatch.setattr(registry, "client_of", unreachable)
    with pytest.raises(ModelError, match="asked"):
        champion(config)


def test_a_bundle_damaged_since_is_not_taken_for_the_champion_last_named(
    config, quick_check, monkeypatch
):
    trained(config)
    promote(config)
    (champion(config).folder / "policy.json").write_text("{}")
    monkeypatch.setattr(registry, "client_of", unreachable)
    with pytest.raises(ModelError, match="asked"):
        champion(config)


def unreachable(stores):
    raise ModelError("the registry was asked")


def test_a_registry_copied_with_its_times_is_as_it_was(config, tmp_path):
    copied = config_in(tmp_path / "copy")
    copied.stores.root.mkdir(parents=True)
    shutil.copy2(config.stores.root / "mlflow.db", copied.stores.root / "mlflow.db")
    assert state_of(copied.stores) == state_of(config.stores) is not None


@pytest.mark.parametrize("beside", ["mlflow.db-wal", "mlflow.db-journal"])
def test_a_registry_that_is_being_written_to_is_always_asked(config, beside):
    assert state_of(config.stores) is not None
    (config.stores.root / beside).touch()
    assert state_of(config.stores) is None


def test_a_version_that_echelon_did_not_make_is_refused(config):
    client = client_of(config)
    trained(config)
    client.create_model_version("echelon", "file:///elsewhere", None)
    with pytest.raises(ModelError, match=r"version 2 .* is no bundle of Echelon"):
        promote(config, "2")


def test_a_training_that_fails_leaves_a_failed_run_and_no_version(config, tmp_path):
    with pytest.raises(OSError, match="no-such"):
        trained(config, plots=[tmp_path / "no-such.png"])
    client = client_of(config)
    (run,) = client.search_runs([client.get_experiment_by_name("echelon").experiment_id])
    assert run.info.status == "FAILED"
    with pytest.raises(ModelError, match="known: none"):
        promote(config)


def test_a_run_that_was_killed_is_closed_by_the_next_training(config):
    info = trained(config)
    client = client_of(config)
    experiment = client.get_experiment_by_name("echelon").experiment_id
    hours_ago = int((time.time() - 7200) * 1000)
    dead = client.create_run(experiment, start_time=hours_ago).info.run_id
    live = client.create_run(experiment).info.run_id
    trained(config)
    status = {run.info.run_id: run.info.status for run in client.search_runs([experiment])}
    assert (status[info.run_id], status[dead], status[live]) == ("FINISHED", "KILLED", "RUNNING")


def test_passwords_reach_neither_the_run_nor_the_messages(config):
    hidden = config.stores.model_copy(update={"tracking_uri": "nothing://ada:s3cret@db/mlflow"})
    with pytest.raises(ModelError) as caught:
        history(config.model_copy(update={"stores": hidden}))
    assert "s3cret" not in str(caught.value)
    assert "ada:***@db" in str(caught.value)


def test_a_missing_driver_is_named_with_a_remedy(config):
    unknown = config.stores.model_copy(update={"tracking_uri": "postgresql+pg8000://127.0.0.1/x"})
    with pytest.raises(ModelError, match=r"pg8000.*pip install 'echelon\[postgresql\]'"):
        history(config.model_copy(update={"stores": unknown}))


def test_no_kept_file_is_a_pickle(config):
    trained(config)
    suffixes = {p.suffix for p in (config.stores.root / "mlartifacts").rglob("*") if p.is_file()}
    assert suffixes == {".json", ".txt", ".sig", ".yaml"}


def test_importing_the_registry_does_not_import_mlflow():
    code = "import sys, training.registry; print('mlflow' in sys.modules)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "False"


def test_nothing_is_said_on_the_terminal_and_nothing_is_sent(config):
    code = (
        "import sys, pathlib, os; from configs.load import load; from training.registry import *;"
        "history(load()); from mlflow.telemetry.client import get_telemetry_client as t;"
        "print(t(), os.environ['MLFLOW_ALLOW_PICKLE_DESERIALIZATION'])"
    )
    environment = os.environ | {"ECHELON_STORES__ROOT": str(config.stores.root)}
    environment = {k: v for k, v in environment.items() if not k.startswith("PYTEST")}
    child = subprocess.run(
        [sys.executable, "-W", "default", "-c", code],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    assert (child.stdout.strip(), child.stderr) == ("None false", "")
