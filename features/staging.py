"""One record table on its way to disk: rows are staged as they come, then sorted and de-duplicated.

Nothing is held in memory: accepted and refused rows go to Parquet parts, and DuckDB, through Ibis,
finds the duplicates and sorts, within the memory it is given. Rows are numbered in the order of
reading, which settles every tie, so the same files give the same bytes.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from configs.section import Language
from features.mending import fingerprint
from features.quarantine import COLUMNS, message
from features.reading import Refusal

if TYPE_CHECKING:
    import ibis

ROWS_A_GROUP = 16_384
"""Of a record table on disk, sorted by customer: few, so that one customer is quickly read."""
_KEY, _RAW, _ROW, _LINE, _SOURCE = "__key", "__raw", "__row", "__line", "__source"
_META = pa.schema(
    [
        (_KEY, pa.string()),
        (_RAW, pa.string()),
        (_ROW, pa.int64()),
        (_LINE, pa.int64()),
        (_SOURCE, pa.string()),
    ]
)
_REFUSED = pa.schema(
    [
        ("order", pa.int64()),
        ("source", pa.string()),
        ("line", pa.int64()),
        ("column", pa.string()),
        ("reason", pa.string()),
        ("value", pa.string()),
        ("raw", pa.string()),
        ("fingerprint", pa.string()),
    ]
)


class Staging:
    """The staged rows of one record table, in ``folder``."""

    def __init__(self, folder: Path, name: str, schema: pa.Schema) -> None:
        self.schema = schema
        self._accepted = folder / f"{name}.accepted.parquet"
        self._refused = folder / f"{name}.refused.parquet"
        self._repeated = folder / f"{name}.repeated.parquet"
        self._sorted = folder / f"{name}.quarantine.parquet"
        both = pa.schema([*schema, *_META])
        self._accepted_writer = pq.ParquetWriter(self._accepted, both, compression="lz4")
        self._refused_writer = pq.ParquetWriter(self._refused, _REFUSED, compression="lz4")
        self._rows = 0
        self._order_of: dict[str, int] = {}

    def accept(
        self, table: pa.Table, source: str, lines: np.ndarray, keys: pa.Array, raw: pa.Array
    ) -> None:
        """Stage rows; of those that share a key, which is not null, the first one stays."""
        count = len(table)
        meta = {
            _KEY: keys,
            _RAW: raw,
            _ROW: np.arange(self._rows, self._rows + count, dtype=np.int64),
            _LINE: lines,
            _SOURCE: pa.repeat(source, count),
        }
        self._rows += count
        self._order(source)
        for field in self.schema:
            if field.name not in table.column_names:
                table = table.append_column(field, pa.nulls(count, field.type))
        table = table.select(self.schema.names).cast(self.schema)
        for field in _META:
            table = table.append_column(field, pa.array(meta[field.name], field.type))
        self._accepted_writer.write_table(table)

    def refuse(self, refusals: Iterable[Refusal]) -> Counter[str]:
        """Stage refused rows and return how many there are by reason."""
        rows = [
            (
                *(self._order(r.source), r.source, r.line, r.column, r.reason, r.value, r.raw),
                r.fingerprint or fingerprint(r.raw),
            )
            for r in refusals
        ]
        if rows:
            columns = zip(*rows, strict=True)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, _REFUSED, strict=True)]
            self._refused_writer.write_table(pa.table(arrays, schema=_REFUSED))
        return Counter(row[4] for row in rows)

    def close(self) -> None:
        """Finish the staged files."""
        self._accepted_writer.close()
        self._refused_writer.close()

    def write(
        self,
        backend: ibis.BaseBackend,
        records: Path,
        order: tuple[str, ...],
        duplicate: str,
    ) -> int:
        """Write the accepted rows, sorted, to ``records``; return how many duplicates were not.

        Args:
            backend: the DuckDB backend.
            records: Parquet file to write.
            order: columns to sort by, before the order of reading.
            duplicate: reason that duplicates are refused for.
        """
        staged = backend.read_parquet(self._accepted)
        refused = backend.read_parquet(self._refused)
        keyed = staged.filter(staged[_KEY].notnull())
        shared = keyed.group_by(_KEY).having(keyed.count() > 1).aggregate(first=keyed[_ROW].min())
        repeated = keyed.inner_join(shared, _KEY).filter(lambda t: t[_ROW] > t["first"])
        backend.to_parquet(repeated.select(_ROW, _LINE, _SOURCE, _RAW), self._repeated)
        repeated = backend.read_parquet(self._repeated)
        count = pq.ParquetFile(self._repeated).metadata.num_rows
        if count:
            staged = staged.anti_join(repeated, _ROW)
            refused = refused.union(self._as_refused(repeated, duplicate))
        ordered = staged.order_by([*order, _ROW]).select(self.schema.names)
        backend.to_parquet(ordered, records, compression="zstd", row_group_size=ROWS_A_GROUP)
        ranked = refused.order_by(["order", "line", "column", "reason", "raw"])
        backend.to_parquet(ranked, self._sorted)
        return count

    def write_quarantine(self, path: Path, language: Language) -> None:
        """Write the refused rows to the CSV file ``path``, by file and line."""
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(COLUMNS)
            for batch in pq.ParquetFile(self._sorted).iter_batches():
                for row in batch.to_pylist():
                    text = message(row["reason"], row["column"], row["value"], language)
                    mark = row["fingerprint"] or fingerprint(row["raw"])
                    place = (row["source"], row["line"], row["column"], row["reason"])
                    writer.writerow((*place, text, row["raw"], mark))

    def _order(self, source: str) -> int:
        return self._order_of.setdefault(source, len(self._order_of))

    def _as_refused(self, repeated: ibis.Table, reason: str) -> ibis.Table:
        import ibis

        place: Mapping[str, int] = self._order_of
        order = repeated[_SOURCE].cases(*place.items(), else_=len(place)).cast("int64")
        return repeated.select(
            order=order,
            source=repeated[_SOURCE],
            line=repeated[_LINE],
            column=ibis.literal(""),
            reason=ibis.literal(reason),
            value=ibis.literal(""),
            raw=repeated[_RAW],
            fingerprint=ibis.literal(""),
        )
