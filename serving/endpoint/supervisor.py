"""Several workers on one socket: one that dies or hangs is replaced, one that cannot start told of.

The supervisor imports what workers need and forks: a replacement answers within a second, and the
libraries are in memory once. It runs no thread and opens nothing, so that a fork is safe.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from types import FrameType

from configs.errors import EchelonError, ServiceError
from serving.endpoint.logs import Line

logger = logging.getLogger("echelon.supervisor")

STARTS_AT_MOST = 5
"""How often in a row a replacement may fail before the whole service gives up."""
PAUSE_SECONDS = 0.5
"""Before a replacement is tried again; doubled each time."""
HUNG_SECONDS = 30.0
"""How long a worker that answers may give no sign of life before it is killed, and replaced."""
LOOK_FOR_PARENT_SECONDS = 1.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)

Work = Callable[[Callable[[str], None], Callable[[], None]], None]
"""Given what to call once it answers, and what to call again and again as long as it can."""


@dataclass
class Worker:
    """A process that answers.

    Attributes:
        process: itself.
        pipe: by which it says that it answers.
        pulse: in memory of both, another number with every sign of life.
        is_ready: whether it has said that it answers.
        seen: the pulse when last looked at.
        silent_seconds: for how long it has been the same, while the supervisor ran.
    """

    process: ForkProcess
    pipe: Connection
    pulse: ctypes.c_uint64
    is_ready: bool = False
    seen: int = 0
    silent_seconds: float = 0.0

    def is_hung(self, seconds: float) -> bool:
        """Return whether it has given no sign of life for too long, ``seconds`` of them new."""
        pulse = int(self.pulse.value)
        is_silent = self.is_ready and pulse == self.seen
        self.silent_seconds = self.silent_seconds + seconds if is_silent else 0.0
        self.seen = pulse
        return self.silent_seconds > HUNG_SECONDS


def _beat(pulse: ctypes.c_uint64) -> None:
    pulse.value += 1


class Supervisor:
    """Keeps ``count`` processes at ``work`` until told to stop.

    Args:
        work: what a worker does, given what to call once it answers; ends at SIGTERM.
        count: how many workers.
        end_seconds: after which a worker that was told to end is killed.
        on_ready: called once all of them answer, with what the last one says of it.
        on_leaving: called once no worker will be started any more, before any is told to end.
        on_end: given the process id of every worker that has ended.
    """

    def __init__(
        self,
        work: Work,
        count: int,
        end_seconds: float,
        on_ready: Callable[[str], None],
        on_leaving: Callable[[], None],
        on_end: Callable[[int], None],
    ) -> None:
        self._work = work
        self._count = count
        self._end_seconds = end_seconds
        self._on_ready = on_ready
        self._on_leaving = on_leaving
        self._on_end = on_end
        self._workers: list[Worker] = []
        self._failures = 0
        self._next_start = 0.0
        self._looked_at = time.monotonic()
        self._were_ready = False
        self._signal: int | None = None
        self._ends_by: float | None = None
        self._code = 0

    def run(self) -> None:
        """Return after SIGTERM, once every worker has ended.

        Raises:
            KeyboardInterrupt: the signal was Ctrl-C.
            ServiceError: a worker could not start, killed by a signal.
            SystemExit: a worker could not start; the code is its own.
        """
        before = {sig: signal.signal(sig, self._stop) for sig in SIGNALS}
        try:
            while self._ends_by is None or self._workers:
                self._fill()
                self._wait()
                self._kill_the_hung()
                self._kill_the_late()
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)
        if self._signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self._code < 0:
            raise ServiceError(f"a worker was killed by signal {-self._code} before it could start")
        if self._code:
            raise SystemExit(self._code)

    def _stop(self, sig: int, frame: FrameType | None) -> None:
        if self._signal is not None:
            for worker in self._workers:
                worker.process.kill()
            os._exit(128 + sig)
        self._signal = sig
        self._end()

    def _end(self) -> None:
        if self._ends_by is None:
            self._ends_by = time.monotonic() + self._end_seconds
            self._on_leaving()
            for worker in self._workers:
                worker.process.terminate()

    def _fill(self) -> None:
        while (
            self._ends_by is None
            and len(self._workers) < self._count
            and time.monotonic() >= self._next_start
        ):
            self._start()

    def _start(self) -> None:
        """Fork a worker; signals wait meanwhile, so that none meets a half-made one."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            ours, theirs = multiprocessing.Pipe(duplex=False)
            pulse: ctypes.c_uint64 = multiprocessing.RawValue(ctypes.c_uint64, 0)
            process = multiprocessing.get_context("fork").Process(
                target=_worker, args=(self._work, theirs, pulse, os.getpid())
            )
            process.start()
            theirs.close()
            self._workers.append(Worker(process, ours, pulse))
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _wait(self) -> None:
        watched = [worker.process.sentinel for worker in self._workers]
        pipes = [worker.pipe for worker in self._workers if not worker.is_ready]
        wait([*watched, *pipes], timeout=PAUSE_SECONDS)
        for worker in list(self._workers):
            if not worker.is_ready and worker.pipe.poll():
                self._heard(worker)
            if worker.process.exitcode is not None:
                self._ended(worker)

    def _heard(self, worker: Worker) -> None:
        try:
            said = worker.pipe.recv_bytes().decode()
        except EOFError:
            worker.process.join()
            return
        worker.is_ready, self._failures = True, 0
        logger.info(Line("worker-answers", worker=worker.process.pid))
        if self._ends_by is not None:
            return
        if not self._were_ready and sum(one.is_ready for one in self._workers) == self._count:
            self._were_ready = True
            self._on_ready(said)

    def _ended(self, worker: Worker) -> None:
        code = worker.process.exitcode or 0
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        self._on_end(worker.process.pid or 0)
        if self._ends_by is not None:
            return
        if worker.is_ready:
            logger.error(Line("worker-replaced", worker=worker.process.pid, exit_code=code))
            return
        self._failures += 1
        self._next_start = time.monotonic() + PAUSE_SECONDS * 2**self._failures
        logger.error(Line("worker-could-not-start", worker=worker.process.pid, exit_code=code))
        if not self._were_ready or self._failures >= STARTS_AT_MOST:
            logger.error(Line("given-up", exit_code=code))
            self._code = code or ServiceError.exit_code
            self._end()

    def _kill_the_hung(self) -> None:
        """Kill whoever gives no sign of life; a supervisor that was held still has not looked."""
        now = time.monotonic()
        seconds, self._looked_at = min(now - self._looked_at, 2 * PAUSE_SECONDS), now
        for worker in self._workers:
            if worker.is_hung(seconds) and self._ends_by is None:
                logger.error(Line("worker-hung", worker=worker.process.pid))
                worker.process.kill()

    def _kill_the_late(self) -> None:
        if self._ends_by is not None and time.monotonic() > self._ends_by:
            for worker in self._workers:
                worker.process.kill()


def _worker(work: Work, pipe: Connection, pulse: ctypes.c_uint64, parent: int) -> None:
    """Work in a forked process that leaves Ctrl-C to the supervisor, and ends when that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        work(lambda said: pipe.send_bytes(said.encode()), partial(_beat, pulse))
    except EchelonError as error:
        print(f"echelon: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_FOR_PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
