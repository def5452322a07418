"""Contract customers whose history is already aggregated."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from configs.errors import FeatureError
from configs.records import SnapshotFile, SnapshotSource
from configs.section import Text
from features.snapshot import snapshot_features, snapshot_matrix
from serving.scores.matrix import with_absent
from training.described import described

SNAPSHOT = SnapshotSource(
    source=SnapshotFile(path="contracts.csv"),
    label="left",
    positive="yes",
    observed_on=dt.date(2024, 3, 31),
    numbers=("months",),
    categories=("contract",),
    names={"contract": Text(zh="合同", en="Contract")},
)
ROWS = pa.table(
    {
        "customer_id": ["bob", "ada", "eve"],
        "label": pa.array([0, 1, 0], pa.int8()),
        "months": [12.0, 3.0, None],
        "contract": ["two years", "monthly", None],
    }
)


def test_numbers_stay_and_categories_become_one_column_per_level() -> None:
    matrix = snapshot_matrix(snapshot_features(SNAPSHOT, ROWS), ROWS, cutoff=19_813)
    assert matrix.to_pylist() == [
        {"customer_id": "ada", "cutoff": 19_813, "months": 3,
         "contract=monthly": 1, "contract=two years": 0},
        {"customer_id": "bob", "cutoff": 19_813, "months": 12,
         "contract=monthly": 0, "contract=two years": 1},
        {"customer_id": "eve", "cutoff": 19_813, "months": None,
         "contract=monthly": 0, "contract=two years": 0},
    ]  # fmt: skip


def test_a_level_that_was_not_there_in_training_is_at_none() -> None:
    features = snapshot_features(SNAPSHOT, ROWS)
    new = pa.table({"customer_id": ["fay"], "months": [1.0], "contract": ["weekly"]})
    [row] = snapshot_matrix(features, new).to_pylist()
    assert (row["contract=monthly"], row["contract=two years"]) == (0, 0)


def test_labels_come_from_the_configuration_or_the_column() -> None:
    months, monthly, _ = snapshot_features(SNAPSHOT, ROWS)
    assert months.label == {"zh": "months", "en": "months"}
    assert monthly.label == {"zh": "合同=monthly", "en": "Contract=monthly"}
    assert (monthly.concept, monthly.family) == ("contract", "snapshot")


def test_the_definition_of_a_level_tells_column_and_level() -> None:
    assert [str(one.value) for one in snapshot_features(SNAPSHOT, ROWS)] == [
        "months",
        "contract = 'monthly'",
        "contract = 'two years'",
    ]


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(FeatureError, match="'contract' is not in the records"):
        snapshot_features(SNAPSHOT, ROWS.drop_columns(["contract"]))
    with pytest.raises(FeatureError, match="did you mean 'month'"):
        snapshot_matrix(
            snapshot_features(SNAPSHOT, ROWS),
            ROWS.rename_columns(["customer_id", "label", "month", "contract"]),
        )


def test_a_level_nobody_is_at_any_more_is_none_and_a_number_no_longer_given_is_missing() -> None:
    features = [described(one) for one in snapshot_features(SNAPSHOT, ROWS)]
    only = pa.table({"customer_id": ["fay"], "cutoff": [1], "contract=monthly": [1.0]})
    [row] = with_absent(only, features).to_pylist()
    assert (row["contract=two years"], row["months"]) == (0.0, None)
    assert list(row)[2:] == [one.name for one in features]
