"""Did it work: what a manager reads of actions and of the team, and what is not told too early."""

from __future__ import annotations

import datetime as dt
import re
import secrets

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from serving.allocation.plan import read_plan, read_tasks
from serving.console.acting.events import EVENTS
from serving.console.book import read_book
from serving.console.experiments import trials
from serving.console.experiments.effects import (
    ActionEffect,
    EffectsReport,
    Uplift,
    effect_of,
    effects,
    uplift_path,
)
from serving.console.staff.attainment import lines
from serving.console.staff.kpi import EmployeeKpi, KpiReport
from serving.scores.numbers import percent
from serving.trials.acted import acted
from tests.test_plan_page import planned
from training.adjusted import Attained, attained
from training.odds import share_taken
from training.trial_effects import Difference

LONG_AGO = dt.timedelta(days=100)


def told(estimate: float, reach: float, n_held_out: int = 400) -> Difference:
    return Difference(
        estimate=estimate,
        low=estimate - reach,
        high=estimate + reach,
        level=0.95,
        offered=0.5 + estimate,
        held_out=0.5,
        n_offered=9 * n_held_out,
        n_held_out=n_held_out,
        method="adjusted",
    )


def report(**changes: object) -> EffectsReport:
    known = ActionEffect(action="win_order", trials=(), looks=1, **changes)
    day = dt.date(2026, 6, 30)
    return EffectsReport(
        made_at=dt.datetime.now(dt.UTC), records_to=day, publication="p", actions=(known,)
    )


def kept(office, found: EffectsReport) -> None:
    path = office.config.stores.trials / "effects.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(found.model_dump_json())


@pytest.mark.parametrize(("language", "words"), [("en", "Too early"), ("zh", "为时尚早")])
def test_the_page_says_that_it_is_too_early_and_opens_both_arms_of_the_quarter(
    office, language, words
):
    page = office.browser("manager", language).get("/console/outcomes")
    assert page.status_code == 200
    assert words in page.text
    begun = trials.opened(office.state)
    assert {one.action for one in begun} == {"win_visit", "win_order", "please"}
    assert all(one.n_held_out > 0 for one in begun)


def test_an_effect_that_is_sure_over_all_looks_is_called_one_that_works(office):
    sure, wide = told(0.06, 0.02), told(0.06, 0.03)
    kept(office, report(retained=sure, retained_every_look=wide, taken_up=0.6))
    page = office.browser("data_scientist").get("/console/outcomes").text
    assert "It works: retention rises by +6.0 points (+3.0 to +9.0" in page
    assert "/console/pictures/effects.svg" in page


def test_an_effect_that_only_one_look_would_call_sure_is_not_proved(office):
    sure, wide = told(0.03, 0.02), told(0.03, 0.04)
    kept(office, report(retained=sure, retained_every_look=wide, taken_up=0.6))
    assert "Not proved either way" in office.browser("manager").get("/console/outcomes").text


def test_plans_take_the_measured_effect_of_the_action_taken_and_else_the_assumed_one(office):
    assumed = effect_of(office.config, "win_order", "vip")
    assert (assumed.source, assumed.estimate) == ("assumed", 0.15)
    kept(office, report(retained=told(0.06, 0.02), taken_up=0.5))
    measured = effect_of(office.config, "win_order", "vip")
    assert measured.source == "measured"
    assert measured.estimate == pytest.approx(0.06 / 0.5 / 0.5)
    for too_little in ({"taken_up": 0.01}, {"taken_up": 0.5, "retained": told(0.06, 0.02, 50)}):
        kept(office, report(**{"retained": told(0.06, 0.02), **too_little}))
        assert effect_of(office.config, "win_order", "vip").source == "assumed"


def test_customers_are_ranked_by_their_own_uplift_only_while_the_report_says_so(office):
    uplift = Uplift(
        qini=0.1, low=0.05, high=0.15, level=0.95, n=9, file="f", sha256="s", is_used=True
    )
    publication = office.served.publication.manifest.id
    action = next(one for one in office.config.actions if one.code == "win_order")
    n = office.served.publication.manifest.counts["customers"]
    ranked = {"retained": told(0.06, 0.02), "taken_up": 0.5, "uplift": uplift}
    average = float(share_taken(0.4, 0.06 / 0.5 / 0.5))
    for ranking, share in (("uplift", 0.2 / 0.4), ("average", average)):
        kept(office, report(ranking=ranking, **ranked))
        path = uplift_path(office.config, publication)
        pq.write_table(pa.table({"customer_id": ["x"] * n, "win_order": [0.2] * n}), path)
        found = effects(office.config, publication).share(action, 0, "vip", churn=0.4)
        assert found == (pytest.approx(share), "measured")


@pytest.mark.slow
def test_a_plan_counts_on_each_customers_own_uplift_while_the_report_says_so(office):
    live = office.served.publication
    ids = read_book(live).customer_ids.to_pylist()
    uplift = Uplift(
        qini=0.1, low=0.05, high=0.15, level=0.95, n=9, file="f", sha256="s", is_used=True
    )
    ranked = {"retained": told(0.06, 0.02), "taken_up": 0.5, "uplift": uplift}
    kept(office, report(ranking="uplift", **ranked))
    own = dict(zip(ids, np.linspace(-0.05, 0.3, len(ids)).tolist(), strict=True))
    path = uplift_path(office.config, live.manifest.id)
    pq.write_table(pa.table({"customer_id": ids, "win_order": list(own.values())}), path)
    plan_id = planned(office)
    plan = read_plan(office.config.stores.plans, plan_id)
    tasks = read_tasks(office.config.stores.plans, plan_id).to_pylist()
    given = [one for one in tasks if one["action"] == "win_order"]
    assert given
    for one in given:
        share = min(own[one["customer_id"]] / one["churn_probability"], 1.0)
        assert one["effect"] == pytest.approx(share)
    (used,) = (one for one in plan.options if one.is_own)
    shares = [one["effect"] for one in given]
    assert (used.code, used.own) == ("win_order", (min(shares), max(shares)))
    for language, said in (
        ("en", "predicted for each customer, of their own churn probability"),
        ("zh", "逐客户预测，占各自流失概率"),
    ):
        page = office.browser("manager", language=language).get("/console/plan").text
        assert re.sub(r"<[^>]+>", " ", page).split(said)[0].split()[-3:] == [
            percent(min(shares), language),
            "–",
            percent(max(shares), language),
        ]


def test_an_offer_that_was_withdrawn_was_not_made(office):
    publication = office.served.publication.manifest.id
    now = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    common = {"at": now, "person": "u1", "customer_id": "C1", "publication": publication}
    offer = {"action": "win_order", "amount": None}
    with office.state.writing() as rows:
        for kind, details in (("offer", offer), ("offer", offer), ("withdraw", {"event": 1})):
            values = {**common, "token": secrets.token_hex(4), "kind": kind, "details": details}
            rows.execute(sa.insert(EVENTS).values(values))
    from serving.console.acting.events import of_kinds

    done = acted(of_kinds(office.state, ("offer", "withdraw")), {"win_order": 60.0}, dt.UTC)
    assert (done.times, done.money) == ({"win_order": 1}, {"win_order": 60.0})
    day = dt.date(2026, 5, 1)
    assert done.within("win_order", ["C1", "C2"], day - dt.timedelta(1), day).tolist() == [
        True,
        False,
    ]
    assert not done.within("win_order", ["C1"], day, day + dt.timedelta(9)).any()


def test_the_team_is_for_managers_and_says_when_it_can_be_told(office):
    assert office.browser("data_scientist").get("/console/team").status_code == 403
    assert office.browser("manager").get("/console/team").status_code == 200
    assert office.browser("manager").get("/console/team/export.csv").status_code == 404


def test_fewer_hours_are_better_and_no_name_is_run_by_a_spreadsheet(office):
    fast = Attained(n=30, actual=10, expected=20, difference=-8, low=-12, high=-4)
    one = EmployeeKpi(
        code="=1+1",
        name="王芳",
        skill="regular",
        customers=30,
        tiers={"vip": 30},
        measures={"resolution_hours": fast},
    )
    day = dt.date(2026, 6, 30)
    found = KpiReport(
        made_at=dt.datetime.now(dt.UTC),
        publication="p",
        begins_after=day - dt.timedelta(days=90),
        ends_on=day,
        employees=(one,),
    )
    assert lines(found)[0].cells[0].verdict.en == "better than expected"
    path = office.config.stores.trials / "kpi.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(found.model_dump_json())
    assert "'=1+1" in office.browser("manager").get("/console/team/export.csv").text


def test_equal_employees_are_told_as_equal_though_one_has_the_riskiest_customers():
    flagged, raw_flagged = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        risk = np.sort(rng.beta(2, 3, 1200))
        group = np.arange(1200) * 6 // 1200
        y = (rng.random(1200) > risk).astype(float)
        found = attained(y, risk[:, None], group, 6)
        flagged += [one.is_beyond_chance for one in found]
        raw_flagged += [abs(y[group == g].mean() - y.mean()) > 0.07 for g in range(6)]
    assert np.mean(flagged) <= 0.05 < 0.5 < np.mean(raw_flagged)


def test_an_employee_with_few_results_is_not_told():
    y = np.full(100, np.nan)
    y[:30], y[90:95] = 1.0, 1.0
    y[:15] = 0.0
    group = np.repeat([0, 1], [80, 20])
    found = attained(y, np.zeros((100, 0)), group, 2)
    assert found[0] is not None
    assert found[1] is None


@pytest.mark.slow
def test_a_closed_window_is_measured_as_drawn_and_an_open_one_is_not_read(
    returning_company, tmp_path
):
    from configs.files import make_live
    from configs.load import load
    from serving.endpoint.served import bundle_of
    from serving.endpoint.state import open_state
    from serving.scores.publication import open_live
    from serving.scores.publish import publish
    from serving.trials.measure import measure
    from tests.companies import own_copy

    config = load(own_copy(returning_company, tmp_path), {})
    live = open_live(config.stores.publications)
    bundle, records = bundle_of(live, config), config.stores.records / live.manifest.records
    state = open_state(config.stores)
    past = live.manifest.as_of - LONG_AGO
    publish(config.model_copy(update={"as_of": past}), bundle, "1", records)
    trials.begin_quarter(state, config, open_live(config.stores.publications))
    make_live(config.stores.publications, live.manifest.id)
    found = measure(config, state).of("win_order")
    standings = {one.as_of: one.standing for one in found.trials}
    assert standings == {past: "closed", live.manifest.as_of: "running"}
    (closed,) = [one for one in found.trials if one.standing == "closed"]
    trial = next(one for one in trials.opened(state) if one.id == closed.id)
    held = trials.audience(config, trial).filter(trials.audience(config, trial)["held_out"])
    with state.writing() as rows:
        for customer_id in held["customer_id"].to_pylist():
            rows.execute(sa.insert(EVENTS).values(_offer(customer_id, past, trial.publication)))
    again = measure(config, state).of("win_order")
    assert again.retained == found.retained
    (closed,) = [one for one in again.trials if one.standing == "closed"]
    assert (closed.acted_offered, closed.acted_held_out) == (0.0, 1.0)
    state.close()


def _offer(customer_id: str, after: dt.date, publication: str) -> dict[str, object]:
    at = dt.datetime.combine(after, dt.time(), dt.UTC) + dt.timedelta(days=10)
    details = {"action": "win_order", "amount": 60.0}
    return {
        "token": secrets.token_hex(8),
        "at": at,
        "person": "u1",
        "customer_id": customer_id,
        "kind": "offer",
        "details": details,
        "publication": publication,
    }
