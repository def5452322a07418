"""The load generator measures what it says."""

from __future__ import annotations

import asyncio
import weakref
from itertools import repeat

import pytest

from benchmarks.load import UNANSWERED, Address, closed_loop, open_loop, run

LOCK = weakref.WeakKeyDictionary()


class Slow(asyncio.Protocol):
    """A server that answers one request at a time, each after ``seconds``."""

    seconds = 0.02

    def __init__(self) -> None:
        self.lock = LOCK.setdefault(asyncio.get_running_loop(), asyncio.Lock())

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.work = asyncio.ensure_future(self.answer())

    async def answer(self):
        async with self.lock:
            await asyncio.sleep(self.seconds)
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


class Cutting(asyncio.Protocol):
    """A server that closes each connection in the middle of its answer."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
        self.transport.close()


async def against(protocol, work):
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        return await work(Address(server.sockets[0].getsockname()[1]))


def requests():
    return repeat(Address(80).request("GET", "/"))


def test_an_open_loop_counts_the_wait_that_a_slow_server_causes():
    """A hundred requests a second for half a second, to a server that takes fifty: a queue."""

    async def work(address):
        return await open_loop(address, requests(), 100.0, 0.5, seed=1)

    result = run(against(Slow, work))
    assert set(result.statuses) == {200}
    (worst,) = result.milliseconds(1.0)
    assert worst >= 0.8 * 1000.0 * (Slow.seconds * len(result.status) - 0.5)
    assert worst > 5 * 1000.0 * Slow.seconds


def test_a_closed_loop_waits_for_its_answers():
    async def work(address):
        return await closed_loop(address, requests(), 2, 0.2)

    result = run(against(Slow, work))
    assert result.per_second <= 1.0 / Slow.seconds
    assert result.milliseconds(0.5)[0] >= 1000.0 * Slow.seconds


@pytest.mark.parametrize("loop", ["closed", "open"])
def test_half_an_answer_is_none(loop):
    async def work(address):
        if loop == "open":
            return await open_loop(address, requests(), 100.0, 0.1, seed=1)
        return await closed_loop(address, requests(), 2, 0.1)

    result = run(against(Cutting, work))
    assert set(result.statuses) == {UNANSWERED}
    assert result.per_second == 0.0
