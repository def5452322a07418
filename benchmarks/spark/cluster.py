"""A real Spark cluster on this machine: a master and two workers, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

HOST = "127.0.0.1"
MASTER = "org.apache.spark.deploy.master.Master"
WORKER = "org.apache.spark.deploy.worker.Worker"
SECONDS = 180
QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""For Java that shall start quickly rather than compute quickly."""


@dataclass
class Cluster:
    """A running cluster; ``folder`` holds its logs and what its workers work in."""

    folder: Path
    url: str
    master: subprocess.Popen[bytes]
    java: Mapping[str, str]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add_worker(self, memory: str = "1g") -> Path:
        """Start another worker of one core and return its log."""
        number = len(list(self.folder.glob("worker-*.log")))
        work = self.folder / f"work-{number}"
        own = ["--host", HOST, "--webui-port", "0", "--cores", "1", "--memory", memory]
        said = self.folder / f"worker-{number}.log"
        own += ["--work-dir", str(work), self.url]
        self.workers.append(started(WORKER, own, said, self.java))
        return said

    def kill_worker(self, number: int) -> list[int]:
        """Kill a worker, its executors and their Python processes; return whom."""
        worker = psutil.Process(self.workers[number].pid)
        doomed = [worker, *worker.children(recursive=True)]
        for process in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        self.workers[number].wait()
        return [process.pid for process in doomed]

    def executors(self, number: int) -> list[psutil.Process]:
        """Return the executors that a worker runs."""
        return psutil.Process(self.workers[number].pid).children()

    def stop(self) -> None:
        for process in [*self.workers, self.master]:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.kill()
            process.kill()
            process.wait()

    def logs(self) -> str:
        """Return the end of everything that the cluster has said."""
        files = sorted([*self.folder.glob("*.log"), *self.folder.glob("work-*/*/*/stderr")])
        parts = [f"== {file}\n{file.read_text('utf-8', 'replace')[-4000:]}" for file in files]
        return "\n".join(parts)


@contextlib.contextmanager
def standalone(
    folder: Path, workers: int = 2, memory: str = "1g", java: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """Run a master and ``workers`` workers of one core each; all are gone afterwards.

    Args:
        folder: for logs and what workers work in.
        workers: how many.
        memory: that each worker has to give away.
        java: environment of all Java processes, executors included.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    said = folder / "master.log"
    own = ["--host", HOST, "--port", str(port), "--webui-port", "0"]
    java = java or {}
    master = started(MASTER, own, said, java)
    cluster = Cluster(folder, f"spark://{HOST}:{port}", master, java)
    try:
        for log in [cluster.add_worker(memory) for _ in range(workers)]:
            waited_for(log, "Successfully registered with master")
        yield cluster
    finally:
        cluster.stop()


def started(
    main: str, arguments: list[str], said: Path, java: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a Spark daemon from the pip package; what it says goes to ``said``."""
    import pyspark

    home = Path(pyspark.__file__).parent
    environment = {**os.environ, **java} | {
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_DAEMON_MEMORY": "256m",
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_DAEMON_JAVA_OPTS": QUICK_JAVA,
    }
    with said.open("wb") as log:
        command = [str(home / "bin" / "spark-class"), main, *arguments]
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def waited_for(said: Path, words: str) -> None:
    """Wait until a daemon says ``words``."""
    end = time.monotonic() + SECONDS
    while not re.search(words, said.read_text("utf-8", "replace")):
        if time.monotonic() > end:
            raise TimeoutError(f"{said} does not say {words!r}: {said.read_text()[-2000:]}")
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])
