"""The app behind the gate: the rows of the table that have a handler, as Starlette routes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.endpoint import Endpoint
from serving.gate import LANGUAGE, TRACE_ID
from serving.problems import ProblemError, encoded
from serving.routes import ROUTES


def app(endpoint: Endpoint) -> Starlette:
    """Return the app that answers from ``endpoint``; the watch on publications lives with it."""

    async def refused(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, ProblemError)
        endpoint.meters.refused(problem.code)
        body, headers = encoded(problem, request.scope[TRACE_ID], request.scope[LANGUAGE])
        return Response(body, problem.kind.status, headers)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        endpoint.current.watch()
        endpoint.keys.watch()
        yield
        endpoint.keys.stop()
        endpoint.current.stop()
        endpoint.state.close()

    return Starlette(
        routes=[
            Route(row.path, partial(row.handler, endpoint=endpoint), methods=row.methods)
            for row in ROUTES
            if row.handler is not None
        ],
        exception_handlers={ProblemError: refused},
        lifespan=lifespan,
    )
