"""A server that leaves: not ready first, nobody turned away, then gone with 0."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from serving.endpoint.newcomers import let_nobody_in
from serving.endpoint.serve import end_at_once, listen
from serving.endpoint.server import Server


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer after as many seconds as the path says."""
    if scope["type"] != "http":
        return
    await asyncio.sleep(float(scope["path"][1:]))
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"ok"})


def started(folder: Path, drain_seconds: float) -> tuple[multiprocessing.Process, str]:
    listener = listen("127.0.0.1", 0)
    host, port = listener.getsockname()

    def serve() -> None:
        settings = uvicorn.Config(app, log_config=None, lifespan="off")
        ready, leaving = (folder / "ready").touch, (folder / "leaving").touch
        alone, beat = (lambda: True), (folder / "beat").touch
        server = Server(settings, drain_seconds, ready, leaving, end_at_once, alone, beat)
        server.run(sockets=[listener])

    process = multiprocessing.get_context("fork").Process(target=serve)
    process.start()
    listener.close()
    until(folder / "ready")
    return process, f"http://{host}:{port}"


def until(file: Path) -> None:
    for _ in range(3000):
        if file.exists():
            return
        time.sleep(0.01)
    raise AssertionError


def test_while_it_leaves_it_answers_and_asks_clients_to_come_back_elsewhere(tmp_path):
    process, url = started(tmp_path, drain_seconds=0.5)
    with httpx.Client(base_url=url) as client:
        assert "connection" not in client.get("/0").headers
        until(tmp_path / "beat")
        os.kill(process.pid, signal.SIGTERM)
        until(tmp_path / "leaving")
        time.sleep(0.2)
        assert client.get("/0").headers["connection"] == "close"
        assert client.get("/1.5").status_code == 200
    process.join(20)
    assert process.exitcode == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(url + "/0")


def test_who_has_reached_the_listener_last_is_answered(tmp_path):
    """A hundred connections made while the server is held still, asking once it has to leave."""
    process, url = started(tmp_path, drain_seconds=0.0)
    os.kill(process.pid, signal.SIGSTOP)
    port = int(url.rpartition(":")[2])
    waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    os.kill(process.pid, signal.SIGTERM)
    for one in waiting:
        one.sendall(b"GET /0 HTTP/1.1\r\nHost: a\r\n\r\n")
    os.kill(process.pid, signal.SIGCONT)
    for one in waiting:
        one.settimeout(20)
        assert one.recv(100).startswith(b"HTTP/1.1 200")
        one.close()
    process.join(20)
    assert process.exitcode == 0


def test_nobody_new_is_let_in_and_who_was_before_is_heard():
    listener = listen("127.0.0.1", 0)
    with listener, socket.create_connection(listener.getsockname()) as before:
        let_nobody_in(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(listener.getsockname(), timeout=0.05)
        taken_in, _ = listener.accept()
        with taken_in:
            before.sendall(b"asked")
            assert taken_in.recv(100) == b"asked"
            taken_in.sendall(b"answered")
            assert before.recv(100) == b"answered"


def test_a_second_signal_ends_it_at_once(tmp_path):
    process, _ = started(tmp_path, drain_seconds=60.0)
    os.kill(process.pid, signal.SIGTERM)
    until(tmp_path / "leaving")
    os.kill(process.pid, signal.SIGTERM)
    process.join(20)
    assert process.exitcode == 128 + signal.SIGTERM
