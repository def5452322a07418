"""The one module that knows the engine: DuckDB, on this machine or on each of Spark's workers.

Everything else works on Ibis tables. ``Records`` holds the canonical tables of
``features/contracts.py`` with nothing missing: a table that was not given is empty, a column that
was not given is null, so every declared feature can be built for every company.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from configs.errors import RecordsError
from configs.schema import Engine
from configs.shortage import shortage
from features.contracts import LATER_SOURCES, TABLES, LaterSource
from features.spilling import spill_folder_of_process
from features.stored.generation import parts_of, require_readable, require_whole

if TYPE_CHECKING:
    import ibis

EPOCH = dt.date(1970, 1, 1)
ROWS_AT_ONCE = 100_000
SIGNAL_COLUMNS = {
    "satisfaction": {"sentiment": pa.float64()},
    "interactions": {"sentiment": pa.float64()},
}
"""Columns that ``features/sentiment.py`` may add to the records, by table."""


Files = Mapping[str, tuple[Path, ...]]
"""The Parquet files of each record table, sorted by customer."""


@dataclass(frozen=True)
class Records:
    """The canonical tables, bound to the engine that reads them.

    Attributes:
        backend: DuckDB.
        tables: all of them, by name.
        files: that hold these very rows, for others to read; ``None`` where there are none.
    """

    backend: ibis.BaseBackend
    tables: Mapping[str, ibis.Table]
    files: Files | None = None


def day_number(date: dt.date) -> int:
    """Return the days since 1970-01-01.

    >>> day_number(dt.date(1970, 1, 2))
    1
    """
    return (date - EPOCH).days


def date_of(day: int) -> dt.date:
    """Return the date of a day number.

    >>> date_of(19_813)
    datetime.date(2024, 3, 31)
    """
    return EPOCH + dt.timedelta(days=int(day))


def open_engine(engine: Engine) -> ibis.BaseBackend:
    """Return DuckDB on this machine, within the threads and the memory of ``engine``.

    With Spark it is that of the driver; ``features/spark/`` spreads what is large.
    """
    import ibis

    backend = ibis.duckdb.connect(
        threads=engine.threads,
        memory_limit=f"{engine.memory_limit_gib}GiB",
        temp_directory=str(spill_folder_of_process()),
        preserve_insertion_order=False,
    )
    backend.con.execute("SET parquet_metadata_cache = true")
    return backend


def open_records(backend: ibis.BaseBackend, folder: Path) -> Records:
    """Return the tables of one records generation.

    Raises:
        RecordsError: the folder holds no record table, or a damaged file.
    """
    parts = {name: tuple(parts_of(folder, name)) for name in TABLES}
    given = {name: paths for name, paths in parts.items() if paths}
    if not given:
        raise RecordsError(
            f"{folder} holds none of {', '.join(sorted(TABLES))} (.parquet); "
            "run `echelon intake` first"
        )
    require_whole(folder, [path for paths in given.values() for path in paths])
    return records_of(backend, given)


def records_of(backend: ibis.BaseBackend, files: Files) -> Records:
    """Return the tables that ``files`` hold."""
    tables = {name: read_parts(backend, paths) for name, paths in files.items()}
    return replace(_complete(backend, tables), files=files)


def read_parts(backend: ibis.BaseBackend, parts: Sequence[Path]) -> ibis.Table:
    """Return Parquet files of the same columns as one table."""
    return backend.read_parquet([str(path) for path in parts])


def records_from_arrow(backend: ibis.BaseBackend, tables: Mapping[str, pa.Table]) -> Records:
    """Return ``tables``, keyed by name, as records of ``backend``.

    Raises:
        RecordsError: a name is not one of the record tables.
    """
    import ibis

    if unknown := sorted(set(tables) - set(TABLES)):
        raise RecordsError(f"no such record table: {unknown}; known: {sorted(TABLES)}")
    return _complete(backend, {name: ibis.memtable(table) for name, table in tables.items()})


def _complete(backend: ibis.BaseBackend, tables: Mapping[str, ibis.Table]) -> Records:
    import ibis

    absent = (name for name in TABLES if name not in tables)
    empty = {name: ibis.memtable(contract_schema(name).empty_table()) for name in absent}
    complete = {name: in_contract(name, table) for name, table in {**tables, **empty}.items()}
    return Records(backend, complete)


def contract_schema(name: str, attributes: tuple[str, ...] = ()) -> pa.Schema:
    """Return the Arrow schema that engine table ``name`` has, signals included."""
    schema = TABLES[name].arrow_schema(attributes)
    for column, kind in SIGNAL_COLUMNS.get(name, {}).items():
        schema = schema.append(pa.field(column, kind))
    return schema


def in_contract(name: str, table: ibis.Table) -> ibis.Table:
    """Return ``table`` with every column of its contract, typed, and its further text columns.

    A column that is not given holds its default (``kind`` of transactions: purchase) or is null.
    """
    import ibis
    from ibis.formats.pyarrow import PyArrowSchema

    given = table.schema()
    defaults = {column.name: column.default for column in TABLES[name].columns}
    columns: dict[str, ibis.Value] = {}
    for column, kind in PyArrowSchema.to_ibis(contract_schema(name)).items():
        if column not in given:
            columns[column] = ibis.literal(defaults.get(column)).cast(kind)
        else:
            same = given[column] == kind  # a column that is never null is cast to one that may be
            columns[column] = table[column] if same else table[column].cast(kind)
    further = {column: table[column] for column in given if column not in columns}
    return table.select(**columns, **further)


def seen_sources(tables: Mapping[str, ibis.Table]) -> dict[str, ibis.Table]:
    """Return what declarations see: the tables without later facts, and a source for each fact."""
    seen = {}
    for name, table in tables.items():
        facts = [later for later in LATER_SOURCES.values() if later.table == name]
        seen[name] = table.drop(*(column for later in facts for column in later.columns))
    return seen | {name: _dated_by(tables, later) for name, later in LATER_SOURCES.items()}


def _dated_by(tables: Mapping[str, ibis.Table], later: LaterSource) -> ibis.Table:
    import ibis

    table = tables[later.table]
    hidden = {
        column
        for other in LATER_SOURCES.values()
        if other.table == later.table
        for column in other.columns
    }
    day = day_of(table[later.moment])
    if later.day is not None:
        day = ibis.coalesce(table[later.day], day)
    known = ibis.ifelse(table.known_day > day, table.known_day, day)
    rows = table.filter(table[later.moment].notnull()).mutate(day=day, known_day=known)
    return rows.drop(*(hidden - set(later.columns)))


def day_of(moment: Any) -> Any:
    """Return the Ibis day number of a date or local timestamp."""
    seconds = moment.cast("date").cast("timestamp").epoch_seconds()
    return seconds.cast("int64").floordiv(86_400).cast("int32")


def last_day(records: Records) -> int:
    """Return the last day with a transaction, or with any record where there is none.

    Raises:
        RecordsError: there are no records at all.
    """
    last = fetch(records.backend, _latest(records, ("transactions",)))["day"][0].as_py()
    if last is None:
        last = fetch(records.backend, _latest(records, tuple(TABLES)))["day"][0].as_py()
    if last is None:
        raise RecordsError("there are no records; check `sources` and run `echelon intake`")
    return int(last)


def _latest(records: Records, names: tuple[str, ...]) -> ibis.Table:
    import ibis

    days = (
        ibis.union(*(records.tables[name].select("day") for name in names))
        if names[1:]
        else (records.tables[names[0]].select("day"))
    )
    return days.aggregate(day=days.day.max())


def held(backend: ibis.BaseBackend, table: ibis.Table) -> ibis.Table:
    """Return ``table`` computed once as a table of the engine's own, until :func:`release`.

    DuckDB keeps it within its memory limit and moves what is beyond to its temporary folder.
    """
    with naming_files(backend):
        return backend.create_table(f"held_{uuid.uuid4().hex}", table, temp=True)


def release(
    backend: ibis.BaseBackend, used: Iterable[ibis.Table], kept: Iterable[ibis.Table]
) -> None:
    """Drop the tables held for ``used`` that ``kept`` does not need."""
    for name in sorted(_held_for(used) - _held_for(kept)):
        backend.con.execute(f'DROP TABLE "{name}"')  # Ibis's own says it wrongly to DuckDB 2


def _held_for(tables: Iterable[ibis.Table]) -> set[str]:
    import ibis.expr.operations as ops

    found = (one for table in tables for one in table.op().find(ops.DatabaseTable))
    return {one.name for one in found if one.name.startswith("held_")}


def fetch(backend: ibis.BaseBackend, table: ibis.Table) -> pa.Table:
    """Return the rows of ``table`` as Arrow, without a detour through pandas."""
    with naming_files(backend):
        found = _rows(backend, table)  # Ibis's own way to Arrow asks for pandas too
    return found.cast(table.schema().to_pyarrow())


def fetch_batches(
    backend: ibis.BaseBackend, table: ibis.Table, rows: int = ROWS_AT_ONCE
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table as Arrow, ``rows`` at a time, computed meanwhile."""
    backend._run_pre_execute_hooks(table)  # Ibis's own way to batches calls what DuckDB 2 has not
    with naming_files(backend):
        yield from backend.con.sql(backend.compile(table)).to_arrow_reader(rows)


def write_in_order(
    backend: ibis.BaseBackend,
    schema: pa.Schema,
    tables: Iterable[pa.Table],
    path: Path,
    rows_a_group: int,
) -> None:
    """Write the rows of ``tables`` to a Parquet file as they come, whatever DuckDB's threads.

    The same rows give the same bytes, however they are cut into tables. One group of rows is
    gathered at a time: texts may be long.
    """
    rows = pa.RecordBatchReader.from_batches(schema, evenly(tables, rows_a_group))
    backend.con.execute("SET preserve_insertion_order = true")
    try:
        relation = backend.con.from_arrow(rows)
        relation.write_parquet(str(path), compression="zstd", row_group_size=rows_a_group)
    finally:
        backend.con.execute("SET preserve_insertion_order = false")


def evenly(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of ``tables``, ``rows`` at a time, the last time what is left.

    DuckDB cuts groups of rows where batches end, and else as its threads happen to come by.
    """
    held: list[pa.Table] = []
    for table in tables:
        while len(table):
            held.append(table.slice(0, rows - sum(map(len, held))))
            table = table.slice(len(held[-1]))
            if sum(map(len, held)) == rows:
                yield _in_one_batch(held)
                held = []
    if held:
        yield _in_one_batch(held)


def _in_one_batch(tables: Sequence[pa.Table]) -> pa.RecordBatch:
    (batch,) = pa.concat_tables(tables).combine_chunks().to_batches()
    return batch


@contextmanager
def naming_files(backend: ibis.BaseBackend, others: Iterable[Path] = ()) -> Iterator[None]:
    """Say which record file is damaged, should ``backend`` or what it is given fail within.

    Args:
        backend: that reads files.
        others: files that are read on the way to it.

    Raises:
        RecordsError: one cannot be read to its end.
    """
    import duckdb

    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if shortage(error) is None:
            require_readable([*_files_of(backend), *others], error)
        raise


def _files_of(backend: ibis.BaseBackend) -> list[Path]:
    """Return the Parquet files that ``backend`` was given to read."""
    views = backend.con.execute("SELECT sql FROM duckdb_views() WHERE NOT internal").fetchall()
    texts = (text for (sql,) in views for text in re.findall(r"'((?:[^']|'')*)'", sql))
    paths = (Path(text.replace("''", "'")) for text in texts if text.endswith(".parquet"))
    return [path for path in dict.fromkeys(paths) if path.is_file()]


def _rows(backend: ibis.BaseBackend, table: ibis.Table) -> pa.Table:
    backend._run_pre_execute_hooks(table)
    return backend.con.sql(backend.compile(table)).to_arrow_table()


class Range:
    """A table that is asked for customers from one id to another, planned once."""

    def __init__(self, backend: ibis.BaseBackend, table: ibis.Table) -> None:
        """Plan ``table``, which has ``customer_id``."""
        backend._run_pre_execute_hooks(table)
        self._backend, self._sql = backend, backend.compile(table)
        self._table = table
        """Keeps tables in memory that it reads."""

    def all(self) -> pa.Table:
        """Return all rows."""
        with naming_files(self._backend):
            return self._backend.con.sql(self._sql).to_arrow_table()

    def between(self, first: pa.StringScalar, last: pa.StringScalar) -> pa.Table:
        """Return the rows of customers from ``first`` to ``last``, these included."""
        from duckdb import ColumnExpression, ConstantExpression

        customer = ColumnExpression("customer_id")
        low, high = (ConstantExpression(one.as_py()) for one in (first, last))
        with naming_files(self._backend):
            rows = self._backend.con.sql(self._sql)
            return rows.filter((customer >= low) & (customer <= high)).to_arrow_table()


def _limits(backend: ibis.BaseBackend) -> dict[str, str]:
    """Return the threads and the memory that ``backend`` was given."""
    names = ("threads", "memory_limit")
    settings = backend.con.execute(
        "SELECT name, value FROM duckdb_settings() WHERE name IN ($1, $2)", list(names)
    )
    return dict(settings.fetchall())


class Calculation:
    """Columns computed of a table in memory, row by row in its order, planned once."""

    def __init__(self, backend: ibis.BaseBackend, expression: ibis.Table, name: str) -> None:
        """Plan ``expression``, over a table called ``name``, within the limits of ``backend``."""
        import duckdb

        self._con = duckdb.connect(config=_limits(backend))
        self._name, self._sql = name, backend.compile(expression)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Return the columns for ``table``."""
        self._con.register(self._name, table)
        try:
            return self._con.sql(self._sql).to_arrow_table()
        finally:
            self._con.unregister(self._name)
