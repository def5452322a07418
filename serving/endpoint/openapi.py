"""The OpenAPI 3.1 document: the rows of the table of routes with what is said of each.

Addresses, methods, body types and who may call come from ``routes.py``, words and types from
``operations.py``, problems from ``problem_kinds.py``: nothing is written twice.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from configs.schema import Config
from configs.version import VERSION
from serving.endpoint.contract_rows import ContractRows
from serving.endpoint.operations import JSON, OPERATIONS, TAGS, WEBHOOKS, Answer, Operation
from serving.endpoint.problem_kinds import KINDS
from serving.endpoint.problems import MEDIA_TYPE, ProblemError, document
from serving.endpoint.replies import Problem
from serving.endpoint.requests import ROWS
from serving.endpoint.route import PUBLIC, Row

REFERENCE = "#/components/schemas/{model}"
TRACE = "6746a30cdf194f25ba7e9e922b493d1c"
"""The trace id of examples."""

NDJSON = "application/x-ndjson"
BYTES = {"type": "string", "format": "binary"}
"""A body that is no JSON: what generators of clients take a file by."""

ALWAYS = (
    "malformed-request",
    "address-too-long",
    "host-not-allowed",
    "overloaded",
    "headers-too-large",
    "transfer-coding-not-known",
    "internal-error",
    "not-ready",
    "busy",
    "timed-out",
)
OF_BODIES = (
    "malformed-json",
    "not-finite-number",
    "repeated-key",
    "body-too-slow",
    "body-too-large",
    "too-many-rows",
    "media-type-not-accepted",
    "invalid-request",
)
OF_KEYS = (
    *(code for code, kind in KINDS.items() if kind.status in (401, 403)),
    "too-many-requests",
)
BY_ADDRESS = ("unknown-route", "method-not-allowed")
"""Problems of no operation: of addresses and methods that the document does not list."""

HEADERS = {
    "X-Request-Id": "The trace id: the one sent in this header if it was plain, or a new one.",
    "Retry-After": "Seconds to wait before the request is sent again.",
    "Content-Language": "The language of the texts, where one was preferred.",
    "WWW-Authenticate": "How to send a key.",
}
HEADERS_OF = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
"""Headers of a problem beside the trace id and the language, by status."""


def openapi(
    config: Config, rows: Iterable[Row], as_of: dt.date, contract: ContractRows | None = None
) -> dict[str, Any]:
    """Return the OpenAPI document.

    Args:
        config: limits, currency, time zone.
        rows: the table of routes.
        as_of: the day that examples hold for.
        contract: contract customers' columns, where those are served.
    """
    rows = tuple(rows)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Echelon",
            "version": VERSION,
            "summary": "Tiers, lifetime value and churn of customers, with reasons",
            "description": _about(config),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
        "paths": _paths(rows, as_of, contract),
        "webhooks": {name: _webhook(one) for name, one in WEBHOOKS.items()},
        "components": {
            "schemas": _schemas(contract),
            "responses": _problems(rows),
            "headers": {
                name: {"description": about, "schema": {"type": "string"}}
                for name, about in HEADERS.items()
                if name != "WWW-Authenticate" or OF_KEYS
            },
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "ech_<id>_<secret>",
                    "description": "An API key, made by `echelon keys`.",
                }
            },
        },
    }


def _about(config: Config) -> str:
    return (
        f"Up to {config.serving.rows_per_request:,} ids or rows and "
        f"{config.serving.request_bytes:,} bytes a request, as strict JSON. Days are local days "
        f"of {config.timezone}; money is {config.currency}. HEAD is answered wherever GET is. "
        "Everything that is not 2xx is a problem document (RFC 9457): an address that is not "
        "listed is a 404, another method a 405 with `Allow`."
    )


def _schemas(contract: ContractRows | None) -> dict[str, Any]:
    """Return every type by name; the records are those that the served model takes."""
    models: dict[str, type[BaseModel]] = {"Problem": Problem}
    for one in (*OPERATIONS.values(), *WEBHOOKS.values()):
        given = [one.request, *(answer.model for answer in one.answers.values())]
        models |= {model.__name__: model for model in given if model is not None}
    models |= {"SnapshotRow": contract.row} if contract is not None else {}
    _, found = models_json_schema(
        [(model, "validation") for model in models.values()], ref_template=REFERENCE
    )
    schemas: dict[str, Any] = found["$defs"]
    tables = schemas["Records"]["properties"]
    if contract is None:
        del tables["snapshot"]
        return schemas
    tables["snapshot"]["items"] = _reference("SnapshotRow")
    for name, row in ROWS.items():
        del tables[name], schemas[row.__name__]
    return schemas


def _paths(
    rows: Iterable[Row], as_of: dt.date, contract: ContractRows | None
) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        told = _operation(row, OPERATIONS[row.name], as_of, contract)
        shown = (method for method in row.methods if method != "HEAD")
        paths.setdefault(plain(row.path), {}).update({one.lower(): told for one in shown})
    return paths


def plain(path: str) -> str:
    """Return ``path`` without Starlette's converters.

    >>> plain("/static_content/{path:path}")
    '/static_content/{path}'
    """
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def _operation(
    row: Row, one: Operation, as_of: dt.date, contract: ContractRows | None
) -> dict[str, Any]:
    who = "Anybody" if row.roles == PUBLIC else f"Roles: {', '.join(sorted(row.roles))}"
    answers = {str(status): _answer(answer) for status, answer in one.answers.items()}
    refusals = {str(status): _problem_reference(row, one, status) for status in _statuses(row)}
    told: dict[str, Any] = {
        "operationId": one.id,
        "tags": [one.tag],
        "summary": one.summary,
        "description": f"{one.about} {who}.".strip(),
        "responses": dict(sorted((answers | refusals).items())),
    }
    if one.parameters:
        told["parameters"] = _parameters(one)
    if row.body is not None:
        named = one.examples(as_of, contract) if one.examples is not None else {}
        told["requestBody"] = _body(row.body.media_types, one, named)
    if row.roles == PUBLIC:
        told["security"] = []
    return told


def _parameters(one: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": parameter.place,
            "required": parameter.place == "path",
            "description": parameter.about,
            "schema": dict(parameter.schema),
        }
        for name, parameter in one.parameters.items()
    ]


def _body(
    media_types: Iterable[str], one: Operation, examples: Mapping[str, Any]
) -> dict[str, Any]:
    content: dict[str, Any] = {one: {"schema": BYTES} for one in media_types}
    if one.request is not None and JSON in content:
        content[JSON] = {"schema": _reference(one.request.__name__)}
        content[JSON] |= {"examples": dict(examples)} if examples else {}
    elif examples:
        content[NDJSON] = {"schema": BYTES, "examples": dict(examples)}
    return {"required": True, "content": content}


def _answer(answer: Answer) -> dict[str, Any]:
    told: dict[str, Any] = {
        "description": answer.about,
        "headers": {"X-Request-Id": _header("X-Request-Id")}
        | {
            name: {"description": about, "schema": {"type": "string"}}
            for name, about in answer.headers.items()
        },
    }
    if answer.media_type is not None:
        schema = {} if answer.model is None else {"schema": _reference(answer.model.__name__)}
        if answer.media_type == NDJSON:
            schema = {"schema": BYTES, "x-itemSchema": schema["schema"]}
        told["content"] = {answer.media_type: schema} | {one: {} for one in answer.other_types}
    return told


def _webhook(one: Operation) -> dict[str, Any]:
    post: dict[str, Any] = {
        "operationId": one.id,
        "summary": one.summary,
        "description": one.about,
        "requestBody": _body((JSON,), one, {}),
        "responses": {str(s): {"description": a.about} for s, a in one.answers.items()},
        "security": [],
    }
    return {"post": post | ({"parameters": _parameters(one)} if one.parameters else {})}


def codes_of(row: Row) -> tuple[str, ...]:
    """Return the codes of the problems that ``row`` may answer with."""
    of_keys = () if row.roles == PUBLIC else OF_KEYS
    of_body = () if row.body is None else OF_BODIES
    return (*ALWAYS, *of_keys, *of_body, *OPERATIONS[row.name].problems)


def _statuses(row: Row) -> list[int]:
    return sorted({KINDS[code].status for code in codes_of(row)})


def _problem_name(row: Row, status: int) -> tuple[str, tuple[str, ...]]:
    """Return the name of the response of ``row`` with ``status``, and its codes."""
    codes = tuple(code for code in KINDS if code in codes_of(row) and KINDS[code].status == status)
    more = [code for code in codes if code in OPERATIONS[row.name].problems]
    words = [word.capitalize() for code in more for word in code.split("-")]
    of_body = "OfBody" if row.body is not None and set(codes) & set(OF_BODIES) else ""
    return f"Problem{status}{of_body}{''.join(words)}", codes


def _problem_reference(row: Row, one: Operation, status: int) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{_problem_name(row, status)[0]}"}


def _problems(rows: Iterable[Row]) -> dict[str, Any]:
    named = {name: codes for row in rows for status in _statuses(row)
             for name, codes in [_problem_name(row, status)]}  # fmt: skip
    return {name: _problem(codes) for name, codes in sorted(named.items())}


def _problem(codes: tuple[str, ...]) -> dict[str, Any]:
    status = KINDS[codes[0]].status
    headers = ("X-Request-Id", "Content-Language", *HEADERS_OF.get(status, ()))
    examples = {code: {"value": document(ProblemError(code), TRACE)} for code in codes}
    return {
        "description": "; ".join(f"`{code}`: {KINDS[code].title.en}" for code in codes),
        "headers": {name: _header(name) for name in headers},
        "content": {MEDIA_TYPE: {"schema": _reference("Problem"), "examples": examples}},
    }


def _header(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def _reference(model: str) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model)}


def main(out: str) -> None:
    """Write the document of the default configuration to ``out``, for generators of clients."""
    from configs.load import load
    from serving.endpoint.routes import ROUTES

    told = openapi(load(None), ROUTES, dt.date.today())
    Path(out).write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
