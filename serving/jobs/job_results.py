"""The results of a batch job as files, NDJSON and Parquet, both whole or not there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from configs.files import written_whole
from serving.jobs.job_answers import Result
from serving.jobs.job_rows import RowFormat

RESULTS = pa.schema(
    [
        ("row", pa.int64()),
        ("customer_id", pa.string()),
        ("status", pa.string()),
        ("error_code", pa.string()),
        ("error_pointer", pa.string()),
        ("error_zh", pa.string()),
        ("error_en", pa.string()),
        ("as_of", pa.string()),
        ("tier", pa.string()),
        ("clv_expected", pa.float64()),
        ("churn_probability", pa.float64()),
        ("prediction", pa.string()),
    ]
)
"""The Parquet result: ``prediction`` is the whole answer as JSON, the columns before, its core."""


def result_file(folder: Path, form: RowFormat) -> Path:
    """Return where the results of a job stand once they are whole."""
    return folder / f"results.{form}"


class ResultWriter:
    """Takes results in order; counts them by status."""

    def __init__(self, lines: TextIO, table: pq.ParquetWriter) -> None:
        self._lines, self._table = lines, table
        self.counts = {"ok": 0, "error": 0}

    def write(self, results: Sequence[Result]) -> None:
        """Append ``results`` to both files."""
        self._lines.writelines(result.line() for result in results)
        columns = [_columns(result) for result in results]
        self._table.write_table(pa.Table.from_pylist(columns, RESULTS))
        for result in results:
            self.counts["ok" if result.error is None else "error"] += 1


@contextmanager
def result_writer(folder: Path) -> Iterator[ResultWriter]:
    """Yield a writer whose files appear in ``folder`` if the block succeeds, and only then."""
    with (
        written_whole(result_file(folder, "ndjson")) as lines_at,
        written_whole(result_file(folder, "parquet")) as table_at,
        lines_at.open("w", encoding="utf-8", newline="\n") as lines,
        pq.ParquetWriter(table_at, RESULTS) as table,
    ):
        yield ResultWriter(lines, table)


def _columns(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = {"row": result.row, "customer_id": result.customer_id}
    if isinstance(result.answer, str):
        told = json.loads(result.answer)
        return found | {
            "status": "ok",
            "as_of": told["as_of"],
            "tier": (told["tier"] or {}).get("code"),
            "clv_expected": (told["clv"] or {}).get("expected"),
            "churn_probability": (told["churn"] or {}).get("probability"),
            "prediction": result.answer,
        }
    error = result.error
    assert error is not None
    return found | {
        "status": "error",
        "error_code": error["code"],
        "error_pointer": error["pointer"],
        "error_zh": error["detail"]["zh"],
        "error_en": error["detail"]["en"],
    }
