"""The table of routes: nothing answers that has no row in it."""

from __future__ import annotations

import pytest

from serving.endpoint.route import PUBLIC, ROLES, RouteTable, Row
from serving.endpoint.routes import ROUTES, TABLE

NO_WAY_IN = {"/", "/schema.json"}
"""What BentoML would answer and the gate does not let through; ``/`` is the console's."""


def test_every_row_names_roles_that_there_are_and_nobody_else():
    for row in ROUTES:
        assert row.roles == PUBLIC or (row.roles and row.roles <= set(ROLES)), row.path


def test_only_health_and_the_document_are_public():
    public = {row.name for row in ROUTES if row.roles == PUBLIC}
    health = {"livez", "healthz", "readyz", "live", "ready"}
    assert public == health | {"document", "page", "page_assets"}


def test_names_differ_for_metrics_and_the_audit():
    names = [row.name for row in ROUTES]
    assert len(set(names)) == len(names)


def test_rows_of_one_address_are_found_by_their_methods():
    rows = [Row("/a/{id}", ("GET",), PUBLIC, "one"), Row("/a/{id}", ("DELETE",), PUBLIC, "two")]
    found = RouteTable(rows).at("/a/7")
    assert found is not None
    assert {method: row.name for method, row in found.items()} == {"GET": "one", "DELETE": "two"}


@pytest.mark.slow
def test_what_the_framework_answers_by_itself_has_a_row_or_no_way_in(monkeypatch, tmp_path):
    monkeypatch.setenv("BENTOML_DO_NOT_TRACK", "True")
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    from _bentoml_impl.server.app import ServiceAppFactory

    from serving.api import service

    service.inject_config()
    framework = ServiceAppFactory(service, is_main=True)()
    paths = {route.path for route in framework.router.routes}
    known = {row.path.removesuffix("/{path:path}") for row in ROUTES}
    assert paths - known == NO_WAY_IN
    assert {row.path.removesuffix("/{path:path}") for row in ROUTES if not row.handler} <= paths
    assert all(TABLE.at(path) is None for path in NO_WAY_IN)
