"""Allocation: ask for a plan, read it, suppose more people, approve it, print everybody's list."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import partial
from typing import Any

import pyarrow.compute as pc
from starlette.responses import Response

from configs.errors import EchelonError
from configs.section import Text
from configs.team import Skill
from serving.allocation import plan_book
from serving.allocation.plan_book import Planned
from serving.allocation.plan_words import RULE_NOTES, RULES, missing_said, summary, worth_said
from serving.allocation.scenario import Scenario
from serving.console.experiments.effect_words import HELD_OUT, WHY_HELD_OUT
from serving.console.experiments.trials import left_out
from serving.console.masking import mask
from serving.console.page import PageError, Visit
from serving.console.plans.plan_approval import approve as approve_plan
from serving.console.plans.plan_changes import Changed, changed
from serving.console.plans.plan_pictures import PICTURES
from serving.console.plans.plan_read import Read, asked_for, done, read
from serving.console.staff.owners import called
from serving.console.staff.team import SKILL_NAMES, team_shown
from serving.endpoint.endpoint import today

PATH = "/console/plan"
ROWS = 50
AGAIN_SECONDS = 2
MORE_PEOPLE = 20
WRONG_NUMBER = Text(zh="数字不对", en="That is not a number that fits")
GIVE_NUMBER = Text(
    zh="新增人数填0到20的整数，工时与预算填50到200之间的百分数。",
    en="Give 0 to 20 more people, and 50 to 200 per cent for hours and budget.",
)
ONLY_REAL = Text(zh="不能批准", en="It cannot be approved")
NOT_REAL = Text(
    zh="这是假设方案，或计划尚未完成；请按现有团队重新制定后再批准。",
    en="It supposes something, or is not done; plan anew with the team as it is.",
)

STALE = Text(zh="计划已过时", en="The plan is out of date")
PLAN_ANEW = Text(
    zh="制定之后有了新的发布结果；请重新制定后再批准。",
    en="Another publication came after it was made; plan anew, then approve that.",
)


def page(visit: Visit) -> Response:
    """Return the plan asked for, or how far it is; while it is made the page asks again."""
    state = visit.endpoint.state
    planned = asked_for(visit)
    found = None if planned is None else read(visit, planned)
    team, wrong = _team(visit)
    answer = visit.page(
        "plan.html",
        planned=planned,
        found=found,
        team=team,
        wrong=wrong,
        plans=plan_book.latest(state, 8),
        live=visit.served.publication.manifest.id,
        own=None if team is None else team.of_person(visit.person.name),
        skills=SKILL_NAMES,
        person_name=lambda name: called(name, visit.language),
        **({} if found is None else _told(visit, found)),
    )
    if planned is not None and planned.is_open:
        answer.headers["refresh"] = str(AGAIN_SECONDS)
    return answer


def ask(visit: Visit) -> Response:
    """Ask for a plan, supposing what the form says, and show how far it is."""
    scenario = _scenario(visit)
    publication = visit.served.publication.manifest.id
    person = visit.person
    wanted, _ = plan_book.ask(visit.endpoint.state, person.id, person.name, publication, scenario)
    return visit.see(f"{PATH}?plan={wanted.id}")


def approve(visit: Visit) -> Response:
    """Approve a plan: everybody's customers are assigned and their tasks are put on record."""
    found = done(visit)
    if not found.plan.scenario.is_real:
        raise PageError(422, ONLY_REAL, NOT_REAL)
    if found.plan.publication != visit.served.publication.manifest.id:
        raise PageError(409, STALE, PLAN_ANEW)
    due = today(visit.served) + dt.timedelta(weeks=found.plan.weeks)
    approve_plan(visit, found, due)
    return visit.see(f"{PATH}?plan={found.plan.id}")


def tasks(visit: Visit) -> Response:
    """Return who does what for whom, filtered."""
    found = done(visit)
    chosen = chosen_by(visit)
    all_rows = found.of(chosen)
    at = max(0, _whole(visit.query.get("from", "0"), 10**7))
    return visit.page(
        "plan_tasks.html",
        found=found,
        chosen=chosen,
        rows=all_rows.slice(at, ROWS).to_pylist(),
        total=len(all_rows),
        at=at,
        step=ROWS,
        hours=pc.sum(all_rows["hours"]).as_py() or 0.0,
        cost=pc.sum(all_rows["cost"]).as_py() or 0.0,
        mask=partial(mask, visit),
        skills=SKILL_NAMES,
        **_left_out(visit),
    )


def work_list(visit: Visit) -> Response:
    """Return one employee's customers, to print."""
    found = done(visit)
    code = visit.query.get("employee", "")
    person = next((one for one in found.plan.people if one.code == code), None)
    if person is None:
        raise PageError(
            404,
            Text(zh="没有这名员工", en="There is no such employee"),
            Text(zh="请从计划页面选择员工。", en="Choose one on the page of the plan."),
        )
    return visit.page(
        "plan_list.html",
        found=found,
        person=person,
        rows=found.of({"employee": code}).to_pylist(),
        mask=partial(mask, visit),
        skills=SKILL_NAMES,
        **_left_out(visit),
    )


def _left_out(visit: Visit) -> dict[str, Any]:
    """Return how to mark which actions a customer is left out of this quarter."""
    drawn = left_out(visit, visit.served)
    return {
        "left_out_of": partial(drawn.left_out_of, visit.config.actions),
        "HELD_OUT": HELD_OUT,
        "WHY_HELD_OUT": WHY_HELD_OUT,
    }


def chosen_by(visit: Visit) -> dict[str, str]:
    """Return the filters of the address."""
    return {name: visit.query.get(name, "") for name in ("employee", "tier", "action")}


def _told(visit: Visit, found: Read) -> dict[str, Any]:
    """Return what the page says of a plan that is done."""
    plan, currency, language = found.plan, visit.config.currency, visit.language
    real = _real(visit, found)
    since = plan_book.last_approved(visit.endpoint.state)
    return {
        "lead": summary(plan, currency, language),
        "worths": [worth_said(plan, one, currency, language) for one in plan.worths],
        "missing": [missing_said(plan, one, currency, language) for one in plan.missing],
        "rules": RULES,
        "rule_notes": RULE_NOTES,
        "pictures": {one.name: one.shown(visit) for one in PICTURES},
        "real": real,
        "changed": None if since is None else _changed(visit, since, found),
        "mask": partial(mask, visit),
        "is_assumed": not all(one.is_measured for one in plan.options[:-1]),
    }


def _real(visit: Visit, found: Read) -> Read | None:
    """Return the latest plan with the team as it is, that a supposed one is held against."""
    if found.plan.scenario.is_real:
        return None
    for planned in plan_book.latest(visit.endpoint.state):
        same = planned.publication == found.plan.publication and planned.scenario.is_real
        one = read(visit, planned) if same else None
        if one is not None:
            return one
    return None


def _changed(visit: Visit, since: Planned, found: Read) -> Changed | None:
    before = None if since.id == found.plan.id else read(visit, since)
    return None if before is None else changed(before, found)


def _team(visit: Visit) -> tuple[Any, str | None]:
    """Return the team, or why it cannot be read."""
    try:
        team = team_shown(visit.config)
    except EchelonError as error:
        return None, str(error)
    return (team if team.employees else None), None


def _scenario(visit: Visit) -> Scenario:
    people: Mapping[Skill, int] = {
        "experienced": _whole(_field(visit, "experienced", "0"), MORE_PEOPLE),
        "regular": _whole(_field(visit, "regular", "0"), MORE_PEOPLE),
    }
    hours, budget = (_per_cent(_field(visit, name, "100")) for name in ("hours", "budget"))
    return Scenario(
        people={skill: n for skill, n in people.items() if n}, hours=hours, budget=budget
    )


def _field(visit: Visit, name: str, usual: str) -> str:
    return str(visit.form.get(name) or usual).strip()


def _whole(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most):
        raise PageError(422, WRONG_NUMBER, GIVE_NUMBER)
    return int(text)


def _per_cent(text: str) -> float:
    found = _whole(text, 200)
    if found < 50:
        raise PageError(422, WRONG_NUMBER, GIVE_NUMBER)
    return found / 100
