"""A transport that sends what is written together together."""

from __future__ import annotations

import asyncio
from typing import Any

HELD_BYTES = 65_536
"""More than this is sent at once, so that a long answer cannot pile up."""


class Joined:
    """Sends the pieces of one turn of the loop in one go.

    uvicorn writes the head of an answer and then its body, and each costs a call of the system and
    wakes the client. Joined, an answer costs one of them.

    Args:
        transport: that pieces are written to.
        loop: whose turns are meant.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Send ``data`` at the end of this turn, with what else is written in it."""
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)
        self._size += len(data)
        if self._size > HELD_BYTES:
            self._send()

    def close(self) -> None:
        """Send what is held, then close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._held and not self._transport.is_closing():
            self._transport.write(b"".join(self._held))
        self._held, self._size = [], 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
