"""The servers that are measured side by side, each a process of its own with one worker."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.load import Address

START_SECONDS = 180.0
BY_ID = "/v1/predictions"


@dataclass
class Server:
    """A server that has started.

    Attributes:
        process: of it and its children.
        address: where it listens.
        seconds_to_ready: wall seconds from its start to its first good answer.
        processor_to_ready: processor seconds until then, children included.
    """

    process: psutil.Process
    address: Address
    seconds_to_ready: float
    processor_to_ready: float

    def processor_seconds(self) -> float:
        """Return what the server and its children have used so far."""
        return _processor_seconds(self.process)


def _processor_seconds(process: psutil.Process) -> float:
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            times = one.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


@dataclass(frozen=True)
class Contestant:
    """One way to answer a request.

    Attributes:
        name: as the results call it.
        server: name of the server that answers.
        path: address of the request.
        bodies: JSON bodies, sent in turn.
        headers: sent with each.
    """

    name: str
    server: str
    path: str
    bodies: Sequence[Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def requests(self, address: Address) -> Iterator[bytes]:
        """Return its requests, without end."""
        made = [address.request("POST", self.path, body, self.headers) for body in self.bodies]
        return itertools.cycle(made)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def running(
    command: Sequence[str], ready: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Start ``command``, in which ``{port}`` is a free port, and stop it at the end.

    Args:
        command: after the interpreter's name.
        ready: address that answers 200 once the server is ready.
        log: where its output goes.
        environment: further variables.

    Raises:
        TimeoutError: it is not ready in three minutes, or ended.
    """
    port = free_port()
    filled = [sys.executable, *(part.format(port=port) for part in command)]
    with log.open("wb") as out:
        start = time.perf_counter()
        child = subprocess.Popen(
            filled, stdout=out, stderr=out, env={**os.environ, **(environment or {})}
        )
    process = psutil.Process(child.pid)
    try:
        seconds = _wait(child, f"http://127.0.0.1:{port}{ready}", start, log)
        yield Server(process, Address(port), seconds, _processor_seconds(process))
    finally:
        _stop(child, process)


def _wait(child: subprocess.Popen[bytes], url: str, start: float, log: Path) -> float:
    if not answers(url, lambda: child.poll() is None, START_SECONDS):
        raise TimeoutError(f"{child.args!r} is not ready: {log.read_text()[-2000:]}")
    return time.perf_counter() - start


def answers(url: str, is_running: Callable[[], bool], seconds: float) -> bool:
    """Wait until ``url`` answers 200, and return whether it did in ``seconds`` while it ran."""
    end = time.perf_counter() + seconds
    with httpx.Client(timeout=30) as client:
        while time.perf_counter() < end and is_running():
            with contextlib.suppress(httpx.TransportError):
                if client.get(url).status_code == 200:
                    return True
            time.sleep(0.05)
    return False


def _stop(child: subprocess.Popen[bytes], process: psutil.Process) -> None:
    below = []
    with contextlib.suppress(psutil.Error):
        below = process.children(recursive=True)
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for one in below:
        with contextlib.suppress(psutil.Error):
            one.kill()
