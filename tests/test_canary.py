"""Personal data that is sent to the endpoint, in every way, leaves by its answer or not at all.

A name, a phone number, an e-mail address, a comment and a customer's id go to every route of the
table: where they belong, where they do not, and into every kind of error. Then everything that is
kept or told of requests is searched for them.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from benchmarks.serving.contestants import answers
from configs.load import load
from configs.schema import Config
from serving.access.key_office import create
from serving.console.routes import PAGES
from serving.console.visitors import people_office
from serving.endpoint.exposition import MEDIA_TYPE
from serving.endpoint.logs import FIELDS
from serving.endpoint.openapi import plain
from serving.endpoint.route import Row
from serving.endpoint.routes import ROUTES
from serving.scores.publication import open_live
from tests.companies import own_copy

pytestmark = pytest.mark.slow

NAME, PHONE, EMAIL = "Qixuan Canarini", "13955550142", "qixuan@canary.example"
COMMENT, CUSTOMER = "the qanary sang at noon", "CANARY0042"
CANARIES = (NAME, PHONE, EMAIL, COMMENT, CUSTOMER, "Canarini", "qanary", "canary.example")
BURIED = re.compile("|".join(map(re.escape, CANARIES)).encode(), re.IGNORECASE)
JSON = {"content-type": "application/json"}
READY_SECONDS = 120


def found_in(text: bytes) -> list[bytes]:
    """Return the canaries in ``text``, however it is escaped."""
    plain = text.replace(b"%20", b" ").replace(b"+", b" ").replace(b"%40", b"@")
    return BURIED.findall(plain)


@dataclass
class Told:
    """Everything that an endpoint told besides its answers, and how often each status came."""

    log: Path
    store: Path
    before: dict[Path, int]
    refusals: list[tuple[str, httpx.Response]] = field(default_factory=list)
    answered: set[tuple[str, int]] = field(default_factory=set)
    metrics: bytes = b""
    traces: list[bytes] = field(default_factory=list)
    paths: dict[str, Any] = field(default_factory=dict)


class Collector(BaseHTTPRequestHandler):
    """Takes what a collector of OpenTelemetry takes."""

    received: list[bytes]

    def do_POST(self) -> None:
        self.received.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *given: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def told(small_company, tmp_path_factory) -> Told:
    """Send everything to an endpoint of its own, damage it, send again, and stop it."""
    folder = tmp_path_factory.mktemp("canary")
    received: list[bytes] = []
    handler = type("Received", (Collector,), {"received": received})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{collector.server_port}/v1/traces"
        path = own_copy(small_company, folder, {"serving": {"traces_endpoint": endpoint}})
        store = folder / "store"
        told = Told(folder / "log", store, lengths(store), traces=received)
        serve_and_ask(path, told)
        collector.shutdown()
    return told


def lengths(store: Path) -> dict[Path, int]:
    return {file: file.stat().st_size for file in store.rglob("*") if file.is_file()}


def serve_and_ask(path: Path, told: Told) -> None:
    key = create(load(path, {}), NAME, "admin", (), None).text
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "serving.cli", "serve", "-c", path, "--port", str(port)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ECHELON_")}
    with told.log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=kept)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            url = str(client.base_url.join("/readyz"))
            is_ready = answers(url, lambda: process.poll() is None, READY_SECONDS)
            assert is_ready, told.log.read_text()
            client.headers["authorization"] = f"Bearer {key}"
            as_of = open_live(told.store / "publications").manifest.as_of
            told.paths = client.get("/docs.json").json()["paths"]
            for row in ROUTES:
                ask_all(client, row, as_of, told)
            ask_console(str(client.base_url), load(path, {}))
            told.metrics = client.get("/metrics").content
            damage(told.store)
            for row in ROUTES:
                ask_well(client, row, as_of, told)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def ask_console(url: str, config: Config) -> None:
    """Send everything to every page of the console as somebody whose name must not be told."""
    people_office.add(config, NAME, "manager", COMMENT)
    fields = {"name": NAME, "note": COMMENT, "customer_id": CUSTOMER, "title": EMAIL, "q": PHONE}
    query = {"search": CUSTOMER, EMAIL: NAME, "next": f"/console/{EMAIL}", "token": PHONE}
    site = {"origin": url.rstrip("/"), "sec-fetch-site": "same-origin"}
    with httpx.Client(base_url=url, timeout=60, headers={**site, "referer": EMAIL}) as browser:
        browser.post("/console/sign-in", data={"name": EMAIL, "password": COMMENT})
        signed_in = browser.post("/console/sign-in", data={"name": NAME, "password": COMMENT})
        assert signed_in.headers["location"] == "/console/queue"
        for page in PAGES:
            if page.name == "console_leave":
                continue
            for method in page.methods:
                sent = {"data": fields} if method == "POST" else {}
                browser.request(method, at(page.path), params=query, **sent)
        browser.post(f"/console/{EMAIL}", data=fields)


def damage(store: Path) -> None:
    """Take away what answers are read from, so that handlers fail."""
    live = open_live(store / "publications").folder
    for file in live.glob("*.parquet"):
        file.write_bytes(EMAIL.encode())
    for folder in (store / "records").iterdir():
        for file in folder.glob("*.parquet") if folder.is_dir() else ():
            file.write_bytes(EMAIL.encode())


def ask_all(client: httpx.Client, row: Row, as_of: dt.date, told: Told) -> None:
    """Send what is right, what is wrong, and what is no request at all."""
    ask_well(client, row, as_of, told)
    for document in documented(told, row):
        send(client, told, row, row.methods[0], at(row.path), json=document)
    path = at(row.path)
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CANARY"):
        send(client, told, row, method, f"{path}?{quote(EMAIL)}={quote(NAME)}", json={CUSTOMER: 1})
    for headers in (
        {"x-request-id": PHONE, "user-agent": NAME, "referer": EMAIL, "cookie": f"name={EMAIL}"},
        {"x-request-id": CUSTOMER, "traceparent": f"00-{EMAIL}", "tracestate": f"a={PHONE}"},
        {"baggage": f"customer={CUSTOMER}", "x-forwarded-for": EMAIL, "accept-language": EMAIL},
        {"authorization": f"Bearer {EMAIL}"},
        {"authorization": f"Bearer ech_0123456789_{quote(NAME)}{'x' * 28}"},
        {"host": f"{EMAIL.partition('@')[2]}"},
        {"idempotency-key": f"{CUSTOMER}-{PHONE}", "prefer": COMMENT},
    ):
        send(client, told, row, row.methods[0], path, headers=JSON | headers, content=b"{")
    if row.body is not None:
        for body in bodies():
            send(client, told, row, row.methods[0], path, headers=JSON, content=body)
        for media_type in (*row.body.media_types, "text/plain", f"text/{quote(NAME)}"):
            headers = {"content-type": media_type}
            send(client, told, row, row.methods[0], path, headers=headers, content=line())


def ask_well(client: httpx.Client, row: Row, as_of: dt.date, told: Told) -> None:
    """Send what the route is for, about the customer who must not be told of."""
    if row.body is None:
        send(client, told, row, row.methods[0], at(row.path))
        return
    for document in documents(row, as_of):
        send(client, told, row, row.methods[0], at(row.path), json=document)


def documented(told: Told, row: Row) -> list[Any]:
    """Return the examples of the route in the OpenAPI document."""
    operation = told.paths.get(plain(row.path), {}).get(row.methods[0].lower(), {})
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return [one["value"] for one in content.get("examples", {}).values()]


def send(
    client: httpx.Client, told: Told, row: Row, method: str, path: str, **request: Any
) -> None:
    if method in ("GET", "HEAD"):
        request.pop("json", None)
    if method == "HEAD":
        request.pop("content", None)
    answer = client.request(method, path, **request)
    told.answered.add((row.name, answer.status_code))
    if answer.status_code >= 400:
        told.refusals.append((f"{method} {row.name}", answer))


def at(path: str) -> str:
    """Return an address of the route about the customer."""
    return re.sub(r"\{[^}]*\}", CUSTOMER, path)


def documents(row: Row, as_of: dt.date) -> Iterator[dict[str, Any]]:
    """Yield documents of the shape that the route takes: by id, by records, by published id."""
    day = (as_of - dt.timedelta(days=9)).isoformat()
    who = {"customer_id": CUSTOMER}
    records = {
        "customers": [who],
        "transactions": [who | {"occurred_at": day, "amount": 30, "category": NAME}],
        "interactions": [who | {"occurred_at": day, "kind": "complaint", "text": COMMENT}],
        "satisfaction": [
            who | {"occurred_at": day, "instrument": "csat", "score": 1, "comment": COMMENT}
        ],
        "attributes": [who | {"observed_at": day, "name": "phone", "value": PHONE}],
    }
    events = {"events": [{"event": "order"}]} if row.name == "what_if" else {}
    yield {"customer_ids": [CUSTOMER, EMAIL]}
    yield {"records": records} | events
    yield {"customer_id": CUSTOMER} | events


def bodies() -> Iterator[bytes]:
    """Yield bodies that are wrong in every way that has a code of its own."""
    who = json.dumps({"customer_id": CUSTOMER, "amount": PHONE, "occurred_at": NAME})
    yield f'{{"{EMAIL}": "{NAME}"'.encode()
    yield f'{{"customer_ids": ["{EMAIL}", NaN]}}'.encode()
    yield f'{{"customer_ids": ["{EMAIL}"], "customer_ids": ["{PHONE}"]}}'.encode()
    yield f'{{"customer_ids": ["{EMAIL}"], "{EMAIL}": 1}}'.encode()
    yield f'{{"customer_ids": {{"{NAME}": "{PHONE}"}}}}'.encode()
    yield f'{{"records": {{"transactions": [{who}], "{EMAIL}": []}}}}'.encode()
    yield f'{{"records": {{"customers": [{who}]}}, "customer_ids": ["{CUSTOMER}"]}}'.encode()
    yield f'{{"customer_id": "{CUSTOMER}", "events": [{{"event": "{COMMENT}"}}]}}'.encode()
    yield f'{{"customer_id": "{CUSTOMER}", "goal": "{COMMENT}", "below": "{PHONE}"}}'.encode()
    yield json.dumps({"customer_ids": [CUSTOMER] * 1001}).encode()
    yield b'"' + COMMENT.encode() * 60_000 + b'"'
    yield COMMENT.encode() + b"\xff"


def line() -> bytes:
    return json.dumps({"customer_id": CUSTOMER, "comment": COMMENT}).encode() + b"\n"


def test_every_route_was_answered_and_refused_and_some_failed(told):
    statuses = {status for _, status in told.answered}
    assert {name for name, _ in told.answered} == {row.name for row in ROUTES}
    assert {200, 400, 401, 404, 405, 413, 415, 421, 422, 500} <= statuses


def test_no_refusal_repeats_what_was_sent(told):
    for request, answer in told.refusals:
        assert not found_in(answer.content), (request, answer.text)
        headers = b"\n".join(value for _, value in answer.headers.raw)
        assert not found_in(headers), (request, answer.headers)


def test_the_log_has_a_line_for_each_refusal_of_what_is_http_and_none_tells(told):
    text = told.log.read_bytes()
    assert not found_in(text), text[: text.find(found_in(text)[0])][-400:]
    lines = [json.loads(one) for one in text.decode().splitlines() if one.startswith("{")]
    logged = {one.get("trace") for one in lines if one.get("status", 0) >= 400}
    answered = [answer for request, answer in told.refusals if not request.startswith("CANARY")]
    assert {answer.headers["x-request-id"] for answer in answered} <= logged
    assert {name for one in lines for name in one} <= {"time", "level", *FIELDS}
    assert "request-failed" in {one["event"] for one in lines}


def test_the_console_is_logged_by_its_rows_and_the_persons_id(told):
    lines = [json.loads(one) for one in told.log.read_text().splitlines() if one.startswith("{")]
    seen = {one["route"]: one.get("key", "") for one in lines if "route" in one}
    asked = {page.name for page in PAGES if ":int}" not in page.path}
    assert asked - {"console_leave"} <= set(seen)
    assert re.fullmatch("u[0-9a-f]{12}", seen["console_customer"])


def test_metrics_know_routes_and_no_customer(told):
    assert MEDIA_TYPE.startswith("text/plain")
    assert b'route="predictions"' in told.metrics
    assert not found_in(told.metrics)


def test_traces_reach_the_collector_and_carry_nothing_that_was_sent(told):
    whole = b"".join(told.traces)
    for span in (b"predictions", b"validation", b"features", b"scoring", b"reasons"):
        assert span in whole
    assert not found_in(whole)


def test_the_audit_and_the_runs_of_mlflow_are_silent(told):
    changed = [
        file
        for file, length in lengths(told.store).items()
        if told.before.get(file) != length and file.suffix in (".jsonl", ".json", ".txt", ".yaml")
    ]
    runs = [told.store / "mlflow.db", *(told.store / "mlartifacts").rglob("*")]
    for file in [*changed, *(one for one in runs if one.is_file())]:
        assert not found_in(file.read_bytes()), file
