"""Work spread over Spark's workers, and tables written by them as sorted parts.

    <folder>/[cutoff=20543/]part-00000.parquet    rows sorted, customers of one part before the next

Where a part ends follows from a digest of the customers alone, so that the same rows make the same
files however many workers there are and whichever of them was lost.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from configs import errors
from configs.files import draft_folder, sweep_drafts
from configs.progress import Progress, silent

if TYPE_CHECKING:
    import ibis
    from pyspark.sql import Column, DataFrame, SparkSession

PARTS_AT_MOST = 256
SAMPLED_A_PART = 200
"""Customers that are looked at to say where one part ends."""
LOOK_EVERY_SECONDS = 0.25
BYTES_A_TASK = 16 * 2**20
"""Of compressed Parquet that one task of a shuffle takes."""
SCRATCH = "spark.echelon.scratch"
PART = "__part"
TASKS_A_PART = 4
"""Parts go to tasks by a hash, and few share one of so many; ranges would compute rows twice."""
ROWS_A_PART = 50_000
"""Customers of a part of a feature matrix: some 100 MB of features, scored by one task."""
EVENTS_A_PART = 1_000_000


@dataclass(frozen=True)
class Form:
    """What the Parquet files of parts are like."""

    schema: pa.Schema
    rows_a_group: int
    compression: str


Work = Callable[[int], dict[str, Any]]
"""What a worker does with one number; what it returns must be JSON."""


def spread(
    session: SparkSession, n: int, work: Work, step: str = "", progress: Progress = silent
) -> list[dict[str, Any]]:
    """Return what ``work`` returns for 0 … ``n`` - 1, each done by some worker, in this order.

    A worker that is lost has its numbers done again by others: ``work`` must leave the same behind
    however often it runs.

    Raises:
        EchelonError: ``work`` did, on a worker.
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

    def on_worker(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                text = json.dumps(_tried(work, number))
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


def _tried(work: Work, number: int) -> dict[str, Any]:
    """Return what ``work`` returned, or the error that it would end in again if tried again."""
    try:
        return {"done": work(number)}
    except errors.EchelonError as error:
        return {"failed": type(error).__name__, "said": str(error)}


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


def frame(backend: ibis.BaseBackend, table: ibis.Table) -> DataFrame:
    """Return an Ibis table of the Spark ``backend`` as a data frame, not yet computed."""
    backend._register_in_memory_tables(table)
    return backend._session.sql(backend.compile(table))


def kept(backend: ibis.BaseBackend, table: ibis.Table) -> ibis.Table:
    """Return ``table`` computed once by the workers, and written until this process ends."""
    folder = scratch(backend._session, "kept") / "rows"
    frame(backend, table).write.parquet(str(folder))
    return backend.read_parquet(str(folder))


def set_parallelism(session: SparkSession, n_bytes: int) -> None:
    """Have shuffles use as many tasks as there are cores, or more for ``n_bytes`` of Parquet."""
    cores = int(session.sparkContext.defaultParallelism)
    tasks = max(cores, math.ceil(n_bytes / BYTES_A_TASK))
    session.conf.set("spark.sql.shuffle.partitions", str(tasks))


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


def bounds(rows: DataFrame, n_rows: int, rows_a_part: int) -> list[str]:
    """Return the last ``customer_id`` of every part but the last, rising.

    Args:
        rows: with ``customer_id``.
        n_rows: about how many there are.
        rows_a_part: how many a part shall have, about.
    """
    from pyspark.sql import functions as sql

    n_parts = min(math.ceil(n_rows / rows_a_part), PARTS_AT_MOST)
    if n_parts < 2:
        return []
    every = max(n_rows // (n_parts * SAMPLED_A_PART), 1)
    drawn = rows.where(sql.pmod(sql.xxhash64("customer_id"), sql.lit(every)) == 0)
    counted = drawn.groupBy("customer_id").count().toArrow().sort_by("customer_id")
    if not len(counted):
        return []
    ids, sums = counted["customer_id"].to_pylist(), list(accumulate(counted["count"].to_pylist()))
    share = sums[-1] / n_parts
    ends = [next(i for i, s in enumerate(sums) if s >= share * k) for k in range(1, n_parts)]
    return [ids[end] for end in dict.fromkeys(ends)]


def write_parts(
    rows: DataFrame,
    folder: Path,
    ends: Sequence[str],
    order: Sequence[str],
    form: Form,
    by: Sequence[str] = (),
    progress: Progress = silent,
) -> None:
    """Write ``rows`` by the workers as sorted parts to ``folder``.

    Args:
        rows: with ``customer_id``.
        folder: is made; workers see it.
        ends: of the parts, see :func:`bounds`.
        order: columns that rows of a part are sorted by.
        form: of the files.
        by: columns that a folder each is made for, in Hive's layout.
        progress: told of the step ``sorted parts``.
    """
    parts = rows.withColumn(PART, _part(rows["customer_id"], list(ends)))
    parts = parts.repartition(TASKS_A_PART * (len(ends) + 1), PART)
    parts = parts.sortWithinPartitions(*by, PART, *order)
    folder = folder.resolve()
    raw = folder.with_name(f".{folder.name}.raw")
    writer = parts.write.partitionBy(*by, PART).mode("overwrite")
    writer.option("compression", "lz4_raw").parquet(str(raw))
    pairs = [(file, folder / _place(file.parent, raw)) for file in sorted(raw.rglob("*.parquet"))]
    assert len({target for _, target in pairs}) == len(pairs), "a part has two files"
    for parent in {target.parent for _, target in pairs} | {folder}:
        parent.mkdir(parents=True, exist_ok=True)

    def finish(number: int) -> dict[str, Any]:
        _in_form(*pairs[number], form)
        return {}

    spread(rows.sparkSession, len(pairs), finish, "sorted parts", progress)
    shutil.rmtree(raw)


def _place(inside: Path, raw: Path) -> Path:
    """Return where the file of a part belongs, which Spark named at random."""
    number = int(inside.name.removeprefix(f"{PART}="))
    return inside.parent.relative_to(raw) / f"part-{number:05}.parquet"


def _in_form(file: Path, target: Path, form: Form) -> None:
    """Write the rows of ``file`` to ``target``, in row groups of one size."""
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    with (
        pq.ParquetFile(file) as opened,
        pq.ParquetWriter(draft, form.schema, compression=form.compression) as writer,
    ):
        names, held = form.schema.names, form.schema.empty_table()
        for batch in opened.iter_batches(form.rows_a_group, columns=names):
            rows = pa.Table.from_batches([batch]).select(names).cast(form.schema)
            held = pa.concat_tables([held, rows])
            if len(held) >= form.rows_a_group:
                writer.write_table(held.slice(0, form.rows_a_group).combine_chunks())
                held = held.slice(form.rows_a_group)
        if len(held):
            writer.write_table(held.combine_chunks())
    os.replace(draft, target)


def _part(customer: Column, ends: list[str], first: int = 0) -> Column:
    """Return which part a customer belongs to, by halves."""
    from pyspark.sql import functions as sql

    if not ends:
        return sql.lit(first)
    middle = len(ends) // 2
    low = _part(customer, ends[:middle], first)
    high = _part(customer, ends[middle + 1 :], first + middle + 1)
    return sql.when(customer <= sql.lit(ends[middle]), low).otherwise(high)
