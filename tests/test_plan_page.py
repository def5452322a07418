"""Allocation in the console: ask, read, suppose, compare, approve once, print, export."""

from __future__ import annotations

import csv
import datetime as dt
import io

import numpy as np
import pytest
import sqlalchemy as sa

from configs.schema import Config
from configs.team import TierTerms
from serving.allocation import plan_book
from serving.allocation.company import posed
from serving.allocation.plan import make_plan, read_tasks
from serving.allocation.planner import work
from serving.allocation.planning import plan_now
from serving.allocation.scenario import Scenario
from serving.allocation.solve import solve
from serving.console.acting.events import EVENTS, Deed, Form, add, of_kinds
from serving.console.experiments.effects import effects
from serving.console.staff.team import team_of
from serving.endpoint.endpoint import today
from tests.console import Office, opened, served_by

PLAN = "/console/plan"


@pytest.fixture(scope="module")
def served(returning_company):
    return served_by(returning_company)


@pytest.fixture
def office(returning_company, served, empty_state, tmp_path) -> Office:
    return opened(returning_company, served, empty_state, tmp_path / "store")


def planned(office: Office, scenario: Scenario | None = None) -> str:
    """Return the id of a plan that is worked out as the child of the endpoint does it."""
    publication = office.endpoint.served.publication.manifest.id
    wanted, _ = plan_book.ask(office.state, "u1", "Mo", publication, scenario or Scenario())
    claimed = plan_book.claim(office.state)
    assert claimed is not None
    assert claimed.id == wanted.id
    work(office.config, office.state, claimed, lambda step, share: None)
    return wanted.id


def test_a_plan_that_is_asked_for_waits_and_the_page_asks_again(office):
    manager = office.browser("manager")
    assert "Make a plan" in manager.get(PLAN).text
    sent = manager.post(PLAN)
    assert sent.status_code == 303
    waiting = manager.get(sent.headers["location"])
    assert waiting.headers["refresh"] == "2"
    assert "The plan is being made" in waiting.text
    assert manager.post(PLAN).headers["location"] == sent.headers["location"]


@pytest.mark.slow
def test_a_plan_counts_on_the_same_effect_as_the_review_says_of_the_customer(office):
    plan, publication = planned(office), office.endpoint.served.publication.manifest.id
    actions, said = (
        {one.code: one for one in office.config.actions},
        effects(office.config, publication),
    )
    tasks = [one for one in read_tasks(office.config.stores.plans, plan).to_pylist() if one["cost"]]
    assert tasks
    for one in tasks:
        churn, action = one["churn_probability"], actions[one["action"]]
        share, source = said.share(action, 0, one["tier"], churn)
        assert (one["effect"], source) == (pytest.approx(share), "assumed")
        handed = one["owner"] is not None and one["owner"] != one["employee"]
        off = one["cost"] + handed * office.config.team.handover_cost
        assert one["value"] == pytest.approx(share * one["at_stake"] - off)


@pytest.mark.slow
def test_the_page_tells_the_plan_and_that_effects_are_assumed(office):
    planned(office)
    for language, assumed, beside in (("en", "assumed", "Greedy"), ("zh", "假设", "逐个择优")):
        page = office.browser("manager", language=language).get(PLAN).text
        assert assumed in page
        assert beside in page
        assert "style=" not in page
    drawn = office.browser("manager").get("/console/pictures/plan-values.svg")
    assert drawn.status_code == 200


@pytest.mark.slow
def test_approving_twice_hands_tasks_out_once_and_gives_owners_to_those_without(office):
    plan_id = planned(office)
    tasks = read_tasks(office.config.stores.plans, plan_id).to_pylist()
    manager = office.browser("manager")
    for _ in range(2):
        assert manager.post(f"{PLAN}/approve", {"plan": plan_id}).status_code == 303
    made = of_kinds(office.state, ["task"])
    assert sorted(one.customer_id for one in made) == sorted(row["customer_id"] for row in tasks)
    assigned = of_kinds(office.state, ["assign"])
    assert {one.customer_id for one in assigned} == {
        row["customer_id"] for row in tasks if row["owner"] is None
    }
    assert "Approved" in manager.get(PLAN).text


@pytest.mark.slow
def test_nobody_who_was_snoozed_since_the_plan_is_given_a_task(office):
    plan_id = planned(office)
    tasks = read_tasks(office.config.stores.plans, plan_id).to_pylist()
    until = (today(office.served) + dt.timedelta(days=3)).isoformat()
    snoozed = Deed(tasks[0]["customer_id"], "snooze", {"until": until})
    form = Form("a-token-of-its-own", "u1", office.served.publication.manifest.id)
    add(office.config.stores, office.state, form, [snoozed])
    manager = office.browser("manager")
    assert manager.post(f"{PLAN}/approve", {"plan": plan_id}).status_code == 303
    made = {one.customer_id for one in of_kinds(office.state, ["task"])}
    assert made == {row["customer_id"] for row in tasks[1:]}


@pytest.mark.slow
def test_a_plan_of_an_earlier_publication_cannot_be_approved(office):
    plan_id, live = planned(office), office.served.publication.manifest.id
    (file,) = (office.config.stores.plans / plan_id).glob("*.json")
    file.write_text(file.read_text("utf-8").replace(live, f"{live}-before"), "utf-8")
    manager = office.browser("manager")
    assert "/console/plan/approve" not in manager.get(PLAN).text
    assert manager.post(f"{PLAN}/approve", {"plan": plan_id}).status_code == 409
    assert of_kinds(office.state, ["task"]) == []


@pytest.mark.slow
def test_approving_the_same_plan_made_anew_hands_no_open_task_out_again(office):
    manager = office.browser("manager")
    first = planned(office)
    manager.post(f"{PLAN}/approve", {"plan": first})
    handed = len(of_kinds(office.state, ["task"]))
    again = planned(office)
    before, after = (
        {(row["customer_id"], row["employee"], row["action"]) for row in tasks.to_pylist()}
        for tasks in (read_tasks(office.config.stores.plans, one) for one in (first, again))
    )
    assert manager.post(f"{PLAN}/approve", {"plan": again}).status_code == 303
    assert len(of_kinds(office.state, ["task"])) - handed == len(after - before)


@pytest.mark.slow
def test_a_plan_with_more_people_is_worth_no_less_and_cannot_be_approved(office):
    planned(office)
    more = planned(office, Scenario(people={"experienced": 2}))
    manager = office.browser("manager")
    page = manager.get(PLAN, plan=more).text
    assert "This plan supposes" in page
    assert "more (" in page
    assert manager.post(f"{PLAN}/approve", {"plan": more}).status_code == 422


@pytest.mark.slow
def test_a_data_scientist_reads_masked_tasks_and_asks_for_nothing(office):
    plan_id = planned(office)
    customer_id = read_tasks(office.config.stores.plans, plan_id)["customer_id"][0].as_py()
    scientist, manager = office.browser("data_scientist"), office.browser("manager")
    assert customer_id in manager.get(f"{PLAN}/tasks").text
    for path in (f"{PLAN}/tasks", f"{PLAN}/tasks.csv", PLAN):
        assert customer_id not in scientist.get(path).text
    assert scientist.post(PLAN).status_code == 403


@pytest.mark.slow
def test_files_hold_the_filtered_tasks_and_go_on_record(office):
    planned(office)
    code = team_of(office.config).employees[0].code
    answer = office.browser("manager").get(f"{PLAN}/tasks.csv", employee=code)
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("﻿"))))
    assert {row["Employee"] for row in rows} <= {team_of(office.config).employees[0].name}
    assert office.browser("manager").get(f"{PLAN}/tasks.xlsx").content[:2] == b"PK"
    assert '"plan-csv"' in office.audited()


@pytest.mark.slow
def test_the_command_and_the_child_make_the_same_plan(office):
    plan_id = planned(office)
    first = read_tasks(office.config.stores.plans, plan_id)
    made = plan_now(office.config, 0, lambda step, share: None)
    assert read_tasks(office.config.stores.plans, made.id).equals(first)
    assert made.value >= max(made.rules.values()) - 1e-6


def test_without_a_team_the_page_says_how_to_give_one(office):
    team = office.config.team.model_copy(update={"employees": None, "owners": None})
    bare = Office(office.config.model_copy(update={"team": team}), office.served)
    assert "There is no team yet" in bare.browser("manager").get(PLAN).text


@pytest.mark.slow
def test_a_cadence_that_cannot_be_kept_names_what_is_short(office):
    publication = office.endpoint.served.publication.manifest.id
    tight = tuple(
        TierTerms(
            tier=tier.code, contact_every_days=1, contact_minutes=240, contact_skill="experienced"
        )
        for tier in office.config.policy.tiers
    )
    visits = tuple(one for one in office.config.actions if one.code == "win_visit")
    config = _with_terms(office.config, tight).model_copy(update={"actions": visits})
    plan = make_plan(config, office.state, "tight", publication, Scenario())
    assert plan.is_short
    assert {one.kind for one in plan.missing} == {"hours"}
    assert sum(tier.kept for tier in plan.tiers) < sum(tier.owed for tier in plan.tiers)


@pytest.mark.slow
def test_offers_made_in_the_period_are_off_the_budgets_of_plans_in_every_scenario(office):
    publication = office.endpoint.served.publication.manifest
    top = publication.terms.policy.tiers[-1].code
    config = _with_terms(office.config, (TierTerms(tier=top, budget=100),))
    lasting = dt.timedelta(weeks=config.team.weeks)
    for amount, ago in ((30.0, dt.timedelta()), (50.0, lasting)):
        _offer(office, top, amount, ago)
    for scale, rest in ((1.0, 70.0), (0.2, 0.0), (2.0, 170.0)):
        asked = posed(
            config, office.state, office.endpoint.served.publication, Scenario(budget=scale)
        )
        at = asked.tiers.index(top)
        assert asked.offered[at] == 30.0
        assert asked.question.budgets[at] == pytest.approx(rest)
        assert np.isinf(np.delete(asked.question.budgets, at)).all()
        assert solve(asked.question).made.spent(asked.question)[at] <= rest + 1e-5


def _offer(office: Office, tier: str, amount: float, ago: dt.timedelta) -> None:
    offer = {"action": "win_order", "amount": amount, "tier": tier}
    known = {"at": dt.datetime.now(dt.UTC) - ago, "person": "u1", "customer_id": "C1"}
    row = {**known, "publication": "p", "token": f"{amount}", "kind": "offer", "details": offer}
    with office.state.writing() as rows:
        rows.execute(sa.insert(EVENTS).values(row))


def _with_terms(config: Config, terms: tuple[TierTerms, ...]) -> Config:
    return config.model_copy(update={"team": config.team.model_copy(update={"tiers": terms})})
