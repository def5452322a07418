"""Training from disk: the same rows, the same bins and the same models as from memory."""

from __future__ import annotations

from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pytest

from features.matrix import store
from tests.test_boosting import LATER, TRAIN, churned, fitted
from training.binned import _Rows, bin_seed, binned
from training.dataset import Dataset, split_steady, varying
from training.stored_rows import StoredRows

NAMES = ["frequency", "monetary_value", "csat_mean_364d", "always_the_same"]


def on_disk(data: Dataset, folder: Path) -> Dataset:
    """Return the same rows, laid into ``folder`` and read from there."""
    matrix = data.matrix.sort_by([("cutoff", "ascending"), ("customer_id", "ascending")])
    assert isinstance(matrix, pa.Table)
    return Dataset(StoredRows.of(store([matrix], data.cutoffs, folder)), data.label)


def in_order(data: Dataset) -> Dataset:
    """Return the rows as matrices have them: by cutoff and customer."""
    order = np.lexsort([data.customer_ids.to_pylist(), data.cutoff])
    return Dataset(data.matrix.take(pa.array(order)), data.y[order])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    """Return the training rows in memory and on disk."""
    held = in_order(TRAIN)
    return held, on_disk(held, tmp_path_factory.mktemp("rows") / "features")


def same(one: Dataset, other: Dataset) -> bool:
    """Return whether both hold the same rows, in the same order."""
    table, stored = one.matrix, other.held().matrix
    return bool(table.equals(stored)) and one.y.tolist() == other.y.tolist()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_rows_that_are_kept_of_rows_that_were_kept_are_the_same(both, share):
    keep = np.random.default_rng(0).random(len(both[0])) < share
    one, other = (data.where(keep).buyers() for data in both)
    assert same(one, other)
    assert one.cutoffs == other.cutoffs
    assert one.n_customers == other.n_customers
    assert same(one.thinned(100), other.thinned(100))


def test_cutoffs_and_columns_are_the_same(both):
    one, other = (data.at([28, 146]).only(NAMES[:2]) for data in both)
    assert same(one, other)
    assert one.names == other.names


def test_batches_follow_one_another_without_a_gap(both):
    for data in both:
        assert np.array_equal(
            data.each(["frequency"], lambda columns: columns["frequency"]),
            data.columns(["frequency"])["frequency"],
            equal_nan=True,
        )


def test_columns_that_vary_and_that_moved_are_the_same(both):
    one, other = (varying(data.buyers(), NAMES) for data in both)
    assert one == other == NAMES[:3]
    one, other = (split_steady(data, LATER, NAMES[:3]) for data in both)
    assert one == other


@pytest.mark.slow
def test_models_learnt_from_disk_and_from_memory_are_the_same(both, tmp_path):
    held, stored = both
    for target, of in (("churn", churned), ("clv", lambda data: data)):
        one = fitted(target, of(held), LATER)
        other = fitted(target, of(stored), on_disk(in_order(LATER), tmp_path / target))
        assert other.model.trees == one.model.trees
        assert other.model.intercept == pytest.approx(one.model.intercept, rel=1e-9, abs=1e-12)
        assert other.model.anchor == one.model.anchor
        assert other.notes == one.notes


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 123_456])
def test_bins_of_many_rows_are_those_of_a_matrix_in_memory(seed):
    n = 210_000  # beyond the 200,000 rows that LightGBM draws to find bins
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), np.where(rng.random(n) < 0.3, np.nan, rng.gamma(2, 9, n).round(1))
    rows = Dataset(pa.table({"a": a, "b": pa.array(b, from_pandas=True)}))
    y, parameters = (a > 0.3).astype(float), {"objective": "binary", "seed": seed, "verbosity": -1}
    parameters |= {"num_threads": 1, "num_leaves": 4}
    whole = lgb.train(parameters, lgb.Dataset(np.column_stack([a, b]), y), 3)
    given = parameters | bin_seed(seed)
    streamed = lgb.train(given, binned(rows, ["a", "b"], y, given), 3)
    assert streamed.model_to_string() == whole.model_to_string()


def test_a_row_that_lightgbm_keeps_does_not_keep_its_batch(both):
    assert _Rows(both[1], NAMES)[7].base is None
