"""Works on batch jobs, one after the other, in a process of its own that the endpoint starts.

It ends when nothing has waited for half a minute. Killed, it leaves a job "running"; whoever takes
the lock next queues that job again, and after three times fails it. A job is always begun anew,
so its results are wholly of one publication.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from configs.files import sweep_drafts
from configs.schema import Config
from configs.section import Text
from serving.access.customer_scope import EVERYBODY, CustomerScope
from serving.access.keys import listed
from serving.endpoint import logs
from serving.endpoint.current import Current
from serving.endpoint.logs import failure
from serving.endpoint.problem_kinds import KINDS
from serving.endpoint.served import Served, open_served
from serving.endpoint.state import State, open_state
from serving.jobs.background import NICENESS, Stop, alone, told
from serving.jobs.beside import JOBS_LOCK
from serving.jobs.job_answers import answered, in_chunks
from serving.jobs.job_book import Job, JobBook
from serving.jobs.job_results import result_writer
from serving.jobs.job_rows import RowFormat, RowLimits, UnreadableError, count_rows, rows_of
from serving.jobs.room import check_size

IDLE_SECONDS = 30.0
LOOK_EVERY_SECONDS = 0.2
ORPHANED_SECONDS = 3600.0
"""A folder this old that no job names was left by an upload whose process was killed."""

logger = logging.getLogger("echelon.jobs")


class StoppedError(Exception):
    """The job is not wanted any more, or the process is to end."""


def rows_file(folder: Path, form: RowFormat) -> Path:
    """Return where the rows of a job stand."""
    return folder / f"rows.{form}"


class Runner:
    """Works on the jobs of one company.

    Args:
        config: the company.
        book: its jobs.
        scope_of: whom the owner of a job may ask about, by the key's id.
        is_stopped: asked between chunks.
    """

    def __init__(
        self,
        config: Config,
        book: JobBook,
        scope_of: Callable[[str | None], CustomerScope],
        is_stopped: Callable[[], bool],
    ) -> None:
        self._config, self._book = config, book
        self._scope_of, self._is_stopped = scope_of, is_stopped
        self._kept = dt.timedelta(days=config.serving.jobs.kept_days)
        self._limits = RowLimits(config.serving.rows_per_request, config.serving.request_bytes)
        self._current: Current[Served] = Current(
            config.stores.publications, partial(open_served, config)
        )

    def run(self) -> None:
        """Work until there has been nothing to do for a while, or it is stopped."""
        self._book.recover(_now(), self._kept)
        sweep(self._config.stores.jobs, self._book)
        idle_since = time.monotonic()
        while not self._is_stopped() and time.monotonic() - idle_since < IDLE_SECONDS:
            job = self._book.claim(_now())
            if job is None:
                time.sleep(LOOK_EVERY_SECONDS)
            else:
                self.work(job)
                idle_since = time.monotonic()

    def work(self, job: Job) -> None:
        """Answer every row of ``job``; whatever happens, it does not stay "running"."""
        folder = self._config.stores.jobs / job.id
        try:
            self._answer(job, folder)
        except StoppedError:
            if not self._book.put_back(job):
                shutil.rmtree(folder, ignore_errors=True)
        except UnreadableError as error:
            self._book.failed(job, error.said, _now(), self._kept)
        except Exception as error:  # noqa: BLE001  the outermost frame of a job: it must not hang
            logger.error(replace(failure("job-failed", error), job=job.id))
            self._book.failed(job, BROKEN, _now(), self._kept)

    def _answer(self, job: Job, folder: Path) -> None:
        served = self._served()
        file = rows_file(folder, job.form)
        total = count_rows(file, job.form)
        check_size(self._config, total)
        manifest = served.publication.manifest
        self._go_on(
            self._book.begun(job, total, manifest.id, manifest.as_of, manifest.terms.versions)
        )
        scope = self._scope_of(job.owner)
        with result_writer(folder) as writer:
            for chunk in in_chunks(rows_of(file, job.form, self._limits)):
                today = dt.datetime.now(served.zone).date()
                writer.write(answered(served, chunk, scope, today))
                self._go_on(self._book.progressed(job, writer.counts))
                check_size(self._config, sum(writer.counts.values()))
        if not self._book.succeeded(job, writer.counts, _now(), self._kept):
            raise StoppedError

    def _go_on(self, is_wanted: bool) -> None:
        if not is_wanted or self._is_stopped():
            raise StoppedError

    def _served(self) -> Served:
        self._current.refresh()
        if self._current.served is None:
            raise UnreadableError(NOTHING_SERVED)
        return self._current.served


BROKEN = Text(zh="服务出错，日志中有原因。", en="The endpoint failed; its log says why.")
NOTHING_SERVED = KINDS["not-ready"].detail


def sweep(store: Path, book: JobBook) -> None:
    """Remove the files of jobs that have expired, and what killed uploads left."""
    for job_id in book.expire(_now()):
        shutil.rmtree(store / job_id, ignore_errors=True)
    known = book.ids()
    for folder in store.glob("job_*"):
        age = time.time() - folder.stat().st_mtime
        if folder.name not in known and age > ORPHANED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
        elif age > ORPHANED_SECONDS:
            sweep_drafts(folder)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def main() -> None:
    """Work on the jobs of the company that the parent tells."""
    os.nice(NICENESS)
    die_first()
    logs.start()
    given = told(sys.stdin.buffer)
    stop = Stop(given.parent)
    with alone(given.config.stores.jobs / JOBS_LOCK) as is_mine:
        if is_mine:
            state = open_state(given.config.stores)
            Runner(given.config, JobBook(state), partial(scope_in, state), stop).run()


def die_first() -> None:
    """Have the system end this process, and no other, where the memory does not suffice.

    A small file of Parquet can hold a row of gigabytes; the job then fails after three times.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def scope_in(state: State, owner: str | None) -> CustomerScope:
    """Return whom the owner of a job may ask about.

    Raises:
        UnreadableError: the owner's key does not hold any more.
    """
    if owner is None:
        return EVERYBODY
    key = next((one for one in listed(state) if one.id == owner), None)
    if key is None or not key.holds_at(_now()):
        raise UnreadableError(KEY_GONE)
    return key.customers


KEY_GONE = Text(
    zh="提交该任务的密钥已失效。", en="The key that the job was sent with does not hold any more."
)


if __name__ == "__main__":
    main()
