"""Heavy answers take turns: refused where the queue is long, answered 504 where they take long."""

from __future__ import annotations

import asyncio
import time

import pytest

from serving.endpoint.problems import ProblemError
from serving.endpoint.turns import Turns


def slow(seconds: float = 0.1) -> str:
    time.sleep(seconds)
    return "done"


def test_a_rush_is_answered_or_refused_with_when_to_come_again_and_then_it_is_quiet():
    async def rush() -> list[str]:
        turns = Turns(1, answer_seconds=10.0, wait_seconds=0.3)
        assert await turns.take(slow) == "done"
        found = await asyncio.gather(*(turns.take(slow) for _ in range(20)), return_exceptions=True)
        assert await turns.take(slow) == "done"
        return [one if isinstance(one, str) else told(one) for one in found]

    found = asyncio.run(rush())
    assert set(found) == {"done", "busy, Retry-After 1"}
    assert found[0] == "done"


def test_nothing_waits_longer_than_the_bound_whatever_was_usual():
    """The usual duration is that of quick work; then four slow ones come at once."""

    async def four() -> list[str]:
        turns = Turns(1, answer_seconds=10.0, wait_seconds=0.2)
        work = (turns.take(lambda: slow(0.5)) for _ in range(4))
        found = await asyncio.gather(*work, return_exceptions=True)
        return [one if isinstance(one, str) else told(one) for one in found]

    begun = time.perf_counter()
    assert asyncio.run(four()) == ["done", *["busy, Retry-After 1"] * 3]
    assert time.perf_counter() - begun < 1.5


def told(error: BaseException) -> str:
    assert isinstance(error, ProblemError)
    return f"{error.code}, Retry-After {error.headers['Retry-After']}"


def test_what_takes_too_long_is_answered_504_and_keeps_its_turn_until_it_ends():
    async def three() -> list[str]:
        turns, codes = Turns(1, answer_seconds=0.1), []
        for seconds in (0.5, 0.0):
            with pytest.raises(ProblemError) as refused:
                await turns.take(lambda seconds=seconds: slow(seconds))
            codes.append(refused.value.code)
        await asyncio.sleep(0.5)
        return [*codes, await turns.take(lambda: slow(0.0))]

    assert asyncio.run(three()) == ["timed-out", "busy", "done"]


def test_the_loop_answers_others_while_heavy_work_is_done():
    async def beats() -> int:
        turns, n = Turns(1, answer_seconds=10.0), 0
        working = asyncio.ensure_future(turns.take(slow))
        while not working.done():
            await asyncio.sleep(0.005)
            n += 1
        return n

    assert asyncio.run(beats()) > 3


def test_an_error_of_the_work_reaches_who_asked():
    def failing() -> None:
        raise ProblemError("unknown-customer")

    with pytest.raises(ProblemError, match="unknown-customer"):
        asyncio.run(Turns(1, answer_seconds=1.0).take(failing))
