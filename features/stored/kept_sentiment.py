"""The sentiment of texts, worked out once for each text and model and kept for the next time.

A day adds few texts to millions. What is kept is a digest of each text, not the text, with the
block of days it was known in, for a text is scored by what had been learnt by then.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from configs.files import written_whole
from features.sentiment import SentimentModel

KEPT = pa.schema([("digest", pa.binary()), ("block", pa.int64()), ("sentiment", pa.float64())])
KEYS = ("digest", "block")
MODELS_AT_MOST = 3
"""Whose sentiments are kept: the champion's, a challenger's and one before."""


class KeptSentiments:
    """The sentiments that are kept of one model; a context: what was added is written at its end.

    Attributes:
        table: of schema ``KEPT``, each text and block once.
    """

    def __init__(self, model: SentimentModel, folder: Path | None) -> None:
        """Open what is kept.

        Args:
            model: whose sentiments these are.
            folder: where they are kept; without one nothing is.
        """
        self._file = None if folder is None else folder / f"{_name_of(model)}.parquet"
        there = self._file is not None and self._file.is_file()
        self.table = pq.read_table(self._file) if there else KEPT.empty_table()
        self._new: list[pa.Table] = []

    def __enter__(self) -> KeptSentiments:
        """Return itself."""
        return self

    def add(self, scored: pa.Table) -> None:
        """Add sentiments of schema ``KEPT``."""
        if len(scored):
            self._new.append(scored)

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        """Write what was added, unless something failed."""
        if failed is not None or self._file is None or not self._new:
            return
        each = pa.concat_tables([self.table, *self._new]).group_by(KEYS)
        kept = each.aggregate([("sentiment", "min")]).rename_columns(KEPT.names)
        with written_whole(self._file) as draft:
            pq.write_table(kept.sort_by([(key, "ascending") for key in KEYS]), draft)
        files = sorted(self._file.parent.glob("*.parquet"), key=lambda one: one.stat().st_mtime_ns)
        for old in files[:-MODELS_AT_MOST]:
            old.unlink(missing_ok=True)


def digest_of(text: Any) -> Any:
    """Return the 128 bits that an Ibis ``text`` is known by: none is taken for another's."""
    import ibis

    @ibis.udf.scalar.builtin
    def md5(text: str) -> str:  # type: ignore[empty-body]
        """DuckDB's own, as hexadecimal digits."""

    @ibis.udf.scalar.builtin
    def unhex(digits: str) -> bytes:  # type: ignore[empty-body]
        """DuckDB's own."""

    return unhex(md5(text))


def _name_of(model: SentimentModel) -> str:
    said = f"{KEPT.to_string()}\0{model.to_json()}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]
