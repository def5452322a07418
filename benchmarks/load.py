"""A load generator for HTTP/1.1: closed loop, and open loop with Poisson arrivals.

    python -m benchmarks.load

prints its own ceiling: how many requests a second it sends to a server that does nothing. It is one
process with one thread and little else than sockets, so that what is measured is the server.

*Closed loop*: each connection sends its next request when the last is answered; tells throughput.
*Open loop*: requests are due at random moments, whether or not earlier ones are answered, and
latency counts from the moment that a request was due (Schroeder et al. 2006; what Tene calls
coordinated omission is avoided): tells what users feel. A request that got no whole answer has the
status 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import select
import selectors
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

UNANSWERED = 0
TIMEOUT_SECONDS = 60.0
CONNECTIONS_AT_MOST = 512
"""An open loop that finds all of them busy waits, and its wait counts as latency."""
NO_BODY = frozenset({204, 304})


@dataclass(frozen=True)
class Address:
    """Where the server listens."""

    port: int
    host: str = "127.0.0.1"

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Return a request as its bytes; a ``body`` is sent as JSON."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


@dataclass(frozen=True)
class Answer:
    """Status, head and body of an answer; the status is 0 where none came whole."""

    status: int
    head: bytes = b""
    body: bytes = b""


LOST = Answer(UNANSWERED)
"""What was sent, or was to be sent over a connection that was open, and got no whole answer."""
REFUSED = Answer(UNANSWERED, b"refused")
"""What could not be sent: nobody listens."""
Ask = Callable[..., Coroutine[Any, Any, Answer]]
"""Takes a request, and after it whether to send it over a connection of its own."""
Look = Callable[[Answer], None]


@dataclass
class Run:
    """What came of the requests of one run, in the order that they ended.

    Attributes:
        seconds: how long it took until the last answer.
        due: when each was due, in seconds from the start.
        latency: seconds from then to the whole answer.
        status: of each answer; 0 without.
    """

    seconds: float
    due: NDArray[np.float64]
    latency: NDArray[np.float64]
    status: NDArray[np.int64]

    @property
    def statuses(self) -> dict[int, int]:
        """How often each status came."""
        return dict(sorted(Counter(self.status.tolist()).items()))

    @property
    def per_second(self) -> float:
        """Requests answered with 2xx, a second."""
        return float((self.status // 100 == 2).sum() / self.seconds)

    def milliseconds(self, *quantiles: float) -> list[float]:
        """Return quantiles of the latency of what was answered."""
        answered = self.latency[self.status != UNANSWERED]
        if len(answered) == 0:
            return [float("nan")] * len(quantiles)
        return [1000.0 * float(value) for value in np.quantile(answered, quantiles)]


@dataclass
class _Notes:
    """Written during a run."""

    start: float = field(default_factory=time.perf_counter)
    due: list[float] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)
    status: list[int] = field(default_factory=list)

    def add(self, due: float, status: int) -> None:
        self.due.append(due - self.start)
        self.latency.append(time.perf_counter() - due)
        self.status.append(status)

    def run(self) -> Run:
        seconds = time.perf_counter() - self.start
        arrays = np.array(self.due), np.array(self.latency), np.array(self.status, dtype=np.int64)
        return Run(seconds, *arrays)


class Connection(asyncio.Protocol):
    """One connection, kept open; one request at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiter: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.is_open = transport, True

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self._give(LOST)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end])
        status = int(head[9:12])
        size = 0 if status in NO_BODY else int(_header(head, b"content-length") or 0)
        if len(self._buffer) < end + 4 + size:
            return
        answer = Answer(status, head, bytes(self._buffer[end + 4 : end + 4 + size]))
        self._buffer.clear()
        if _header(head, b"connection") == b"close":
            self.is_open = False
        self._give(answer)

    async def ask(self, request: bytes) -> Answer:
        """Return the answer to ``request``."""
        assert self._transport is not None
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._waiter
        except TimeoutError:
            self.close()
            return LOST

    @property
    def is_usable(self) -> bool:
        """Whether the server has neither closed it nor said so; pools of clients look, too."""
        if not self.is_open or self._transport is None:
            return False
        one = self._transport.get_extra_info("socket")
        return not select.select([one], [], [], 0)[0]

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def _give(self, answer: Answer) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(answer)


def _header(head: bytes, name: bytes) -> bytes:
    """Return the value of a header in lower case, empty where it is missing."""
    lower = head.lower()
    start = lower.find(b"\r\n" + name + b":")
    if start < 0:
        return b""
    start += len(name) + 3
    end = lower.find(b"\r\n", start)
    return lower[start : end if end >= 0 else None].strip()


@contextlib.asynccontextmanager
async def _connections(address: Address, at_most: int) -> AsyncIterator[Ask]:
    """Give a function that asks over a free connection, opening and replacing them as needed."""
    idle: list[Connection] = []
    made: set[Connection] = set()
    room = asyncio.Semaphore(at_most)

    async def ask(request: bytes, is_again: bool = False) -> Answer:
        async with room:
            connection = await _open_one(address, [] if is_again else idle)
            if connection is None:
                return REFUSED
            made.add(connection)
            answer = await connection.ask(request)
            if connection.is_open:
                idle.append(connection)
            return answer

    try:
        yield ask
    finally:
        for connection in made:
            connection.close()


async def _open_one(address: Address, idle: list[Connection]) -> Connection | None:
    while idle:
        connection = idle.pop()
        if connection.is_usable:
            return connection
    loop = asyncio.get_running_loop()
    try:
        _, connection = await loop.create_connection(Connection, address.host, address.port)
    except OSError:
        return None
    return connection


async def closed_loop(
    address: Address,
    requests: Iterator[bytes],
    connections: int,
    seconds: float,
    look: Look = lambda answer: None,
) -> Run:
    """Send ``requests`` over ``connections`` for ``seconds``, each after the answer before.

    Args:
        address: of the server.
        requests: in order; never ending.
        connections: how many are kept busy.
        seconds: after which nothing more is sent.
        look: sees every answer; its time is the generator's, so it should do little.
    """
    notes = _Notes()
    async with _connections(address, connections) as ask:

        async def one_after_the_other() -> None:
            while (now := time.perf_counter()) < notes.start + seconds:
                answer = await ask(next(requests))
                notes.add(now, answer.status)
                look(answer)
                if answer.status == UNANSWERED:
                    await asyncio.sleep(0.01)

        await asyncio.gather(*(one_after_the_other() for _ in range(connections)))
        return notes.run()


async def open_loop(
    address: Address,
    requests: Iterator[bytes],
    per_second: float,
    seconds: float,
    seed: int,
    look: Look = lambda answer: None,
    stop: asyncio.Event | None = None,
    tries: int = 1,
) -> Run:
    """Send ``requests`` at the moments of a Poisson process; see :func:`closed_loop`.

    Args:
        address: of the server.
        requests: in order; never ending.
        per_second: mean rate.
        seconds: after which nothing more is sent.
        seed: of the moments.
        look: sees every answer, those of every try.
        stop: ends the sending sooner.
        tries: how often a request is sent that gets no answer, each time over a new connection, as
            clients with a pool do.
    """
    stop = stop or asyncio.Event()
    rng = np.random.default_rng(seed)
    moments = np.cumsum(rng.exponential(1.0 / per_second, int(per_second * seconds * 1.5) + 50))
    notes = _Notes()
    async with _connections(address, CONNECTIONS_AT_MOST) as ask, asyncio.TaskGroup() as group:

        async def one(due: float, request: bytes) -> None:
            for number in range(tries):
                answer = await ask(request, number > 0)
                look(answer)
                if answer.status != UNANSWERED:
                    break
            notes.add(due, answer.status)

        for moment in moments[moments < seconds].tolist():
            if stop.is_set():
                break
            due = notes.start + moment
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            group.create_task(one(due, next(requests)))
    return notes.run()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns, on a loop that wakes to the microsecond.

    asyncio's usual loop rounds its waits up to whole milliseconds, which would count as latency.
    """
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    ) as runner:
        return runner.run(work)


class _Nothing(asyncio.Protocol):
    """A server that answers every read with the same few bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")


def _do_nothing(ports: Any) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Nothing, "127.0.0.1", 0)
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def ceiling(connections: int, seconds: float) -> Run:
    """Return a closed loop against a server that does nothing, in a process of its own."""
    processes = multiprocessing.get_context("spawn")
    ports = processes.Queue()
    server = processes.Process(target=_do_nothing, args=(ports,), daemon=True)
    server.start()
    try:
        address = Address(ports.get(timeout=60))
        request = address.request("POST", "/", {"customer_ids": ["C0001"]})
        return run(closed_loop(address, repeat(request), connections, seconds))
    finally:
        server.terminate()
        server.join()


def main() -> None:
    """Print the generator's own ceiling."""
    result = ceiling(8, 5.0)
    middle, high = result.milliseconds(0.5, 0.99)
    print(
        f"a server that does nothing, 8 connections: {result.per_second:,.0f} requests/s, "
        f"median {middle:.2f} ms, 99 % {high:.2f} ms; statuses {result.statuses}"
    )


if __name__ == "__main__":
    main()
