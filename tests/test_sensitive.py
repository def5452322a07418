"""Who somebody is stays out of scoring unless a configuration says otherwise."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from configs.load import load, shipped
from configs.records import SnapshotFile, SnapshotSource, Sources
from features.sensitive import is_sensitive, sensitive_columns, without_sensitive
from training.fit import fit

DEFAULT = load(None, {}).features.sensitive


@pytest.mark.parametrize(
    "column",
    ["gender", "SEX", "Customer_Age", "SeniorCitizen", "maritalStatus", "客户性别", "出生日期"],
)
def test_a_name_that_says_who_somebody_is_counts_as_sensitive(column):
    assert is_sensitive(column, DEFAULT)


@pytest.mark.parametrize(
    "column",
    ["average_spend", "Months_on_book", "tenure", "Contract", "usage", "page_views"],
)
def test_a_word_within_another_word_does_not(column):
    assert not is_sensitive(column, DEFAULT)


def test_a_contract_company_is_scored_without_them_by_default_and_with_them_on_request(tmp_path):
    given = {"ECHELON_DATA": str(tmp_path)}
    config = load(shipped("datasets/telco.yaml"), given)
    snapshot = config.sources.snapshot
    words = config.features.sensitive
    assert sensitive_columns(snapshot, words) == ("gender", "SeniorCitizen")
    kept = without_sensitive(snapshot, words)
    assert {"gender", "SeniorCitizen"} == {*snapshot.categories} - {*kept.categories}
    asked = load(shipped("datasets/telco.yaml"), given | {"ECHELON_FEATURES__SENSITIVE": "[]"})
    assert without_sensitive(snapshot, asked.features.sensitive) == snapshot


@pytest.mark.slow
def test_what_is_left_out_is_in_no_model_and_what_is_asked_for_is():
    rng = np.random.default_rng(1)
    gender = rng.choice(["f", "m"], 120)
    months = rng.integers(1, 60, 120).astype(float)
    label = (rng.random(120) < 0.3).astype(float)
    table = pa.table(
        {
            "customer_id": [f"c{i:03d}" for i in range(120)],
            "months": months,
            "gender": gender,
            "label": label,
        }
    )
    snapshot = SnapshotSource(
        source=SnapshotFile(path="x.csv"),
        label="label",
        positive="1",
        observed_on="2024-01-01",
        numbers=("months",),
        categories=("gender",),
    )
    config = load(None, {"ECHELON_TRAINING__THREADS": "1"})
    config = config.model_copy(update={"sources": Sources(snapshot=snapshot)})
    by_default = fit(config, table)
    assert [feature.name for feature in by_default.features] == ["months"]
    assert any("gender" in note.en for note in by_default.evaluation.targets["churn"].notes)
    choice = config.features.model_copy(update={"sensitive": ()})
    asked = fit(config.model_copy(update={"features": choice}), table)
    assert {"gender=f", "gender=m"} < {feature.name for feature in asked.features}
