"""Scores and reasons of all customers of the live publication, as Echelon makes them.

    python -m benchmarks.scale.contest.our_scores CONFIG OUT

The features are read from the publication, so that only scoring and explaining is measured.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from configs.load import load
from serving.endpoint.served import open_served
from serving.scores.publication import FEATURES_FILE, open_live


def main() -> None:
    """Write scores and reasons to OUT and beside it."""
    config, out = load(Path(sys.argv[1]), os.environ), Path(sys.argv[2])
    live = open_live(config.stores.publications)
    reasoner = open_served(config, live.folder).reasoner
    with pq.ParquetFile(live.folder / FEATURES_FILE) as features:
        schema = features.schema_arrow
        writers: dict[str, pq.ParquetWriter] = {}
        for batch in features.iter_batches(config.serving.score_rows_at_once):
            matrix = pa.Table.from_batches([batch], schema)
            scores = reasoner.scorer.score(matrix)
            for name, table in {
                "scores": scores,
                "reasons": reasoner.reasons(matrix, scores),
            }.items():
                if name not in writers:
                    writers[name] = pq.ParquetWriter(out.with_suffix(f".{name}"), table.schema)
                writers[name].write_table(table)
    for writer in writers.values():
        writer.close()


if __name__ == "__main__":
    main()
