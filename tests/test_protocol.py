"""What is no HTTP, or odd HTTP, is answered with a problem document too."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from configs.load import load
from serving.endpoint.gate import Gate, Rules
from serving.endpoint.problem_kinds import KINDS
from serving.endpoint.protocol import ProblemProtocol
from serving.endpoint.replies import Problem
from serving.endpoint.route import PUBLIC, Body, RouteTable, Row

ROWS = (
    Row("/ask", ("POST",), PUBLIC, "ask", None, Body(("application/json",), lambda _: 1000, 0.5)),
    Row("/state", ("GET", "HEAD"), PUBLIC, "state"),
)


async def answered(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """Serve the gate under uvicorn with the protocol of `echelon serve`."""
    listener = socket.create_server(("127.0.0.1", 0))
    rules = Rules(RouteTable(ROWS), load(None, {}).serving)
    gate = Gate(answered, rules, lambda scope, row, key: None, lambda code: None)
    settings = uvicorn.Config(
        gate,
        http=ProblemProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
    )
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()
    server.should_exit = True
    thread.join()
    listener.close()


def say(address: tuple[str, int], request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the first answer to the bytes of ``request``."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
    return int(status.split()[1]), headers, body


POST = b"POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
GET = b"GET /state HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [
        (b"secret4711\r\n\r\n", "malformed-request"),
        (b"GET  /state secret4711\r\n\r\n", "malformed-request"),
        (b"\x16\x03\x01\x02\x00\x01\x00secret4711\r\n\r\n", "malformed-request"),
        (b"GET /state HTTP/1.1\r\n\r\n", "host-not-allowed"),
        (b"GET /state HTTP/1.0\r\n\r\n", "host-not-allowed"),
        (GET + b"Host: localhost\r\n\r\n", "malformed-request"),
        (POST + b"Content-Type: text/csv\r\n\r\n", "malformed-request"),
        (GET + b"Authorization: a\r\nAuthorization: b\r\n\r\n", "malformed-request"),
        (GET + b"se cret: secret\r\n\r\n", "malformed-request"),
        (GET + b"x: " + b"secret4711" * 4000 + b"\r\n\r\n", "headers-too-large"),
        (GET + b"x: " + b"secret4711" * 20_000, "headers-too-large"),
        (b"GET /" + b"secret4711" * 1000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
         "address-too-long"),
        (b"GET /%zz%ff%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", "unknown-route"),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", "unknown-route"),
        (b"TRACE /state HTTP/1.1\r\nHost: localhost\r\n\r\n", "method-not-allowed"),
        (b"BREW /state HTTP/1.1\r\nHost: localhost\r\n\r\n", "malformed-request"),
        (b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", "malformed-request"),
        (GET + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\n"
         b"Sec-WebSocket-Version: 13\r\nContent-Length: x\r\n\r\n", "malformed-request"),
        (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "malformed-request"),
        (POST + b"Content-Length: -1\r\n\r\n", "malformed-request"),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "transfer-coding-not-known"),
        (POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
         "transfer-coding-not-known"),
        (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", "malformed-request"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nsecret4711\r\n", "malformed-request"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", "body-too-slow"),
        (POST + b"Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n", "body-too-large"),
    ],
    ids=range(26),
)  # fmt: skip
def test_odd_requests_are_refused_with_a_problem_document(address, request_bytes, code):
    status, headers, body = say(address, request_bytes)
    problem = Problem.model_validate_json(body)
    assert (problem.code, problem.status, status) == (code, KINDS[code].status, KINDS[code].status)
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-request-id"] == problem.trace_id
    assert b"secret" not in body


@pytest.mark.parametrize("sent", [b"", b"GE", GET, GET + b"\r\n", GET + b"\r\n\r\n"])
def test_a_connection_without_the_end_of_a_head_is_closed(address, sent, monkeypatch):
    monkeypatch.setattr("serving.endpoint.protocol.HEAD_SECONDS", 0.2)
    with socket.create_connection(address, timeout=3) as connection:
        connection.sendall(sent)
        while piece := connection.recv(65536):
            assert piece.startswith(b"HTTP/1.1 200")
            connection.sendall(b"\r\n")


def test_a_request_that_waits_for_100_continue_is_told_to_go_on(address):
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 100")
        connection.sendall(b"{}")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_head_is_answered_without_a_body_and_refused_without_one(address):
    assert say(address, GET.replace(b"GET", b"HEAD") + b"\r\n")[0] == 200
    with socket.create_connection(address, timeout=10) as connection:
        lost = GET.replace(b"GET /state", b"HEAD /lost") + b"Connection: close\r\n\r\n"
        connection.sendall(lost)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 404")
    assert answer.endswith(b"\r\n\r\n")
    assert json.dumps("unknown-route").encode() not in answer
