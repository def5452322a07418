"""Counts, times, logs and traces every request, from outside the gate.

A request is known by the name of its row in the table of routes, never by its address, which may
hold a customer's id.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from serving.endpoint.gate import KEY, ROW, TRACE_ID, App, Message, Receive, Scope, Send
from serving.endpoint.logs import Line
from serving.endpoint.meters import FALLBACKS, Meters
from serving.endpoint.trace_id import trace_id
from serving.endpoint.tracing import Tracing, finish

NO_ROUTE = "none"
"""The route of a request that came by no row of the table."""
NO_ANSWER = 499
"""The status of a request whose client left before the answer began."""
QUIET = frozenset({"livez", "healthz", "readyz", "live", "ready", "metrics"})
"""Routes that machines ask all the time: their successes are counted and not logged."""

ANSWER = b'{"customer_id":"'
NOT_FOUND = b'"code":"unknown-customer"'
ABOUT_CUSTOMERS = frozenset({"predictions", "explanations"})
"""Routes whose answers hold one object that begins with ``ANSWER`` for every customer."""

_ANY_FALLBACK = b'"fallback":"'
_MARKS = tuple(f'"fallback":"{fallback}"'.encode() for fallback in FALLBACKS)
_CODE = re.compile(rb'"code": ?"([a-z-]+)"')


class Observed:
    """ASGI middleware around the gate.

    Args:
        app: the gate.
        meters: what counts.
        log: writes the line of a request.
        audit: puts a request on record: its scope, status and how many customers were answered.
        tracing: gives the span that a request is answered in; ``None`` where traces are off.
    """

    def __init__(
        self,
        app: App,
        meters: Meters,
        log: Callable[[Line], None],
        tracing: Tracing | None = None,
        audit: Callable[[Scope, int, int | None], None] = lambda scope, status, rows: None,
    ) -> None:
        self.app = app
        self.meters = meters
        self.log = log
        self.tracing = tracing
        self.audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and say what became of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            if scope["type"] == "lifespan" and self.tracing is not None:
                self.tracing.end()
            return
        scope[TRACE_ID] = trace_id(scope["headers"])
        seen = _Seen(send)
        begun = time.perf_counter()
        self.meters.began()
        try:
            await self._answer(scope, receive, seen)
        finally:
            self._ended(scope, seen, time.perf_counter() - begun)

    async def _answer(self, scope: Scope, receive: Receive, seen: _Seen) -> None:
        if self.tracing is None:
            await self.app(scope, receive, seen.send)
            return
        with self.tracing.request(scope, scope[TRACE_ID]) as span:
            try:
                await self.app(scope, receive, seen.send)
            finally:
                route = _route(scope)
                finish(span, route, seen.status, seen.answers if route in ABOUT_CUSTOMERS else None)

    def _ended(self, scope: Scope, seen: _Seen, seconds: float) -> None:
        route = _route(scope)
        rows = self._rows(route, seen)
        self.meters.ended(route, seen.status, seconds)
        self.audit(scope, seen.status, rows)
        if route in QUIET and seen.status < 400:
            return
        self.log(
            Line(
                "request",
                route=route,
                method=scope["method"] if route != NO_ROUTE else None,
                status=seen.status,
                code=seen.code,
                ms=round(seconds * 1000, 2),
                rows=rows,
                key=None if (key := scope.get(KEY)) is None else key.id,
                trace=scope[TRACE_ID],
            )
        )

    def _rows(self, route: str, seen: _Seen) -> int | None:
        if route not in ABOUT_CUSTOMERS or seen.status != 200:
            return None
        self.meters.rows(route, seen.answers)
        for fallback, count in zip(FALLBACKS, seen.fallbacks, strict=True):
            if count:
                self.meters.fell_back(fallback, count)
        return seen.answers


def _route(scope: Scope) -> str:
    row = scope.get(ROW)
    return NO_ROUTE if row is None else str(row.name)


class _Seen:
    """What went out: the status, the code of a problem, and answers by what they rest on."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = NO_ANSWER
        self.code: str | None = None
        self.answers = 0
        self.fallbacks = [0] * len(FALLBACKS)

    async def send(self, message: Message) -> None:
        """Pass ``message`` on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif self.status >= 400:
            self._read_code(message.get("body", b""))
        else:
            self._count(message.get("body", b""))
        await self._send(message)

    def _read_code(self, body: bytes) -> None:
        found = _CODE.search(body)
        if found is not None:
            self.code = found[1].decode()

    def _count(self, body: bytes) -> None:
        self.answers += body.count(ANSWER) - body.count(NOT_FOUND)
        if _ANY_FALLBACK in body:
            for place, mark in enumerate(_MARKS):
                self.fallbacks[place] += body.count(mark)
