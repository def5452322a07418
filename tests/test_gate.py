"""The gate alone, before an app that shows what reached it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.load import load
from serving.endpoint.gate import DOCUMENT, Gate, Rules
from serving.endpoint.problem_kinds import KINDS
from serving.endpoint.problems import ProblemError, pointer
from serving.endpoint.route import PUBLIC, Body, RouteTable, Row
from serving.endpoint.strict_json import strict_json


def body_of(media_type: str) -> Body:
    return Body((media_type,), bytes_at_most=lambda serving: 1000, seconds=0.3)


TABLE = RouteTable(
    (
        Row(
            "/ask", ("POST",), PUBLIC, "ask", body=Body(("application/json",), lambda s: 1000, 0.3)
        ),
        Row("/load", ("POST",), PUBLIC, "load", body=Body(("text/csv",), lambda s: 1000, 0.3)),
        Row("/state", ("GET", "HEAD"), PUBLIC, "state"),
        Row("/files/{path:path}", ("GET",), PUBLIC, "files"),
        Row("/people/{name}/tier", ("GET",), PUBLIC, "tier"),
    )
)
RULES = Rules(TABLE, load(None, {}).serving.model_copy(update={"allowed_hosts": ("localhost",)}))
JSON = {"content-type": "application/json"}


def nobody(scope: Any, row: Row, authorization: str) -> None:
    """Ask nobody for a key."""


async def echo(scope: Any, receive: Any, send: Any) -> None:
    message = await receive() if scope["method"] == "POST" else {"body": b""}
    answer = json.dumps({"document": scope.get(DOCUMENT), "bytes": len(message["body"])}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": answer})


def framework_failure(status: int) -> Callable[..., Any]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"secret ", "more_body": True})
        await send({"type": "http.response.body", "body": b"details"})

    return app


async def crash(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("ada@example.org has no orders")


def ask(
    method: str = "POST",
    path: str = "/ask",
    *,
    app: Any = echo,
    counted: list[str] | None = None,
    **request: Any,
) -> httpx.Response:
    """Return the answer of ``app`` behind the gate."""
    gate = Gate(app, RULES, nobody, (counted if counted is not None else []).append)

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(gate)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **request)

    return asyncio.run(once())


def refusal(**request: Any) -> tuple[int, str]:
    """Return status and code, after checking the one schema that every refusal has."""
    response = ask(**request)
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == response.status_code
    assert problem["type"] == f"urn:echelon:problem:{problem['code']}"
    assert problem["trace_id"] == response.headers["x-request-id"]
    assert problem["title"] == KINDS[problem["code"]].title.en
    assert problem["detail"]
    return response.status_code, problem["code"]


def test_a_good_request_passes_with_its_document_parsed_once_and_its_body_still_there():
    response = ask(content=b'{"a": 1}', headers=JSON)
    assert response.json() == {"document": {"a": 1}, "bytes": 8}
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1:3000"])
def test_a_host_that_is_not_listed_is_refused(host):
    assert refusal(headers={**JSON, "host": host}, content=b"{}") == (421, "host-not-allowed")


def test_a_listed_host_passes_in_any_case_and_on_any_port():
    assert ask(headers={**JSON, "host": "LOCALHOST:8123"}, content=b"{}").status_code == 200


@pytest.mark.parametrize("path", ["/", "/ask/", "/Ask", "/state/x", "/filesystem", "/schema.json"])
def test_an_unknown_address_is_refused_before_anything_behind_sees_it(path):
    assert refusal(path=path, app=crash, content=b"{}", headers=JSON) == (404, "unknown-route")


def test_a_parameter_of_an_address_is_one_step_and_a_path_any_number():
    for path, status in {
        "/people/a b/tier": 200,
        "/people/a/b/tier": 404,
        "/files/a/b": 200,
    }.items():
        assert ask("GET", path).status_code == status


def test_a_body_that_is_not_json_reaches_the_handler_as_a_stream_and_is_counted():
    assert ask(path="/load", content=b"a,b", headers={"content-type": "text/csv"}).json() == {
        "document": None,
        "bytes": 3,
    }
    chunks = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal chunks
        while chunks < 1000:
            chunks += 1
            yield b" " * 100

    async def read_all(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass

    csv = {"content-type": "text/csv"}
    refused = refusal(path="/load", app=read_all, content=endless(), headers=csv)
    assert refused == (413, "body-too-large")
    assert chunks < 200


def test_a_method_that_the_address_lacks_is_refused_with_those_it_has():
    assert refusal(method="PUT", path="/state") == (405, "method-not-allowed")
    assert ask("DELETE", "/state").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "",
     "application/json; charset=gbk", "application/vnd.bentoml+pickle"],
)  # fmt: skip
def test_only_json_is_taken(content_type):
    headers = {"content-type": content_type}
    assert refusal(content=b"{}", headers=headers) == (415, "media-type-not-accepted")


def test_a_compressed_body_is_refused():
    headers = {**JSON, "content-encoding": "gzip"}
    assert refusal(content=b"{}", headers=headers) == (415, "media-type-not-accepted")


def test_a_body_over_the_limit_is_refused_by_its_declared_length():
    assert refusal(content=b" " * 1001, headers=JSON) == (413, "body-too-large")
    assert ask(content=b"1" + b" " * 999, headers=JSON).status_code == 200


def test_a_chunked_body_is_counted_as_it_comes_and_never_read_without_end():
    chunks_read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal chunks_read
        while True:
            chunks_read += 1
            yield b" " * 100

    async def read() -> str:
        gate, sent = Gate(echo, RULES, nobody, [].append), []
        body = endless()

        async def receive() -> Any:
            return {"type": "http.request", "body": await anext(body), "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/ask", "headers": headers}
        await gate(scope, receive, send)
        return json.loads(sent[1]["body"])["code"]

    assert asyncio.run(read()) == "body-too-large"
    assert chunks_read < 200


def test_a_body_that_trickles_is_given_up():
    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(5)
        yield b"}"

    async def read() -> list[Any]:
        gate, sent = Gate(echo, RULES, nobody, [].append), []
        body = slow()

        async def receive() -> Any:
            return {"type": "http.request", "body": await anext(body), "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/ask", "headers": headers}
        await asyncio.wait_for(gate(scope, receive, send), 3)
        return sent

    assert json.loads(asyncio.run(read())[1]["body"])["code"] == "body-too-slow"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed-json"),
        (b"{", "malformed-json"),
        (b"{'a': 1}", "malformed-json"),
        (b'{"a": 1}{', "malformed-json"),
        (b"\xff\xfe{\x00}\x00", "malformed-json"),
        (b'"\xc3"', "malformed-json"),
        (b'{"a": "\\ud800"}', "malformed-json"),
        (b'{"a": "line\nbreak"}', "malformed-json"),
        (b"[" * 900, "malformed-json"),
        (b"9" * 4400, "malformed-json"),
        (b"[1, NaN]", "not-finite-number"),
        (b"[-Infinity]", "not-finite-number"),
        (b"1e400", "not-finite-number"),
        (b'{"a": 1, "a": 2}', "repeated-key"),
    ],
)
def test_what_is_not_strictly_json_is_refused(body, code):
    with pytest.raises(ProblemError) as refused:
        strict_json(body)
    assert refused.value.code == code
    assert refused.value.kind.status == 400


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_problem(body):
    with contextlib.suppress(ProblemError):
        json.dumps(strict_json(body), allow_nan=False)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False).filter(
            lambda x: abs(x) != float("inf")),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)  # fmt: skip
def test_every_json_value_comes_through_unchanged(value):
    assert strict_json(json.dumps(value).encode()) == value


def test_every_place_of_a_bad_number_is_pointed_at():
    with pytest.raises(ProblemError) as refused:
        strict_json(b'{"records": {"transactions": [{"amount": NaN}, {"amount": 1e999}]}}')
    pointers = {error.pointer for error in refused.value.errors}
    assert pointers == {f"/records/transactions/{row}/amount" for row in (0, 1)}


def test_a_key_that_looks_like_data_is_not_repeated_in_a_pointer():
    assert pointer(("records", "ada@example.org", "x")) == "/records"


@pytest.mark.parametrize("status", [400, 404, 405, 413, 418, 422, 429, 500, 502, 503, 504, 302])
def test_a_failure_of_the_framework_leaves_as_a_problem_document_without_its_text(status):
    response = ask("GET", "/state", app=framework_failure(status))
    assert "secret" not in response.text
    assert "details" not in response.text
    assert refusal(method="GET", path="/state", app=framework_failure(status))[0] >= 400


def test_a_crash_answers_500_and_names_neither_error_nor_data(caplog):
    response = ask("GET", "/state", app=crash)
    assert response.status_code == 500
    assert response.json()["code"] == "internal-error"
    for text in (response.text, caplog.text):
        assert "ada@example.org" not in text
    assert "error='ValueError'" in caplog.text
    assert response.json()["trace_id"] in caplog.text


TRACE = "0af7651916cd43dd8448eb211c80319c"
UUID = "6746a30c-df19-4f25-ba7e-9e922b493d1c"


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"x-request-id": UUID}, UUID),
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, TRACE),
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-00", "x-request-id": UUID}, TRACE),
    ],
)
def test_a_request_is_named_by_its_trace_or_its_uuid(headers, name):
    assert ask("GET", "/state", headers=headers).headers["x-request-id"] == name


@pytest.mark.parametrize(
    "headers",
    [
        {"x-request-id": "a b\tc" * 9},
        {"x-request-id": "13800138000"},
        {"x-request-id": "11010519491231002X"},
        {"x-request-id": "C0000001"},
        {"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"},
        {"traceparent": f"00-{TRACE}-{'0' * 16}-01"},
        {"traceparent": "ada@example.org"},
    ],
)
def test_a_name_that_may_be_somebodys_is_replaced(headers):
    given = set(headers.values())
    name = ask("GET", "/state", headers=headers).headers["x-request-id"]
    assert name not in given
    assert name != TRACE
    assert len(name) == 32


def test_every_refusal_is_counted_by_its_code():
    counted: list[str] = []
    ask(path="/nowhere", counted=counted)
    ask("GET", "/state", app=framework_failure(503), counted=counted)
    ask("GET", "/state", counted=counted)
    assert counted == ["unknown-route", "not-ready"]


@pytest.mark.parametrize("app", [echo, framework_failure(404), crash])
def test_a_refusal_speaks_the_language_preferred_and_caches_are_told(app):
    path = "/nowhere" if app is echo else "/state"
    for asked, language in (("zh-CN, en;q=0.5", "zh"), ("en", "en"), ("fr", "en"), ("", "en")):
        response = ask("GET", path, app=app, headers={"accept-language": asked})
        problem = response.json()
        assert problem["title"] == KINDS[problem["code"]].title[language]
        assert response.headers["content-language"] == language
        assert response.headers["vary"] == "Accept-Language"


def test_an_address_or_headers_without_measure_are_refused():
    assert refusal(method="GET", path="/state?" + "a" * 8000) == (414, "address-too-long")
    headers = {f"x-{i}": "a" * 1000 for i in range(40)}
    assert refusal(method="GET", path="/state", headers=headers) == (431, "headers-too-large")
