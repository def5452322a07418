"""What the endpoint counts as it answers, for Prometheus; docs/operations.md says what each means.

Every worker process counts into files of its own in the folder that ``PROMETHEUS_MULTIPROC_DIR``
names; ``serving/endpoint/exposition.py`` adds them up.
"""

from __future__ import annotations

from typing import Any

from serving.endpoint.problem_kinds import KINDS

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram of latency."""

FALLBACKS = ("no_purchases", "rules_only")
OUTCOMES = ("served", "failed")
ASKED_BY = ("ids", "records")


class Meters:
    """Counters, gauges and a histogram; a request costs some ten microseconds of them.

    Children are kept by label, since looking them up in the library costs more than counting.
    """

    def __init__(self) -> None:
        # The library decides at its first import whether it counts into files.
        import prometheus_client as prometheus

        self.registry = prometheus.CollectorRegistry()
        self._requests = self._counter("requests", "Requests answered", "route", "status")
        self._latency = prometheus.Histogram(
            "echelon_request_duration_seconds",
            "Time from the head of a request to the last byte of its answer",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._in_flight = prometheus.Gauge(
            "echelon_requests_in_flight",
            "Requests being answered",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self._rows = self._counter("rows", "Customers answered about", "route")
        self._fallbacks = self._counter(
            "fallbacks", "Predictions that rest on a fallback", "fallback"
        )
        self._refusals = self._counter("refusals", "Answers that are a problem document", "code")
        self._predictions = self._counter(
            "predictions", "Requests for predictions answered", "asked_by"
        )
        self._loads = self._counter(
            "publication_loads", "Publications taken up, or left alone as unusable", "outcome"
        )
        self._refused = prometheus.Gauge(
            "echelon_publication_refused",
            "1 while a worker does not serve the publication that the pointer names",
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self._loaded_at = prometheus.Gauge(
            "echelon_publication_loaded_timestamp_seconds",
            "When a worker last took up a publication",
            multiprocess_mode="max",
            registry=self.registry,
        )
        self._children: dict[tuple[Any, ...], Any] = {}
        self._begin()

    def _counter(self, name: str, what: str, *labels: str) -> Any:
        from prometheus_client import Counter

        return Counter(f"echelon_{name}", what, labels, registry=self.registry)

    def _begin(self) -> None:
        """Count 0 for whatever is known beforehand, so that a first event is an increase."""
        for metric, values in (
            (self._refusals, KINDS),
            (self._fallbacks, FALLBACKS),
            (self._loads, OUTCOMES),
            (self._predictions, ASKED_BY),
        ):
            for value in values:
                self._child(metric, value)
        self._in_flight.set(0)
        self._refused.set(0)

    def _child(self, metric: Any, *labels: Any) -> Any:
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    def began(self) -> None:
        """Count a request that is being answered."""
        self._in_flight.inc()

    def ended(self, route: str, status: int, seconds: float) -> None:
        """Count a request that is answered, by the name of its row in the table of routes."""
        self._in_flight.dec()
        self._child(self._requests, route, status).inc()
        self._child(self._latency, route).observe(seconds)

    def refused(self, code: str) -> None:
        """Count a refusal by its code."""
        self._child(self._refusals, code).inc()

    def answered(self, asked_by: str) -> None:
        """Count a request answered by ``ids`` or by ``records``."""
        self._child(self._predictions, asked_by).inc()

    def rows(self, route: str, count: int) -> None:
        """Count customers answered about."""
        self._child(self._rows, route).inc(count)

    def fell_back(self, fallback: str, count: int) -> None:
        """Count predictions that rest on ``no_purchases`` or ``rules_only``."""
        self._child(self._fallbacks, fallback).inc(count)

    def loaded(self, name: str, is_served: bool) -> None:
        """Count a publication that is now served, or that could not be."""
        self._child(self._loads, "served" if is_served else "failed").inc()
        if is_served:
            self._loaded_at.set_to_current_time()

    def is_refused(self, is_refused: bool) -> None:
        """Raise or end the alert that what is published is not what is served."""
        self._refused.set(int(is_refused))
