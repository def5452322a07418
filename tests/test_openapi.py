"""The OpenAPI document: valid, whole, made from the table of routes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from configs.load import load
from serving.endpoint.contract_rows import ContractRows
from serving.endpoint.openapi import BY_ADDRESS, OF_KEYS, openapi, plain
from serving.endpoint.operations import OPERATIONS, WEBHOOKS
from serving.endpoint.problem_kinds import KINDS
from serving.endpoint.route import PUBLIC
from serving.endpoint.routes import ROUTES
from training.described import DescribedFeature

CONTRACT = ContractRows(
    tuple(
        DescribedFeature(
            name=name, family="snapshot", concept=concept, unit=unit, source="snapshot",
            label={"zh": name, "en": name}, window_days=None, lag_days=0, inputs=(),
            when_empty=None, actionable=False, monotone={}, stationary=True,
        )
        for name, concept, unit in [
            ("月费", "月费", "number"), ("plan=free", "plan", "yes_no"),
            ("plan=full", "plan", "yes_no")]
    )
)  # fmt: skip


@pytest.fixture(scope="module", params=[None, CONTRACT], ids=["events", "contracts"])
def document(request) -> dict[str, Any]:
    return openapi(load(None, {}), ROUTES, dt.date(2026, 6, 30), request.param)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, ways in document["paths"].items():
        for method, operation in ways.items():
            yield path, method, operation


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "$ref")
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)


def at(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for key in reference.removeprefix("#/").split("/"):
        found = found[key]
    return found


def test_the_document_passes_the_linter(document):
    errors = [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]
    assert errors == []


def test_every_row_of_the_table_has_an_operation_and_nothing_else_has():
    assert {row.name for row in ROUTES} == set(OPERATIONS)
    ids = [one.id for one in (*OPERATIONS.values(), *WEBHOOKS.values())]
    assert len(set(ids)) == len(ids)


def test_every_address_and_method_of_the_table_is_described(document):
    shown = {(path, method.upper()) for path, method, _ in operations(document)}
    assert shown == {
        (plain(row.path), method) for row in ROUTES for method in row.methods if method != "HEAD"
    }


def test_no_reference_dangles_and_nothing_stands_there_in_vain(document):
    named = set(references(document))
    for reference in named:
        assert at(document, reference)
    for kind in ("schemas", "responses", "headers"):
        for name in document["components"][kind]:
            assert f"#/components/{kind}/{name}" in named, name


def test_parameters_of_paths_are_described():
    for row in ROUTES:
        in_path = {part.partition(":")[0].rstrip("}") for part in row.path.split("{")[1:]}
        of_path = {n for n, p in OPERATIONS[row.name].parameters.items() if p.place == "path"}
        assert of_path == {name.partition("}")[0] for name in in_path}, row.path


def test_what_needs_a_key_says_so_and_what_is_public_says_that(document):
    public = {plain(row.path) for row in ROUTES if row.roles == PUBLIC}
    assert document["security"] == [{"key": []}]
    for path, _, operation in operations(document):
        assert (operation.get("security") == []) == (path in public)


def test_every_kind_of_problem_is_an_answer_of_some_operation(document):
    told = {
        code
        for response in document["components"]["responses"].values()
        for content in response["content"].values()
        for code in content["examples"]
    }
    assert told | set(BY_ADDRESS) == set(KINDS)
    assert set(OF_KEYS) <= told


def test_every_answer_has_a_trace_id_and_waiting_is_told(document):
    for _, _, operation in operations(document):
        for status, answer in operation["responses"].items():
            answer = at(document, answer["$ref"]) if "$ref" in answer else answer
            assert "X-Request-Id" in answer["headers"]
            assert ("Retry-After" in answer["headers"]) == (status in ("429", "503"))


def test_examples_fit_their_schemas(document):
    checked = 0
    parts = [document["components"]["responses"], document["paths"]]
    for content in (one for part in parts for one in contents(part)):
        schema = content.get("schema", {}) | {"components": document["components"]}
        for example in content.get("examples", {}).values():
            Draft202012Validator(schema).validate(example["value"])
            checked += 1
    assert checked > 20


def contents(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield from part.get("content", {}).values()
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from contents(inner)


def test_only_tables_that_the_model_takes_are_described(document):
    tables = set(document["components"]["schemas"]["Records"]["properties"]) - {"as_of"}
    assert ("snapshot" in tables) != ("transactions" in tables)
    if "snapshot" in tables:
        row = document["components"]["schemas"]["SnapshotRow"]
        assert set(row["properties"]) == {"customer_id", "月费", "plan"}
