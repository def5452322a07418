"""The app behind the gate: the rows of the table that have a handler, as Starlette routes.

BentoML mounts it whole, with its life cycle. A plain address has found its row in the gate already,
so :class:`Direct` calls the row's handler at once: neither BentoML's middleware (spans, contexts,
a copy of every header: .7 ms) nor Starlette's looks for it anew. What BentoML's gave to these rows,
time-outs, limits and metrics, is in ``turns.py``, ``gate.py`` and ``observed.py``.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Protocol

from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.endpoint.endpoint import Endpoint
from serving.endpoint.gate import LANGUAGE, ROW, TRACE_ID, App, Receive, Scope, Send, failed
from serving.endpoint.logs import failure
from serving.endpoint.problems import ProblemError, encoded
from serving.endpoint.routes import ROUTES
from serving.endpoint.state import AWAY
from serving.jobs.beside import lanes

logger = logging.getLogger("echelon.app")


class Beside(Protocol):
    """What works beside the answers as long as the app lives."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End."""


def app(endpoint: Endpoint, beside: Sequence[Beside] = ()) -> Starlette:
    """Return the app that answers from ``endpoint``.

    The watch on publications lives with it, and what else works ``beside`` it.
    """

    async def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, ProblemError):
            problem = error
        else:
            problem = failed(error)
            logger.error(failure("request-failed", error, request.scope[TRACE_ID]))
        endpoint.meters.refused(problem.code)
        body, headers = encoded(problem, request.scope[TRACE_ID], request.scope[LANGUAGE])
        return Response(body, problem.kind.status, headers)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        endpoint.current.watch()
        endpoint.keys.watch()
        endpoint.audit.watch()
        work = (*lanes(endpoint), *beside)
        for lane in work:
            lane.start()
        yield
        for lane in work:
            await to_thread.run_sync(lane.stop)
        endpoint.audit.stop()
        endpoint.keys.stop()
        endpoint.current.stop()
        endpoint.state.close()

    return Starlette(
        routes=[
            Route(row.path, partial(row.handler, endpoint=endpoint), methods=row.methods)
            for row in ROUTES
            if row.handler is not None
        ],
        exception_handlers=dict.fromkeys((ProblemError, *AWAY), refused),
        lifespan=lifespan,
    )


class Direct:
    """ASGI app that answers rows of plain addresses itself, and leaves all else to ``service``.

    Args:
        service: BentoML's app, in which the whole of :func:`app` is mounted.
        endpoint: what handlers answer from.
    """

    def __init__(self, service: App, endpoint: Endpoint) -> None:
        self.service = service
        self.endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request that came through the gate."""
        row = scope.get(ROW)
        if row is None or row.handler is None or "{" in row.path:
            await self.service(scope, receive, send)
            return
        response = await row.handler(Request(scope, receive, send), endpoint=self.endpoint)
        await response(scope, receive, send)
