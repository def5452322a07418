"""One attempt at a message, bounded as a whole: a receiver that drips holds nobody up for long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple

import httpx

from serving.jobs.webhooks import SENDING_SECONDS


class Outcome(NamedTuple):
    """What came of an attempt.

    Attributes:
        status: of the answer; ``None`` where none came.
        asked: seconds to wait, where the receiver says so.
        told: both in words.
    """

    status: int | None
    asked: float | None
    told: str


class Posting:
    """Posts to receivers; connections are used again, redirects are not followed.

    httpx bounds each step of an attempt, and a byte now and then makes steps without end; so the
    attempt runs in an event loop, which can end it.

    Args:
        seconds: how long an attempt may take, from the name of the host to the head of the answer.
    """

    def __init__(self, seconds: float = SENDING_SECONDS) -> None:
        self._seconds = seconds
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(timeout=seconds, follow_redirects=False)

    def __enter__(self) -> Posting:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Return what came of sending ``body`` to ``url`` once."""
        return self._runner.run(self._posted(url, body, headers))

    async def _posted(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._client.stream("POST", url, content=body, headers=dict(headers)) as answer,
            ):
                after = answer.headers.get("retry-after", "")
                asked = float(after) if after.isascii() and after.isdigit() else None
                return Outcome(answer.status_code, asked, f"status {answer.status_code}")
        except (httpx.HTTPError, TimeoutError) as error:
            return Outcome(None, None, type(error).__name__)
