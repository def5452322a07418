"""The feature build for a few raw records: planned once, run in some tens of milliseconds.

The query is the one that :func:`features.build.build` makes, with the tables and the cutoff left
open, so a customer scored from a request and the same customer in a publication have bit-equal
features. It always runs on DuckDB, in memory. Planning takes ten times as long as running: so the
statement is prepared over *slots*, whose contents change while the plan stays.

Ibis writes the statement once, at training (``features/statement.py``), and it stays in the bundle:
a process that only answers needs DuckDB alone, and is ready two seconds earlier.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

import duckdb
import pyarrow as pa

from configs.errors import FeatureError
from features.contracts import TABLES
from features.layout import in_layout
from features.sources import contract_schema

CUTOFFS, ASKED = "cutoffs", "asked"
ASKED_FOR = {
    CUTOFFS: pa.schema([("cutoff", pa.int32())]),
    ASKED: pa.schema([("customer_id", pa.string())]),
}


class PreparedBuild:
    """Features declared once, computed for any small set of records.

    One request runs at a time; others wait for it.

    >>> from features.statement import statement
    >>> build = PreparedBuild(statement([]))
    >>> build({}, 19_813, pa.table({"customer_id": ["ada"]})).to_pylist()
    [{'customer_id': 'ada', 'cutoff': 19813}]
    """

    def __init__(self, statement: str, threads: int = 1) -> None:
        """Plan the query.

        Args:
            statement: what ``features.statement.statement`` wrote.
            threads: for one request.

        Raises:
            FeatureError: DuckDB cannot plan it over the record tables of this version.
        """
        self._slots = {name: Slot(schema.empty_table()) for name, schema in slots().items()}
        self._lock = Lock()
        self._connection = duckdb.connect(config={"threads": threads})
        for name, slot in self._slots.items():
            self._connection.register(name, slot)
        try:
            self._connection.execute(f"PREPARE features AS {statement}")
        except duckdb.Error as error:
            raise FeatureError(
                "the features cannot be built from single customers' records as they were when "
                f"the model was trained ({str(error).splitlines()[0]}); train again"
            ) from error

    def __call__(
        self, tables: Mapping[str, pa.Table], cutoff: int, customers: pa.Table
    ) -> pa.Table:
        """Return the features of ``customers`` at ``cutoff``, as ``feature_matrix`` lays them out.

        A customer with no known row gets what each feature is for no rows.

        Args:
            tables: record tables by name, with ``day`` and ``known_day``; the absent are empty.
            cutoff: day number.
            customers: table with ``customer_id``.
        """
        given = {name: _complete(name, tables.get(name)) for name in TABLES}
        given[CUTOFFS] = pa.table({"cutoff": [cutoff]}, ASKED_FOR[CUTOFFS])
        given[ASKED] = customers.select(["customer_id"]).cast(ASKED_FOR[ASKED])
        with self._lock:
            for name, table in given.items():
                self._slots[name].table = table
            columns = self._connection.execute("EXECUTE features").fetchnumpy()
        return in_layout(pa.table({name: pa.array(values) for name, values in columns.items()}))


class Slot:
    """An Arrow stream whose table can be replaced under a prepared statement."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


def slots() -> dict[str, pa.Schema]:
    """Return the tables that the statement reads: records, cutoffs, and the customers asked for."""
    return {name: contract_schema(name) for name in TABLES} | ASKED_FOR


def _complete(name: str, table: pa.Table | None) -> pa.Table:
    """Return ``table`` with the columns of its contract; the absent hold their defaults."""
    schema = contract_schema(name)
    if table is None:
        return schema.empty_table()
    defaults = {column.name: column.default for column in TABLES[name].columns}
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.repeat(pa.scalar(defaults.get(field.name), field.type), len(table))
        for field in schema
    ]
    return pa.table(columns, schema=schema)
