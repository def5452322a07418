"""Requests counted and logged from outside the gate, by one worker and by several."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.endpoint.exposition import exposition
from serving.endpoint.gate import ROW
from serving.endpoint.logs import Line
from serving.endpoint.meters import Meters
from serving.endpoint.observed import NO_ANSWER, Observed
from serving.endpoint.problem_kinds import KINDS
from serving.endpoint.problems import ProblemError, encoded
from serving.endpoint.route import PUBLIC, Row

ONE = Row("/v1/predictions", ("POST",), PUBLIC, "predictions")
PROBE = Row("/livez", ("GET",), PUBLIC, "livez")


def answering(status: int, body: bytes, row: Row | None = ONE) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if row is not None:
            scope[ROW] = row
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return app


def observed(app: Any, times: int = 1) -> tuple[dict[tuple[str, ...], float], list[Line]]:
    """Return the samples and the lines after ``times`` requests to ``app``."""
    meters, lines = Meters(), []

    async def ask() -> None:
        transport = httpx.ASGITransport(Observed(app, meters, lines.append))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for _ in range(times):
                await client.post("/v1/customers/zoe@example.org")

    asyncio.run(ask())
    return samples(exposition(meters, None)), lines


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """Return the values that are not 0 by name and labels."""
    return {
        (one.name, *one.labels.values()): one.value
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
        if one.value
    }


def test_a_request_is_counted_by_the_name_of_its_route():
    found, (line,) = observed(answering(200, b"{}"))
    assert found[("echelon_requests_total", "predictions", "200")] == 1
    assert found[("echelon_request_duration_seconds_count", "predictions")] == 1
    assert ("echelon_requests_in_flight",) not in found
    assert (line.route, line.status, line.method) == ("predictions", 200, "POST")


def test_an_address_that_is_no_route_appears_nowhere():
    found, lines = observed(answering(404, b"{}", row=None))
    assert found[("echelon_requests_total", "none", "404")] == 1
    assert "zoe" not in str(found) + str(lines)


def test_customers_are_counted_by_what_their_answers_rest_on():
    answers = [
        {"customer_id": "a", "confidence": {"fallback": None}},
        {"customer_id": "b", "confidence": {"fallback": "no_purchases"}},
    ]
    missing = [{"customer_id": "c", "code": "unknown-customer"}]
    document = {"predictions": answers, "not_found": missing}
    body = json.dumps(document, separators=(",", ":")).encode()
    found, (line, _) = observed(answering(200, body), times=2)
    assert found[("echelon_rows_total", "predictions")] == 4
    assert found[("echelon_fallbacks_total", "no_purchases")] == 2
    assert line.rows == 2


def test_a_refusal_is_logged_by_its_code():
    body, _ = encoded(ProblemError("too-many-rows"), "a" * 32)
    _, (line,) = observed(answering(413, body))
    assert (line.status, line.code) == (413, "too-many-rows")


def test_a_client_that_leaves_before_the_answer_is_counted():
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        scope[ROW] = ONE

    meters, lines = Meters(), []
    scope = {"type": "http", "method": "POST", "headers": []}
    asyncio.run(Observed(silent, meters, lines.append)(scope, None, None))
    assert lines[0].status == NO_ANSWER


def test_probes_are_counted_and_not_logged_unless_they_fail():
    found, lines = observed(answering(200, b"", row=PROBE))
    assert found[("echelon_requests_total", "livez", "200")] == 1
    assert lines == []
    assert observed(answering(503, b"", row=PROBE))[1][0].status == 503


def test_every_code_starts_at_nought_so_that_a_first_refusal_is_an_increase():
    families = text_string_to_metric_families(exposition(Meters(), None).decode())
    (refusals,) = (one for one in families if one.name == "echelon_refusals")
    values = {one.labels["code"]: one.value for one in refusals.samples if "_total" in one.name}
    assert values == dict.fromkeys(KINDS, 0)


WORKER = """
import os, sys, time
from serving.endpoint.meters import Meters
meters = Meters()
meters.began()
for place in range(int(sys.argv[1])):
    meters.began()
    meters.ended("predictions", 200, 0.01)
meters.is_refused(True)
print("ready", flush=True)
sys.stdin.read()
"""
SCRAPE = """
import sys
from serving.endpoint.exposition import exposition
from serving.endpoint.meters import Meters
sys.stdout.buffer.write(exposition(Meters(), None))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Any:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    return tmp_path


def worker(requests: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(requests)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def scraped() -> dict[tuple[str, ...], float]:
    text = subprocess.run([sys.executable, "-c", SCRAPE], capture_output=True, check=True).stdout
    return samples(text)


@pytest.mark.slow
def test_workers_are_added_up_and_the_dead_are_forgotten_but_for_what_they_counted(folder):
    one, other = worker(2), worker(3)
    both = scraped()
    assert both[("echelon_requests_total", "predictions", "200")] == 5
    assert both[("echelon_requests_in_flight",)] == 2
    assert both[("echelon_publication_refused",)] == 1
    assert both[("echelon_workers",)] == 3
    other.kill()
    other.communicate()
    alone = scraped()
    assert alone[("echelon_requests_total", "predictions", "200")] == 5
    assert alone[("echelon_requests_in_flight",)] == 1
    assert alone[("process_resident_memory_bytes",)] < both[("process_resident_memory_bytes",)]
    one.communicate()
    assert ("echelon_publication_refused",) not in scraped()
    assert os.listdir(folder)
