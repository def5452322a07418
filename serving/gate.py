"""The gate in front of the service: every request passes it, every refusal leaves through it.

An ASGI middleware, outermost, so that nothing behind it sees a foreign host, an unknown address, a
body that is too large or not strict JSON, and so that whatever fails behind it still answers with a
problem document. The parsed body is handed on in ``scope[DOCUMENT]``: it is parsed once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from configs.schema import Text
from serving import problems
from serving.languages import Language, preferred
from serving.problems import ProblemError
from serving.strict_json import strict_json

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

DOCUMENT = "echelon.document"
TRACE_ID = "echelon.trace_id"
LANGUAGE = "echelon.language"
SAFE_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))

PASSED = frozenset({*range(200, 300), 304})
"""Statuses that leave as they are; 304 answers a browser that has the page already."""

DISCARDED_BODIES = 10
"""How many times the largest body is read and thrown away before a connection is cut."""

logger = logging.getLogger("echelon.gate")
_TRACE = re.compile(r"[A-Za-z0-9-]{8,64}")


@dataclass(frozen=True)
class Rules:
    """What the gate lets through.

    Attributes:
        routes: methods by address; an address that ends in ``/*`` stands for all below it.
        allowed_hosts: host names without port, in lower case.
        body_bytes: largest body, counted as it arrives.
        body_seconds: how long a body may take to arrive.
    """

    routes: Mapping[str, tuple[str, ...]]
    allowed_hosts: tuple[str, ...]
    body_bytes: int
    body_seconds: float = 10.0


class Gate:
    """ASGI middleware that enforces ``rules`` before ``app``; ``on_problem`` counts refusals."""

    def __init__(self, app: App, rules: Rules, on_problem: Callable[[str], None]) -> None:
        self.app = app
        self.rules = rules
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
        trace_id = _trace_id(scope)
        scope[TRACE_ID] = trace_id
        language = scope[LANGUAGE] = preferred(_headers(scope).get("accept-language", ""))
        outlet = _Outlet(send, trace_id, language, self.on_problem)
        incoming = _Incoming(receive, self.rules)
        try:
            check_head(scope, self.rules)
            if scope["method"] == "POST":
                body = await incoming.body()
                scope[DOCUMENT] = strict_json(body)
                receive = _replay(body, receive)
            await self.app(scope, receive, outlet.send)
        except ProblemError as problem:
            await incoming.discard()
            await outlet.refuse(problem)
        except Exception as error:  # noqa: BLE001  the outermost frame: the client gets a document
            logger.error("trace %s: %s", trace_id, _where(error))
            await outlet.refuse(ProblemError("internal-error"))


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


def check_head(scope: Scope, rules: Rules) -> None:
    """Refuse what method, address and headers already show to be wrong.

    Raises:
        ProblemError: host-not-allowed, unknown-route, method-not-allowed, not-json, body-too-large.
    """
    headers = _headers(scope)
    if _host(headers.get("host", "")) not in rules.allowed_hosts:
        raise ProblemError("host-not-allowed")
    methods = _methods(scope["path"], rules.routes)
    if methods is None:
        raise ProblemError("unknown-route")
    if scope["method"] not in methods:
        allowed = ", ".join(methods)
        detail = Text(zh=f"请使用{allowed}。", en=f"Use {allowed}.")
        raise ProblemError("method-not-allowed", detail, headers={"Allow": allowed})
    if scope["method"] == "POST":
        _check_content(headers, rules)


def _check_content(headers: Mapping[str, str], rules: Rules) -> None:
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if media_type.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise ProblemError("not-json")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise ProblemError("not-json")
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > rules.body_bytes:
        raise _too_large(rules)


def _too_large(rules: Rules) -> ProblemError:
    detail = Text(
        zh=f"最多读取{rules.body_bytes:,}字节；请拆分请求。",
        en=f"At most {rules.body_bytes:,} bytes are read; split the request.",
    )
    return ProblemError("body-too-large", detail, headers={"Connection": "close"})


class _Incoming:
    """The body of a request, its bytes counted as they come, chunked or not."""

    def __init__(self, receive: Receive, rules: Rules) -> None:
        self._receive = receive
        self._rules = rules
        self._is_whole = False

    async def body(self) -> bytes:
        """Return the whole body."""
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._rules.body_seconds):
                while not self._is_whole:
                    chunks.append(await self._chunk())
                    size += len(chunks[-1])
                    if size > self._rules.body_bytes:
                        raise _too_large(self._rules)
        except TimeoutError as error:
            self._is_whole = True
            seconds = f"{self._rules.body_seconds:g}"
            detail = Text(
                zh=f"请在{seconds}秒内发送完整请求体。",
                en=f"Send the whole body within {seconds} seconds.",
            )
            raise ProblemError("body-too-slow", detail, headers={"Connection": "close"}) from error
        return b"".join(chunks)

    async def discard(self) -> None:
        """Read on for a while: a client that still sends would not see why it is refused."""
        size = 0
        with contextlib.suppress(TimeoutError, ProblemError):
            async with asyncio.timeout(self._rules.body_seconds):
                while not self._is_whole and size < DISCARDED_BODIES * self._rules.body_bytes:
                    size += len(await self._chunk())

    async def _chunk(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._is_whole = True
            raise ProblemError("malformed-request")
        self._is_whole = not message.get("more_body", False)
        return bytes(message.get("body", b""))


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


def _methods(path: str, routes: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    if path in routes:
        return routes[path]
    folders = (name for name in routes if name.endswith("/*"))
    return next((routes[name] for name in folders if path.startswith(name[:-1])), None)


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


def _trace_id(scope: Scope) -> str:
    """Return the caller's request id when it is a plain one, or a new one."""
    given = _headers(scope).get("x-request-id", "")
    return given if _TRACE.fullmatch(given) else uuid.uuid4().hex


def _is_problem(message: Message) -> bool:
    content = dict(message.get("headers", ())).get(b"content-type", b"")
    return bytes(content).startswith(problems.MEDIA_TYPE.encode())


def _where(error: BaseException) -> str:
    """Return the type of ``error`` and the frames it came through, without its message.

    The message may repeat a customer's data; types, files and lines do not.
    """
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return f"{type(error).__name__} at {' > '.join(frames[-12:])}"
