"""One of two workers killed under load, again and again: the other answers meanwhile.

    python -m benchmarks.reliability.kills [--count 50] [--config my.yaml]

SIGKILL is what a lack of memory sends. What the killed worker was answering is lost with its
connections, and no server can help that; a client with a pool of connections sends it once more,
which is safe for these requests, since they only read. Both are counted: answered at the first try,
and with one more try where the connection broke.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks.load import UNANSWERED, Address, Answer, Run, open_loop, run
from benchmarks.reliability.company import Company
from benchmarks.reliability.page import Proof, main
from benchmarks.reliability.questions import by_id, in_turn, raw
from benchmarks.serving.contestants import running

COUNT = 50
PER_SECOND = 20.0
WORKERS = 2
APART_SECONDS = 1.0
"""At least this long after both answer, and up to as long again, the next one is killed."""
BAR = 0.999
SEED = 5


@dataclass
class Tries:
    """How many tries got no answer, and how many another than 200."""

    unanswered: int = 0
    other: int = 0

    def look(self, answer: Answer) -> None:
        """Count one answer."""
        self.unanswered += answer.status == UNANSWERED
        self.other += answer.status not in (UNANSWERED, 200)


async def kill_all(log: Path, process: psutil.Process, count: int) -> list[float]:
    """Kill a worker ``count`` times; return the seconds until each replacement answered."""
    rng = np.random.default_rng(SEED)
    took = []
    for _ in range(count):
        await asyncio.sleep(APART_SECONDS * (1.0 + rng.random()))
        answering = log.read_text().count('"worker-answers"')
        worker = int(rng.choice([child.pid for child in process.children()]))
        os.kill(worker, signal.SIGKILL)
        killed = time.perf_counter()
        while log.read_text().count('"worker-answers"') == answering:
            await asyncio.sleep(0.05)
        took.append(time.perf_counter() - killed)
    return took


async def under_load(
    made: Company, address: Address, log: Path, process: psutil.Process, count: int
) -> tuple[list[float], Run, Tries]:
    """Return what the replacements took, the run, and its tries."""
    headers, asked = made.headers, [by_id(made)] * 9 + [raw(made)]
    done, tries = asyncio.Event(), Tries()
    requests = in_turn(asked, address, headers)
    async with asyncio.TaskGroup() as group:
        load = group.create_task(
            open_loop(address, requests, PER_SECOND, 7200, SEED, tries.look, done, tries=2)
        )
        took = await kill_all(log, process, count)
        done.set()
    return took, load.result(), tries


def prove(made: Company, folder: Path, count: int) -> Proof:
    """Start two workers and return what came of killing one ``count`` times."""
    log = folder / "kills.log"
    command = ["-P", "-m", "serving.cli", "serve", "-c", str(made.path), "--port", "{port}"]
    environment = {"ECHELON_SERVING__WORKERS": str(WORKERS)}
    with running(command, "/readyz", log, environment) as server:
        while log.read_text().count('"worker-answers"') < WORKERS:
            time.sleep(0.1)
        took, load, tries = run(under_load(made, server.address, log, server.process, count))
    asked, in_the_end = len(load.status), int((load.status == 200).sum())
    lost = asked - in_the_end - tries.other
    at_once = asked - (tries.unanswered - lost) - tries.other
    middle, high = load.milliseconds(0.5, 0.99)
    share = in_the_end / asked
    return Proof(
        "kills",
        f"One of two workers killed under load: {BAR:.1%} of requests are answered",
        {
            "workers killed": count,
            "requests meanwhile": f"{asked} ({PER_SECOND:g}/s, one in ten scored from raw records)",
            "answered at the first try": f"{at_once} ({at_once / asked:.3%})",
            "answered with one more try after a broken connection": f"{in_the_end} ({share:.3%})",
            "told to come back, for too much was asked (503), or any other status": tries.other,
            "latency, median and 99 %, ms": f"{middle:.1f} / {high:.1f}",
            "until the replacement answers, median and longest, s": (
                f"{np.median(took):.1f} / {max(took):.1f}"
            ),
        },
        () if share >= BAR else (f"only {share:.3%} of requests were answered",),
    )


if __name__ == "__main__":
    main("kills", COUNT, prove, __doc__)
