"""SIGTERM under load, again and again: none in flight is lost, and the process ends with 0.

    python -m benchmarks.reliability.terminations [--count 100] [--config my.yaml]

Each time a whole service is started, asked at random moments by a client that knows nothing of
readiness, and told to end at a random moment. A request counts as lost if the client had a
connection and got no whole answer; a connection that is refused has sent nothing and is counted
apart. To start a hundred in a few minutes, services are forked from a process that has imported
what ``echelon serve`` imports, and run what it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import psutil

from benchmarks.load import REFUSED, UNANSWERED, Address, Answer, open_loop, run
from benchmarks.reliability.company import Company
from benchmarks.reliability.page import Proof, main
from benchmarks.reliability.questions import by_id, in_turn, raw
from benchmarks.serving.contestants import answers, free_port

COUNT = 100
PER_SECOND = 50.0
DRAIN_SECONDS = 0.5
LOAD_SECONDS = 0.3
"""The signal comes up to as long again after this."""
START_SECONDS = 120.0
SEED = 3


@contextmanager
def starter(made: Company, log: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a process that services are forked from; see ``preloaded.py``."""
    command = [
        *(sys.executable, "-m", "benchmarks.reliability.preloaded"),
        *(str(made.path), str(DRAIN_SECONDS)),
    ]
    with (
        log.open("wb") as err,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True
        ) as process,
    ):
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()


def said(starter: subprocess.Popen[str]) -> int:
    """Return the next number that the starter prints."""
    assert starter.stdout is not None
    return int(starter.stdout.readline())


async def terminate(
    address: Address,
    requests: Iterator[bytes],
    process: int,
    ended: Callable[[], int],
    after: float,
    seed: int,
) -> tuple[Counter[str], bool, int, float]:
    """Ask, tell the service to end, and return what came of it.

    That is answers by kind, whether it said that it is not ready, its exit code, and the seconds
    until it had ended.
    """
    seen: Counter[str] = Counter()
    done = asyncio.Event()

    def look(answer: Answer) -> None:
        if answer is REFUSED:
            seen["refused"] += 1
            done.set()
        elif answer.status == UNANSWERED:
            seen["lost"] += 1
        else:
            seen["answered" if answer.status == 200 else str(answer.status)] += 1

    async with asyncio.TaskGroup() as group:
        group.create_task(open_loop(address, requests, PER_SECOND, 60.0, seed, look, done))
        await asyncio.sleep(after)
        told = time.perf_counter()
        os.kill(process, signal.SIGTERM)
        was_unready = await _said_unready(address)
        code = await asyncio.to_thread(ended)
        seconds = time.perf_counter() - told
        done.set()
    return seen, was_unready, code, seconds


async def _said_unready(address: Address) -> bool:
    """Return whether the service says that it is not ready, while it still answers."""
    async with httpx.AsyncClient(base_url=f"http://{address.host}:{address.port}") as client:
        while True:
            try:
                if (await client.get("/v2/health/ready")).status_code == 503:
                    return True
            except httpx.TransportError:
                return False
            await asyncio.sleep(0.02)


def wait_ready(address: Address, process: int, log: Path) -> None:
    """Wait until a service answers.

    Raises:
        TimeoutError: it does not; the log says why.
    """
    url = f"http://{address.host}:{address.port}/readyz"
    if not answers(url, partial(psutil.pid_exists, process), START_SECONDS):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        raise TimeoutError(f"the service is not ready: {log.read_text()[-2000:]}")


def prove(made: Company, folder: Path, count: int) -> Proof:
    """Return what came of ending ``count`` services."""
    rng = np.random.default_rng(SEED)
    seen: Counter[str] = Counter()
    codes: Counter[int] = Counter()
    unready, seconds = 0, []
    asked = [by_id(made)] * 9 + [raw(made)]
    log = folder / "terminations.log"
    with starter(made, log) as starting:
        for number in range(count):
            address = Address(free_port())
            assert starting.stdin is not None
            print(address.port, file=starting.stdin, flush=True)
            process = said(starting)
            wait_ready(address, process, log)
            requests = in_turn(asked, address, made.headers)
            after = LOAD_SECONDS * (1.0 + rng.random())
            work = terminate(address, requests, process, partial(said, starting), after, number)
            found, was_unready, code, took = run(work)
            codes[code] += 1
            seen, unready = seen + found, unready + was_unready
            seconds.append(took)
    broken = [f"{seen['lost']} requests in flight were lost"] if seen["lost"] else []
    if set(codes) != {0}:
        broken.append(f"exit codes: {dict(codes)}")
    if unready < count:
        broken.append(f"readiness was refused before the end in {unready} of {count} only")
    others = {status: n for status, n in seen.items() if status.isdigit() and status != "503"}
    if others:
        broken.append(f"other statuses than 200 and 503: {others}")
    return Proof(
        "terminations",
        "SIGTERM under load: not ready first, none in flight lost, exit code 0",
        {
            "services ended": count,
            "requests answered": seen["answered"],
            "told to come back, for too much was asked (503)": seen["503"],
            "in flight and lost": seen["lost"],
            "not sent, for nobody listened any more": seen["refused"],
            "ended with 0": codes[0],
            "not ready first": unready,
            "from SIGTERM to the end, median and longest, s": (
                f"{np.median(seconds):.2f} / {max(seconds):.2f}"
            ),
        },
        tuple(broken),
    )


if __name__ == "__main__":
    main("terminations", COUNT, prove, __doc__)
