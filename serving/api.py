"""The endpoint as a BentoML service; the one module that knows BentoML.

``echelon serve`` runs it, and so does ``bentoml serve serving.api:service --arg config=my.yaml``.
BentoML gives liveness, readiness, metrics and the server; the routes of the contract are a
Starlette app mounted in it, since a BentoML route is POST only, answers 400 in a shape of its own
and documents neither problem documents nor examples. The gate of ``serving/gate.py`` stands in
front of everything, BentoML's own middleware included.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from configs.load import load
from configs.schema import Config
from serving.current import Current
from serving.gate import DOCUMENT, LANGUAGE, TRACE_ID, App, Gate, Rules
from serving.meters import Meters
from serving.openapi import PAGE, PAGE_POLICY, ROUTES, openapi
from serving.predictions import by_ids, by_records, explained_by_ids, explained_by_records
from serving.problems import ProblemError, encoded, of_status
from serving.requests import read, read_as
from serving.suppositions import PathsRequest, WhatIfRequest, answer_paths, answer_what_if

if TYPE_CHECKING:
    from serving.served import Served

ANSWERS_AT_ONCE = 64
ANSWER_SECONDS = 30


class Arguments(BaseModel):
    """What ``bentoml serve --arg`` may say: the configuration file."""

    config: Path | None = None


class GatedService(bentoml.Service[Any]):
    """A BentoML service whose ASGI app is made for one configuration and stands behind the gate."""

    current: Current[Served]

    def to_asgi(self, is_main: bool = True) -> App:
        """Return the ASGI app for the configuration named by ``--arg config=…``."""
        app = self.for_config(load(bentoml.use_arguments(Arguments).config), is_main)
        self.current.refresh()
        return app

    def for_config(self, config: Config, is_main: bool = True) -> App:
        """Return the ASGI app that serves ``config``, not ready before ``current`` is."""
        from serving.served import open_served

        meters = Meters(bentoml.metrics)
        self.current = Current(
            config.stores.publications, partial(open_served, config), meters.loaded
        )
        self.mount_asgi_app(routes(config, self.current, meters), name="v1")
        rules = Rules(ROUTES, config.serving.allowed_hosts, config.serving.request_bytes)
        return Gate(super().to_asgi(is_main), rules, meters.refused)


class Endpoint:
    """Scores, tiers and reasons of customers."""

    bento_service: GatedService

    def __is_ready__(self) -> bool:
        """Whether a publication is served; BentoML answers ``/readyz`` by it."""
        return self.bento_service.current.served is not None


service = GatedService(
    name="echelon",
    config={
        "workers": 1,
        "traffic": {"timeout": ANSWER_SECONDS, "max_concurrency": ANSWERS_AT_ONCE},
        "logging": {"access": {"enabled": False}},
    },
    inner=Endpoint,
)


def routes(config: Config, current: Current[Served], meters: Meters) -> Starlette:
    """Return the app with the routes of the contract, answering from ``current``."""
    one_at_a_time = CapacityLimiter(1)

    async def predictions(request: Request) -> Response:
        asked = read(request.scope[DOCUMENT], config.serving.rows_per_request)
        served = _served(current)
        if asked.records is None:
            body = by_ids(served, asked.customer_ids or ())
        else:
            today = dt.datetime.now(served.zone).date()
            work = partial(by_records, served, asked.records, today)
            body = await to_thread.run_sync(work, limiter=one_at_a_time)
        meters.answered("ids" if asked.records is None else "records")
        return Response(body, media_type="application/json")

    async def explained(request: Request) -> Response:
        asked = read(request.scope[DOCUMENT], config.serving.rows_per_request)
        served = _served(current)
        today = dt.datetime.now(served.zone).date()
        if asked.records is None:
            work = partial(explained_by_ids, served, asked.customer_ids or ())
        else:
            work = partial(explained_by_records, served, asked.records, today)
        body = await to_thread.run_sync(work, limiter=one_at_a_time)
        return Response(body, media_type="application/json")

    async def supposed(request: Request) -> Response:
        asked = read_as(WhatIfRequest, request.scope[DOCUMENT], config.serving.rows_per_request)
        served = _served(current)
        work = partial(answer_what_if, served, asked, dt.datetime.now(served.zone).date())
        body = await to_thread.run_sync(work, limiter=one_at_a_time)
        return Response(body, media_type="application/json")

    async def paths(request: Request) -> Response:
        asked = read_as(PathsRequest, request.scope[DOCUMENT], config.serving.rows_per_request)
        served = _served(current)
        work = partial(answer_paths, served, asked, dt.datetime.now(served.zone).date())
        body = await to_thread.run_sync(work, limiter=one_at_a_time)
        return Response(body, media_type="application/json")

    async def model(request: Request) -> Response:
        return Response(_served(current).description, media_type="application/json")

    async def document(request: Request) -> Response:
        return JSONResponse(openapi(config, _served(current).as_of))

    async def page(request: Request) -> Response:
        return HTMLResponse(PAGE, headers={"content-security-policy": PAGE_POLICY})

    async def refused(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, ProblemError)
        meters.refused(problem.code)
        body, headers = encoded(problem, request.scope[TRACE_ID], request.scope[LANGUAGE])
        return Response(body, problem.kind.status, headers)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        current.watch()
        yield
        current.stop()

    return Starlette(
        routes=[
            Route("/v1/predictions", predictions, methods=["POST"]),
            Route("/v1/explanations", explained, methods=["POST"]),
            Route("/v1/what-if", supposed, methods=["POST"]),
            Route("/v1/tier-paths", paths, methods=["POST"]),
            Route("/v1/models/current", model),
            Route("/docs.json", document),
            Route("/", page),
        ],
        exception_handlers={ProblemError: refused},
        lifespan=lifespan,
    )


def _served(current: Current[Served]) -> Served:
    if current.served is None:
        raise of_status(503)
    return current.served
