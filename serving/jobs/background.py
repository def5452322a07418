"""Work beside the endpoint: in a child process of low priority, only while there is some.

Every worker of the endpoint looks for work and starts the child when nobody's is running; a lock
in the store, which the system frees when its holder ends, keeps it to one child on the machine.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from configs.child import child_environment
from configs.schema import Config
from serving.endpoint.logs import Line, failure

LOOK_EVERY_SECONDS = 1.0
TRY_AGAIN_SECONDS = 10.0
"""After a child that ended with an error."""

STOP_SECONDS = 5.0
NICENESS = 19

logger = logging.getLogger("echelon.background")


@contextmanager
def alone(lock: Path) -> Iterator[bool]:
    """Yield whether the lock could be taken; it is held until the block ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@dataclass(frozen=True)
class Told:
    """What a child is told as it starts.

    Attributes:
        config: as the endpoint runs with it.
        publication: what the endpoint serves.
        parent: process that started it; when it is gone the child ends.
    """

    config: Config
    publication: str | None
    parent: int

    def written(self) -> bytes:
        """Return it as JSON."""
        config = self.config.model_dump(mode="json")
        told = {"config": config, "publication": self.publication, "parent": self.parent}
        return json.dumps(told).encode()


def told(stdin: IO[bytes]) -> Told:
    """Return what the parent wrote."""
    found = json.loads(stdin.read())
    return Told(Config.model_validate(found["config"]), found["publication"], found["parent"])


class Stop:
    """Whether a child should end: it was told to, or its parent is gone."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._is_told = False
        signal.signal(signal.SIGTERM, self._tell)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _tell(self, number: int, frame: object) -> None:
        self._is_told = True

    def __call__(self) -> bool:
        """Return whether to end now."""
        return self._is_told or os.getppid() != self._parent


class Lane:
    """One kind of work: starts its child process when there is work and nobody does it.

    Args:
        module: run as ``python -m``, told a :class:`Told` on its standard input.
        lock: file that the child holds while it works.
        has_work: looked at every second; cheap.
        tell: what the child is told.
    """

    def __init__(
        self, module: str, lock: Path, has_work: Callable[[], bool], tell: Callable[[], Told]
    ) -> None:
        self._command = [sys.executable, "-P", "-m", module]
        self._lock, self._has_work, self._tell = lock, has_work, tell
        self._child: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, name=module, daemon=True)

    def start(self) -> None:
        """Look for work from now on, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more, and end the child: what it is at goes on when there is an endpoint."""
        self._stopped.set()
        self._thread.join(timeout=STOP_SECONDS)
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()

    def _look(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_SECONDS):
            try:
                if self._is_free() and self._has_work():
                    self._begin()
            except Exception as error:  # noqa: BLE001  the watch outlives a database that is away
                logger.error(failure("work-not-seen", error))
                self._not_before = time.monotonic() + TRY_AGAIN_SECONDS

    def _is_free(self) -> bool:
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                return False
            self._child = None
            if code != 0:
                logger.error(Line("child-ended", exit_code=code))
                self._not_before = time.monotonic() + TRY_AGAIN_SECONDS
        if time.monotonic() < self._not_before:
            return False
        with alone(self._lock) as is_free:
            return is_free

    def _begin(self) -> None:
        child = subprocess.Popen(self._command, stdin=subprocess.PIPE, env=child_environment())
        self._child = child
        assert child.stdin is not None
        with child.stdin as stdin:
            stdin.write(self._tell().written())
