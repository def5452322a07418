"""DuckDB as a task on a Spark worker opens it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from features.spilling import spill_folder

if TYPE_CHECKING:
    import ibis

MEMORY_LIMIT = "256MiB"
"""Beside what a range of customers takes; sorting beyond it spills."""


@contextmanager
def on_worker(memory_limit: str = MEMORY_LIMIT) -> Iterator[ibis.BaseBackend]:
    """Yield DuckDB on one thread; what it held is gone afterwards."""
    import ibis

    with spill_folder() as spilled:
        backend = ibis.duckdb.connect(
            threads=1,
            memory_limit=memory_limit,
            temp_directory=str(spilled),
            preserve_insertion_order=False,
        )
        try:
            yield backend
        finally:
            backend.disconnect()
