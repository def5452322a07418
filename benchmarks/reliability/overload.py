"""Eight times more than can be answered: some are answered, the rest are told to come back.

    python -m benchmarks.reliability.overload [--count 8] [--config my.yaml]

First a closed loop measures what one worker can answer; then requests come at ``count`` times that
rate, whether or not earlier ones are answered. Requests are predictions from raw records, which
cost the server many times what they cost the client. Recovery counts from the last request sent
until the first of ten requests one after another that are answered with 200 within a second.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from benchmarks.load import Address, Run, closed_loop, open_loop, run
from benchmarks.reliability.company import Company
from benchmarks.reliability.page import Proof, main
from benchmarks.reliability.questions import Question, in_turn, raw
from benchmarks.serving.contestants import running

COUNT = 8
CONNECTIONS = 16
CAPACITY_SECONDS = 4.0
SECONDS = 10.0
ALLOWED = frozenset({200, 429, 503})
RECOVERY_SECONDS_AT_MOST = 5.0
IN_A_ROW = 10
SEED = 13


def recovery(address: Address, question: Question, headers: Mapping[str, str]) -> float:
    """Return the seconds until requests are answered as before."""
    began = time.perf_counter()
    good, first = 0, began
    with httpx.Client(base_url=f"http://{address.host}:{address.port}", headers=headers) as client:
        while good < IN_A_ROW:
            sent = time.perf_counter()
            answer = client.post(question.path, json=question.body, timeout=60)
            is_good = answer.status_code == 200 and time.perf_counter() - sent < 1.0
            good = good + 1 if is_good else 0
            first = time.perf_counter() if good == 1 else first
    return first - began


def overloaded(
    address: Address, question: Question, headers: Mapping[str, str], times: float
) -> tuple[float, Run, float]:
    """Return requests a second without overload, the run under it, and seconds to recovery."""
    requests = in_turn([question], address, headers)
    capacity = run(closed_loop(address, requests, CONNECTIONS, CAPACITY_SECONDS)).per_second
    load = run(open_loop(address, requests, times * capacity, SECONDS, SEED))
    still_busy = max(0.0, load.seconds - SECONDS)
    return capacity, load, still_busy + recovery(address, question, headers)


def prove(made: Company, folder: Path, count: int) -> Proof:
    """Return what came of ``count`` times more requests than can be answered."""
    command = ["-P", "-m", "serving.cli", "serve", "-c", str(made.path), "--port", "{port}"]
    with running(command, "/readyz", folder / "overload.log") as server:
        headers = made.headers
        capacity, load, recovered = overloaded(server.address, raw(made), headers, count)
    others = {status: n for status, n in load.statuses.items() if status not in ALLOWED}
    broken = [f"other statuses than 200, 429, 503: {others}"] if others else []
    if recovered > RECOVERY_SECONDS_AT_MOST:
        broken.append(f"recovery took {recovered:.1f} s")
    answered = load.statuses.get(200, 0)
    middle, high = load.milliseconds(0.5, 0.99)
    return Proof(
        "overload",
        f"{COUNT} times more than can be answered: only 200, 429 and 503; well again within "
        f"{RECOVERY_SECONDS_AT_MOST:g} s",
        {
            "requests a second, one worker": round(capacity),
            "offered, times that": count,
            "statuses": ", ".join(f"{status}: {n}" for status, n in load.statuses.items()),
            "answered with 200, a second": round(answered / SECONDS),
            "latency of all answers, median and 99 %, ms": f"{middle:.0f} / {high:.0f}",
            "recovery, s": round(recovered, 1),
        },
        tuple(broken),
    )


if __name__ == "__main__":
    main("overload", COUNT, prove, __doc__)
