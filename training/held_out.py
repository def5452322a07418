"""What a training was judged by: customers its measured models never saw, and those models.

A bundle holds no customer, so two versions could be compared on the same customers only by
training both again. Every training therefore leaves beside its bundle, in the registry's run, the
predictions of its *measured twins* for each customer with what came after, and the twins
themselves, which can be judged on any later day. The folder is signed like a bundle.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from numpy.typing import NDArray

from configs.tiers import Lifecycle
from training.anchor import TargetName
from training.dataset import Dataset
from training.lifecycle import stages
from training.manifest import Manifest, manifest_of, verified, write_signed
from training.models import Model, read_model
from training.policy import Policy

if TYPE_CHECKING:
    from training.fitted import Fitted

Vector = NDArray[np.float64]
HELD_OUT_FOLDER = "held_out"
PREDICTIONS_FILE = "predictions.parquet"
TARGETS_FILE = "targets.json"
HELD_OUT = pa.schema(
    [
        ("customer_id", pa.string()),
        ("cutoff", pa.int32()),
        ("target", pa.string()),
        ("y", pa.float64()),
        ("p", pa.float64()),
        ("tier", pa.string()),
        ("lifecycle", pa.string()),
    ]
)
"""A customer at the evaluation cutoff of a target: what came after (``y``: 1 for lost, or money),
what was predicted (``p``), the tier that the value expected then would have had, and the stage."""


@dataclass(frozen=True)
class Trial:
    """One target as it was measured.

    Attributes:
        rows: the customers it was measured on, with what came after.
        predicted: shape (n,), by models that knew nothing after the rows' cutoff.
        twin: the measured model; ``None`` where folds of customers took its place.
    """

    rows: Dataset
    predicted: Vector
    twin: Model | None = None


@dataclass(frozen=True)
class HeldOut:
    """Predictions of schema ``HELD_OUT`` and the twins that made them."""

    predictions: pa.Table = field(default_factory=HELD_OUT.empty_table)
    twins: Mapping[TargetName, Model] = field(default_factory=dict)

    def of(self, target: str) -> pa.Table:
        """Return the predictions of one target."""
        rows = np.array(self.predictions["target"].to_pylist(), dtype=object) == target
        return self.predictions.filter(pa.array(rows, pa.bool_()))


def held_out_of(
    trials: Mapping[TargetName, Trial], policy: Policy, lifecycle: Lifecycle
) -> HeldOut:
    """Return what ``trials`` predicted, every customer with the tier and stage of that day.

    The tier is that of the value which the measured value model expects; its own evaluation
    cutoff is no later than churn's as long as its horizon is no shorter, else it is left out.
    """
    value = trials.get("clv")
    tables = [
        _rows(target, trial, _tiers(trial, value, policy), lifecycle)
        for target, trial in trials.items()
    ]
    twins = {target: one.twin for target, one in trials.items() if one.twin is not None}
    return HeldOut(pa.concat_tables([HELD_OUT.empty_table(), *tables]).combine_chunks(), twins)


def write_held_out(fitted: Fitted, folder: Path, key: Ed25519PrivateKey) -> Manifest:
    """Write what ``fitted`` was judged by to the empty ``folder``, signed."""
    held_out = fitted.held_out
    files = {PREDICTIONS_FILE: _parquet(held_out.predictions)}
    files[TARGETS_FILE] = json.dumps(sorted(held_out.twins)).encode()
    for twin in held_out.twins.values():
        files |= twin.to_files()
    made = manifest_of(files, key.public_key(), fitted.as_of, fitted.cutoffs, {}, {})
    write_signed(folder, files, made, key)
    return made


def read_held_out(folder: Path, key: Ed25519PublicKey) -> HeldOut:
    """Return what is in ``folder``; nothing is parsed before signature and digests hold.

    Raises:
        ModelError: see :func:`training.manifest.verified`.
    """
    files = verified(folder, key).files
    predictions = pq.read_table(pa.BufferReader(files[PREDICTIONS_FILE])).cast(HELD_OUT)
    twins = {target: read_model(target, files) for target in json.loads(files[TARGETS_FILE])}
    return HeldOut(predictions, twins)


def _rows(target: str, trial: Trial, tiers: pa.Array, lifecycle: Lifecycle) -> pa.Table:
    rows, n = trial.rows, len(trial.rows)
    names = [name for name in ("recency_days", "tenure_days") if name in rows.names]
    columns = {
        "customer_id": rows.customer_ids,
        "cutoff": rows.cutoff,
        "target": pa.array([target] * n, pa.string()),
        "y": rows.y,
        "p": trial.predicted,
        "tier": tiers,
        "lifecycle": pa.array(stages(rows.columns(names), n, lifecycle).tolist(), pa.string()),
    }
    return pa.table(columns).cast(HELD_OUT)


def _tiers(trial: Trial, value: Trial | None, policy: Policy) -> pa.Array:
    """Return the tiers of the rows of ``trial``, null where no value model may speak of them."""
    rows = trial.rows
    expected = None
    if value is not None and value.rows.matrix is rows.matrix:
        expected = value.predicted
    elif value is not None and value.twin is not None and value.rows.cutoffs <= rows.cutoffs:
        expected = rows.each(value.twin.inputs, value.twin.predict)
    if expected is None:
        return pa.nulls(len(rows), pa.string())
    guarded = rows.columns(policy.guard_inputs)
    codes = policy.assign(expected, guard_columns=guarded).codes
    return pa.array(codes.tolist(), pa.string())


def _parquet(table: pa.Table) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()
