"""The gate in front of the service: every request passes it, every refusal leaves through it.

An ASGI middleware, outermost, so that nothing behind it sees a foreign host, an unknown address, a
body that is too large or not strict JSON, and so that whatever fails behind it still answers with a
problem document. The parsed body is handed on in ``scope[DOCUMENT]``: it is parsed once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from configs.section import Text
from serving.endpoint import problems
from serving.endpoint.languages import Language, preferred
from serving.endpoint.logs import failure
from serving.endpoint.problems import ProblemError
from serving.endpoint.route import Body, RouteTable, Row
from serving.endpoint.state import AWAY
from serving.endpoint.strict_json import strict_json
from serving.endpoint.trace_id import trace_id

if TYPE_CHECKING:
    from configs.service import Serving

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = "application/json"
DOCUMENT = "echelon.document"
TRACE_ID = "echelon.trace_id"
LANGUAGE = "echelon.language"
ROW = "echelon.row"
"""Where in the scope the row of the table stands that a request came by."""

KEY = "echelon.key"
"""Where the key stands that a request showed; ``None`` where none was asked for."""

SAFE_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))

PASSED = frozenset({*range(200, 300), 304})
"""Statuses that leave as they are; 304 answers a browser that has the page already."""

SINGLE = frozenset(
    {b"host", b"authorization", b"content-type", b"content-encoding", b"content-length"}
)
"""Headers that may stand once: of two, this gate and what is behind it might heed another."""

ADDRESS_CHARACTERS = 8000
HEADERS_BYTES = 32 * 1024
STATE_AWAY = Text(
    zh="暂时无法访问状态数据库；请按Retry-After所示等待后重发。",
    en="The state database cannot be reached; send it again after the seconds of Retry-After.",
)
WHOLE_BODY = Text(zh="完整请求体", en="the whole body")
NEXT_PIECE = Text(zh="请求体的下一部分", en="the next piece of the body")

PARSED_AT_ONCE_BYTES = 65_536
"""Larger bodies are parsed in a thread: a mebibyte of small objects takes 80 ms."""

DISCARDED_BODIES = 10
"""How many times the largest body is read and thrown away before a connection is cut."""

logger = logging.getLogger("echelon.gate")


@dataclass(frozen=True)
class Rules:
    """What the gate lets through.

    Attributes:
        table: every address; what has no row is refused.
        serving: allowed hosts and the limits that rows name.
    """

    table: RouteTable
    serving: Serving


class Gate:
    """ASGI middleware that enforces ``rules`` before ``app``.

    Args:
        app: what answers.
        rules: what is let through.
        access: puts the key of a request to a row into ``scope[KEY]``, or refuses it.
        on_problem: told the code of every refusal.
    """

    def __init__(
        self,
        app: App,
        rules: Rules,
        access: Callable[[Scope, Row, str], None],
        on_problem: Callable[[str], None],
    ) -> None:
        self.app = app
        self.rules = rules
        self.access = access
        self.on_problem = on_problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; anything but HTTP is refused, the server's life cycle passes."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace = scope[TRACE_ID] = scope.get(TRACE_ID) or trace_id(scope["headers"])
        headers = _headers(scope)
        language = scope[LANGUAGE] = preferred(headers.get("accept-language", ""))
        outlet = _Outlet(send, trace, language, self.on_problem)
        incoming = Incoming(receive, self.rules.serving.request_bytes)
        try:
            row = scope[ROW] = check_head(scope, headers, self.rules)
            self.access(scope, row, headers.get("authorization", ""))
            if row.body is not None:
                limit = row.body.bytes_at_most(self.rules.serving)
                check_content(headers, row.body, limit)
                incoming = Incoming(receive, limit, row.body.seconds)
                receive = incoming.stream
                if _media_type(headers) == JSON:
                    body = await incoming.body()
                    scope[DOCUMENT] = await _parsed(body)
                    receive = _replay(body, receive)
            await self.app(scope, receive, outlet.send)
        except ProblemError as problem:
            if headers.get("expect", "").lower() == "100-continue" and not incoming.begun:
                problem.headers.setdefault("Connection", "close")  # nobody sends before 100
            elif problem.code != "transfer-coding-not-known":  # nobody knows where that ends
                await incoming.discard()
            await outlet.refuse(problem)
        except Exception as error:  # noqa: BLE001  the outermost frame: the client gets a document
            logger.error(failure("request-failed", error, trace))
            await outlet.refuse(failed(error))


def failed(error: Exception) -> ProblemError:
    """Return what a client is told of ``error``: that it may pass, or that it is our fault."""
    if isinstance(error, AWAY):
        return ProblemError("busy", STATE_AWAY, headers={"Retry-After": "5"})
    return ProblemError("internal-error")


class _Outlet:
    """Sends what the service answers, and a problem document in place of any bare failure."""

    def __init__(
        self,
        send: Send,
        trace_id: str,
        language: Language | None,
        on_problem: Callable[[str], None],
    ) -> None:
        self._send = send
        self._trace_id = trace_id
        self._language = language
        self._on_problem = on_problem
        self._started = False
        self._replaced = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if message["status"] not in PASSED and not _is_problem(message):
                self._replaced = True
                await self._write(problems.of_status(message["status"]))
                return
            self._started = True
            message["headers"] = [*message.get("headers", ()), *self._headers()]
        if not self._replaced:
            await self._send(message)

    async def refuse(self, problem: ProblemError) -> None:
        if not self._started and not self._replaced:
            await self._write(problem)

    async def _write(self, problem: ProblemError) -> None:
        self._on_problem(problem.code)
        body, headers = problems.encoded(problem, self._trace_id, self._language)
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self._send(
            {
                "type": "http.response.start",
                "status": problem.kind.status,
                "headers": [*raw, *self._headers()],
            }
        )
        await self._send({"type": "http.response.body", "body": body})

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"x-request-id", self._trace_id.encode()), *SAFE_HEADERS]


async def _parsed(body: bytes) -> Any:
    """Return the JSON of ``body``; of a large one without keeping others waiting meanwhile."""
    if len(body) <= PARSED_AT_ONCE_BYTES:
        return strict_json(body)
    return await to_thread.run_sync(strict_json, body)


def check_head(scope: Scope, headers: Mapping[str, str], rules: Rules) -> Row:
    """Return the row that a request comes by.

    Raises:
        ProblemError: malformed-request, address-too-long, headers-too-large,
            transfer-coding-not-known, host-not-allowed, unknown-route, method-not-allowed.
    """
    if len(scope["path"]) + len(scope.get("query_string", b"")) > ADDRESS_CHARACTERS:
        raise ProblemError("address-too-long")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADERS_BYTES:
        raise ProblemError("headers-too-large")
    single = [name for name, _ in scope["headers"] if name in SINGLE]
    if len(single) > len(set(single)):
        raise ProblemError("malformed-request")
    if "transfer-encoding" in headers and not _is_chunked(scope):
        raise ProblemError("transfer-coding-not-known", headers={"Connection": "close"})
    if _host(headers.get("host", "")) not in rules.serving.allowed_hosts:
        raise ProblemError("host-not-allowed")
    rows = rules.table.at(scope["path"])
    if rows is None:
        raise ProblemError("unknown-route")
    row = rows.get(scope["method"])
    if row is None:
        allowed = ", ".join(rows)
        detail = Text(zh=f"请使用{allowed}。", en=f"Use {allowed}.")
        raise ProblemError("method-not-allowed", detail, headers={"Allow": allowed})
    return row


def _is_chunked(scope: Scope) -> bool:
    """Return whether where the body ends is told by chunks, and by nothing else besides."""
    codings = [value for name, value in scope["headers"] if name == b"transfer-encoding"]
    return [coding.strip().lower() for coding in codings] == [b"chunked"]


def check_content(headers: Mapping[str, str], body: Body, bytes_at_most: int) -> None:
    """Refuse a body that its headers already show to be wrong.

    Raises:
        ProblemError: media-type-not-accepted, body-too-large.
    """
    _, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if _media_type(headers) not in body.media_types or charset not in ("", "charset=utf-8"):
        raise _not_accepted(body)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise _not_accepted(body)
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > bytes_at_most:
        raise _too_large(bytes_at_most)


def _not_accepted(body: Body) -> ProblemError:
    headers = [f"Content-Type: {media_type}" for media_type in body.media_types]
    detail = Text(
        zh=f"请发送请求头{'或'.join(headers)}，且不压缩。",
        en=f"Send the header {' or '.join(map(repr, headers))}, and the body uncompressed.",
    )
    return ProblemError("media-type-not-accepted", detail)


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _too_large(bytes_at_most: int) -> ProblemError:
    detail = Text(
        zh=f"最多读取{bytes_at_most:,}字节；请拆分请求。",
        en=f"At most {bytes_at_most:,} bytes are read; split the request.",
    )
    return ProblemError("body-too-large", detail, headers={"Connection": "close"})


class Incoming:
    """The body of a request, its bytes counted as they come, chunked or not."""

    def __init__(self, receive: Receive, bytes_at_most: int, seconds: float = 10.0) -> None:
        self._receive = receive
        self._bytes_at_most = bytes_at_most
        self._seconds = seconds
        self._size = 0
        self._is_whole = False

    @property
    def begun(self) -> bool:
        """Whether anything has arrived."""
        return self._size > 0

    async def body(self) -> bytes:
        """Return the whole body, which must arrive in time."""
        chunks: list[bytes] = []
        async with self._in_time(WHOLE_BODY):
            while not self._is_whole:
                chunks.append(await self._chunk())
        return b"".join(chunks)

    async def stream(self) -> Message:
        """Return the next piece of the body as the server would; each must arrive in time."""
        if self._is_whole:
            return await self._receive()
        async with self._in_time(NEXT_PIECE):
            chunk = await self._chunk()
        return {"type": "http.request", "body": chunk, "more_body": not self._is_whole}

    async def discard(self) -> None:
        """Read on for a while: a client that still sends would not see why it is refused."""
        end = self._size + DISCARDED_BODIES * self._bytes_at_most
        with contextlib.suppress(TimeoutError, ProblemError):
            async with asyncio.timeout(self._seconds):
                while not self._is_whole and self._size < end:
                    await self._chunk(end)

    @contextlib.asynccontextmanager
    async def _in_time(self, what: Text) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except TimeoutError as error:
            self._is_whole = True
            seconds = f"{self._seconds:g}"
            detail = Text(
                zh=f"请在{seconds}秒内发送{what.zh}。",
                en=f"Send {what.en} within {seconds} seconds.",
            )
            raise ProblemError("body-too-slow", detail, headers={"Connection": "close"}) from error

    async def _chunk(self, bytes_at_most: int | None = None) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._is_whole = True
            raise ProblemError("malformed-request")
        self._is_whole = not message.get("more_body", False)
        chunk = bytes(message.get("body", b""))
        self._size += len(chunk)
        if self._size > (bytes_at_most or self._bytes_at_most):
            raise _too_large(self._bytes_at_most)
        return chunk


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body once more, then what the client does next."""
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _host(header: str) -> str:
    """Return the host name of a Host header.

    >>> _host("LocalHost:3000"), _host("[::1]:3000"), _host("example.org.")
    ('localhost', '::1', 'example.org')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].rstrip(".").lower()


def _is_problem(message: Message) -> bool:
    content = dict(message.get("headers", ())).get(b"content-type", b"")
    return bytes(content).startswith(problems.MEDIA_TYPE.encode())
