"""One measured piece of work: a child process, what it cost, and whether it ended by itself."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

EVERY_SECONDS = 0.2


@dataclass(frozen=True)
class Limit:
    """What a child may use before it is stopped."""

    seconds: float
    gib: float


@dataclass(frozen=True)
class Cost:
    """What a child process and its own children cost.

    Attributes:
        wall_seconds: from start to end.
        cpu_seconds: of all processors, in user and system mode.
        peak_gib: the largest sum of resident memory seen, five times a second; pages that
            several processes share count for each.
        written_gib: handed to the file system for writing, temporary files included.
        failed: why there is no result; empty where there is one.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_gib: float
    written_gib: float
    failed: str = ""


def measure(
    command: Sequence[str], log: Path, limit: Limit, environment: Mapping[str, str] | None = None
) -> Cost:
    """Return what ``command`` cost; what it prints goes to ``log``."""
    began = time.perf_counter()
    with log.open("w", encoding="utf-8") as out:
        out.write(shlex.join(command) + "\n")
        out.flush()
        child = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
    watch = _Watch(child.pid)
    failed = ""
    while (ended := os.wait4(child.pid, os.WNOHANG))[0] == 0:
        watch.look()
        failed = failed or watch.over(limit, time.perf_counter() - began)
        if failed:
            os.killpg(child.pid, signal.SIGKILL)
        time.sleep(EVERY_SECONDS)
    wall = time.perf_counter() - began
    _, status, used = ended
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode and not failed:
        failed = f"ended with {child.returncode}: {_last_line(log)}"
    cpu = max(used.ru_utime + used.ru_stime, watch.cpu_seconds())
    written = max(used.ru_oublock * 512, watch.written_bytes())
    return Cost(wall, cpu, watch.peak / 2**30, written / 2**30, failed)


class _Watch:
    """Looks at a process and its children while they live."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._cpu: dict[int, float] = {}
        self._written: dict[int, int] = {}
        self.peak = 0

    def look(self) -> None:
        """Note what all of them hold now and have used so far."""
        resident = 0
        for member in self._family():
            try:
                with member.oneshot():
                    resident += member.memory_info().rss
                    times = member.cpu_times()
                    self._cpu[member.pid] = times.user + times.system
                    self._written[member.pid] = member.io_counters().write_bytes
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        self.peak = max(self.peak, resident)

    def over(self, limit: Limit, seconds: float) -> str:
        """Return which limit is passed; empty where none is."""
        if seconds > limit.seconds:
            return f"not done after {limit.seconds:g} s"
        if self.peak > limit.gib * 2**30:
            return f"went over {limit.gib:g} GiB after {seconds:.0f} s"
        return ""

    def cpu_seconds(self) -> float:
        """Return the processor time of all, as seen last."""
        return sum(self._cpu.values())

    def written_bytes(self) -> int:
        """Return the bytes written by all, as seen last."""
        return sum(self._written.values())

    def _family(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
