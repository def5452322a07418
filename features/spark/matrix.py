"""A matrix computed by Spark's workers, each a range of customers as one machine computes all.

    <folder>/cutoff=20543/part-00000.parquet    customers of one range before those of the next

A worker reads the files of the records itself; nothing passes through the driver or the network
between workers. A part is written beside and renamed: done twice, it is the same file.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.files import new_generation
from configs.progress import Progress, silent
from features.matrix import CUTOFF, StoredMatrix, store
from features.sources import Files, Records
from features.spark.parts import spread
from features.spark.ranges import Range, ranges
from features.spark.worker_engine import on_worker
from features.totals.computed import Question, computed
from features.totals.population import population

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BYTES_AT_ONCE = 1 << 27
"""What neighbouring customers may take that a worker computes at once."""
TRIES = "tries"


def write_by_workers(
    session: SparkSession,
    files: Files,
    ask: Callable[[Records], Question],
    cutoffs: Sequence[int],
    folder: Path,
    progress: Progress = silent,
) -> StoredMatrix:
    """Write the answer to what is asked of the records in ``files`` to ``folder``, and open it.

    Matrices of the same records are cut into the same parts, so that features and labels lie beside
    each other batch by batch.

    Args:
        session: whose workers compute.
        files: of the records; workers see them.
        ask: makes the question of the records of some customers; it is sent to the workers.
        cutoffs: day numbers; each gets a folder, also where nobody was known.
        folder: does not exist yet; workers see it.
        progress: told of the step ``features``.

    Raises:
        FileExistsError: ``folder`` exists already.
        FeatureError: a declaration names an unknown source, column or input.
    """
    parts, days = ranges(_resolved(files)), sorted(set(cutoffs))
    with new_generation(folder.parent, folder.name) as draft:
        target = draft.resolve()
        for name in (TRIES, *(f"{CUTOFF}{day}" for day in days)):
            (target / name).mkdir()

        def write(number: int) -> dict[str, Any]:
            with tempfile.TemporaryDirectory(dir=target / TRIES) as own:
                stored = written_of(parts[number], ask, days, Path(own) / "matrix")
                _put(stored, target, f"part-{number:05}.parquet")
            return {}

        spread(session, len(parts), write, "features", progress)
        progress("features", 1.0)
        shutil.rmtree(target / TRIES, ignore_errors=True)  # one given up may write there
    return StoredMatrix(folder)


def written_of(
    part: Range, ask: Callable[[Records], Question], cutoffs: Sequence[int], folder: Path
) -> StoredMatrix:
    """Write the answer to what is asked of the records of some customers to ``folder``."""
    with on_worker() as backend:
        records = part.records(backend)
        made = computed(records, ask(records), population(records), BYTES_AT_ONCE)
        return store(made, cutoffs, folder)


def _resolved(files: Files) -> Files:
    return {name: tuple(path.resolve() for path in paths) for name, paths in files.items()}


def _put(stored: StoredMatrix, target: Path, name: str) -> None:
    """Move the files of one range to their places, under their final name."""
    for file in stored.folder.rglob("*.parquet"):
        os.replace(file, target / file.parent.name / name)
