"""The sentiment of texts among the records: as the model says, whatever the engine and order."""

from __future__ import annotations

from hashlib import md5

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.sentiment import BLOCK_DAYS, with_sentiment
from features.sources import fetch, open_engine, records_from_arrow
from tests.engines import settings
from training import signals
from training.signals import learn_sentiment, with_signals

WORDS = {1: ["awful, never again", "too slow"], 5: ["lovely, thank you", "quick and kind"]}


def answers(n: int) -> pa.Table:
    """Return rated comments over two blocks of days, some said twice, some of nothing."""
    rng = np.random.default_rng(3)
    score = rng.choice([1, 5], n)
    day = rng.integers(0, 3 * BLOCK_DAYS, n).astype(np.int32)
    said = [WORDS[int(one)][int(i)] for one, i in zip(score, rng.integers(0, 2, n), strict=True)]
    said = [None if i % 7 == 0 else "" if i % 11 == 0 else text for i, text in enumerate(said)]
    return pa.table(
        {
            "customer_id": [f"C{i % 40:02d}" for i in range(n)],
            "occurred_at": pa.array(day.astype("datetime64[D]").astype("datetime64[us]")),
            "day": day,
            "known_day": day,
            "instrument": ["csat"] * n,
            "score": score.astype(float),
            "comment": said,
        }
    )


@pytest.mark.parametrize("rows", [100_000, 9])
def test_every_text_has_the_sentiment_that_the_model_gives_it_on_its_day(monkeypatch, rows):
    whole = signals.fetch_batches
    monkeypatch.setattr(signals, "fetch_batches", lambda *of: whole(*of, rows))
    records = records_from_arrow(open_engine(settings("duckdb")), {"satisfaction": answers(900)})
    model = learn_sentiment(records, 3 * BLOCK_DAYS)
    table = fetch(records.backend, with_signals(records, model).tables["satisfaction"])
    expected = with_sentiment({"satisfaction": table}, model)["satisfaction"]["sentiment"]
    order = records.tables["satisfaction"].columns
    assert len(table) == 900
    assert list(table.column_names) == list(order)
    assert table["sentiment"].to_pylist() == expected.to_pylist()
    assert 0 < table["sentiment"].null_count < 900


def test_each_text_is_scored_once_and_kept_without_its_words(tmp_path):
    records = records_from_arrow(open_engine(settings("duckdb")), {"satisfaction": answers(900)})
    model = learn_sentiment(records, 3 * BLOCK_DAYS)
    told = [
        fetch(records.backend, with_signals(records, model, kept).tables["satisfaction"])
        .sort_by([("customer_id", "ascending"), ("occurred_at", "ascending")])["sentiment"]
        .to_pylist()
        for kept in (None, tmp_path, tmp_path)
    ]
    assert told[0] == told[1] == told[2]
    (file,) = tmp_path.iterdir()
    kept = pq.read_table(file)
    assert kept.column_names == ["digest", "block", "sentiment"]
    assert len(kept) <= 3 * 5
    texts = ["", *WORDS[1], *WORDS[5]]
    assert set(kept["digest"].to_pylist()) == {md5(text.encode()).digest() for text in texts}
    moment = file.stat().st_mtime_ns
    with_signals(records, model, tmp_path)
    assert file.stat().st_mtime_ns == moment
