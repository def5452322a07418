"""The feature build for a few raw records: written as SQL once, run in milliseconds.

The query is the one that :func:`features.build.build` makes, with the tables and the cutoff left
open, so a customer scored from a request and the same customer in a publication have bit-equal
features. It always runs on DuckDB, in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import ibis
import pyarrow as pa
from ibis.formats.pyarrow import PyArrowSchema

from features.build import assemble, in_layout
from features.contracts import TABLES
from features.grains import Times
from features.sources import contract_schema
from features.spec import Feature


class PreparedBuild:
    """Features declared once, computed for any small set of records.

    >>> build = PreparedBuild([])
    >>> build({}, 19_813, pa.table({"customer_id": ["ada"]})).to_pylist()
    [{'customer_id': 'ada', 'cutoff': 19813}]
    """

    def __init__(self, features: Sequence[Feature], threads: int = 1) -> None:
        """Write the query.

        Args:
            features: aggregated and derived declarations.
            threads: for one query; requests run beside each other.

        Raises:
            FeatureError: a declaration cannot be built.
        """
        schemas = {name: contract_schema(name) for name in TABLES}
        tables = {
            name: ibis.table(PyArrowSchema.to_ibis(schema), name=name)
            for name, schema in schemas.items()
        }
        cutoffs = ibis.table({"cutoff": "int32"}, name="cutoffs")
        asked = ibis.table({"customer_id": "string"}, name="asked")
        query = assemble(tables, features, Times(cutoffs, None), asked)
        self._sql = str(ibis.to_sql(query, dialect="duckdb"))
        self._schemas = schemas
        self._database = duckdb.connect(config={"threads": threads})

    def __call__(
        self, tables: Mapping[str, pa.Table], cutoff: int, customers: pa.Table
    ) -> pa.Table:
        """Return the features of ``customers`` at ``cutoff``, as ``feature_matrix`` lays them out.

        Customers without a known row have the features' values for no rows.

        Args:
            tables: record tables by name, with ``day`` and ``known_day``; the absent are empty.
            cutoff: day number.
            customers: table with ``customer_id``.
        """
        given = {name: _complete(tables.get(name), kind) for name, kind in self._schemas.items()}
        given["cutoffs"] = pa.table({"cutoff": pa.array([cutoff], pa.int32())})
        given["asked"] = customers.select(["customer_id"])
        with self._database.cursor() as cursor:
            for name, table in given.items():
                cursor.register(name, table)
            return in_layout(cursor.execute(self._sql).to_arrow_table())


def _complete(table: pa.Table | None, schema: pa.Schema) -> pa.Table:
    """Return ``table`` with the columns of ``schema``: the absent are null, others left out."""
    if table is None:
        return schema.empty_table()
    columns = {
        field.name: table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    }
    return pa.table(columns, schema)
