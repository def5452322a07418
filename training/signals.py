"""Adds what is learnt from texts to the records: the sentiment of comments and messages."""

from __future__ import annotations

from dataclasses import replace

from features.sentiment import SIGNALS, SentimentModel, with_sentiment
from features.sources import Records, fetch, records_from_arrow
from features.spark_sentiment import scored_by_workers


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
    written = {name: records.tables[name] for name in SIGNALS if _has_texts(records, name)}
    if records.backend.name == "pyspark":
        by_workers = {
            n: scored_by_workers(records.backend, t, n, model) for n, t in written.items()
        }
        return replace(records, tables={**records.tables, **by_workers})
    tables = {name: fetch(records.backend, table) for name, table in written.items()}
    scored = records_from_arrow(records.backend, with_sentiment(tables, model))
    return replace(records, tables={**records.tables, **{n: scored.tables[n] for n in tables}})


def _has_texts(records: Records, name: str) -> bool:
    text = records.tables[name][SIGNALS[name]]
    counted = records.tables[name].aggregate(texts=text.count())
    return bool(fetch(records.backend, counted)["texts"][0].as_py())
