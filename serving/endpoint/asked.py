"""Handlers that answer questions about customers: each parses, calls one function, formats."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from serving.endpoint.endpoint import Endpoint, files_there, scope_of, today
from serving.endpoint.gate import DOCUMENT
from serving.endpoint.predictions import by_ids, by_records, explained_by_ids, explained_by_records
from serving.endpoint.requests import read, read_as
from serving.endpoint.spoken import spoken
from serving.endpoint.supposing import PathsRequest, WhatIfRequest, answer_paths, answer_what_if


async def predictions(request: Request, endpoint: Endpoint) -> Response:
    """Answer with scores, tiers and reasons."""
    asked = read(request.scope[DOCUMENT], endpoint.config.serving.rows_per_request)
    served, scope = endpoint.served, scope_of(request)
    if asked.records is None:
        with files_there():
            body = by_ids(served, asked.customer_ids or (), scope)
    else:
        work = partial(by_records, served, asked.records, today(served), scope)
        body = await endpoint.in_turn(work)
    endpoint.meters.answered("ids" if asked.records is None else "records")
    return spoken(request, body)


async def explanations(request: Request, endpoint: Endpoint) -> Response:
    """Answer with every concept's points and the tier's trace."""
    asked = read(request.scope[DOCUMENT], endpoint.config.serving.rows_per_request)
    served, scope = endpoint.served, scope_of(request)
    if asked.records is None:
        work = partial(explained_by_ids, served, asked.customer_ids or (), scope)
    else:
        work = partial(explained_by_records, served, asked.records, today(served), scope)
    return spoken(request, await endpoint.in_turn(work))


async def suppositions(request: Request, endpoint: Endpoint) -> Response:
    """Answer what the models would say if certain events came."""
    rows = endpoint.config.serving.rows_per_request
    asked = read_as(WhatIfRequest, request.scope[DOCUMENT], rows)
    served, scope = endpoint.served, scope_of(request)
    work = partial(answer_what_if, served, asked, today(served), scope)
    return spoken(request, await endpoint.in_turn(work))


async def tier_paths(request: Request, endpoint: Endpoint) -> Response:
    """Answer with the cheapest actions that reach a goal."""
    rows = endpoint.config.serving.rows_per_request
    asked = read_as(PathsRequest, request.scope[DOCUMENT], rows)
    served, scope = endpoint.served, scope_of(request)
    work = partial(answer_paths, served, asked, today(served), scope)
    return spoken(request, await endpoint.in_turn(work))
