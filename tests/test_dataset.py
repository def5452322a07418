"""Snapshots in time: nothing that is trained on closes after the day it is measured from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import training.dataset as dataset_module
from configs.errors import TrainingError
from configs.learning import Snapshots
from training.dataset import (
    Dataset,
    calibration_split,
    closed_by,
    grid,
    split_steady,
)

USUAL = Snapshots(spacing_days=28, count=8, year_back=True, minimum_history_days=182)


def rows(**features) -> Dataset:
    n = len(next(iter(features.values())))
    keys = {
        "customer_id": [f"C{i:04d}" for i in range(n)],
        "cutoff": pa.array([100] * n, pa.int32()),
    }
    return Dataset(pa.table(keys | {k: pa.array(v, pa.float64()) for k, v in features.items()}))


@given(
    st.integers(7, 400),
    st.integers(0, 3_000),
    st.integers(1, 40),
    st.integers(1, 12),
    st.booleans(),
)
def test_every_horizon_trained_on_has_closed_by_the_day_it_is_measured_from(
    horizon, length, spacing, count, year_back
):
    snapshots = Snapshots(
        spacing_days=spacing, count=count, year_back=year_back, minimum_history_days=90
    )
    cutoffs = grid(snapshots, horizon, 0, length, None)
    assert all(cutoff + horizon <= length for cutoff in cutoffs.served)
    if cutoffs.evaluation is not None:
        assert cutoffs.evaluation > 0
        assert all(cutoff + horizon <= cutoffs.evaluation for cutoff in cutoffs.measured)
        assert cutoffs.evaluation + horizon <= length


def test_two_years_give_a_grid_and_the_cutoff_a_year_back():
    assert closed_by(600, USUAL, 182, 0) == (222, 235, 250, 278, 306, 334, 362, 390, 418)


def test_a_short_history_gives_one_cutoff_and_a_shorter_one_none():
    assert closed_by(200, USUAL, 90, 0) == (110,)
    assert closed_by(120, USUAL, 90, 0) == ()


def test_a_short_history_measures_the_purchase_model_alone():
    cutoffs = grid(USUAL, 365, 0, 700, None)
    assert (cutoffs.evaluation, cutoffs.measured) == (335, ())
    assert cutoffs.served == (195, 223, 251, 279, 307, 335)


def test_without_a_closed_horizon_nothing_is_measured():
    assert grid(USUAL, 365, 0, 365, None).evaluation is None
    assert grid(USUAL, 90, 0, 600, evaluation=511).evaluation is None


def test_calibration_rows_share_no_label_window_with_training():
    earlier, latest = calibration_split((0, 28, 56, 84, 112, 140), 60, fewest=3)
    assert (earlier, latest) == ((0, 28, 56), (140,))
    assert all(cutoff + 60 <= latest[0] for cutoff in earlier)
    assert calibration_split((0, 28, 56), 60, fewest=3) is None


def test_labels_join_their_rows_and_rows_without_one_are_left_out():
    data = rows(x=[1.0, 2.0, 3.0])
    labels = data.matrix.select(["customer_id", "cutoff"]).append_column(
        "ended", pa.array([0.0, None, 1.0])
    )
    labelled = data.labelled(labels, "ended")
    assert labelled.y.tolist() == [0.0, 1.0]
    assert labelled.columns(["x"])["x"].tolist() == [1.0, 3.0]


def test_labels_of_other_customers_are_refused():
    with pytest.raises(TrainingError, match="3 customers"):
        rows(x=[1.0, 2.0, 3.0]).labelled(rows(ended=[1.0]).matrix, "ended")


def test_missing_values_become_nan_and_buyers_are_who_has_a_frequency():
    data = rows(frequency=[0.0, None, 2.0])
    assert np.isnan(data.X(["frequency"])[1, 0])
    assert len(data.buyers()) == 2
    assert data.X([]).shape == (3, 0)


def test_asking_for_labels_that_do_not_exist_is_an_error():
    with pytest.raises(TrainingError, match="no label"):
        _ = rows(x=[1.0]).y


def test_a_feature_whose_values_moved_is_told_from_one_that_stayed():
    rng = np.random.default_rng(0)
    before = rows(tenure=rng.uniform(0, 200, 500), spend=rng.gamma(1, 50, 500), nps=[None] * 500)
    now = rows(tenure=rng.uniform(0, 700, 500), spend=rng.gamma(1, 60, 500), nps=[5.0] * 500)
    kept, moved = split_steady(before, now, ["tenure", "spend", "nps"])
    assert (kept, moved) == (("spend",), ("tenure", "nps"))


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.sampled_from([0, 64]))
def test_rows_are_the_same_whether_shared_or_copied(keep, runs):
    rows = pa.table({"customer_id": [str(i) for i in range(len(keep))], "cutoff": range(len(keep))})
    keep = np.array(keep)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dataset_module, "MOST_RUNS", runs)
        kept = Dataset(rows, np.arange(len(keep), dtype=float)).where(keep)
    assert kept.matrix["cutoff"].to_pylist() == np.flatnonzero(keep).tolist()
    assert kept.y.tolist() == np.flatnonzero(keep).tolist()
