"""What a training was judged by is kept signed, customer by customer, apart from the bundle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from configs.errors import ModelError
from configs.tiers import Lifecycle
from tests.small_bundle import matrix_of, small_bundle
from tests.small_fitted import small_fitted
from training.dataset import Dataset
from training.held_out import HELD_OUT, HeldOut, Trial, held_out_of, read_held_out, write_held_out
from training.signing import public_key, signing_key

LIFECYCLE = Lifecycle(new_within_days=90, lost_after_days=365)


def trial(target: str, day: int, n: int = 300, seed: int = 3) -> Trial:
    model, matrix = small_bundle().models[target], matrix_of(n, day, seed)
    rows = Dataset(matrix, np.ones(n))
    return Trial(rows, model.predict(rows.columns(model.inputs)), model)


def test_every_customer_is_kept_with_outcome_prediction_tier_and_stage():
    bundle = small_bundle()
    held_out = held_out_of(
        {"churn": trial("churn", 20_300), "clv": trial("clv", 20_000)}, bundle.policy, LIFECYCLE
    )
    churn = held_out.of("churn")
    assert churn.schema == HELD_OUT
    assert churn["cutoff"].unique().to_pylist() == [20_300]
    assert churn["customer_id"].to_pylist() == [f"C{i:06d}" for i in range(300)]
    assert set(churn["tier"].to_pylist()) <= set(bundle.policy.codes)
    assert "prospect" in churn["lifecycle"].to_pylist()


def test_a_value_model_of_a_later_day_gives_no_tiers_to_an_earlier_one():
    trials = {"churn": trial("churn", 19_000), "clv": trial("clv", 20_000)}
    held_out = held_out_of(trials, small_bundle().policy, LIFECYCLE)
    assert held_out.of("churn")["tier"].null_count == 300
    assert held_out.of("clv")["tier"].null_count == 0


def test_what_was_written_reads_back_and_its_twins_predict_the_same(tmp_path):
    trials = {"churn": trial("churn", 20_300), "clv": trial("clv", 20_000)}
    held_out = held_out_of(trials, small_bundle().policy, LIFECYCLE)
    write_held_out(
        replace(small_fitted(), held_out=held_out), tmp_path / "h", signing_key(tmp_path)
    )
    again = read_held_out(tmp_path / "h", public_key(tmp_path))
    assert again.predictions.equals(held_out.predictions)
    for target, one in trials.items():
        columns = one.rows.columns(again.twins[target].inputs)
        assert np.array_equal(again.twins[target].predict(columns), one.predicted)


def test_a_prediction_changed_afterwards_is_refused(tmp_path):
    write_held_out(small_fitted(), tmp_path / "h", signing_key(tmp_path))
    (tmp_path / "h" / "predictions.parquet").write_bytes(b"PAR1")
    with pytest.raises(ModelError, match="was altered"):
        read_held_out(tmp_path / "h", public_key(tmp_path))


def test_nothing_measured_leaves_nothing():
    nothing = held_out_of({}, small_bundle().policy, LIFECYCLE)
    assert nothing.predictions.equals(HeldOut().predictions)
    assert nothing.of("churn").num_rows == 0
    assert isinstance(nothing.predictions, pa.Table)
