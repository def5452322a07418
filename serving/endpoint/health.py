"""Handlers of liveness and readiness by the Open Inference Protocol, version 2.

``/livez`` and ``/readyz`` are BentoML's and say the same.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serving.endpoint.endpoint import Endpoint
from serving.endpoint.problems import of_status


async def live(request: Request, endpoint: Endpoint) -> Response:
    """Answer that the process answers."""
    return JSONResponse({"live": True})


async def ready(request: Request, endpoint: Endpoint) -> Response:
    """Answer that requests may be sent here.

    Raises:
        ProblemError: not-ready, before a publication is served and once the process is to end.
    """
    if not endpoint.current.is_ready:
        raise of_status(503)
    return JSONResponse({"ready": True})
