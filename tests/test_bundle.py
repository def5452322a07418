"""A bundle is whole, signed and unchanged, or it is refused before anything parses it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs.errors import ModelError
from configs.redaction import redacted, redacted_text
from features.sentiment import SentimentModel
from tests.small_bundle import config_in, matrix_of
from tests.small_fitted import PROVENANCE, small_fitted, small_store
from training.anchor import Anchor
from training.bundle import check_golden, check_in_child, read_bundle, write_bundle
from training.contract import ContractValue
from training.fitted import column_values, golden_rows
from training.manifest import (
    MANIFEST_FILE,
    SIGNATURE_FILE,
    digest_of,
    provenance_of,
    verified,
)
from training.signing import public_key, signing_key


@pytest.fixture
def store(tmp_path):
    config, folder, _ = small_store(tmp_path)
    return folder, config.stores.keys


def resigned(folder, keys, **changes):
    """Change the manifest and sign it again, as only the holder of the key can."""
    manifest = json.loads((folder / MANIFEST_FILE).read_text()) | changes
    for name in manifest["files"]:
        if (folder / name).exists():
            size = (folder / name).stat().st_size
            manifest["files"][name] = {"sha256": digest_of(folder / name), "n_bytes": size}
    text = json.dumps(manifest).encode()
    (folder / MANIFEST_FILE).write_bytes(text)
    (folder / SIGNATURE_FILE).write_text(signing_key(keys).sign(text).hex())


def test_what_is_read_predicts_to_the_bit_what_was_written(store):
    folder, keys = store
    fitted, bundle = small_fitted(), read_bundle(folder, public_key(keys))
    matrix = matrix_of(500, seed=9)
    for target, model in fitted.models.items():
        columns = {name: column_values(matrix, name) for name in model.inputs}
        np.testing.assert_array_equal(
            bundle.models[target].link_score(columns), model.link_score(columns)
        )
    for part in ("policy", "segments", "intervals", "reference", "evaluation"):
        assert getattr(bundle, part) == getattr(fitted, part)
    assert bundle.feature_names == tuple(feature.name for feature in fitted.features)
    assert bundle.features[0].label == {"zh": "复购次数", "en": "Repeat purchases"}


def test_a_bundle_of_contract_customers_reads_back_the_same(tmp_path):
    fitted = small_fitted()
    churn = replace(fitted.models["churn"], anchor=Anchor(90, -1.2), trees=None, tree_inputs=())
    models = {"churn": churn, "clv": ContractValue(90, churn, "monetary_value", 80.0)}
    golden = golden_rows(matrix_of(100), models, seed=0)
    config, folder, _ = small_store(tmp_path, replace(fitted, models=models, golden=golden))
    bundle = read_bundle(folder, public_key(config.stores.keys)).on_threads(churn.threads)
    assert (bundle.models["churn"], bundle.models["clv"]) == (churn, models["clv"])


def test_a_comment_model_travels_with_the_bundle(tmp_path):
    n = 200
    comments = pa.table({
        "comment": ["服务很好,非常满意" if i % 2 else "太差了,要退款" for i in range(n)],
        "score": [5.0 if i % 2 else 1.0 for i in range(n)],
        "scale_min": [1.0] * n,
        "scale_max": [5.0] * n,
        "instrument": ["csat"] * n,
        "known_day": pa.array([19_000 + i for i in range(n)], pa.int32()),
    })  # fmt: skip
    sentiment = SentimentModel().fit(comments)
    config, folder, _ = small_store(tmp_path, replace(small_fitted(), sentiment=sentiment))
    read = read_bundle(folder, public_key(config.stores.keys)).sentiment
    texts, days = ["很满意", "退款", None], [19_300] * 3
    np.testing.assert_array_equal(read.score(texts, days), sentiment.score(texts, days))
    assert sentiment.score(texts, days)[0] > sentiment.score(texts, days)[1]


def test_a_bundle_holds_no_pickle_and_no_customer(store):
    folder, _ = store
    assert {file.suffix for file in folder.iterdir()} == {".json", ".txt", ".sig"}
    golden = small_fitted().golden["customer_id"].to_pylist()
    text = "".join(file.read_text() for file in folder.iterdir())
    assert not any(customer_id in text for customer_id in golden)


def test_the_manifest_says_where_the_models_come_from(store):
    folder, keys = store
    manifest = read_bundle(folder, public_key(keys)).manifest
    assert manifest.provenance == PROVENANCE
    assert manifest.versions["policy"] == "vip4"
    assert len(manifest.versions["features"]) == 64
    assert manifest.libraries["lightgbm"].startswith("4.")


def test_any_changed_byte_of_any_file_is_refused_before_parsing(store):
    folder, keys = store
    rng = np.random.default_rng(0)
    for file in sorted(folder.iterdir()):
        whole = file.read_bytes()
        for position in rng.integers(0, len(whole), 5):
            if file.name == SIGNATURE_FILE and position >= 128:
                continue
            damaged = bytearray(whole)
            damaged[position] ^= 1
            file.write_bytes(damaged)
            with pytest.raises(ModelError, match=r"altered"):
                verified(folder, public_key(keys))
        file.write_bytes(whole)
    verified(folder, public_key(keys))


@pytest.mark.parametrize("kept", [0, 1, 100])
def test_a_file_cut_short_is_refused_by_name(store, kept):
    folder, keys = store
    (folder / "churn.txt").write_bytes((folder / "churn.txt").read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"churn\.txt was altered: it has not the length"):
        read_bundle(folder, public_key(keys))


def test_a_missing_and_an_added_file_are_refused_by_name(store):
    folder, keys = store
    (folder / "extra.pkl").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"nobody signed, first 'extra\.pkl'"):
        read_bundle(folder, public_key(keys))
    (folder / "extra.pkl").unlink()
    (folder / "clv.txt").unlink()
    with pytest.raises(ModelError, match=r"lacks 1 file\(s\), first 'clv\.txt'"):
        read_bundle(folder, public_key(keys))


def test_a_link_to_the_right_bytes_elsewhere_is_refused(store, tmp_path):
    folder, keys = store
    (folder / "churn.txt").rename(tmp_path / "elsewhere.txt")
    (folder / "churn.txt").symlink_to(tmp_path / "elsewhere.txt")
    with pytest.raises(ModelError, match=r"churn\.txt was altered"):
        read_bundle(folder, public_key(keys))


def test_another_machines_bundle_is_refused_until_its_key_is_trusted(store, tmp_path):
    folder, keys = store
    theirs = tmp_path / "other" / "keys"
    signing_key(theirs)
    with pytest.raises(ModelError, match=r"copy its signing\.pub"):
        read_bundle(folder, public_key(theirs))
    (theirs / "signing.pub").write_bytes((keys / "signing.pub").read_bytes())
    read_bundle(folder, public_key(theirs))


def test_a_folder_that_is_no_bundle_says_so(tmp_path, store):
    _, keys = store
    with pytest.raises(ModelError, match="is no bundle"):
        read_bundle(tmp_path / "nothing", public_key(keys))


def test_a_bundle_of_another_format_says_which_version_reads_what(store):
    folder, keys = store
    resigned(folder, keys, format=2, invented_later=True)
    with pytest.raises(ModelError, match=r"format 2; this version .* reads format 1"):
        read_bundle(folder, public_key(keys))


def test_a_signed_file_of_unknown_form_says_who_made_it(store):
    folder, keys = store
    (folder / "policy.json").write_text('{"invented": "later"}')
    resigned(folder, keys)
    with pytest.raises(ModelError, match=r"Echelon 0\.\d+\.\d+ made it in a form"):
        read_bundle(folder, public_key(keys))


def test_a_model_that_answers_otherwise_than_when_made_is_refused(store):
    folder, keys = store
    bundle = read_bundle(folder, public_key(keys))
    nudged = replace(bundle.models["churn"], intercept=bundle.models["churn"].intercept + 1e-9)
    with pytest.raises(ModelError, match=r"churn model.*50 of 50 golden rows.*No library changed"):
        check_golden(replace(bundle, models={**bundle.models, "churn": nudged}))


@pytest.mark.slow
def test_the_child_accepts_a_whole_bundle(store):
    folder, keys = store
    check_in_child(folder, public_key(keys))


@pytest.mark.slow
def test_the_child_passes_on_why_it_refuses(store):
    folder, keys = store
    (folder / "clv.json").write_text("{}")
    with pytest.raises(ModelError, match=r"^\S*clv\.json was altered"):
        check_in_child(folder, public_key(keys))


@pytest.mark.slow
def test_a_model_text_that_crashes_its_process_is_refused_with_this_one_alive(store):
    """Only the holder of the key can sign nonsense, and even that must not take us down."""
    folder, keys = store
    text = (folder / "churn.txt").read_text()
    (folder / "churn.txt").write_text(text.replace("left_child=", "left_child=999999 ", 1))
    resigned(folder, keys)
    with pytest.raises(ModelError, match=r"ended its process with code -"):
        check_in_child(folder, public_key(keys))


def test_a_folder_in_use_is_not_written_to(store):
    folder, keys = store
    with pytest.raises(ModelError, match="is not empty"):
        write_bundle(small_fitted(), folder, signing_key(keys), {}, config_in(folder.parent))


def test_changed_declarations_are_noticed(store):
    folder, keys = store
    bundle = read_bundle(folder, public_key(keys))
    features = small_fitted().features
    bundle.check_features(features)
    with pytest.raises(ModelError, match="are not those that the model learnt from"):
        bundle.check_features((*features[:-1], replace(features[-1], window_days=91)))


def test_provenance_names_the_generation_and_every_table(tmp_path):
    records = tmp_path / "20260101"
    records.mkdir()
    file = records / "customers.parquet"
    pq.write_table(pa.table({"customer_id": ["ada", "bob"]}), file)
    (records / "report.json").write_bytes(b"{}")
    assert provenance_of(records) == {
        "records": "20260101",
        "data.customers": hashlib.sha256(file.read_bytes()).hexdigest(),
        "rows.customers": "2",
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ada:s3cret@db/shop", "postgresql://ada:***@db/shop"),
        ("postgresql://ada:p@ss:w@db/shop", "postgresql://ada:***@db/shop"),
        ("https://mlflow.example.com/a:b@c", "https://mlflow.example.com/a:b@c"),
        ("host=db password = 's3 cret' dbname=x", "host=db password = *** dbname=x"),
        ("https://store/x?token=abc&y=1", "https://store/x?token=***&y=1"),
        ("exports/订单.csv", "exports/订单.csv"),
    ],
)
def test_passwords_are_hidden_and_nothing_else_is(text, shown):
    assert redacted_text(text) == shown


def test_a_kept_configuration_has_no_password(tmp_path):
    config = config_in(tmp_path)
    stores = config.stores.model_copy(update={"tracking_uri": "postgresql://u:s3cret@db/m"})
    kept = redacted(config.model_copy(update={"stores": stores}))
    assert kept["stores"]["tracking_uri"] == "postgresql://u:***@db/m"
    assert "s3cret" not in json.dumps(kept)


@pytest.mark.slow
def test_reading_a_bundle_loads_neither_mlflow_nor_shap():
    code = "import sys, training.bundle; print({'mlflow', 'shap'} & set(sys.modules))"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "set()"
