"""A BentoML service that does nothing, by a route of its own and by a mounted ASGI app.

bentoml serve benchmarks.serving.bentoml_app:Nothing --port PORT
"""

from __future__ import annotations

import bentoml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def nothing(request: Request) -> Response:
    await request.body()
    return Response(b"{}", media_type="application/json")


mounted = Starlette(routes=[Route("/mounted", nothing, methods=["POST"])])


@bentoml.asgi_app(mounted)
@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Nothing:
    """Answers at once."""

    @bentoml.api
    async def route(self, customer_ids: list[str]) -> dict[str, str]:
        return {}
