"""Traces: the spans of a request, their parent, and what they must not carry."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving.endpoint.gate import ROW
from serving.endpoint.logs import Line
from serving.endpoint.meters import Meters
from serving.endpoint.observed import Observed
from serving.endpoint.route import PUBLIC, Row
from serving.endpoint.tracing import Tracing, span, trace_by

ROUTE = Row("/v1/predictions", ("POST",), PUBLIC, "predictions")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ANSWER = b'{"predictions":[{"customer_id":"zoe"}]}'


async def scoring(scope: Any, receive: Any, send: Any) -> None:
    scope[ROW] = ROUTE
    with span("validation"):
        pass
    await asyncio.to_thread(in_a_thread)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": ANSWER})


def in_a_thread() -> None:
    with span("features"), span("scoring"):
        pass


async def failing(scope: Any, receive: Any, send: Any) -> None:
    scope[ROW] = ROUTE
    with span("features"):
        raise ValueError("zoe@example.org")


def traced(app: Any, headers: dict[str, str]) -> tuple[dict[str, Any], list[Line]]:
    """Return the spans by name, and the lines of the log."""
    exporter, lines = InMemorySpanExporter(), []
    tracing = trace_by(Tracing(exporter))

    async def ask() -> None:
        gate = Observed(app, Meters(), lines.append, tracing)
        transport = httpx.ASGITransport(gate, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.post("/v1/customers/zoe@example.org", headers=headers, json={"a": "zoe"})

    try:
        asyncio.run(ask())
        tracing.end()
    finally:
        trace_by(None)
    return {one.name: one for one in exporter.get_finished_spans()}, lines


def test_a_request_is_one_trace_that_goes_on_from_the_callers():
    spans, (line,) = traced(scoring, {"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert set(spans) == {"predictions", "validation", "features", "scoring"}
    assert {format(one.context.trace_id, "032x") for one in spans.values()} == {TRACE}
    assert format(spans["predictions"].parent.span_id, "016x") == PARENT
    for inner, outer in (
        ("validation", "predictions"),
        ("features", "predictions"),
        ("scoring", "features"),
    ):
        assert spans[inner].parent.span_id == spans[outer].context.span_id
    assert line.trace == TRACE


def test_a_request_that_brings_no_trace_is_traced_by_the_id_of_its_answer():
    spans, (line,) = traced(scoring, {"x-request-id": "6746a30c-df19-4f25-ba7e-9e922b493d1c"})
    assert format(spans["predictions"].context.trace_id, "032x") == line.trace.replace("-", "")
    assert spans["predictions"].parent is None


@pytest.mark.parametrize("app", [scoring, failing])
def test_spans_carry_nothing_that_was_sent_and_no_message(app):
    spans, _ = traced(app, {"x-secret": "zoe@example.org", "user-agent": "zoe"})
    told = "".join(one.to_json() for one in spans.values())
    assert "zoe" not in told
    assert set(spans["predictions"].attributes) <= {
        "http.route", "http.response.status_code", "echelon.rows"
    }  # fmt: skip


def test_the_rows_and_the_status_are_told():
    spans, _ = traced(scoring, {})
    assert dict(spans["predictions"].attributes) == {
        "http.route": "predictions",
        "http.response.status_code": 200,
        "echelon.rows": 1,
    }


OFF = """
import sys
from serving.endpoint.observed import Observed
from serving.endpoint.tracing import span, start
assert start(None) is None
with span("features"):
    pass
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""


def test_off_nothing_of_opentelemetry_is_imported():
    subprocess.run([sys.executable, "-c", OFF], check=True)
