"""Every address of the endpoint in one table: who may call it how, and what answers.

The gate refuses what has no row, and a test holds that BentoML's own routes have theirs. A route
is added here, with its handler in a module named for its theme.
"""

from __future__ import annotations

from serving.endpoint import asked, health, histories, service_pages
from serving.endpoint.route import PUBLIC, ROLES, Body, RouteTable, Row
from serving.jobs import job_pages
from serving.jobs.job_rows import FORMATS

READ = ("GET", "HEAD")
EVERY_ROLE: frozenset[str] = frozenset(ROLES)
OPERATORS: frozenset[str] = frozenset({"admin", "data_scientist"})

ASKING: frozenset[str] = frozenset({"application", "data_scientist", "admin"})
"""Who may have many customers answered at leisure; a manager looks at one at a time."""

JSON_BODY = Body(("application/json",), lambda serving: serving.request_bytes)

ROWS_BODY = Body(tuple(FORMATS), lambda serving: serving.jobs.bytes_at_most)

ROUTES = (
    Row("/v1/predictions", ("POST",), EVERY_ROLE, "predictions", asked.predictions, JSON_BODY),
    Row("/v1/explanations", ("POST",), EVERY_ROLE, "explanations", asked.explanations, JSON_BODY),
    Row("/v1/what-if", ("POST",), EVERY_ROLE, "what_if", asked.suppositions, JSON_BODY),
    Row("/v1/tier-paths", ("POST",), EVERY_ROLE, "tier_paths", asked.tier_paths, JSON_BODY),
    Row("/v1/models/current", READ, EVERY_ROLE, "model", service_pages.model),
    Row(
        "/v1/customers/{customer_id:path}/tier-history",
        READ,
        EVERY_ROLE,
        "tier_history",
        histories.history,
    ),
    Row("/v1/jobs", ("POST",), ASKING, "create_job", job_pages.create, ROWS_BODY),
    Row("/v1/jobs", READ, ASKING, "jobs", job_pages.listed),
    Row("/v1/jobs/{job_id}", READ, ASKING, "job", job_pages.shown),
    Row("/v1/jobs/{job_id}", ("DELETE",), ASKING, "end_job", job_pages.end),
    Row("/v1/jobs/{job_id}/results", READ, ASKING, "job_results", job_pages.results),
    Row("/livez", READ, PUBLIC, "livez"),
    Row("/healthz", READ, PUBLIC, "healthz"),
    Row("/readyz", READ, PUBLIC, "readyz"),
    Row("/metrics", READ, OPERATORS, "metrics", service_pages.metrics),
    Row("/v2/health/live", READ, PUBLIC, "live", health.live),
    Row("/v2/health/ready", READ, PUBLIC, "ready", health.ready),
    Row("/docs.json", READ, PUBLIC, "document", service_pages.document),
    Row("/docs", READ, PUBLIC, "page", service_pages.page),
    Row("/static_content/{path:path}", READ, PUBLIC, "page_assets"),
)
"""All that answers; rows without a handler are BentoML's."""

TABLE = RouteTable(ROUTES)
