"""The files of a publication from the parts of its batches, the same however customers were cut."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from serving.scores import batches
from serving.scores.batches import Work
from serving.scores.matrix_file import write_grouped
from serving.scores.reasons import REASONS
from serving.scores.scorer import SCORES

SCORES_OF_A_GROUP = 10_000
REASONS_OF_A_GROUP = 50_000
LOOKUP_PAGE_BYTES = 32_768
"""Of SQLite: an answer takes some thousand bytes, and one that fills no page is spread over two."""


def narrow_scores(work: Work) -> pa.Table:
    """Return of all customers only what figures of everybody are made of."""
    names = ["churn_probability", "churn_band", "clv_expected", "tier"]
    parts = (work.draft.part(batches.SCORES, number) for number in work.batches)
    return pa.concat_tables([pq.read_table(part, columns=names) for part in parts])


def write_scores(work: Work, path: Path) -> None:
    """Write the scores of all customers, percentiles included."""
    write_grouped(path, SCORES, map(work.placed, work.batches), SCORES_OF_A_GROUP)


def write_reasons(work: Work, path: Path) -> None:
    """Write the reasons of all customers."""
    parts = (work.draft.part(batches.REASONS, number) for number in work.batches)
    write_grouped(path, REASONS, map(pq.read_table, parts), REASONS_OF_A_GROUP)


def write_lookup(work: Work, path: Path) -> None:
    """Write the look-up of all answers."""
    with _lookup_writer(path) as lookup:
        for number in work.batches:
            insert = "INSERT INTO answers VALUES (?, CAST(? AS TEXT))"
            lookup.executemany(insert, _answers(work, number))


def _answers(work: Work, number: int) -> Iterator[tuple[str, bytes]]:
    """Yield ids and answers of a batch, in UTF-8: SQLite holds what Arrow does, nobody decodes."""
    table = pq.read_table(work.draft.part(batches.ANSWERS, number))
    at = table.column_names.index("answer")
    table = table.set_column(at, "answer", table["answer"].cast(pa.large_binary()))
    for some in table.to_batches(max_chunksize=1_000):
        yield from zip(some["customer_id"].to_pylist(), some["answer"].to_pylist(), strict=True)


@contextmanager
def _lookup_writer(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a new look-up; nobody reads it before it is whole, so no journal is kept."""
    connection = sqlite3.connect(path)
    try:
        connection.execute(f"PRAGMA page_size = {LOOKUP_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE answers (customer_id TEXT PRIMARY KEY, answer TEXT)")
        yield connection
        connection.commit()
    finally:
        connection.close()
