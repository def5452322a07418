"""What the OpenAPI document says of each row of the table of routes, by the row's name.

A row of ``routes.py`` needs an :class:`Operation` here; a test says so. Its methods, body types,
roles and the problems that follow from those are taken from the row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from serving.endpoint import examples
from serving.endpoint.contract_rows import ContractRows
from serving.endpoint.model_reply import ModelReply
from serving.endpoint.replies import Explanations, PathsReply, Predictions, WhatIfReply
from serving.endpoint.requests import PredictionRequest
from serving.endpoint.supposing import PathsRequest, WhatIfRequest
from serving.jobs.job_replies import (
    ChurnAlertEvent,
    JobReply,
    JobsReply,
    RowResult,
    TierChangedEvent,
    TierHistory,
)

Tag = Literal["predictions", "jobs", "webhooks", "model", "operation"]
TAGS: dict[Tag, str] = {
    "predictions": "Scores of customers",
    "jobs": "Many customers at once",
    "webhooks": "What the endpoint tells you of its own accord",
    "model": "What the scores were made with",
    "operation": "Whether and how the endpoint runs",
}
JSON = "application/json"
Examples = Callable[[dt.date, ContractRows | None], examples.Named]
"""From the day of the publication, and what contract customers' rows are, to example requests."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of the path, the query or a header.

    Attributes:
        about: what it is for; a parameter of the path is always required.
        schema: JSON Schema.
        place: where it stands.
    """

    about: str
    schema: Mapping[str, Any]
    place: Literal["path", "query", "header"] = "path"


@dataclass(frozen=True)
class Answer:
    """An answer that is no problem document.

    Attributes:
        about: what it holds.
        model: its type, for JSON; ``None`` where it has no body or is no JSON.
        media_type: of the body; ``None`` for no body.
        headers: name → description, beside those that every answer has.
    """

    about: str
    model: type[BaseModel] | None = None
    media_type: str | None = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    other_types: tuple[str, ...] = ()
    """Media types that the same comes in when `Accept` asks for them."""


@dataclass(frozen=True)
class Operation:
    """What a reader is told of a row.

    Attributes:
        id: name of the function in generated clients.
        summary: one line.
        answers: status → answer.
        about: further sentences.
        tag: the theme it stands under.
        request: type of the JSON body.
        examples: requests that are answered with 2xx; tests send each.
        parameters: name → parameter.
        problems: codes beside those that follow from the row.
    """

    id: str
    summary: str
    answers: Mapping[int, Answer]
    about: str = ""
    tag: Tag = "predictions"
    request: type[BaseModel] | None = None
    examples: Examples | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


LANGUAGE = Parameter(
    "Texts come in `zh` and `en`; with a language preferred here, in that one alone. Problem "
    "documents are in it, too (English by default).",
    {"type": "string", "examples": ["zh", "en-GB,en;q=0.9"]},
    "header",
)

CURSOR = Parameter("`next` of the page before", {"type": "string"}, "query")
LIMIT = Parameter(
    "Entries of a page",
    {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
    "query",
)
JOB_ID = Parameter("As the job's first answer names it", {"type": "string"})
IDEMPOTENCY_KEY = Parameter(
    "A text of your own, such as a UUID. Within 24 hours the same key with the same body creates "
    "nothing again and gets the same answer, with `Idempotency-Replayed: true`.",
    {"type": "string", "minLength": 1, "maxLength": 255},
    "header",
)

OPERATIONS: dict[str, Operation] = {
    "predictions": Operation(
        "predict",
        "Tier, lifetime value, churn and reasons of customers",
        {200: Answer("The customers' answers, in order", Predictions)},
        "By `customer_ids` from the live publication, or from raw `records` by the same features "
        "and models. One unknown id is a 404; of several, those unknown are listed under "
        "`not_found`.",
        request=PredictionRequest,
        examples=examples.of_customers,
        parameters={"Accept-Language": LANGUAGE},
        problems=("unknown-customer",),
    ),
    "explanations": Operation(
        "explain",
        "Every concept's points, and the tier's trace",
        {200: Answer("The customers' explanations, in order", Explanations)},
        "Asked as predictions are. `base` plus the points of all concepts is the number (for "
        "churn, a hundredth of the points), to 1e-6; the last line of the tier's trace is the "
        "tier served.",
        request=PredictionRequest,
        examples=examples.of_customers,
        parameters={"Accept-Language": LANGUAGE},
        problems=("unknown-customer",),
    ),
    "what_if": Operation(
        "suppose",
        "What the models would say if certain events came",
        {200: Answer("Today, idle, and with the events", WhatIfReply)},
        "The events become records that go through the same features, models and policy on the "
        "later day. `idle` is the same day with nothing happening, and `effect` the difference of "
        "the two. An association that was learnt, not a promise.",
        request=WhatIfRequest,
        examples=examples.of_events,
        parameters={"Accept-Language": LANGUAGE},
        problems=("unknown-customer", "raw-records-not-served"),
    ),
    "tier_paths": Operation(
        "findPaths",
        "The cheapest actions to the next tier, or below a churn probability",
        {200: Answer("Up to three paths, or that there is none", PathsReply)},
        "Sets of the actions on the company's menu (`actions` of the configuration), tried from "
        "the cheapest on, each scored through the whole pipeline on the later day. Associations "
        "that were learnt, not promises.",
        request=PathsRequest,
        examples=examples.of_paths,
        parameters={"Accept-Language": LANGUAGE},
        problems=("unknown-customer", "raw-records-not-served"),
    ),
    "tier_history": Operation(
        "listTierHistory",
        "A customer's tiers over time, and why",
        {200: Answer("An entry for each publication that is kept, the newest first", TierHistory)},
        "From the publications that lead to the live one: a day that was scored again is told as "
        "it counted. Each entry has the rules that set the tier.",
        parameters={
            "customer_id": Parameter("The company's own customer number", {"type": "string"}),
            "limit": LIMIT,
            "cursor": CURSOR,
            "Accept-Language": LANGUAGE,
        },
        problems=("unknown-customer", "invalid-request"),
    ),
    "create_job": Operation(
        "createJob",
        "Have many customers answered at leisure",
        {
            202: Answer(
                "It is queued",
                JobReply,
                headers={
                    "Location": "Where the job is found.",
                    "Idempotency-Replayed": "`true` where an earlier answer is given again.",
                },
            )
        },
        "A row for each customer, NDJSON or Parquet: `customer_id`, or `records` with the records "
        "of that one customer, as in `/v1/predictions`. All rows are answered from one "
        "publication; a bad row fails alone.",
        tag="jobs",
        examples=examples.of_rows,
        parameters={"Idempotency-Key": IDEMPOTENCY_KEY},
        problems=(
            "invalid-idempotency-key",
            "request-in-flight",
            "idempotency-key-reused",
            "no-rows",
            "not-parquet",
            "too-many-jobs",
            "too-many-idempotency-keys",
            "no-room",
        ),
    ),
    "jobs": Operation(
        "listJobs",
        "Your batch jobs, the newest first",
        {200: Answer("A page of jobs", JobsReply)},
        "Those of the key that asks; to an admin, everybody's.",
        tag="jobs",
        parameters={"limit": LIMIT, "cursor": CURSOR},
        problems=("invalid-request",),
    ),
    "job": Operation(
        "showJob",
        "How a batch job stands",
        {200: Answer("Its state and how many rows are done", JobReply)},
        tag="jobs",
        parameters={"job_id": JOB_ID},
        problems=("unknown-job",),
    ),
    "job_results": Operation(
        "downloadJobResults",
        "The results of a batch job",
        {
            200: Answer(
                "A line for each row, in order; `prediction` is to the byte what "
                "`/v1/predictions` answers",
                RowResult,
                "application/x-ndjson",
                other_types=("application/vnd.apache.parquet",),
            )
        },
        tag="jobs",
        parameters={"job_id": JOB_ID},
        problems=("unknown-job", "not-acceptable", "job-without-results", "job-expired"),
    ),
    "end_job": Operation(
        "endJob",
        "Cancel a batch job, or remove a finished one",
        {
            200: Answer("It is cancelled", JobReply),
            204: Answer("It is removed with its rows and results", media_type=None),
        },
        tag="jobs",
        parameters={"job_id": JOB_ID},
        problems=("unknown-job",),
    ),
    "model": Operation(
        "describeModel",
        "Versions, inputs with units and ranges, targets, grades, policy and limits",
        {200: Answer("What is served now", ModelReply)},
        tag="model",
        parameters={"Accept-Language": LANGUAGE},
    ),
    "livez": Operation(
        "isAlive",
        "Whether the process runs",
        {200: Answer("It runs", media_type="text/plain")},
        tag="operation",
    ),
    "healthz": Operation(
        "isHealthy",
        "Whether the process runs",
        {200: Answer("It runs", media_type="text/plain")},
        tag="operation",
    ),
    "readyz": Operation(
        "isReady",
        "Whether a publication is served",
        {200: Answer("It is served", media_type="text/plain")},
        tag="operation",
    ),
    "live": Operation(
        "isServerLive",
        "Whether the process runs, by the Open Inference Protocol",
        {200: Answer("It runs", media_type="application/json")},
        tag="operation",
    ),
    "ready": Operation(
        "isServerReady",
        "Whether a publication is served, by the Open Inference Protocol",
        {200: Answer("It is served, and will be for a while", media_type="application/json")},
        tag="operation",
    ),
    "metrics": Operation(
        "metrics",
        "Prometheus metrics",
        {200: Answer("The metrics", media_type="text/plain")},
        tag="operation",
    ),
    "document": Operation(
        "document",
        "This document",
        {200: Answer("OpenAPI 3.1")},
        tag="operation",
    ),
    "page": Operation(
        "page",
        "This document, to read in a browser",
        {200: Answer("The page", media_type="text/html")},
        tag="operation",
    ),
    "page_assets": Operation(
        "pageAsset",
        "What the page is made of",
        {200: Answer("A style sheet, script or picture", media_type="application/octet-stream")},
        tag="operation",
        problems=("unknown-route",),
        parameters={"path": Parameter("File name", {"type": "string"})},
    ),
}
"""By the name of the row."""

WEBHOOK_HEADERS = {
    "webhook-id": Parameter(
        "The same at every attempt: drop what you have already", {"type": "string"}, "header"
    ),
    "webhook-timestamp": Parameter(
        "Epoch seconds of the attempt: drop what is old", {"type": "string"}, "header"
    ),
    "webhook-signature": Parameter(
        "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; several apart by spaces",
        {"type": "string"},
        "header",
    ),
}
RECEIVED = {200: Answer("Any 2xx takes it; anything else has it sent again, for a day or more")}

WEBHOOKS: dict[str, Operation] = {
    "tier.changed": Operation(
        "onTierChanged",
        "Customers are in another tier",
        RECEIVED,
        "Sent after a publication to the addresses of `webhooks` in the configuration, a hundred "
        "customers to a message. Signed by the Standard Webhooks specification.",
        tag="webhooks",
        request=TierChangedEvent,
        parameters=WEBHOOK_HEADERS,
    ),
    "churn.alert": Operation(
        "onChurnAlert",
        "Customers have become likely to leave",
        RECEIVED,
        "Sent like `tier.changed`, of customers whose churn probability is at `alert_at` or above "
        "and was not in the publication before.",
        tag="webhooks",
        request=ChurnAlertEvent,
        parameters=WEBHOOK_HEADERS,
    ),
}
"""What the endpoint sends of its own accord, by the name of the event."""
