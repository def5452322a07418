"""The layout that all feature matrices have."""

from __future__ import annotations

import pyarrow as pa


def in_layout(matrix: pa.Table) -> pa.Table:
    """Return ``matrix`` with the types and the order of rows that all matrices have."""
    kinds = {"customer_id": pa.string(), "cutoff": pa.int32()}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in matrix.column_names])
    return matrix.cast(schema).sort_by([("cutoff", "ascending"), ("customer_id", "ascending")])
