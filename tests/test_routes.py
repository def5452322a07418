"""The table of routes: nothing answers that has no row in it."""

from __future__ import annotations

from serving.route import PUBLIC, ROLES, RouteTable, Row
from serving.routes import ROUTES


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
