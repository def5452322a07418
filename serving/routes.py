"""Every address of the endpoint in one table: who may call it how, and what answers.

The gate refuses what has no row, and a test holds that BentoML's own routes have theirs. A route
is added here, with its handler in a module named for its theme.
"""

from __future__ import annotations

from serving import asked, health, service_pages
from serving.route import PUBLIC, ROLES, Body, RouteTable, Row

READ = ("GET", "HEAD")
EVERY_ROLE: frozenset[str] = frozenset(ROLES)
OPERATORS: frozenset[str] = frozenset({"admin", "data_scientist"})

JSON_BODY = Body(("application/json",), lambda serving: serving.request_bytes)

ROUTES = (
    Row("/v1/predictions", ("POST",), EVERY_ROLE, "predictions", asked.predictions, JSON_BODY),
    Row("/v1/explanations", ("POST",), EVERY_ROLE, "explanations", asked.explanations, JSON_BODY),
    Row("/v1/what-if", ("POST",), EVERY_ROLE, "what_if", asked.suppositions, JSON_BODY),
    Row("/v1/tier-paths", ("POST",), EVERY_ROLE, "tier_paths", asked.tier_paths, JSON_BODY),
    Row("/v1/models/current", READ, EVERY_ROLE, "model", service_pages.model),
    Row("/livez", READ, PUBLIC, "livez"),
    Row("/healthz", READ, PUBLIC, "healthz"),
    Row("/readyz", READ, PUBLIC, "readyz"),
    Row("/metrics", READ, OPERATORS, "metrics", service_pages.metrics),
    Row("/v2/health/live", READ, PUBLIC, "live", health.live),
    Row("/v2/health/ready", READ, PUBLIC, "ready", health.ready),
    Row("/docs.json", READ, PUBLIC, "document", service_pages.document),
    Row("/", READ, PUBLIC, "page", service_pages.page),
    Row("/static_content/{path:path}", READ, PUBLIC, "page_assets"),
)
"""All that answers; rows without a handler are BentoML's."""

TABLE = RouteTable(ROUTES)
