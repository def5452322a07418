"""Adds what is learnt from texts to the records: the sentiment of comments and messages.

Texts are scored some thousand at a time and laid on disk, each with its customer and the block of
days it was known in; DuckDB joins them to their rows. Spark's workers score ranges of customers. No
table of records is held in memory.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from configs.schema import Engine
from features.sentiment import BLOCK_DAYS, SIGNALS, SentimentModel
from features.sources import Records, fetch, fetch_batches
from features.spark.sentiment import scored_by_workers
from features.spark.session import open_session
from features.stored.kept_sentiment import KEPT, KEYS, KeptSentiments, digest_of

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


def with_signals(
    records: Records,
    model: SentimentModel | None,
    kept: Path | None = None,
    engine: Engine | None = None,
) -> Records:
    """Return ``records`` with the sentiment of every text, as known on its own day.

    Args:
        records: the canonical tables.
        model: what was learnt; without one nothing is added.
        kept: folder where sentiments found before are kept, and new ones added.
        engine: Spark's workers score what lies in files; default: all is scored here.
    """
    if model is None:
        return records
    written = [name for name in SIGNALS if _has_texts(records, name)]
    if engine is not None and engine.name == "spark" and records.files is not None:
        return scored_by_workers(open_session(engine), records, written, model, kept)
    with KeptSentiments(model, kept) as known:
        told = {name: _scored(records, name, model, known) for name in written}
    return Records(records.backend, {**records.tables, **told})


def _has_texts(records: Records, name: str) -> bool:
    text = records.tables[name][SIGNALS[name]]
    counted = records.tables[name].aggregate(texts=text.count())
    return bool(fetch(records.backend, counted)["texts"][0].as_py())


def _scored(
    records: Records, name: str, model: SentimentModel, known: KeptSentiments
) -> ibis.Table:
    """Return the table ``name`` with the sentiment of its texts, joined to them from disk."""
    table, path = records.tables[name], _scratch() / f"{name}.parquet"
    with pq.ParquetWriter(path, SCORED) as writer:
        for batch in _texts_of(records, name, known.table):
            writer.write_batch(_with_sentiment(batch, model, known))
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


def _texts_of(records: Records, name: str, known: pa.Table) -> Iterator[pa.RecordBatch]:
    """Yield every different text of each customer and block, by customer, with what is known."""
    table = records.tables[name]
    said = table.filter(table[SIGNALS[name]].notnull())
    said = said.select(said_by=said.customer_id, said=said[SIGNALS[name]], block=_block(said))
    each = said.distinct().mutate(digest=lambda t: digest_of(t.said))
    kept = ibis.memtable(known.append_column("is_known", pa.array([True] * len(known), pa.bool_())))
    beside = each.left_join(kept, KEYS).select(*each.columns, "sentiment", "is_known")
    return fetch_batches(records.backend, beside.order_by("said_by", "block", "said"))


def _with_sentiment(
    batch: pa.RecordBatch, model: SentimentModel, known: KeptSentiments
) -> pa.RecordBatch:
    """Return the batch as ``SCORED``; texts that nothing is known of are scored, and kept."""
    sentiment = batch.column("sentiment").to_numpy(zero_copy_only=False).copy()
    is_new = batch.column("is_known").is_null()
    new = batch.filter(is_new)
    days = np.asarray(new.column("block").to_numpy(), dtype=np.int64) * BLOCK_DAYS
    scored = model.score(new.column("said").to_pylist(), days)
    sentiment[is_new.to_numpy(zero_copy_only=False)] = scored
    columns = [new.column(key) for key in KEYS]
    columns.append(pa.array(scored, pa.float64(), from_pandas=True))
    known.add(pa.table(columns, names=KEPT.names).cast(KEPT))
    values = pa.array(sentiment, pa.float64(), from_pandas=True)
    named = [batch.column(name) for name in ("said_by", "said", "block")]
    return pa.record_batch([*named, values], names=SCORED.names).cast(SCORED)


def _block(table: ibis.Table) -> Any:
    return table.known_day.cast("int64").floordiv(BLOCK_DAYS).cast("int64")
