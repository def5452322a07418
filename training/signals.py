"""Adds what is learnt from texts to the records: the sentiment of comments and messages.

Texts are scored some thousand at a time and laid on disk, each with its customer and the block of
days it was known in; DuckDB joins them to their rows. Spark's workers score their own rows. No
table of records is held in memory.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.sentiment import BLOCK_DAYS, SIGNALS, SentimentModel
from features.sources import Records, fetch, fetch_batches
from features.spark_sentiment import scored_by_workers

SCORED = pa.schema(
    [
        ("said_by", pa.string()),
        ("said", pa.string()),
        ("block", pa.int64()),
        ("said_sentiment", pa.float64()),
    ]
)
"""A text of a customer, the block of days in which it was known, and its sentiment."""


def learn_sentiment(records: Records, as_of: int) -> SentimentModel | None:
    """Return the model of the rated comments known by ``as_of``; ``None`` if they teach nothing."""
    satisfaction = records.tables["satisfaction"]
    commented = satisfaction.filter(satisfaction.comment.notnull(), satisfaction.known_day <= as_of)
    model = SentimentModel().fit(fetch(records.backend, commented))
    return model if model.blocks_ else None


def with_signals(records: Records, model: SentimentModel | None) -> Records:
    """Return ``records`` with the sentiment of every text, as known on its own day."""
    if model is None:
        return records
    written = [name for name in SIGNALS if _has_texts(records, name)]
    score = _by_workers if records.backend.name == "pyspark" else _scored
    told = {name: score(records, name, model) for name in written}
    return replace(records, tables={**records.tables, **told})


def _has_texts(records: Records, name: str) -> bool:
    text = records.tables[name][SIGNALS[name]]
    counted = records.tables[name].aggregate(texts=text.count())
    return bool(fetch(records.backend, counted)["texts"][0].as_py())


def _by_workers(records: Records, name: str, model: SentimentModel) -> ibis.Table:
    return scored_by_workers(records.backend, records.tables[name], name, model)


def _scored(records: Records, name: str, model: SentimentModel) -> ibis.Table:
    """Return the table ``name`` with the sentiment of its texts, joined to them from disk."""
    table, path = records.tables[name], _scratch() / f"{name}.parquet"
    with pq.ParquetWriter(path, SCORED) as writer:
        for batch in _texts_of(records, name):
            writer.write_batch(_with_sentiment(batch, model))
    scored = records.backend.read_parquet(str(path))
    same = [
        table.customer_id == scored.said_by,
        table[SIGNALS[name]] == scored.said,
        _block(table) == scored.block,
    ]
    joined = table.drop("sentiment").left_join(scored, same).rename(sentiment="said_sentiment")
    return joined.select(*table.columns)


def _scratch() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="echelon-texts-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _texts_of(records: Records, name: str) -> Iterator[pa.RecordBatch]:
    """Yield every different text of each customer and block, by customer."""
    table = records.tables[name]
    said = table.filter(table[SIGNALS[name]].notnull())
    said = said.select(said_by=said.customer_id, said=said[SIGNALS[name]], block=_block(said))
    return fetch_batches(records.backend, said.distinct().order_by("said_by", "block", "said"))


def _with_sentiment(batch: pa.RecordBatch, model: SentimentModel) -> pa.RecordBatch:
    days = np.asarray(batch.column("block").to_numpy(), dtype=np.int64) * BLOCK_DAYS
    sentiment = model.score(batch.column("said").to_pylist(), days)
    values = pa.array(sentiment, pa.float64(), from_pandas=True)
    return pa.record_batch([*batch.columns, values], names=SCORED.names).cast(SCORED)


def _block(table: ibis.Table) -> Any:
    return table.known_day.cast("int64").floordiv(BLOCK_DAYS).cast("int64")
