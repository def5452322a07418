"""The OpenAPI 3.1 document of the endpoint, made from the types it checks with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from configs.schema import Config
from serving import problems
from serving.replies import Explanations, ModelReply, PathsReply, Predictions, Problem, WhatIfReply
from serving.requests import PredictionRequest
from serving.suppositions import PathsRequest, WhatIfRequest

REFERENCE = "#/components/schemas/{model}"


def examples(as_of: dt.date) -> dict[str, dict[str, Any]]:
    """Return requests that a publication of ``as_of`` answers with 200; tests send each of them."""

    def ago(days: int) -> str:
        return (as_of - dt.timedelta(days=days)).isoformat()

    orders = [
        {"occurred_at": f"{ago(75)}T10:15:00", "amount": 128.5, "order_id": "O-1"},
        {"occurred_at": ago(20), "amount": 64.0, "order_id": "O-2", "category": "tea"},
        {"occurred_at": ago(9), "amount": 64.0, "order_id": "O-2", "kind": "refund"},
    ]
    complaint = {"occurred_at": f"{ago(18)}T09:00:00+08:00", "kind": "complaint"}
    survey = {"occurred_at": ago(17), "instrument": "csat", "score": 2, "comment": "Too slow"}
    followers = {"observed_at": ago(30), "name": "followers", "value": 1200}
    new = {"customer_id": "N1"}
    records = {
        "as_of": as_of.isoformat(),
        "customers": [new | {"signed_up_on": ago(90)}],
        "transactions": [new | order for order in orders],
        "interactions": [new | complaint | {"channel": "phone"}],
        "satisfaction": [new | survey],
        "attributes": [new | followers],
    }
    return {
        "by_id": {
            "summary": "Customers of the live publication",
            "value": {"customer_ids": ["C0000001", "C0000002"]},
        },
        "by_records": {
            "summary": "A customer's own records, scored now",
            "value": {"records": records},
        },
        "without_history": {
            "summary": "A customer of whom nothing is known yet",
            "value": {"records": {"customers": [{"customer_id": "N2"}]}},
        },
    }


def what_if_examples(as_of: dt.date) -> dict[str, dict[str, Any]]:
    """Return questions about hypothetical events that a publication of ``as_of`` answers."""
    orders = {"event": "order", "amount": 300, "count": 2}
    survey = {"event": "survey", "instrument": "nps", "score": 9, "in_days": 20}
    by_records = examples(as_of)["by_records"]["value"]["records"]
    return {
        "by_id": {
            "summary": "Two orders of 300 in the next four weeks, and a survey answered with 9",
            "value": {"customer_id": "C0000001", "events": [orders, survey], "in_days": 28},
        },
        "by_records": {
            "summary": "A complaint resolved in a week, of a customer whose records are sent",
            "value": {
                "records": by_records,
                "events": [{"event": "complaint_resolved", "in_days": 7}],
            },
        },
    }


def path_examples(as_of: dt.date) -> dict[str, dict[str, Any]]:
    """Return questions about paths that a publication of ``as_of`` answers."""
    by_records = examples(as_of)["by_records"]["value"]["records"]
    return {
        "next_tier": {
            "summary": "The way of a published customer to the next tier",
            "value": {"customer_id": "C0000001"},
        },
        "below_churn": {
            "summary": "The way below a churn probability of 0.3, of a customer's own records",
            "value": {"records": by_records, "goal": "below_churn", "below": 0.3},
        },
    }


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Echelon</title>
<link rel="stylesheet" href="./static_content/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="./static_content/swagger-ui-bundle.js"></script>
<script src="./static_content/swagger-ui-standalone-preset.js"></script>
<script src="./static_content/swagger-initializer.js"></script></body></html>
"""
"""The page that shows the document; BentoML's own loads a tracker from elsewhere."""

PAGE_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'"
)


def openapi(config: Config, as_of: dt.date) -> dict[str, Any]:
    """Return the OpenAPI document: the limits of ``config``, examples for the day ``as_of``."""
    requests = (PredictionRequest, WhatIfRequest, PathsRequest)
    models = (*requests, Predictions, Explanations, WhatIfReply, PathsReply, ModelReply, Problem)
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template=REFERENCE
    )
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Echelon",
            "version": version("echelon"),
            "summary": "Tiers, lifetime value and churn of customers, with reasons",
            "description": _about(config),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [],
        "tags": [
            {"name": "predictions", "description": "Scores of customers"},
            {"name": "operation", "description": "What is served, and how it is"},
        ],
        "paths": _paths(as_of),
        "components": {"schemas": schemas["$defs"]},
    }


def _about(config: Config) -> str:
    return (
        f"Up to {config.serving.rows_per_request:,} ids or rows and "
        f"{config.serving.request_bytes:,} bytes a request, as strict JSON. Days are local days "
        f"of {config.timezone}; money is {config.currency}. Everything that is not 2xx is a "
        "problem document (RFC 9457)."
    )


def _paths(as_of: dt.date) -> dict[str, Any]:
    return {
        "/v1/predictions": _post(
            "predict",
            "Tier, lifetime value, churn and reasons of customers",
            "By `customer_ids` from the live publication, or from raw `records` by the same "
            "features and models. One unknown id is a 404; of several, those unknown are listed "
            "under `not_found`.",
            _body("PredictionRequest", examples(as_of)),
            _answers("Predictions", "The customers' answers, in order"),
        ),
        "/v1/explanations": _post(
            "explain",
            "Every concept's points, and the tier's trace",
            "Asked as predictions are. `base` plus the points of all concepts is the number "
            "(for churn, a hundredth of the points), to 1e-6; the last line of the tier's trace "
            "is the tier served.",
            _body("PredictionRequest", examples(as_of)),
            _answers("Explanations", "The customers' explanations, in order"),
        ),
        "/v1/what-if": _post(
            "suppose",
            "What the models would say if certain events came",
            "The events become records that go through the same features, models and policy on "
            "the later day. `idle` is the same day with nothing happening, and `effect` the "
            "difference of the two. An association that was learnt, not a promise.",
            _body("WhatIfRequest", what_if_examples(as_of)),
            _answers("WhatIfReply", "Today, idle, and with the events"),
        ),
        "/v1/tier-paths": _post(
            "findPaths",
            "The cheapest actions to the next tier, or below a churn probability",
            "Sets of the actions on the company's menu (`actions` of the configuration), tried "
            "from the cheapest on, each scored through the whole pipeline on the later day. "
            "Associations that were learnt, not promises.",
            _body("PathsRequest", path_examples(as_of)),
            _answers("PathsReply", "Up to three paths, or that there is none"),
        ),
        "/v1/models/current": {
            "get": _get(
                "describeModel",
                "Versions, features with units and ranges, tiers and evaluation",
                _answers("ModelReply", "What is served now"),
            )
        },
        "/livez": {"get": _get("isAlive", "Whether the process runs", _plain("It runs"))},
        "/readyz": {
            "get": _get("isReady", "Whether a publication is served", _plain("It is served"))
        },
        "/metrics": {"get": _get("metrics", "Prometheus metrics", _plain("The metrics"))},
        "/docs.json": {
            "get": _get(
                "document",
                "This document",
                {"200": {"description": "OpenAPI 3.1", "content": {"application/json": {}}}},
            )
        },
    }


def _post(
    operation: str, summary: str, about: str, body: dict[str, Any], answers: dict[str, Any]
) -> dict[str, Any]:
    refusals = _refusals((400, 404, 405, 408, 413, 415, 421, 422, 429, 500, 503, 504))
    return {
        "post": {
            "operationId": operation,
            "tags": ["predictions"],
            "summary": summary,
            "description": about,
            "requestBody": body,
            "responses": answers | refusals,
        }
    }


def _body(model: str, examples: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": _reference(model), "examples": examples}
    return {"required": True, "content": {"application/json": content}}


def _get(operation: str, summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": operation,
        "tags": ["operation"],
        "summary": summary,
        "responses": answers | _refusals((405, 421, 429, 500, 503, 504)),
    }


def _answers(model: str, description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": _reference(model)}}
    return {"200": {"description": description, "content": content}}


def _plain(description: str) -> dict[str, Any]:
    return {"200": {"description": description, "content": {"text/plain": {}}}}


def _refusals(statuses: Iterable[int]) -> dict[str, Any]:
    content = {problems.MEDIA_TYPE: {"schema": _reference("Problem")}}
    return {
        str(status): {
            "description": "; ".join(
                f"`{kind.code}`: {kind.title}"
                for kind in problems.KINDS.values()
                if kind.status == status
            ),
            "content": content,
        }
        for status in statuses
    }


def _reference(model: str) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model)}
