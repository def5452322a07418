"""What the endpoint counts, for Prometheus, beside what BentoML counts of every request."""

from __future__ import annotations

from typing import Any


class Meters:
    """Counters and gauges made with ``metrics``: ``prometheus_client`` or BentoML's own."""

    def __init__(self, metrics: Any) -> None:
        self._refusals = metrics.Counter(
            "echelon_refusals", "Requests answered with a problem document", ["code"]
        )
        self._predictions = metrics.Counter(
            "echelon_predictions", "Requests for predictions answered", ["asked_by"]
        )
        self._loads = metrics.Counter(
            "echelon_publication_loads", "Publications taken up or left alone", ["outcome"]
        )
        self._loaded_at = metrics.Gauge(
            "echelon_publication_loaded_timestamp_seconds",
            "When the served publication was taken up",
            multiprocess_mode="max",
        )

    def refused(self, code: str) -> None:
        """Count a refusal by its code."""
        self._refusals.labels(code=code).inc()

    def answered(self, asked_by: str) -> None:
        """Count a request answered by ``ids`` or by ``records``."""
        self._predictions.labels(asked_by=asked_by).inc()

    def loaded(self, name: str, is_served: bool) -> None:
        """Count a publication that is now served, or that could not be."""
        self._loads.labels(outcome="served" if is_served else "failed").inc()
        if is_served:
            self._loaded_at.set_to_current_time()
