"""The statement of ``features.prepared.PreparedBuild``: the features as one query of DuckDB."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
from ibis.formats.pyarrow import PyArrowSchema

from features.build import assemble
from features.contracts import TABLES
from features.grains import Times
from features.prepared import ASKED, CUTOFFS, slots
from features.spec import Feature


def statement(features: Sequence[Feature]) -> str:
    """Return the query for ``features`` over records, cutoffs and customers left open.

    Args:
        features: aggregated and derived declarations.

    Raises:
        FeatureError: a declaration cannot be built.
    """
    tables = {
        name: ibis.table(PyArrowSchema.to_ibis(schema), name=name)
        for name, schema in slots().items()
    }
    records = {name: tables[name] for name in TABLES}
    query = assemble(records, features, Times(tables[CUTOFFS], None), tables[ASKED])
    return str(ibis.to_sql(query, dialect="duckdb"))
