"""Managers write, try, propose and approve the tier policy in the console, and review it."""

from __future__ import annotations

import html
import re
import shutil
import time
from collections.abc import Mapping

import pytest

from configs.load import load
from serving.console.tier_policy.policy_form import HINTS, form_of, read, renamed, sent
from serving.endpoint.state import open_state
from serving.policies import publish_child, publishings, review_notes, versions
from serving.policies.effect import effect_of
from serving.policies.freezing import basis_of
from serving.policies.tier_names import NAME_SETS
from tests.console import Browser, Office
from tests.test_policy import policy

EDIT = "/console/policy/edit"


def fields(page: str) -> dict[str, str]:
    """Return what a browser sends of the form on the page, without pressing a button."""
    form = re.search(r'<form method="post" action="/console/policy/edit".*?</form>', page, re.S)
    assert form is not None
    found = {}
    for tag in re.findall(r"<input ([^>]*)>", form[0]):
        name, value = (re.search(rf'{one}="([^"]*)"', tag) for one in ("name", "value"))
        if name:
            found[name[1]] = html.unescape(value[1]) if value else ""
    for name, options in re.findall(r'<select name="([^"]*)"[^>]*>(.*?)</select>', form[0], re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found


def proposed(browser: Browser, changes: Mapping[str, str]) -> str:
    """Propose the policy in force with changes, and return the address of the version."""
    filled = fields(browser.get(EDIT).text)
    given = {"comment": "fewer at the top", "do": "propose", **changes}
    answer = browser.post(EDIT, {**filled, **given})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def decided(browser: Browser, address: str) -> int:
    """Approve a version as its page asks, and return the status."""
    page = browser.get(address).text
    asked = dict(re.findall(r'name="(seen|publication)" value="([^"]*)"', page))
    form = {"do": "approve", "then": "later", "comment": "good", **asked}
    return browser.post(f"{address}/decide", form).status_code


def words(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


@pytest.mark.slow
def test_who_proposes_does_not_approve_and_a_second_person_does(office: Office):
    ann, ben = (office.browser("manager", name=name) for name in ("ann", "ben"))
    address = proposed(ann, {"tier0_start": "97"})
    assert "you proposed this one yourself" in ann.get(address).text
    assert decided(ann, address) == 403
    assert versions.in_force(office.state) is None
    assert decided(ben, address) == 303
    now = versions.in_force(office.state)
    assert (now.made_by_name, now.decided_by_name, now.comment) == (
        "ann", "ben", "fewer at the top",
    )  # fmt: skip
    assert decided(ben, address) == 409  # decided on already
    audited = office.audited()
    assert '"what":"policy-proposed"' in audited
    assert '"what":"policy-approved"' in audited
    assert now.label in words(ann.get("/console/policy").text)


@pytest.mark.slow
def test_the_only_administrator_approves_alone_and_the_audit_log_says_so(office: Office):
    alone = office.browser("admin")
    address = proposed(alone, {"hysteresis": "10"})
    assert "you may do so alone" in alone.get(address).text
    assert decided(alone, address) == 303
    assert '"alone":"yes"' in office.audited()


@pytest.mark.slow
def test_the_page_shows_the_effect_that_is_worked_out_on_every_customer(office: Office):
    browser = office.browser("manager")
    filled = {**fields(browser.get(EDIT).text), "tier0_start": "99", "hysteresis": "0"}
    shown = words(browser.post("/console/policy/preview", filled).text)
    basis = basis_of(office.served.publication)
    objective = office.served.publication.manifest.terms.policy.objective
    settings = read(sent(filled), objective, ()).settings
    effect = effect_of(basis, basis.frozen(settings))
    assert effect.moved > 0
    assert f"Customers who would move {effect.moved:,} " in shown
    assert all(one.customer_id in shown for one in effect.movers)
    assert words(browser.post(EDIT, {**filled, "do": "preview"}).text).count("Nothing is saved")
    assert versions.listed(office.state) == []


@pytest.mark.slow
def test_two_who_write_at_once_are_told_and_lose_nothing(office: Office):
    ann, ben, eve = (office.browser("manager", name=name) for name in ("ann", "ben", "eve"))
    mine = fields(ann.get(EDIT).text)
    assert decided(eve, proposed(ben, {"hysteresis": "5"})) == 303
    answer = ann.post(EDIT, {**mine, "hysteresis": "33", "comment": "mine", "do": "propose"})
    assert answer.status_code == 409
    assert "eve put another policy in force" in words(answer.text)
    kept = fields(answer.text)
    assert kept["hysteresis"] == "33"
    assert ann.post(EDIT, {**kept, "comment": "mine", "do": "propose"}).status_code == 303


@pytest.mark.slow
def test_an_earlier_version_is_brought_back_with_its_very_amounts(office: Office):
    ann, ben = (office.browser("manager", name=name) for name in ("ann", "ben"))
    for start in ("97", "90"):
        assert decided(ben, proposed(ann, {"tier0_start": start})) == 303
    answer = ann.post("/console/policy/1/restore")
    assert decided(ben, answer.headers["location"]) == 303
    first, now = versions.version_of(office.state, 1), versions.in_force(office.state)
    assert now.policy.thresholds == first.policy.thresholds
    assert now.id == 3
    compared = words(ann.get("/console/policy/compare", a=2, b=3).text)
    assert all(label in compared for label in ("vip4-v2", "vip4-v3"))


@pytest.mark.slow
def test_data_scientists_read_with_masked_ids_and_change_nothing(office: Office):
    address = proposed(office.browser("manager"), {"tier0_start": "99", "hysteresis": "0"})
    reader = office.browser("data_scientist")
    page = reader.get(address).text
    basis = basis_of(office.served.publication)
    ids = basis.scores["customer_id"].to_pylist()
    assert "/console/customers/" in page
    assert not any(f">{one}<" in page for one in ids)
    assert reader.get(EDIT).status_code == 403
    assert reader.post(f"{address}/decide", {"do": "approve"}).status_code == 403
    assert reader.post("/console/policy/publish").status_code == 403


@pytest.mark.slow
def test_a_review_is_signed_once_its_steps_are_done_and_stays_as_it_was(office: Office):
    browser = office.browser("manager", name="ann")
    quarter = review_notes.quarter_of(office.served.as_of)
    assert "too early to tell" in words(browser.get("/console/review").text)

    def add(step: str, **more: str) -> int:
        form = {"quarter": quarter, "step": step, "text": f"about {step}", **more}
        return browser.post("/console/review", form).status_code

    assert add("sign_off") == 422
    assert [add(step) for step in ("criteria", "movers", "overrides")] == [303] * 3
    assert add("decision") == 422
    assert add("decision", choice="keep") == 303
    assert add("sign_off") == 303
    assert add("criteria") == 409
    page = words(browser.get("/console/review", quarter=quarter).text)
    assert "Signed by ann" in page
    assert "about movers" in page
    assert browser.get("/console/review", quarter="1999Q1").status_code == 404
    assert '"what":"review-noted"' in office.audited()


def test_a_policy_survives_the_form():
    for one in (
        policy(),
        policy(by="quantile", at=(0.5, 0.8, 0.95)),
        policy(by="natural_breaks", at=()),
    ):
        assert read(form_of(one, None), one.objective, ()).settings == one


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tier0_start": "many"}, "tier0_start"),
        ({"tier1_start": "900"}, "tier1_start"),
        ({"tier2_zh": ""}, "tier2_zh"),
        ({"hysteresis": "120"}, "hysteresis"),
        ({"minimum_stay_days": "1.5"}, "minimum_stay_days"),
        ({"high": "20"}, "high"),
        ({"name": "Ünlike"}, "name"),
        ({"guard0_zh": "x", "guard0_en": "x", "guard0_feature": "nothing"}, "guard0_feature"),
        ({"guard0_zh": "x", "guard0_en": "x", "guard0_then": "cap:none"}, "guard0_then"),
        ({"guard0_feature": "orders", "guard0_at_least": "5", "guard0_at_most": "1"},
         "guard0_at_most"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_field(changes, field):
    form = form_of(policy(), None)
    given = {"name": form.name, "by": form.by, "hysteresis": "20", "minimum_stay_days": "28"}
    given |= {"medium": "30", "high": "60"}
    for i, row in enumerate(form.tiers):
        parts = {"code": row.code, "zh": row.zh, "en": row.en, "start": row.start}
        given |= {f"tier{i}_{name}": value for name, value in parts.items()}
    assert read(sent(given), "revenue", ("orders",)).errors == {}
    assert field in read(sent(given | changes), "revenue", ("orders",)).errors


@pytest.mark.parametrize("names", NAME_SETS, ids=lambda one: one.code)
def test_every_ready_set_of_names_makes_a_policy(names):
    settings = read(renamed(form_of(policy(), None), names.code), "revenue", ()).settings
    assert settings.tiers == names.tiers
    assert settings.thresholds.by in HINTS


def test_a_child_that_dies_is_told_and_another_may_be_started(tmp_path, empty_state, monkeypatch):
    config = load(None, {"ECHELON_STORES__ROOT": str(tmp_path)})
    shutil.copy(empty_state, tmp_path / "state.db")
    state = open_state(config.stores)
    monkeypatch.setattr(publish_child.sys, "executable", "/bin/false")
    assert publish_child.start(config, state, "vip4-v1", "ann")
    until = time.monotonic() + 10
    while publishings.latest(state).ended_at is None and time.monotonic() < until:
        time.sleep(0.01)
    assert "ended with code 1" in publishings.latest(state).failure
    assert publish_child.start(config, state, "vip4-v1", "ann")
    state.close()
