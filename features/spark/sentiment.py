"""The sentiment of every text, scored by Spark's workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from features.sentiment import SentimentModel, with_sentiment
from features.spark.parts import frame, scratch

if TYPE_CHECKING:
    import ibis


def scored_by_workers(
    backend: ibis.BaseBackend, table: ibis.Table, name: str, model: SentimentModel
) -> ibis.Table:
    """Return the record table ``name`` with the sentiment of its texts, written between steps."""
    rows = frame(backend, table)
    text, names = model.to_json(), rows.columns

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        learnt = SentimentModel.from_json(text)
        for batch in batches:
            scored = with_sentiment({name: pa.Table.from_batches([batch])}, learnt)[name]
            yield from scored.select(names).combine_chunks().to_batches()

    folder = scratch(backend._session, name)
    rows.mapInArrow(score, rows.schema).write.mode("overwrite").parquet(str(folder))
    return backend.read_parquet(str(folder))
