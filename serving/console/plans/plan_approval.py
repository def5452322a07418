"""Approving a plan: assignments and tasks of everybody become events, each once."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from serving.allocation import plan_book
from serving.console.acting import tasks
from serving.console.acting.events import Deed, Form, SentAlreadyError, add
from serving.console.acting.standing import NONE_YET, standings
from serving.console.page import Visit
from serving.console.plans.plan_read import Read
from serving.console.staff.owners import called, owner_of, person_names
from serving.endpoint.endpoint import today


def approve(visit: Visit, found: Read, due: dt.date) -> None:
    """Put on record who looks after whom and what is to be done until ``due``.

    The forms' tokens are the plan's: approved twice, by two browsers or after a broken answer,
    it counts once; a task that is open already is not handed out again, and none about who was
    snoozed or dismissed since. Customers with an owner keep theirs, whoever does the task.
    """
    rows, id = _still_to_do(visit, found), found.plan.id
    state, stores, person = visit.endpoint.state, visit.config.stores, visit.person
    publication = found.plan.publication
    assigned = Form(f"plan-{id}-assign", person.id, publication)
    if found.planned.approved_at is not None:
        return
    with contextlib.suppress(SentAlreadyError):  # an approval that broke off before its tasks
        add(stores, state, assigned, [_assign(found, row, due) for row in _unowned(visit, rows)])
    names = person_names(state, visit.language)
    name = called(person.name, visit.language)

    def then(connection: sa.Connection, events: Any) -> None:
        plan_book.approve(connection, id, name)
        tasks.tell(connection, visit.config.webhooks, events, names)

    form = Form(f"plan-{id}-tasks", person.id, publication)
    new = [row for row in rows if not _is_open(visit, found, row)]
    with contextlib.suppress(SentAlreadyError):  # somebody approved it at the same moment
        add(stores, state, form, [_task(visit, found, row, due) for row in new], then=then)
    if not new:
        with state.writing() as connection:
            plan_book.approve(connection, id, name)


def _still_to_do(visit: Visit, found: Read) -> list[dict[str, Any]]:
    """Return the tasks of those whom nobody snoozed or dismissed after the plan was made."""
    known, day = standings(visit.endpoint.state), today(visit.served)

    def is_at_rest(row: Mapping[str, Any]) -> bool:
        one = known.get(row["customer_id"], NONE_YET)
        return one.is_snoozed(day) or one.is_dismissed(day)

    return [row for row in found.tasks.to_pylist() if not is_at_rest(row)]


def _is_open(visit: Visit, found: Read, row: Mapping[str, Any]) -> bool:
    """Return whether the same task of the same person is open already, by an earlier plan."""
    name = found.action(row["action"])
    known = standings(visit.endpoint.state).get(row["customer_id"], NONE_YET)
    return any(
        one.details["owner"] == row["employee"] and one.details["title"] in (name.zh, name.en)
        for one in known.tasks
    )


def _unowned(visit: Visit, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tasks of customers whom nobody looks after today."""
    known = standings(visit.endpoint.state)
    found = []
    for row in rows:
        customer_id = row["customer_id"]
        assignment = known.get(customer_id, NONE_YET).assignment
        owner = owner_of(visit.config, customer_id, assignment)
        if owner is None:
            found.append(row)
    return found


def _assign(found: Read, row: Mapping[str, Any], due: dt.date) -> Deed:
    code = row["employee"]
    details = {"owner": code, "name": found.employee(code), "due": due.isoformat()}
    return Deed(row["customer_id"], "assign", details)


def _task(visit: Visit, found: Read, row: Mapping[str, Any], due: dt.date) -> Deed:
    code = row["employee"]
    details = {
        "title": visit.say(found.action(row["action"])),
        "owner": code,
        "name": found.employee(code),
        "due": due.isoformat(),
        "note": "",
    }
    return Deed(row["customer_id"], "task", details)
