"""Rounds of all contestants in turn, so that whatever else the machine does hits all alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.load import Answer, closed_loop, open_loop, run
from benchmarks.serving.contestants import Contestant, Server

CONNECTIONS = 8
HALF = 0.5


@dataclass(frozen=True)
class Round:
    """One contestant's figures of one round.

    Attributes:
        per_second: requests answered, eight connections kept busy.
        processor: milliseconds of processor time that the server used per request.
        latency: 50, 95 and 99 % quantiles in milliseconds at half that rate, Poisson arrivals.
        statuses: how often each came, in both.
    """

    per_second: float
    processor: float
    latency: tuple[float, float, float]
    statuses: Mapping[int, int]


def one_round(contestant: Contestant, server: Server, seconds: float, seed: int) -> Round:
    """Return the figures of ``contestant`` now."""
    requests = contestant.requests(server.address)
    before = server.processor_seconds()
    busy = run(closed_loop(server.address, requests, CONNECTIONS, seconds))
    processor = 1000.0 * (server.processor_seconds() - before) / max(len(busy.status), 1)
    rate = max(HALF * busy.per_second, 0.5)
    calm = run(open_loop(server.address, requests, rate, seconds, seed))
    middle, high, highest = calm.milliseconds(0.5, 0.95, 0.99)
    statuses = {
        status: busy.statuses.get(status, 0) + calm.statuses.get(status, 0)
        for status in {*busy.statuses, *calm.statuses}
    }
    return Round(busy.per_second, processor, (middle, high, highest), statuses)


def warm(contestant: Contestant, server: Server, seconds: float) -> None:
    """Ask for a while, so that caches fill.

    Raises:
        ValueError: it does not answer with 2xx.
    """
    looked: list[Answer] = []
    requests = contestant.requests(server.address)
    run(closed_loop(server.address, requests, CONNECTIONS, seconds, looked.append))
    bad = [answer for answer in looked if answer.status // 100 != 2]
    if bad:
        raise ValueError(f"{contestant.name} answers {bad[0].status}: {bad[0].body[:500]!r}")


def rounds_of(
    contestants: Sequence[Contestant], servers: Mapping[str, Server], rounds: int, seconds: float
) -> dict[str, list[Round]]:
    """Return the rounds of every contestant, each round in another order."""
    rng = np.random.default_rng(0)
    found: dict[str, list[Round]] = {one.name: [] for one in contestants}
    for one in contestants:  # not counted: caches fill
        warm(one, servers[one.server], min(seconds, 1.0))
    for number in range(rounds):
        for place in rng.permutation(len(contestants)):
            one = contestants[int(place)]
            found[one.name].append(one_round(one, servers[one.server], seconds, number))
    return found


@dataclass(frozen=True)
class Spread:
    """A figure's median over the rounds, and its least and greatest."""

    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f} to {self.high:.2f})"


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of ``values``, one per round."""
    return Spread(float(np.median(values)), float(min(values)), float(max(values)))


def per_second_ratio(ours: Sequence[Round], theirs: Sequence[Round]) -> Spread:
    """Return the ratio of throughputs, round by round."""
    pairs = zip(ours, theirs, strict=True)
    return spread([one.per_second / other.per_second for one, other in pairs])


def processor_ratio(ours: Sequence[Round], theirs: Sequence[Round]) -> Spread:
    """Return their processor time per request over ours, round by round: above 1, ours is less."""
    pairs = zip(ours, theirs, strict=True)
    return spread([other.processor / one.processor for one, other in pairs])


def tail_ratio(ours: Sequence[Round], theirs: Sequence[Round]) -> Spread:
    """Return the ratio of 99 % quantiles at half load, round by round."""
    return spread([a.latency[2] / b.latency[2] for a, b in zip(ours, theirs, strict=True)])
