"""The configuration: defaults, layers, and errors that name the right keys."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from configs.errors import ConfigError
from configs.load import load, origins, shipped
from training.purchase import KINDS


def written(folder: Path, text: str) -> Path:
    path = folder / "echelon.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_defaults_alone_are_a_whole_configuration():
    assert load(environment={}).policy.tiers[0].code == "vip"


def test_every_shipped_configuration_loads():
    folder = shipped("default.yaml").parent
    for path in sorted(folder.rglob("*.yaml")):
        assert load(path, {}).name


def test_a_file_changes_only_what_it_names(tmp_path):
    config = load(written(tmp_path, "training: {trees: {leaves: 8}}"), {})
    assert (config.training.trees.leaves, config.training.trees.count) == (8, 150)


def test_the_purchase_models_that_may_be_chosen_are_those_that_exist(tmp_path):
    for kind in KINDS:
        path = written(tmp_path, f"training: {{purchase_model: {kind}}}")
        assert load(path, {}).training.purchase_model == kind
    with pytest.raises(ConfigError, match="pareto_nbd"):
        load(written(tmp_path, "training: {purchase_model: nbd}"), {})


def test_the_environment_wins_over_the_file(tmp_path):
    path = written(tmp_path, "training: {seed: 1}")
    assert load(path, {"ECHELON_TRAINING__SEED": "7"}).training.seed == 7


def test_echelon_data_sets_the_folder_of_the_sources():
    assert load(environment={"ECHELON_DATA": "/srv/exports"}).data == Path("/srv/exports")


def test_mlflows_own_variable_sets_the_tracking_store_and_echelons_wins():
    uri = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:5000"}
    ours = {"ECHELON_STORES__TRACKING_URI": "sqlite:///ours.db"}
    assert load(environment=uri).stores.tracking_uri == "http://127.0.0.1:5000"
    assert load(environment=uri | ours).stores.tracking_uri == "sqlite:///ours.db"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trainin: {seed: 1}", "trainin: unknown key; did you mean 'training'?"),
        ("training: {sed: 1}", "training.sed: unknown key; did you mean 'seed'?"),
        ("training: {trees: {leafs: 4}}", "did you mean 'leaves'?"),
        ("sources: {transactions: [{path: x, colums: {}}]}", "did you mean 'columns'?"),
        ("timezone: Asia/Shangai", "no IANA time zone"),
        ("policy: {thresholds: {at: [0.5]}}", "4 tiers need 3 thresholds, got 1"),
        ("policy: {thresholds: {at: [0.8, 0.5, 0.9]}}", "thresholds must rise strictly"),
        ("policy: {objective: margin}", "set clv.measure to margin"),
        ("- just\n- a list", "it must hold keys and values"),
        ("a: [1", "is not YAML"),
    ],
)
def test_a_mistake_is_answered_with_what_where_and_how_to_mend(tmp_path, text, said):
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), {})
    assert said in str(caught.value)
    assert "echelon.yaml" in str(caught.value)


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError, match="echelon init DIR"):
        load(tmp_path / "none.yaml", {})


def test_an_unknown_variable_of_ours_is_refused():
    with pytest.raises(ConfigError, match="sead: unknown key; did you mean 'seed'"):
        load(environment={"ECHELON_TRAINING__SEAD": "7"})


def test_all_problems_are_told_at_once(tmp_path):
    with pytest.raises(ConfigError, match=r"2 problem\(s\)"):
        load(written(tmp_path, "currency: yuan\nlanguage: fr"), {})


def test_every_setting_knows_the_layer_that_set_it(tmp_path):
    path = written(tmp_path, "training: {seed: 1}")
    sources = {o.key: o.source for o in origins(path, {"ECHELON_CHURN__HORIZON_DAYS": "60"})}
    assert sources["training.seed"] == str(path)
    assert sources["training.threads"] == "default.yaml"
    assert sources["churn.horizon_days"] == "ECHELON_CHURN__HORIZON_DAYS"


def test_a_configuration_cannot_be_changed_after_birth():
    with pytest.raises(ValueError, match="frozen"):
        load(environment={}).name = "other"  # type: ignore[misc]


def test_every_default_stands_in_the_default_file_with_no_key_left_out():
    given = yaml.safe_load(shipped("default.yaml").read_text(encoding="utf-8"))
    config = load(environment={})
    required = {name for name, field in type(config).model_fields.items() if field.is_required()}
    assert required <= set(given)


def test_no_password_is_shown_neither_among_settings_nor_in_errors(tmp_path):
    source = "{database: 'postgresql://ada:s3cret@host/shop', columns: {}%s}"
    text = "sources: {transactions: [" + source + "]}\nstores: {tracking_uri: 'http://ml:s3cret@h'}"
    shown = str(origins(written(tmp_path, text % ", query: orders"), {}))
    assert "ada:***@host" in shown
    assert "s3cret" not in shown
    with pytest.raises(ConfigError, match="database needs query") as caught:
        load(written(tmp_path, text % ""), {})
    assert "s3cret" not in str(caught.value)
