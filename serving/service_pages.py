"""Handlers that say what is served and how to ask."""

from __future__ import annotations

from functools import partial

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from serving.endpoint import Endpoint
from serving.openapi import PAGE, PAGE_POLICY, openapi


async def model(request: Request, endpoint: Endpoint) -> Response:
    """Answer with versions, features, tiers and evaluation of what is served."""
    return Response(endpoint.served.description, media_type="application/json")


async def document(request: Request, endpoint: Endpoint) -> Response:
    """Answer with the OpenAPI document."""
    return JSONResponse(openapi(endpoint.config, endpoint.served.as_of))


async def metrics(request: Request, endpoint: Endpoint) -> Response:
    """Answer with what all workers counted, for Prometheus."""
    from serving.exposition import MEDIA_TYPE, exposition

    work = partial(exposition, endpoint.meters, endpoint.current.served)
    return Response(await to_thread.run_sync(work), media_type=MEDIA_TYPE)


async def page(request: Request, endpoint: Endpoint) -> Response:
    """Answer with the page that shows the document."""
    return HTMLResponse(PAGE, headers={"content-security-policy": PAGE_POLICY})
