"""Work spread over Spark's workers, and folders that all of them see."""

from __future__ import annotations

import atexit
import json
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from configs import errors
from configs.files import draft_folder, sweep_drafts
from configs.progress import Progress, silent
from configs.shortage import is_beyond_limit, is_full, shortages

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

LOOK_EVERY_SECONDS = 0.25
SCRATCH = "spark.echelon.scratch"
Work = Callable[[int], dict[str, Any]]
"""What a worker does with one number; what it returns must be JSON."""


def spread(
    session: SparkSession, n: int, work: Work, step: str = "", progress: Progress = silent
) -> list[dict[str, Any]]:
    """Return what ``work`` returns for 0 … ``n`` - 1, each done by some worker, in this order.

    A worker that is lost has its numbers done again by others: ``work`` must leave the same behind
    however often it runs.

    Raises:
        EchelonError: ``work`` did, on a worker, or the worker's disk or memory did not suffice.
    """
    told: list[dict[str, Any]] = []
    for done in spreading(session, n, work, told):
        progress(step, done / n)
    return told


def spreading(
    session: SparkSession, n: int, work: Work, told: list[dict[str, Any]]
) -> Iterator[int]:
    """Yield how many numbers are done, now and then; ``told`` is filled with what was returned.

    The work is that of :func:`spread`.
    """
    tries = _tries(session)

    def on_worker(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                text = json.dumps(_tried(work, number, tries))
                yield pa.RecordBatch.from_pydict({"number": [number], "told": [text]})

    if n == 0:
        return
    table = session.range(0, n, 1, n).mapInArrow(on_worker, "number long, told string")
    group = uuid.uuid4().hex
    with ThreadPoolExecutor(1) as pool:
        rows = pool.submit(_collected, table, group)
        try:
            while not wait([rows], LOOK_EVERY_SECONDS).done:
                yield _done(session, group)
        except BaseException:
            session.sparkContext.cancelJobGroup(group)
            raise
    found = {row["number"]: json.loads(row["told"]) for row in rows.result()}
    told += [_done_or_raised(found[number]) for number in range(n)]
    yield n


def _tries(session: SparkSession) -> int:
    """Return how often Spark tries a task; on this machine alone it tries once."""
    if session.sparkContext.master.startswith("local"):
        return 1
    return int(session.sparkContext.getConf().get("spark.task.maxFailures") or 4)


def _tried(work: Work, number: int, tries: int) -> dict[str, Any]:
    """Return what ``work`` returned, or the error that it would end in again if tried again."""
    try:
        return {"done": work(number)}
    except errors.EchelonError as error:
        return {"failed": type(error).__name__, "said": str(error)}
    except shortages() as error:
        said = _said_of_worker(error)
        if said is None or _attempt() < tries:
            raise
        return {"failed": errors.EchelonError.__name__, "said": said}


def _attempt() -> int:
    """Return which try of its task this is, from 1 on."""
    from pyspark import TaskContext

    task = TaskContext.get()
    return 1 if task is None else int(task.attemptNumber()) + 1


def _said_of_worker(error: Exception) -> str | None:
    """Return what a worker lacks and how to mend it; ``None`` where it is no such error."""
    worker, said = socket.gethostname(), errors.first_line(error)
    again = "then run the same again: what is live is whole"
    if is_full(error):
        return (
            f"a disk of worker {worker} is full ({said}). Free some of stores.root, such as old "
            f"publications, or of the worker's folder for temporary files (TMPDIR); {again}"
        )
    if isinstance(error, MemoryError) or is_beyond_limit(error):
        return (
            f"worker {worker} has too little memory for a range of customers ({said}). Give "
            f"workers more memory or fewer cores, or set engine.name to 'duckdb'; {again}"
        )
    if isinstance(error, OSError):
        return (
            f"worker {worker} cannot read or write a file ({said}). Every worker must see the "
            "sources and stores.root under the paths that they have here, and be allowed to write "
            f"to stores.root; {again}"
        )
    return None


def _done_or_raised(told: dict[str, Any]) -> dict[str, Any]:
    if "failed" in told:
        raise getattr(errors, told["failed"])(told["said"])
    return dict(told["done"])


def _collected(table: DataFrame, group: str) -> Sequence[Any]:
    table.sparkSession.sparkContext.setJobGroup(group, "echelon")
    return table.collect()


def _done(session: SparkSession, group: str) -> int:
    """Return how many tasks of a group of jobs are done."""
    tracker = session.sparkContext.statusTracker()
    jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
    stages = [tracker.getStageInfo(stage) for job in jobs if job for stage in job.stageIds]
    return sum(stage.numCompletedTasks for stage in stages if stage)


def set_scratch(session: SparkSession, folder: Path) -> None:
    """Have what lies between steps written under ``folder``, which every worker sees.

    What drivers that were killed have left there is removed.
    """
    session.conf.set(SCRATCH, str(folder.resolve()))
    sweep_drafts(folder)


def scratch(session: SparkSession, name: str) -> Path:
    """Return a new folder for what lies between steps; it is removed when this process ends."""
    parent = session.conf.get(SCRATCH, None) or tempfile.gettempdir()
    held = ExitStack()
    atexit.register(held.close)
    return held.enter_context(draft_folder(Path(parent), f"spark-{name}"))
