"""A matrix written by Spark's workers, as ``features/matrix.py`` lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from configs.files import new_generation
from features.matrix import CUTOFF, ROWS_A_GROUP, StoredMatrix
from features.spark.parts import ROWS_A_PART, Form, bounds, frame, kept, write_parts

if TYPE_CHECKING:
    import ibis


def store_by_workers(
    backend: ibis.BaseBackend,
    table: ibis.Table,
    known: ibis.Table,
    cutoffs: Sequence[int],
    folder: Path,
    customers: pa.Array | None = None,
) -> StoredMatrix:
    """Compute ``table`` and write it to ``folder`` without any of it passing through here.

    Matrices of the same known customers are cut into the same parts, so that features and labels
    lie beside each other batch by batch.

    Args:
        backend: Spark.
        table: ``customer_id, cutoff`` and numbers, not yet computed.
        known: ``customer_id`` of everybody, once each.
        cutoffs: day numbers; each gets a folder, also where nobody was known.
        folder: does not exist yet; workers see it.
        customers: ids of those to keep; default: all.

    Raises:
        FileExistsError: ``folder`` exists already.
    """
    import ibis

    if customers is not None:
        drawn = ibis.memtable(pa.table({"customer_id": customers}))
        table, known = (one.semi_join(drawn, "customer_id") for one in (table, known))
    names = [name for name in table.columns if name not in ("customer_id", "cutoff")]
    table = table.mutate(**{name: table[name].cast("float64") for name in names})
    ids = frame(backend, kept(backend, known.select("customer_id")))
    ends = bounds(ids, ids.count(), ROWS_A_PART)
    with new_generation(folder.parent, folder.name) as draft:
        rows = frame(backend, table.select("customer_id", "cutoff", *names))
        kinds = [("customer_id", pa.string()), *((name, pa.float64()) for name in names)]
        form = Form(pa.schema(kinds), ROWS_A_GROUP, "lz4")
        write_parts(rows, draft, ends, ["customer_id"], form, by=["cutoff"])
        _write_empty(draft, form.schema, cutoffs)
    return StoredMatrix(folder)


def _write_empty(folder: Path, schema: pa.Schema, cutoffs: Sequence[int]) -> None:
    """Write a file without rows for each cutoff at which nobody was known."""
    for day in cutoffs:
        own = folder / f"{CUTOFF}{day}"
        if not own.is_dir():
            own.mkdir()
            pq.write_table(schema.empty_table(), own / "part-00000.parquet")
