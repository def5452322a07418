"""What the endpoint starts beside itself: who runs batch jobs, makes plans and sends webhooks."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

from configs.files import live_generation
from serving.allocation import plan_book
from serving.jobs.background import Lane, Told
from serving.jobs.job_book import JobBook
from serving.jobs.outbox import Outbox
from serving.jobs.webhook_work import has_work

if TYPE_CHECKING:
    from serving.endpoint.endpoint import Endpoint

JOBS_LOCK = ".runner.lock"
PLANS_LOCK = ".planner.lock"
WEBHOOKS_LOCK = ".webhooks.lock"
RUNNER = "serving.jobs.job_runner"
PLANNER = "serving.allocation.planner"
SENDER = "serving.jobs.webhook_sender"
"""Run as programs, so that nothing of them is imported here."""


def lanes(endpoint: Endpoint) -> tuple[Lane, ...]:
    """Return the lanes of work of one worker of the endpoint, not started yet."""
    stores = endpoint.config.stores
    book, outbox = JobBook(endpoint.state), Outbox(endpoint.state)

    def served() -> str | None:
        now = endpoint.current.served
        return None if now is None else now.publication.manifest.id

    def live() -> str | None:
        folder = live_generation(stores.publications)
        return None if folder is None else folder.name

    def tell() -> Told:
        return Told(endpoint.config, served(), os.getpid())

    plans = Lane(
        PLANNER, stores.plans / PLANS_LOCK, lambda: plan_book.has_work(endpoint.state), tell
    )
    jobs = Lane(
        RUNNER,
        stores.jobs / JOBS_LOCK,
        lambda: book.has_work(dt.datetime.now(dt.UTC)),
        tell,
    )
    if not endpoint.config.webhooks:
        return (jobs, plans)
    webhooks = Lane(
        SENDER,
        stores.root / WEBHOOKS_LOCK,
        lambda: has_work(endpoint.config, outbox, served(), live()),
        tell,
    )
    return (jobs, plans, webhooks)
