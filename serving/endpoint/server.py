"""uvicorn's server, leaving in order: not ready first, then what was asked is answered, then gone.

What may be lost when a server ends, and how it is not: requests being answered are waited for;
the system is told to make no new connections, then those that it has made and uvicorn has not seen
are taken in, and only then the socket closes; clients that keep a connection are told to close it
while the server still answers, and idle ones are closed only once no client has sent anything for a
while. A client that sends on a connection in the very moment that it is closed must repeat it,
which HTTP leaves to clients (RFC 9112, 9.3.1).
"""

from __future__ import annotations

import asyncio
import select
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType

import uvicorn

from serving.endpoint.newcomers import let_nobody_in

CLOSE = (b"connection", b"close")
LINGER_SECONDS = 0.2
"""How long the last connection may take to be made, and then to send its request."""
QUIET_SECONDS = 1.0
"""How long nobody may have sent a request before idle connections are closed."""
QUIET_AWAITED_SECONDS = 10.0
"""How long such a pause is waited for."""
LOOK_SECONDS = 0.005


class Server(uvicorn.Server):
    """A server that answers for a while after SIGTERM.

    Args:
        config: uvicorn's settings.
        drain_seconds: how long it answers on after SIGTERM; Ctrl-C has nobody to wait for.
        on_ready: called once requests are answered.
        on_leaving: called when it is told to end; readiness must be refused from then on.
        on_second: called with every further signal.
        is_last: whether nobody else goes on accepting from the same sockets.
        on_beat: called ten times a second for as long as the loop turns, until it leaves.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        drain_seconds: float,
        on_ready: Callable[[], None],
        on_leaving: Callable[[], None],
        on_second: Callable[[int], None],
        is_last: Callable[[], bool],
        on_beat: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._on_ready = on_ready
        self._on_leaving = on_leaving
        self._on_second = on_second
        self._is_last = is_last
        self._on_beat = on_beat

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to leave."""
        if self.should_exit:
            self._on_second(sig)
            return
        if sig == signal.SIGINT:
            self._captured_signals.append(sig)
            self._drain_seconds = 0.0
        self._on_leaving()
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Tell that the loop turns."""
        self._on_beat()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer on while balancers look elsewhere, take in who is waiting, then end."""
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]
        await asyncio.sleep(self._drain_seconds)
        if self._is_last():
            for listener in sockets or []:
                let_nobody_in(listener)
            await asyncio.sleep(LINGER_SECONDS)
        await self._take_in_the_last(sockets or [])
        await asyncio.sleep(LINGER_SECONDS)
        await self._quiet()
        while any(_has_unread(one.transport) for one in self.server_state.connections):
            await asyncio.sleep(LOOK_SECONDS)
        await super().shutdown(sockets)

    async def _quiet(self) -> None:
        """Wait until no connection is left or none has been used for a while."""
        end = time.monotonic() + QUIET_AWAITED_SECONDS
        pause = min(QUIET_SECONDS, self._drain_seconds)
        n_requests, since = self.server_state.total_requests, time.monotonic()
        while self.server_state.connections and time.monotonic() < end:
            await asyncio.sleep(LOOK_SECONDS)
            if self.server_state.total_requests > n_requests:
                n_requests, since = self.server_state.total_requests, time.monotonic()
            elif time.monotonic() - since > pause:
                return

    async def _take_in_the_last(self, listeners: list[socket.socket]) -> None:
        """Close the listeners; who had reached them is let in.

        A copy of each keeps its queue alive until the queue is empty.
        """
        copies = [listener.dup() for listener in listeners]
        for server in self.servers:
            server.close()
        for copy in copies:
            copy.setblocking(False)
            for connection in _waiting(copy):
                await asyncio.get_running_loop().connect_accepted_socket(
                    self._protocol, connection, ssl=self.config.ssl
                )

    def _protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def _has_unread(transport: asyncio.Transport) -> bool:
    """Return whether the client has sent something that no protocol has seen yet."""
    one = transport.get_extra_info("socket")
    readable, _, _ = select.select([one], [], [], 0) if one.fileno() >= 0 else ([], [], [])
    return bool(readable)


def _waiting(listener: socket.socket) -> list[socket.socket]:
    """Return the connections that wait to be accepted, and close the listener behind them."""
    waiting = []
    with listener:
        while True:
            try:
                waiting.append(listener.accept()[0])
            except BlockingIOError:
                return waiting
