"""Heavy answers wait their turn in threads, and are refused at once where they would wait too long.

A computation in a thread cannot be ended from outside. One that takes too long is answered 504, and
its turn ends only when it does, so that threads never pile up behind answers nobody waits for.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from serving.endpoint.problems import ProblemError, of_status

T = TypeVar("T")

WAIT_SECONDS = 2.0
"""The longest wait for a turn; after a rush the queue is short again within it."""
WAITING_AT_MOST = 64
"""Requests in the queue, each with its body in memory."""
NEWEST = 0.2
"""Weight of the newest duration in the usual one."""


class Turns:
    """A queue of work, ``at_once`` of it done at a time.

    Args:
        at_once: threads.
        answer_seconds: how long work may wait and take before its caller hears 504.
        wait_seconds: the longest wait; what has not begun by then is refused.
    """

    def __init__(
        self, at_once: int, answer_seconds: float, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        self._at_once = at_once
        self._answer_seconds = answer_seconds
        self._wait_seconds = wait_seconds
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="answers")
        self._unfinished = 0
        self._usual_seconds = 0.05

    async def take(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, run in a thread in its turn.

        Raises:
            ProblemError: busy, with ``Retry-After``, where the queue is too long to join;
                timed-out, where no answer came in time.
        """
        self._refuse_where_long()
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        self._unfinished += 1
        doing = self._pool.submit(context.run, self._timed, work)
        doing.add_done_callback(lambda done: loop.call_soon_threadsafe(self._ended, done))
        answer = asyncio.wrap_future(doing)
        wait = min(self._wait_seconds, self._answer_seconds)
        done, _ = await asyncio.wait({answer}, timeout=wait)
        if not done and doing.cancel():
            raise _busy(wait)
        try:
            async with asyncio.timeout(self._answer_seconds - wait) as deadline:
                return await answer
        except TimeoutError:
            if not deadline.expired():
                raise
            raise of_status(504) from None

    def _refuse_where_long(self) -> None:
        """Refuse at once what would wait too long, as far as the usual duration tells."""
        wait = self._unfinished * self._usual_seconds / self._at_once
        if wait > self._wait_seconds or self._unfinished >= WAITING_AT_MOST:
            raise _busy(wait)

    def _timed(self, work: Callable[[], T]) -> T:
        begun = time.perf_counter()
        try:
            return work()
        finally:
            taken = time.perf_counter() - begun
            self._usual_seconds += NEWEST * (taken - self._usual_seconds)

    def _ended(self, done: Future[T]) -> None:
        self._unfinished -= 1


def _busy(wait_seconds: float) -> ProblemError:
    return ProblemError("busy", headers={"Retry-After": str(max(1, math.ceil(wait_seconds)))})
