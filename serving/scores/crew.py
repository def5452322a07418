"""Batches done by several processes at once: a core each, with the result of one alone.

Sentences are written by Python, which uses one core however many threads it has. Processes are
begun anew, not forked: engine and models of the one that begins them have threads of their own.
"""

from __future__ import annotations

import atexit
import gc
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from configs.errors import PublicationError
from configs.lean import keep_out

if TYPE_CHECKING:
    from serving.scores.batches import Work

Step = Callable[["Work", int], None]
"""Does one batch: :func:`score_batch` or :func:`explain_batch`."""

KILLED = (
    "a process that scores was ended from outside, by the system for want of memory most likely. "
    "What is done is kept: set engine.threads, the processes that score, or "
    "serving.score_rows_at_once lower and run `echelon score` again"
)


class Crew(Protocol):
    """Does batches of a step and yields the number of each that is done, in any order."""

    def __call__(self, step: Step, numbers: Sequence[int]) -> Iterator[int]: ...  # noqa: D102


@contextmanager
def crew(work: Work, processes: int) -> Iterator[Crew]:
    """Yield who does the batches of ``work``: this process alone, or ``processes`` others."""
    if processes < 2:
        with _frozen():
            yield lambda step, numbers: _alone(work, step, numbers)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, begin, (pickle.dumps(work),)) as pool:
        try:
            yield lambda step, numbers: _together(pool, step, numbers)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _frozen() -> Iterator[None]:
    """Keep the garbage collector from going through libraries and models again and again.

    The many values of a batch would make it do so all the time.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _alone(work: Work, step: Step, numbers: Sequence[int]) -> Iterator[int]:
    for number in numbers:
        step(work, number)
        yield number


def _together(pool: ProcessPoolExecutor, step: Step, numbers: Sequence[int]) -> Iterator[int]:
    asked = {pool.submit(_do, step, number): number for number in numbers}
    try:
        for done in as_completed(asked):
            done.result()
            yield asked[done]
    except BrokenProcessPool as error:
        raise PublicationError(KILLED) from error


_given: list[Work] = []


def begin(pickled: bytes) -> None:
    """Get ready in a process of the crew, which is lean: work is unpickled when it is."""
    keep_out()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    _given.append(pickle.loads(pickled))
    gc.freeze()
    atexit.register(gc.unfreeze)


def _do(step: Step, number: int) -> None:
    step(_given[0], number)


def _end_with_parent() -> None:
    """End this process when the one that began it is gone, however it went."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
