"""uvicorn's HTTP/1.1, with problem documents for what is no HTTP at all.

Such a request never reaches the app: two lengths, broken chunks, headers without end. uvicorn
answers it with a plain sentence, and reads headers for as long as they come; this answers it as
everything else is answered, reads little more than it hands on, and waits for no head for ever.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.endpoint.gate import HEADERS_BYTES
from serving.endpoint.joined import Joined
from serving.endpoint.problems import ProblemError, encoded
from serving.endpoint.trace_id import trace_id

HEAD_BYTES = 2 * HEADERS_BYTES
"""Read without an end of the headers; the gate refuses less than that with its own words."""

HEAD_SECONDS = 10.0
"""How long a new connection, or one that has begun a head, may take to end the head."""


class ProblemProtocol(HttpToolsProtocol):
    """The protocol that ``echelon serve`` runs uvicorn with."""

    _in_head = False
    _head_bytes = 0
    _head_ends_by: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Answer over ``transport``, a head and its body at once."""
        super().connection_made(transport)
        self.transport = Joined(transport, self.loop)  # type: ignore[assignment]
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head of a request has no end."""
        super().data_received(data)
        self._head_bytes = self._head_bytes + len(data) if self._in_head else 0
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._refuse("headers-too-large")
        elif self._in_head or self.cycle is None or self.cycle.response_complete:
            self._await_head()

    def _await_head(self) -> None:
        """Close the connection unless a head ends in time; uvicorn waits for ever."""
        if self._head_ends_by is None and not self.transport.is_closing():
            self._head_ends_by = self.loop.call_later(HEAD_SECONDS, self._no_head)

    def _no_head(self) -> None:
        self._head_ends_by = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self._await_head()  # the head of a next request, while one is still being answered

    def _head_came(self) -> None:
        if self._head_ends_by is not None:
            self._head_ends_by.cancel()
            self._head_ends_by = None

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """Hand the request on; what follows is its body."""
        self._in_head = False
        self._head_came()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, then close; nothing, where an answer has begun."""
        self._refuse("malformed-request")

    def _refuse(self, code: str) -> None:
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_answer(code))
        self.transport.close()


def _answer(code: str) -> bytes:
    """Return the whole answer, which nothing else will send."""
    trace = trace_id(())
    body, headers = encoded(ProblemError(code), trace)
    status = HTTPStatus(ProblemError(code).kind.status)
    headers |= {"connection": "close", "x-request-id": trace, "x-content-type-options": "nosniff"}
    lines = [f"HTTP/1.1 {status} {status.phrase}", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
