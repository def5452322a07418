"""The layout that all feature matrices have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from features.arrays import numbers, whole

KEYS = {"customer_id": pa.string(), "cutoff": pa.int32()}
"""What a row is of, and the types of that."""


def schema_of(names: Iterable[str]) -> pa.Schema:
    """Return the schema of a matrix: its keys, and float64 for everything else."""
    return pa.schema([(name, KEYS.get(name, pa.float64())) for name in names])


def in_layout(matrix: pa.Table) -> pa.Table:
    """Return ``matrix`` with the types and the order of rows that all matrices have."""
    matrix = matrix.cast(schema_of(matrix.column_names))
    return matrix.sort_by([("cutoff", "ascending"), ("customer_id", "ascending")])


def in_one(ranges: Sequence[pa.Table], cutoffs: Sequence[int]) -> pa.Table:
    """Return one matrix of ranges of customers that rise, each sorted by cutoff and customer."""
    if len(ranges) == 1:
        return ranges[0]
    return pa.concat_tables(at_cutoff(table, day) for day in sorted(cutoffs) for table in ranges)


def at_cutoff(matrix: pa.Table, day: int) -> pa.Table:
    """Return the rows of one cutoff of a matrix sorted by cutoff."""
    days = numbers(whole(matrix["cutoff"]))
    first, end = (int(days.searchsorted(day, side)) for side in ("left", "right"))
    return matrix.slice(first, end - first)
