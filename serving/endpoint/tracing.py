"""Traces by OpenTelemetry, off unless ``serving.traces_endpoint`` names a collector.

Off, nothing of OpenTelemetry is imported here and a span costs the call that finds none. On, a
request is one trace: the request itself, and within it validation, features, scoring and reasons.
Spans carry names, statuses and numbers of rows; never an address, a header, a message or a value
that was sent. What is sampled, and how spans are sent, is left to the ``OTEL_*`` variables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from configs.errors import ServiceError
from configs.version import VERSION
from serving.endpoint.trace_id import TRACEPARENT

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

    from serving.endpoint.gate import Scope

_NONE: AbstractContextManager[None] = nullcontext()
_wanted: ContextVar[str] = ContextVar("trace")
_active: Tracing | None = None


class Tracing:
    """Makes the spans of this process and hands them to ``exporter`` in batches."""

    def __init__(self, exporter: SpanExporter) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        about = Resource.create({"service.name": "echelon", "service.version": VERSION})
        self._provider = TracerProvider(resource=about, id_generator=_generator())
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("echelon")

    @contextmanager
    def request(self, scope: Scope, trace: str) -> Iterator[Span]:
        """Yield the span of a request; its trace is ``trace``, its parent the caller's span."""
        from opentelemetry.trace import SpanKind

        token = _wanted.set(trace)
        try:
            with self._tracer.start_as_current_span(
                "request",
                context=_caller(scope),
                kind=SpanKind.SERVER,
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                yield span
        finally:
            _wanted.reset(token)

    def part(self, name: str) -> AbstractContextManager[Span]:
        """Return the span of a part of what is being done."""
        return self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False
        )

    def end(self) -> None:
        """Send what is still held, and stop."""
        self._provider.shutdown()


def start(endpoint: str | None) -> Tracing | None:
    """Begin to trace to the OTLP/HTTP collector at ``endpoint``; ``None`` leaves traces off.

    Raises:
        ServiceError: the exporter is not installed.
    """
    if endpoint is None:
        return trace_by(None)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise ServiceError(
            "serving.traces_endpoint is set, but the exporter of OpenTelemetry is not installed. "
            "Run `pip install 'echelon[otel]'`, or remove the setting"
        ) from error
    return trace_by(Tracing(OTLPSpanExporter(endpoint=endpoint)))


def trace_by(tracing: Tracing | None) -> Tracing | None:
    """Make ``tracing`` the one that :func:`span` speaks to, in this process; return it."""
    global _active
    _active = tracing
    return tracing


def span(name: str) -> AbstractContextManager[Any]:
    """Return the span of a part of a request; nothing where traces are off."""
    return _NONE if _active is None else _active.part(name)


def finish(span: Span, route: str, status: int, rows: int | None) -> None:
    """Say on the span of a request what became of it."""
    from opentelemetry.trace import StatusCode

    span.update_name(route)
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if rows is not None:
        span.set_attribute("echelon.rows", rows)
    if status >= 500:
        span.set_status(StatusCode.ERROR)


def _caller(scope: Scope) -> Any:
    """Return the context of the caller's span, or an empty one."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    given = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
    if not TRACEPARENT.fullmatch(given):
        return Context()
    carrier = {"traceparent": given.decode()}
    return TraceContextTextMapPropagator().extract(carrier, context=Context())


def _generator() -> Any:
    """Return a generator of ids that gives a trace the id its request has already."""
    from opentelemetry.sdk.trace import RandomIdGenerator

    class RequestIds(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            return int(_wanted.get().replace("-", ""), 16)

    return RequestIds()
