"""Heavy answers take turns: refused where the queue is long, answered 504 where they take long."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from serving.problems import ProblemError
from serving.turns import Turns


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


def told(error: BaseException) -> str:
    assert isinstance(error, ProblemError)
    return f"{error.code}, Retry-After {error.headers['Retry-After']}"


def test_what_takes_too_long_is_answered_504_and_keeps_its_turn_until_it_ends():
    at_once, most = 0, 0
    lock = threading.Lock()

    def counted() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.15)
        with lock:
            at_once -= 1

    async def three() -> list[object]:
        turns = Turns(1, answer_seconds=0.05)
        return await asyncio.gather(
            *(turns.take(counted) for _ in range(3)), return_exceptions=True
        )

    found = asyncio.run(three())
    assert [getattr(one, "code", one) for one in found] == ["timed-out"] * 3
    assert most == 1


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
