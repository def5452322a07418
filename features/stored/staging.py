"""One record table on its way to disk: rows are staged as they come, then sorted and de-duplicated.

Nothing is held in memory as a whole: accepted rows go to disk in runs, out of which ranges of
customers are sorted (``features/stored/runs.py``); repeated ones are found by digests of what tells
rows apart (``features/stored/repeats.py``). Rows are numbered in the order of reading, which
settles every tie, so the same files give the same bytes.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from configs.section import Language
from features.raw.mending import fingerprint
from features.raw.quarantine import COLUMNS, message
from features.raw.reading import Refusal
from features.sources import fetch, naming_files, write_in_order
from features.stored.repeats import RowNumbers, sharing_rows
from features.stored.runs import RunFile, Runs, read_ranges

if TYPE_CHECKING:
    import ibis

ROWS_A_GROUP = 16_384
"""Of a record table on disk, sorted by customer: few, so that one customer is quickly read."""
_KEY, _RAW, ROW, _AHEAD, _SOURCE = "__key", "__raw", "__row", "__ahead", "__source"
_ORDER, _WITHIN = "__order", "__within"
_META = pa.schema(
    [
        (_KEY, pa.string()),
        (_WITHIN, pa.int16()),
        (_RAW, pa.string()),
        (ROW, pa.int64()),
        (_AHEAD, pa.int64()),
        (_SOURCE, pa.string()),
        (_ORDER, pa.int64()),
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
DIGEST = "digest"
"""Of a row's key: 128 bits, for a row whose digest is known is refused, whatever its key."""
BETWEEN = "\x1f"
"""Between the parts of a key."""
REFUSED_ORDER = ["order", "line", "column", "reason", "raw"]


@dataclass(frozen=True)
class Before:
    """What was accepted of a table before: rows that came since it was whole, and all keys.

    Attributes:
        since: Parquet file of those rows, sorted; ``None`` without any.
        keys: files of digests, those of the whole first.
    """

    since: Path | None
    keys: tuple[Path, ...]

    def all_keys(self, backend: ibis.BaseBackend) -> ibis.Table:
        """Return the digests of all keys accepted before."""
        return backend.read_parquet([str(path) for path in self.keys])

    def with_keys(self, backend: ibis.BaseBackend, keys: ibis.Table) -> ibis.Table:
        """Return ``keys`` and with them those of earlier rows that came since the whole."""
        return keys if self.since is None else keys.union(backend.read_parquet(self.keys[-1]))


class Staging:
    """The staged rows of one record table, or of a part of it, in ``folder``.

    Args:
        folder: where rows are staged.
        name: of the table.
        schema: of its rows.
        first_row: how many rows were read before this part.
        order_of: the place of each source in the order of reading, where that is known before.
        threads: with more than one, rows are written while others come.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        schema: pa.Schema,
        first_row: int = 0,
        order_of: Mapping[str, int] | None = None,
        threads: int = 1,
    ) -> None:
        self.schema = schema
        self.accepted = folder / f"{name}.accepted.parquet"
        self.refused = folder / f"{name}.refused.parquet"
        self._repeated = folder / f"{name}.repeated.parquet"
        self._sorted = folder / f"{name}.quarantine.parquet"
        self.keys = folder / f"{name}.keys.parquet"
        self._digests = folder / f"{name}.digests.parquet"
        self._runs = Runs(self.accepted, pa.schema([*schema, *_META]), (_KEY, _RAW), threads)
        self._refused_writer = pq.ParquetWriter(self.refused, _REFUSED, compression="lz4")
        self.customers = pa.chunked_array([], pa.string())
        """Who has an accepted row, once added to what was there before."""
        self._rows = first_row
        self._order_of = dict(order_of or {})

    def accept(
        self, table: pa.Table, source: str, lines: np.ndarray, keys: pa.Array, raw: pa.Array
    ) -> None:
        """Stage rows; of those that share a key, which is not null, the first one stays."""
        self._stage(table, source, lines, {_KEY: keys, _RAW: raw})

    def accept_by_text(
        self, table: pa.Table, source: str, lines: np.ndarray, within: int, raw: pa.Array
    ) -> None:
        """Stage rows; of those of the same raw text ``within`` a source the first one stays."""
        self._stage(table, source, lines, {_WITHIN: np.full(len(table), within), _RAW: raw})

    def _stage(
        self, table: pa.Table, source: str, lines: np.ndarray, told: Mapping[str, Any]
    ) -> None:
        count = len(table)
        rows = np.arange(self._rows, self._rows + count, dtype=np.int64)
        meta = {
            **told,
            ROW: rows,
            _AHEAD: lines - rows,  # of the line, mostly the same in all of a file
            _SOURCE: pa.repeat(source, count),
            _ORDER: np.full(count, self._order(source), dtype=np.int64),
        }
        self._rows += count
        for field in self.schema:
            if field.name not in table.column_names:
                table = table.append_column(field, pa.nulls(count, field.type))
        table = table.select(self.schema.names).cast(self.schema)
        for field in _META:
            given = meta.get(field.name)
            nothing = pa.nulls(count, field.type)
            table = table.append_column(
                field, nothing if given is None else pa.array(given, field.type)
            )
        self._runs.add(table)

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
        """Finish the staged files, and give back the memory that reading took."""
        self._runs.close()
        self._refused_writer.close()
        pa.default_memory_pool().release_unused()

    def discard(self) -> None:
        """Remove the staged rows, which take more room than the sorted ones."""
        for path in (self.accepted, self.refused, self._digests, self._repeated, self._sorted):
            path.unlink(missing_ok=True)

    def write(
        self,
        backend: ibis.BaseBackend,
        records: Path,
        order: tuple[str, ...],
        duplicate: str,
        before: Before | None = None,
    ) -> int:
        """Write the accepted rows, sorted, to ``records``; return how many duplicates were not.

        Digests of the keys of accepted rows go to ``keys``.

        Args:
            backend: the DuckDB backend.
            records: Parquet file to write.
            order: columns to sort by, before the order of reading.
            duplicate: reason that duplicates are refused for.
            before: what was accepted earlier, where these rows are added to it.
        """
        earlier = () if before is None or before.since is None else (before.since,)
        with naming_files(backend, earlier):
            return self._write(backend, records, order, duplicate, before)

    def _write(
        self,
        backend: ibis.BaseBackend,
        records: Path,
        order: tuple[str, ...],
        duplicate: str,
        before: Before | None,
    ) -> int:
        staged = backend.read_parquet(self.accepted)
        count = self._find_repeated(backend, staged, before)
        keys, refused = backend.read_parquet(self._digests), backend.read_parquet(self.refused)
        if count:
            told = backend.read_parquet(self._repeated)
            keys, refused = without(keys, told), with_repeated(refused, told, duplicate)
        keys = keys.select(DIGEST)
        if before is not None:
            if count:
                staged = without(staged, told)
            self.customers = fetch(backend, staged.select("customer_id").distinct())["customer_id"]
            keys = before.with_keys(backend, keys)
        backend.to_parquet(keys, self.keys)
        self._write_sorted(backend, records, order, count, before)
        backend.to_parquet(refused.order_by(REFUSED_ORDER), self._sorted)
        return count

    def _find_repeated(
        self, backend: ibis.BaseBackend, staged: ibis.Table, before: Before | None
    ) -> int:
        """Return how many rows are repeated; what is told of them goes to a file."""
        import ibis

        backend.to_parquet(digested(with_keys(staged)).select(ROW, DIGEST), self._digests)
        sharing = sharing_rows(self._digests, ROW, DIGEST)
        suspects = ibis.memtable(pa.table({ROW: sharing}))
        repeated = repeated_rows(staged.semi_join(suspects, ROW)) if len(sharing) else None
        if before is not None:
            known = _known_rows(staged, before.all_keys(backend))
            repeated = known if repeated is None else repeated.union(known, distinct=True)
        if repeated is None:
            return 0
        backend.to_parquet(repeated, self._repeated)
        return int(pq.read_metadata(self._repeated).num_rows)

    def _write_sorted(
        self,
        backend: ibis.BaseBackend,
        records: Path,
        order: tuple[str, ...],
        n_repeated: int,
        before: Before | None,
    ) -> None:
        """Write the rows that are not repeated, with those that came before."""
        keep, beside = (self._is_first(), (ROW,)) if n_repeated else (None, ())
        earlier = [] if before is None or before.since is None else [RunFile(before.since)]
        for one in earlier:
            self._runs.count_in(one.path, self.schema.names)
        files = [*earlier, RunFile(self.accepted, keep, beside)]
        tables = read_ranges(files, self._runs.ranges(), self.schema, order)
        write_in_order(backend, self.schema, tables, records, ROWS_A_GROUP)

    def _is_first(self) -> Callable[[pa.Table], Any]:
        """Return what says which staged rows are not repeated."""
        with pq.ParquetFile(self._repeated) as file:
            numbers = (batch[ROW] for batch in file.iter_batches(columns=[ROW]))
            repeated = RowNumbers(self._rows, numbers)
        return lambda table: pa.array(repeated.others(table[ROW]))

    def write_quarantine(self, path: Path, language: Language) -> None:
        """Write the refused rows to the CSV file ``path``, by file and line."""
        write_refused([self._sorted], path, language)

    def _order(self, source: str) -> int:
        return self._order_of.setdefault(source, len(self._order_of))


def write_sorted(
    backend: ibis.BaseBackend,
    staged: ibis.Table,
    order: Sequence[str],
    names: Sequence[str],
    records: Path,
) -> None:
    """Write the columns ``names`` of staged rows to ``records``, ties in the order of reading."""
    ordered = staged.order_by([*order, ROW]).select(*names)
    backend.to_parquet(ordered, records, compression="zstd", row_group_size=ROWS_A_GROUP)


def write_refused(files: Iterable[Path], path: Path, language: Language) -> None:
    """Write the refused rows of Parquet ``files``, as they lie there, to the CSV file ``path``."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(COLUMNS)
        for file in files:
            for batch in pq.ParquetFile(file).iter_batches():
                for row in batch.to_pylist():
                    text = message(row["reason"], row["column"], row["value"], language)
                    mark = row["fingerprint"] or fingerprint(row["raw"])
                    place = (row["source"], row["line"], row["column"], row["reason"])
                    writer.writerow((*place, text, row["raw"], mark))


def repeated_rows(staged: ibis.Table) -> ibis.Table:
    """Return the staged rows whose key an earlier one has.

    Few rows share the hash of their key, so only those keys, which are long, are held and compared.
    """
    keyed = with_keys(staged).mutate(hashed=lambda t: t[_KEY].hash())
    suspects = keyed.group_by("hashed").having(keyed.count() > 1).aggregate()
    keyed = keyed.semi_join(suspects, "hashed")
    shared = keyed.group_by(_KEY).having(keyed.count() > 1).aggregate(first=keyed[ROW].min())
    repeated = keyed.inner_join(shared, _KEY).filter(lambda t: t[ROW] > t["first"])
    return repeated.select(ROW, _AHEAD, _SOURCE, _RAW, _ORDER)


def _known_rows(staged: ibis.Table, keys: ibis.Table) -> ibis.Table:
    """Return the staged rows whose key is among ``keys``, which are many more."""
    keyed = digested(with_keys(staged))
    known = keyed.semi_join(keys.semi_join(keyed, DIGEST).distinct(), DIGEST)
    return known.select(ROW, _AHEAD, _SOURCE, _RAW, _ORDER)


def with_keys(staged: ibis.Table) -> ibis.Table:
    """Return the staged rows that have a key, with all of it.

    One that is the raw text is not written beside it.
    """
    text = staged[_WITHIN].cast("string") + BETWEEN + staged[_RAW]
    return staged.mutate(**{_KEY: staged[_KEY].coalesce(text)}).filter(lambda t: t[_KEY].notnull())


def digested(keyed: ibis.Table) -> ibis.Table:
    """Return rows that have a key with its digest."""
    import ibis

    @ibis.udf.scalar.builtin
    def md5_number(key: str) -> int:  # type: ignore[empty-body]
        """DuckDB's own: 128 bits, which Parquet holds as a UUID."""

    return keyed.mutate(**{DIGEST: md5_number(keyed[_KEY]).cast("uuid")})


def without(staged: ibis.Table, repeated: ibis.Table) -> ibis.Table:
    """Return the staged rows that are not among the ``repeated``."""
    return staged.anti_join(repeated, ROW)


def with_repeated(refused: ibis.Table, repeated: ibis.Table, reason: str) -> ibis.Table:
    """Return the refused rows and with them the ``repeated``, for ``reason``."""
    import ibis

    return refused.union(
        repeated.select(
            order=repeated[_ORDER],
            source=repeated[_SOURCE],
            line=repeated[ROW] + repeated[_AHEAD],
            column=ibis.literal(""),
            reason=ibis.literal(reason),
            value=ibis.literal(""),
            raw=repeated[_RAW],
            fingerprint=ibis.literal(""),
        )
    )
