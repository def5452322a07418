"""The plan that an address asks for, and its tasks in a reader's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from configs.errors import PublicationError
from configs.section import Text
from serving.allocation import plan_book
from serving.allocation.plan import Plan, read_plan, read_tasks
from serving.allocation.plan_book import Planned
from serving.console.page import PageError, Visit

NO_PLAN = Text(zh="没有这个计划", en="There is no such plan")
CHOOSE = Text(
    zh="请在资源分配页面选择一个计划，或重新制定。",
    en="Choose a plan on the allocation page, or ask for a new one.",
)


@dataclass(frozen=True)
class Read:
    """A plan that is done.

    Attributes:
        planned: who asked for it, and whether it is approved.
        plan: its figures.
        tasks: who does what for whom.
    """

    planned: Planned
    plan: Plan
    tasks: pa.Table

    def employee(self, code: str) -> str:
        """Return the name of an employee; of one that is supposed, a number."""
        return next((one.name for one in self.plan.people if one.code == code), code)

    def tier(self, code: str) -> Text:
        """Return the name of a tier."""
        return next((one.name for one in self.plan.tiers if one.code == code), Text(zh="", en=""))

    def action(self, code: str) -> Text:
        """Return the name of an option."""
        found = (one.name for one in self.plan.options if one.code == code)
        return next(found, Text(zh=code, en=code))

    def of(self, chosen: Mapping[str, str]) -> pa.Table:
        """Return the tasks whose columns have the values of ``chosen``; empty ones choose all."""
        tasks = self.tasks
        for column, value in chosen.items():
            if value:
                tasks = tasks.filter(pc.equal(tasks[column], value))
        return tasks


def asked_for(visit: Visit) -> Planned | None:
    """Return the plan that the address names, or the latest; ``None`` before the first.

    Raises:
        PageError: 404, there is none of that name.
    """
    name = visit.query.get("plan") or visit.form.get("plan")
    if name:
        found = plan_book.plan(visit.endpoint.state, str(name))
        if found is None:
            raise PageError(404, NO_PLAN, CHOOSE)
        return found
    return next(iter(plan_book.latest(visit.endpoint.state, 1)), None)


def done(visit: Visit) -> Read:
    """Return the plan that the address names, which is done.

    Raises:
        PageError: 404, there is none, or it is not done.
    """
    planned = asked_for(visit)
    found = None if planned is None else read(visit, planned)
    if found is None:
        raise PageError(404, NO_PLAN, CHOOSE)
    return found


def read(visit: Visit, planned: Planned) -> Read | None:
    """Return a plan that is done; ``None`` where it is not, or its files are gone."""
    if planned.standing != "done":
        return None
    try:
        plan, tasks = _files(visit.config.stores.plans, planned.id)
    except (PublicationError, OSError):
        return None
    return Read(planned, plan, tasks)


@lru_cache(maxsize=8)
def _files(plans: Path, plan_id: str) -> tuple[Plan, pa.Table]:
    return read_plan(plans, plan_id), read_tasks(plans, plan_id)
