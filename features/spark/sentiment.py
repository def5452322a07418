"""The sentiment of every text, scored by Spark's workers."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from configs.files import draft_folder, sweep_drafts
from features.sentiment import SentimentModel, with_sentiment
from features.sources import Files, Records, fetch_batches, records_of
from features.spark.parts import spread
from features.spark.ranges import Range, ranges
from features.spark.worker_engine import on_worker
from features.stored.staging import ROWS_A_GROUP

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def scored_by_workers(
    session: SparkSession,
    records: Records,
    names: Sequence[str],
    model: SentimentModel,
    folder: Path | None,
) -> Records:
    """Return ``records`` with the sentiment of the texts in the tables ``names``.

    These tables are written anew to ``folder``, which workers see (default: the system's own for
    such), and removed when this process ends.
    """
    assert records.files is not None
    parts = ranges({n: tuple(p.resolve() for p in files) for n, files in records.files.items()})
    target, text = _until_the_end(folder or Path(tempfile.gettempdir())), model.to_json()

    def score(number: int) -> dict[str, Any]:
        learnt = SentimentModel.from_json(text)
        for name in names:
            _write_scored(parts[number], name, learnt, target / f"{name}-{number:05}.parquet")
        return {}

    spread(session, len(parts), score)
    scored = {name: tuple(sorted(target.glob(f"{name}-*.parquet"))) for name in names}
    files: Files = {**records.files, **scored}
    return records_of(records.backend, files)


def _write_scored(part: Range, name: str, model: SentimentModel, path: Path) -> None:
    """Write the rows of a table to ``path``, on a worker: it appears whole, however often.

    Rows are ordered by all they hold, so that whoever writes them leaves the same file.
    """
    with on_worker() as backend, tempfile.TemporaryDirectory(dir=path.parent) as own:
        table = part.records(backend).tables[name]
        table = table.order_by(list(dict.fromkeys(["customer_id", "day", *table.columns])))
        draft, writer = Path(own) / path.name, None
        with ExitStack() as open_files:
            for batch in fetch_batches(backend, table):
                scored = with_sentiment({name: pa.Table.from_batches([batch])}, model)[name]
                if writer is None:
                    writer = open_files.enter_context(pq.ParquetWriter(draft, scored.schema))
                writer.write_table(scored, ROWS_A_GROUP)
        if writer is not None:
            os.replace(draft, path)


def _until_the_end(parent: Path) -> Path:
    """Return a new folder in ``parent``; it is removed when this process ends."""
    parent.mkdir(parents=True, exist_ok=True)
    sweep_drafts(parent)
    held = ExitStack()
    atexit.register(held.close)
    return held.enter_context(draft_folder(parent, "spark-texts")).resolve()
