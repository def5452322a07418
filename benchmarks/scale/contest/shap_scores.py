"""Predictions and contributions of the same trees by LightGBM and ``shap`` alone.

    python -m benchmarks.scale.contest.shap_scores CONFIG OUT

No purchase model, calibration, interval, tier or sentence: what one has without Echelon.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shap

from configs.load import load
from serving.endpoint.served import bundle_of
from serving.scores.publication import FEATURES_FILE, open_live
from training.additive import AdditiveModel


def main() -> None:
    """Write predictions and contributions of every target to OUT."""
    config, out = load(Path(sys.argv[1]), os.environ), Path(sys.argv[2])
    live = open_live(config.stores.publications)
    models = {
        target: model
        for target, model in bundle_of(live, config).models.items()
        if isinstance(model, AdditiveModel) and model.trees is not None
    }
    boosters = {target: lgb.Booster(model_str=model.trees) for target, model in models.items()}
    explainers = {target: shap.TreeExplainer(booster) for target, booster in boosters.items()}
    writer = None
    with pq.ParquetFile(live.folder / FEATURES_FILE) as features:
        for batch in features.iter_batches(config.serving.score_rows_at_once):
            columns = {"customer_id": batch["customer_id"]}
            for target, model in models.items():
                X = np.column_stack([_numbers(batch[name]) for name in model.tree_inputs])
                columns[target] = pa.array(boosters[target].predict(X))
                parts = explainers[target].shap_values(X)
                columns |= {
                    f"{target} {name}": pa.array(parts[:, i])
                    for i, name in enumerate(model.tree_inputs)
                }
            table = pa.table(columns)
            writer = writer or pq.ParquetWriter(out, table.schema)
            writer.write_table(table)
    assert writer is not None, "a publication has customers"
    writer.close()


def _numbers(column: pa.Array) -> np.ndarray:
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)


if __name__ == "__main__":
    main()
