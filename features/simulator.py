"""A believable company: its records as five tables, and the truth about its customers.

``simulated/lives.py`` says what happens to customers, its neighbours what the
company's systems note of it. Customers come in blocks of their own seed, so that memory stays
bounded and the first thousand customers are the same in a company of any size.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from configs.errors import RecordsError
from configs.files import write_text, written_whole
from configs.progress import Progress, silent
from features.simulated.calendar import EPOCH, Calendar, shopping_calendar
from features.simulated.contacts import interactions
from features.simulated.dirty_files import Dirtied, DirtyFile
from features.simulated.lives import Span, live
from features.simulated.orders import draw_lines, transactions
from features.simulated.profiles import attributes, customers_table
from features.simulated.sources import (
    FileLayout,
    clean_layouts,
    company_config,
    dirty_layouts,
)
from features.simulated.staff import employees, owners
from features.simulated.surveys import satisfaction
from features.simulated.truth import truth

FileFormat = Literal["parquet", "csv"]

END = dt.date(2026, 6, 30)
BLOCK_CUSTOMERS = 2_500
ROW_GROUP_ROWS = 200_000
SHORTEST_DAYS = 28


def simulate(
    customers: int,
    seed: int,
    out: Path,
    days: int = 1461,
    end: dt.date = END,
    dirty: bool = False,
    file_format: FileFormat = "parquet",
    progress: Progress = silent,
    dirt_share: float = 0.04,
) -> None:
    """Write a company of ``customers`` customers into ``out``, and a configuration that reads it.

    Five tables, ``truth.parquet`` (see :func:`features.simulated.truth.truth`), the team
    (``employees.csv`` and ``owners.csv``) and ``echelon.yaml``. Columns are those of
    :mod:`features.contracts`, times are local (Asia/Shanghai), money is CNY; records cover the
    ``days`` days up to and including ``end``.
    With ``dirty`` the tables are CSV exports as real systems make them: a share ``dirt_share`` of
    rows is dirtied, and ``dirt.parquet`` lists which (see
    :data:`features.simulated.dirty_files.LISTING`). The same arguments give the same bytes.

    Raises:
        RecordsError: ``customers`` is below 1 or ``days`` below 28.
    """
    if customers < 1 or days < SHORTEST_DAYS:
        raise RecordsError(
            f"a company of {customers} customers over {days} days cannot be simulated; "
            f"give at least 1 customer and {SHORTEST_DAYS} days"
        )
    last_day = (end - EPOCH).days
    layouts = dirty_layouts() if dirty else clean_layouts(file_format)
    dirtied = Dirtied(seed, dirt_share) if dirty else None
    with ExitStack() as stack:
        files = CompanyFiles(stack, out, layouts, dirtied)
        for done, tables in company(customers, seed, Span(last_day - days + 1, last_day)):
            for name, table in tables.items():
                files.write(name, table)
            progress("simulate", done / customers)
    if dirtied is not None:
        dirtied.write(out / "dirt.parquet")
    for name, table in {"employees": employees, "owners": owners}.items():
        with written_whole(out / f"{name}.csv") as draft:
            pa_csv.write_csv(table(customers, seed), draft)
    write_text(out / "echelon.yaml", company_config(out, layouts, files.columns, end))


def company(customers: int, seed: int, span: Span) -> Iterator[tuple[int, dict[str, pa.Table]]]:
    """Yield (customers so far, tables of the next block) until all customers are there."""
    calendar = shopping_calendar(span.first_day, span.days_with_future)
    n_blocks = -(-customers // BLOCK_CUSTOMERS)
    for block, block_seed in enumerate(np.random.SeedSequence(seed).spawn(n_blocks)):
        first = block * BLOCK_CUSTOMERS
        wanted = min(BLOCK_CUSTOMERS, customers - first)
        ids = [f"C{number:07d}" for number in range(first + 1, first + BLOCK_CUSTOMERS + 1)]
        tables = block_tables(block_seed, span, calendar, ids)
        if wanted < BLOCK_CUSTOMERS:
            tables = {name: _until(table, ids[wanted]) for name, table in tables.items()}
        yield first + wanted, tables


def block_tables(
    seed: np.random.SeedSequence, span: Span, calendar: Calendar, customer_ids: list[str]
) -> dict[str, pa.Table]:
    """Return the tables of one block; each part draws from a stream of its own."""
    streams = iter([np.random.default_rng(child) for child in seed.spawn(6)])
    lives = live(next(streams), len(customer_ids), span, calendar)
    lines = draw_lines(next(streams), lives)
    orders, contacts, surveys, profiles = streams
    return {
        "customers": customers_table(profiles, lives, customer_ids),
        "transactions": transactions(orders, lives, lines, customer_ids),
        "interactions": interactions(contacts, lives, customer_ids),
        "satisfaction": satisfaction(surveys, lives, customer_ids),
        "attributes": attributes(profiles, lives, lines, customer_ids),
        "truth": truth(lives, lines, customer_ids),
    }


def _until(table: pa.Table, stop_id: str) -> pa.Table:
    """Return the rows of a table sorted by customer up to, without, ``stop_id``."""
    ids = table.column("customer_id").to_numpy(zero_copy_only=False)
    return table.slice(0, int(np.searchsorted(ids, stop_id)))


class TableWriter(Protocol):
    """Whatever a table can be written to, piece by piece."""

    def write(self, table: pa.Table) -> None:
        """Append the rows of ``table``."""


class RowGroups:
    """A Parquet file whose row groups are about ``ROW_GROUP_ROWS`` long."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", compression_level=1)
        self._waiting: list[pa.Table] = []

    def write(self, table: pa.Table) -> None:
        """Append the rows of ``table``, keeping them until a row group is full."""
        self._waiting.append(table)
        if sum(len(waiting) for waiting in self._waiting) >= ROW_GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what waits and the file's foot."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        rows = pa.concat_tables(self._waiting) if self._waiting else None
        self._waiting = []
        if rows is not None:
            self._writer.write_table(rows, row_group_size=max(len(rows), 1))


class CompanyFiles:
    """The files of a company being written; they appear whole when ``stack`` closes."""

    def __init__(
        self,
        stack: ExitStack,
        out: Path,
        layouts: Mapping[str, FileLayout],
        dirtied: Dirtied | None,
    ) -> None:
        self.columns: dict[str, list[str]] = {}
        self._stack = stack
        self._out = out
        self._layouts = layouts
        self._dirtied = dirtied
        self._writers: dict[str, TableWriter] = {}

    def write(self, name: str, table: pa.Table) -> None:
        """Append the rows of ``table`` to the file of table ``name``."""
        if name not in self._writers:
            self.columns[name] = table.column_names
            self._writers[name] = self._opened(name, table.schema)
        self._writers[name].write(table)

    def _opened(self, name: str, schema: pa.Schema) -> TableWriter:
        layout = self._layouts.get(name, FileLayout(name, f"{name}.parquet"))
        draft = self._stack.enter_context(written_whole(self._out / layout.file))
        if layout.file.endswith(".parquet"):
            return self._stack.enter_context(closing(RowGroups(draft, schema)))
        if self._dirtied is None:
            return self._stack.enter_context(pa_csv.CSVWriter(draft, schema))
        handle = self._stack.enter_context(draft.open("wb"))
        return DirtyFile(handle, layout, schema.names, self._dirtied)
