"""Swaps under load: good publications are taken up whole, bad ones leave the one before.

    python -m benchmarks.reliability.swaps [--count 1000] [--config my.yaml]

A quarter of the swaps go to publications whose bundle was cut off, has one bit turned, or was
signed anew with golden predictions that its models do not give. Each swap waits until it is taken
up or refused. Meanwhile requests by id and by raw records, explanations and the model's description
are asked at random moments; every body must be the one that a single publication answers with.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks.load import Address, Answer, open_loop, run
from benchmarks.reliability.company import (
    WAYS,
    Company,
    bad_publications,
    good_publications,
)
from benchmarks.reliability.page import Proof, main
from benchmarks.reliability.questions import Question, Service, in_turn, questions
from benchmarks.serving.contestants import running

COUNT = 1000
BAD_SHARE = 0.25
BAD_OF_EACH_WAY = 4
PER_SECOND = 10.0
SEED = 7
GROWTH_MIB_AT_MOST = 64.0
"""Of resident memory, from a tenth of the swaps on: what 1,000 publications would leave behind."""


@dataclass
class Seen:
    """What the load saw.

    Attributes:
        expected: publication by the body that it answers with.
        answered: answers by publication.
        failed: answers by status, 0 without one.
        mixed: bodies that no publication answers with.
    """

    expected: dict[bytes, str]
    answered: Counter[str] = field(default_factory=Counter)
    failed: Counter[int] = field(default_factory=Counter)
    mixed: int = 0

    def look(self, answer: Answer) -> None:
        """Count one answer."""
        if answer.status != 200:
            self.failed[answer.status] += 1
        elif answer.body in self.expected:
            self.answered[self.expected[answer.body]] += 1
        else:
            self.mixed += 1


def plan(
    good: list[str], bad: dict[str, list[str]], count: int, seed: int
) -> list[tuple[str, str]]:
    """Return the swaps in random order: the way (``good`` or damaged) and the publication's name.

    A quarter is bad, the ways in turn; none follows itself, since a publication that is served, or
    was just refused, is not tried again at once.
    """
    rng = np.random.default_rng(seed)
    n_bad = round(count * BAD_SHARE)
    ways = ["good"] * (count - n_bad) + [WAYS[i % len(WAYS)] for i in range(n_bad)]
    names, served, last = [], good[0], good[0]
    for way in rng.permutation(ways).tolist():
        choice = [one for one in (good if way == "good" else bad[way]) if one not in (served, last)]
        last = choice[int(rng.integers(len(choice)))]
        served = last if way == "good" else served
        names.append((way, last))
    return names


async def expected_of(service: Service, made: Company, good: list[str], asked: list[Question]):  # type: ignore[no-untyped-def]
    """Return the publication by the body of each question, asked while nothing else happens."""
    found: dict[bytes, str] = {}
    for name in good:
        made.make_live(name)
        await service.until(lambda state, name=name: state.served == name)  # type: ignore[misc]
        for question in asked:
            body = await service.body(question)
            assert body not in found, "two publications answer alike, so mixing could not be seen"
            found[body] = name
    return found


async def swap_all(
    service: Service, made: Company, swaps: list[tuple[str, str]], process: psutil.Process
) -> tuple[list[str], list[int]]:
    """Make every swap and return what went wrong, and the resident bytes after each."""
    wrong: list[str] = []
    resident = []
    state = await service.state()
    for way, name in swaps:
        before = state
        made.make_live(name)
        if way == "good":
            state = await service.until(lambda s: s.served == name and not s.is_refused)  # noqa: B023
        else:
            state = await service.until(lambda s: s.failures > before.failures and s.is_refused)  # noqa: B023
            if state.served != before.served:
                wrong.append(f"{name} was served")
        if not await service.is_ready():
            wrong.append(f"not ready after {name}")
        resident.append(process.memory_info().rss)
    return wrong, resident


async def under_load(made: Company, address: Address, process: psutil.Process, count: int) -> Proof:
    """Return what came of ``count`` swaps."""
    good = good_publications(made)
    bad = bad_publications(made, good[-1], BAD_OF_EACH_WAY, SEED)
    headers, asked = made.headers, questions(made, good)
    service = Service(address, headers)
    seen = Seen(await expected_of(service, made, good, asked))
    swaps = plan(good, bad, count, SEED)
    done = asyncio.Event()
    requests = in_turn([*asked[:3], *asked], address, headers)
    async with asyncio.TaskGroup() as group:
        load = group.create_task(
            open_loop(address, requests, PER_SECOND, 86_400 / PER_SECOND, SEED, seen.look, done)
        )
        wrong, resident = await swap_all(service, made, swaps, process)
        done.set()
    await service.client.aclose()
    return proof_of(swaps, seen, wrong, resident, load.result().milliseconds(0.5, 0.99))


def proof_of(
    swaps: list[tuple[str, str]],
    seen: Seen,
    wrong: list[str],
    resident: list[int],
    latency: list[float],
) -> Proof:
    """Return what was found, and what of the promise it breaks."""
    ways = Counter(way for way, _ in swaps)
    answers = seen.answered.total() + seen.mixed + seen.failed.total()
    growth = (resident[-1] - resident[len(resident) // 10]) / 2**20
    broken = list(wrong[:5])
    if seen.failed:
        broken.append(f"requests failed, by status: {dict(seen.failed)}")
    if seen.mixed:
        broken.append(f"{seen.mixed} answers were of no single publication")
    if growth > GROWTH_MIB_AT_MOST:
        broken.append(f"memory grew by {growth:.0f} MiB")
    return Proof(
        "swaps",
        "Models and publications change under load: no failed request, no mixed answer",
        {
            "swaps": len(swaps),
            **{f"of these to bundles: {way}": ways[way] for way in WAYS},
            "bad publications served": len([one for one in wrong if one.endswith("was served")]),
            "requests meanwhile": answers,
            "failed requests": seen.failed.total(),
            "answers of no single publication": seen.mixed,
            "publications that answered": len(seen.answered),
            "resident memory after a tenth of the swaps, MiB": round(
                resident[len(resident) // 10] / 2**20
            ),
            "resident memory after the last, MiB": round(resident[-1] / 2**20),
            "latency, median and 99 %, ms": " / ".join(f"{ms:.1f}" for ms in latency),
        },
        tuple(broken),
    )


def prove(made: Company, folder: Path, count: int) -> Proof:
    """Start the service and return what came of ``count`` swaps; what was live is put back."""
    first = made.live()
    command = ["-P", "-m", "serving.cli", "serve", "-c", str(made.path), "--port", "{port}"]
    with running(command, "/readyz", folder / "swaps.log") as server:
        try:
            return run(under_load(made, server.address, server.process, count))
        finally:
            made.make_live(first)


if __name__ == "__main__":
    main("swaps", COUNT, prove, __doc__)
