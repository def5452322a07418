"""Handlers that say what is served and how to ask."""

from __future__ import annotations

from functools import partial

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from serving.endpoint.endpoint import Endpoint
from serving.endpoint.openapi import openapi
from serving.endpoint.openapi_page import PAGE, PAGE_POLICY
from serving.endpoint.replies import as_text
from serving.endpoint.spoken import spoken


async def model(request: Request, endpoint: Endpoint) -> Response:
    """Answer with versions, features, tiers and evaluation of what is served."""
    return spoken(request, endpoint.served.description)


async def document(request: Request, endpoint: Endpoint) -> Response:
    """Answer with the OpenAPI document."""
    from serving.endpoint.routes import ROUTES  # the table names this very handler

    served = endpoint.served

    def made() -> bytes:
        return as_text(openapi(endpoint.config, ROUTES, served.as_of, served.contract)).encode()

    return Response(await endpoint.once(served, made), media_type="application/json")


async def metrics(request: Request, endpoint: Endpoint) -> Response:
    """Answer with what all workers counted, for Prometheus."""
    from serving.endpoint.exposition import MEDIA_TYPE, exposition
    from serving.jobs.queues import Queues

    also = [Queues(endpoint.state)]
    work = partial(exposition, endpoint.meters, endpoint.current.served, also)
    return Response(await to_thread.run_sync(work), media_type=MEDIA_TYPE)


async def page(request: Request, endpoint: Endpoint) -> Response:
    """Answer with the page that shows the document."""
    return HTMLResponse(PAGE, headers={"content-security-policy": PAGE_POLICY})
