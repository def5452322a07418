"""The review queue: who is at risk and worth it, why, and what to do."""

from __future__ import annotations

from starlette.responses import Response

from serving.console.page import Visit


def page(visit: Visit) -> Response:
    """Return the queue."""
    return visit.page("queue.html", as_of=visit.served.as_of)
