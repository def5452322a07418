"""Database sources: a query's rows as raw tables, a batch at a time.

DuckDB files are read by DuckDB; any other URL (``sqlite:///crm.db``, ``postgresql://host/crm``) by
SQLAlchemy with the driver that is installed, so nothing is fetched to open a database.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from configs.errors import RecordsError
from features.raw.reading import RawTable

_ROWS = 50_000


def read_database(folder: Path, url: str, query: str) -> Iterator[RawTable]:
    """Yield the rows of ``query`` (a SELECT, or a table's name); lines are row numbers.

    Raises:
        RecordsError: the database cannot be opened or refuses the query.
    """
    statement = query if " " in query.strip() else f"SELECT * FROM {query.strip()}"
    name = f"{_without_secret(url)}: {query.strip()}"
    batches = _duckdb(folder, url, statement) if _is_duckdb(url) else _sql(folder, url, statement)
    position = 0
    for table in batches:
        lines = np.arange(position + 1, position + 1 + len(table), dtype=np.int64)
        position += len(table)
        yield RawTable(name, table, lines, header=tuple(table.column_names))


def _is_duckdb(url: str) -> bool:
    return url.startswith("duckdb:") or url.endswith((".duckdb", ".ddb"))


def _duckdb(folder: Path, url: str, statement: str) -> Iterator[pa.Table]:
    import duckdb

    path = folder / url.removeprefix("duckdb:///").removeprefix("duckdb://")
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            reader = connection.sql(statement).to_arrow_reader(_ROWS)
            tables = [pa.Table.from_batches([batch]) for batch in reader]
            yield from tables or [reader.schema.empty_table()]
    except duckdb.Error as error:
        raise RecordsError(f"{path}: {error}") from error


def _sql(folder: Path, url: str, statement: str) -> Iterator[pa.Table]:
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(_absolute(folder, url))
        with engine.connect().execution_options(stream_results=True) as connection:
            result = connection.execute(sqlalchemy.text(statement))
            names = list(result.keys())
            yielded = False
            while rows := result.fetchmany(_ROWS):
                yield _table(names, rows)
                yielded = True
            if not yielded:
                yield _table(names, [])
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        said = getattr(error, "orig", None) or str(error).partition("\n(Background")[0]
        raise RecordsError(
            f"{_without_secret(url)} cannot be read: {said}. Mend `database` or `query`, and see "
            "that the database runs and its driver is installed"
        ) from error


def _absolute(folder: Path, url: str) -> str:
    """Return ``url`` with a relative SQLite path starting from ``folder``."""
    marker = "sqlite:///"
    if url.startswith(marker) and not url.startswith(marker + "/"):
        path = folder / url.removeprefix(marker)
        if not path.is_file():
            raise RecordsError(f"{path} does not exist, so no records can be read from it")
        return f"{marker}{path.resolve()}"
    return url


def _table(names: list[str], rows: Any) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return pa.table([_column(list(column)) for column in columns], names=names)


def _column(values: list[Any]) -> pa.Array:
    """Return the values as Arrow types them; as text where they are of several kinds."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _without_secret(url: str) -> str:
    """Return ``url`` without a password.

    >>> _without_secret("postgresql://echelon:secret@host/crm")
    'postgresql://host/crm'
    """
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
