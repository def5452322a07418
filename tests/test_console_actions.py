"""Acting on customers in the console, as people of each role meet it."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.load import load
from configs.schema import Config, Stores
from configs.service import Webhook
from configs.team import TierTerms
from serving.console.acting import offers
from serving.console.acting.deeds import READERS
from serving.console.acting.events import Deed, Event, Form, add, of_customer
from serving.console.acting.standing import standings
from serving.console.page import PageError
from serving.endpoint.endpoint import today
from serving.endpoint.state import open_state
from serving.jobs.outbox import OUTBOX
from tests.console import Browser, Office

CONTACT = {"channel": "phone", "outcome": "reached", "note": ""}
HTMX = {"hx-request": "true", "hx-request-type": "partial"}
FORMS: dict[str, dict[str, str]] = {
    "contact": CONTACT,
    "assign": {"owner": "", "due": ""},
    "offer": {"action": "", "amount": "10", "note": ""},
    "task": {"title": "Call back", "owner": "", "due": "", "note": ""},
    "snooze": {"until": (dt.date.today() + dt.timedelta(days=5)).isoformat()},
    "dismiss": {"reason": "handled", "until": "", "note": ""},
    "override": {
        "reason": "contract",
        "until": (dt.date.today() + dt.timedelta(days=30)).isoformat(),
        "note": "",
    },
    "wrong_reason": {"reason": "other:", "mistake": "fact", "note": "It is not so"},
}


class Desk:
    """One customer of an office, and the forms about them."""

    def __init__(self, office: Office) -> None:
        assert office.served is not None
        self.office = office
        self.customer = office.served.publication.examples(1)[0]
        self.tiers = [one.code for one in office.served.publication.manifest.terms.policy.tiers]
        tier = office.served.publication.customer(self.customer)["tier"]
        self.published = tier["code"]

    @property
    def path(self) -> str:
        return f"/console/actions/of/{quote(self.customer)}"

    def hidden(self, browser: Browser) -> dict[str, str]:
        """Return what the page puts into every form."""
        page = browser.get(self.path)
        assert page.status_code == 200, page.text
        names = ("customer_id", "token", "seen", "publication", "then")
        return {
            name: re.search(rf'name="{name}" value="([^"]*)"', page.text)[1]  # type: ignore[index]
            for name in names
        }

    def send(self, browser: Browser, kind: str, **given: Any) -> httpx.Response:
        """Open the page, fill in the form of ``kind`` and send it."""
        hidden = self.hidden(browser)
        filled = FORMS.get(kind, {"note": ""}) | given
        if kind == "assign" and not filled["owner"]:
            filled = filled | {"owner": self.office.person("manager").id}
        if kind == "override" and "tier" not in filled:
            filled = filled | {"tier": self.tiers[-1]}
        return browser.post(f"/console/actions/{kind}", hidden | filled)

    @property
    def events(self) -> list[Event]:
        return of_customer(self.office.state, self.customer)


@pytest.fixture
def desk(office: Office) -> Desk:
    return Desk(office)


slow = pytest.mark.slow


@slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_manager_does_everything_and_is_told_so_in_their_language(office, desk, language):
    browser = office.browser("manager", language)
    for kind in FORMS:
        answer = desk.send(browser, kind)
        assert answer.status_code == 303, (kind, answer.text)
        page = browser.get(answer.headers["location"])
        assert ("On record" if language == "en" else "已记录") in page.text, kind
    assert [event.kind for event in desk.events] == list(FORMS)
    assert {event.person for event in desk.events} == {office.person("manager").id}
    live = office.served.publication.manifest.id
    assert {event.publication for event in desk.events} == {live}
    for kind in FORMS:
        assert f'"what":"action","kind":"{kind}"' in office.audited()


@slow
def test_who_may_not_act_reads_at_most(office, desk):
    hidden = desk.hidden(office.browser("manager"))
    scientist = office.browser("data_scientist")
    for kind in READERS:
        refused = scientist.post(f"/console/actions/{kind}", hidden | FORMS.get(kind, {}))
        assert refused.status_code == 403, kind
    assert scientist.get("/console/mine").status_code == 403
    for path in ("/console/overrides", "/console/mistakes"):
        assert scientist.get(path).status_code == 200
    assert office.browser().post("/console/actions/contact", hidden | CONTACT).status_code == 303
    assert desk.events == []


@slow
def test_a_data_scientist_reads_stand_ins_and_no_notes_but_those_written_for_them(office, desk):
    manager = office.browser("manager")
    desk.send(manager, "contact", note="qanary sings")
    desk.send(manager, "task", title="ring qanary")
    desk.send(manager, "override", note="qanary")
    desk.send(manager, "wrong_reason", note=f"客户{desk.customer}: the robin is right")
    scientist = office.browser("data_scientist")
    assert scientist.get(desk.path).status_code == 404
    mistakes = scientist.get("/console/mistakes").text
    assert "the robin is right" in mistakes
    shown = re.search(r'href="/console/customers/([a-z0-9]+)"', mistakes)[1]
    pages = [scientist.get(f"/console/actions/of/{shown}").text, mistakes]
    pages.append(scientist.get("/console/overrides").text)
    for page in pages:
        assert desk.customer not in page
        assert "qanary" not in page
    assert 'action="/console/actions' not in pages[0]


@slow
def test_what_people_write_reaches_no_log_and_no_audit(office, desk):
    manager = office.browser("manager")
    desk.send(manager, "contact", note="qanary sings")
    desk.send(manager, "offer", amount="1e99", note="qanary")
    desk.send(manager, "task", title="ring qanary" * 40)
    told = office.audited() + "".join(map(str, office.log))
    assert "qanary" not in told
    assert desk.customer not in told


@slow
@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("offer", {"amount": "-5"}, "Give an amount above 0"),
        ("offer", {"amount": "nan"}, "Give an amount above 0"),
        ("contact", {"note": "x" * 1001}, "Shorten it to 1000 letters"),
        ("contact", {"note": "a\x00b"}, "Leave out control characters"),
        ("contact", {"channel": "pigeon"}, "Choose one of the list"),
        ("snooze", {"until": "2020-01-01"}, "Choose a day from"),
        ("override", {"until": ""}, "Choose a day from"),
        ("override", {"tier": "emperor"}, "Choose one of the list"),
        ("wrong_reason", {"note": " "}, "Write what is the case"),
        ("contact", {"token": "short"}, "Open the page again"),
        ("contact", {"seen": "many"}, "Open the page again"),
        ("withdraw", {"event": "77"}, "Look at where it stands now"),
    ],
)
def test_a_wrong_form_says_what_to_mend_and_keeps_what_was_typed(office, desk, kind, given, said):
    answer = desk.send(office.browser("manager"), kind, **given)
    assert answer.status_code in (409, 422)
    assert said in answer.text
    assert desk.events == []


@slow
def test_a_double_click_counts_once(office, desk):
    browser = office.browser("manager")
    form = desk.hidden(browser) | CONTACT
    answers = [browser.post("/console/actions/contact", form) for _ in range(3)]
    assert [one.headers["location"] for one in answers] == [answers[0].headers["location"]] * 3
    assert len(desk.events) == 1
    changed = browser.post("/console/actions/contact", form | {"note": "other words"})
    assert changed.status_code == 409
    assert "was sent already" in changed.text
    assert len(desk.events) == 1


@slow
def test_two_browsers_on_one_customer_lose_nothing_and_are_told_of_each_other(office, desk):
    ada, bob = office.browser("manager", name="Ada"), office.browser("manager", name="Bob")
    owner = {"owner": office.person("manager", "Bob").id, "due": ""}
    opened = desk.hidden(bob)
    assert desk.send(ada, "assign", owner=office.person("manager", "Ada").id).status_code == 303
    assert bob.post("/console/actions/contact", opened | CONTACT).status_code == 303
    opened = opened | {"token": "another-token-0123"}
    paused = bob.post("/console/actions/assign", opened | owner)
    assert paused.status_code == 409
    assert "assigned to Ada" in paused.text
    assert "Ada</b>" in paused.text
    again = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', paused.text))
    assert bob.post("/console/actions/assign", again).status_code == 303
    assert standings(office.state)[desk.customer].assignment.name == "Bob"
    assert [event.kind for event in desk.events] == ["assign", "contact", "assign"]


@slow
def test_threads_that_act_on_one_customer_at_once_are_each_kept_or_told(office, desk):
    browsers = [office.browser("manager", name=f"P{i}") for i in range(4)]
    forms = [desk.hidden(one) | CONTACT | {"note": str(i)} for i, one in enumerate(browsers)]
    with ThreadPoolExecutor(4) as threads:
        answers = list(
            threads.map(lambda one: one[0].post("/console/actions/contact", one[1]),
                        zip(browsers, forms, strict=True))
        )  # fmt: skip
    assert [one.status_code for one in answers] == [303] * 4
    assert sorted(event.details["note"] for event in desk.events) == ["0", "1", "2", "3"]


@slow
def test_the_top_tier_takes_a_second_person_all_the_way(office, desk):
    ada, bob = office.browser("manager", name="Ada"), office.browser("manager", name="Bob")
    answer = desk.send(ada, "override", tier=desk.tiers[0])
    assert "once another manager approves" in ada.get(answer.headers["location"]).text
    (proposed,) = desk.events
    own = desk.send(ada, "approve", event=proposed.id)
    assert own.status_code == 403
    assert "cannot approve it" in own.text
    assert "Approve</button>" not in ada.get("/console/overrides").text
    assert "Approve</button>" in bob.get("/console/overrides").text
    assert desk.send(bob, "approve", event=proposed.id).status_code == 303
    page = ada.get(desk.path).text
    assert "set by Ada until" in page
    settled = desk.send(bob, "reject", event=proposed.id)
    assert settled.status_code == 409
    log = bob.get("/console/overrides").text
    assert "in force" in log
    assert [one.kind for one in desk.events] == ["override", "approve"]


@slow
def test_offers_stop_where_the_cap_does_and_say_what_is_left(office, desk):
    terms = (TierTerms(tier=desk.published, budget=100, offer_cap=30),)
    team = office.config.team.model_copy(update={"tiers": terms})
    office.config = office.config.model_copy(update={"team": team})
    browser = office.browser("manager")
    assert desk.send(browser, "offer", amount="20").status_code == 303
    refused = desk.send(browser, "offer", amount="10.01")
    assert refused.status_code == 422
    assert "10 is left of" in refused.text
    assert 'value="10.01"' in refused.text
    given = desk.events[0]
    assert desk.send(browser, "withdraw", event=given.id).status_code == 303
    assert desk.send(browser, "offer", amount="30").status_code == 303


@slow
def test_several_customers_at_once_and_only_what_suits_several(office, desk):
    browser = office.browser("manager")
    customers = office.served.publication.examples(3)
    hidden = [item for item in desk.hidden(browser).items() if item[0] != "customer_id"]
    chosen = [("customer_id", one) for one in customers]
    until = list(FORMS["snooze"].items())
    answer = browser.post("/console/actions/snooze", [*hidden, *chosen, *until])
    assert answer.status_code == 303
    assert "3 customers" in browser.get(answer.headers["location"]).text
    assert set(standings(office.state)) == set(customers)
    offer = list(FORMS["offer"].items())
    assert browser.post("/console/actions/offer", [*hidden, *chosen, *offer]).status_code == 422
    unknown = browser.post("/console/actions/snooze", [*hidden, ("customer_id", "nobody"), *until])
    assert unknown.status_code == 404


@slow
def test_htmx_is_given_the_panel_alone(office, desk):
    browser = office.browser("manager")
    form = desk.hidden(browser) | CONTACT
    part = browser.post("/console/actions/contact", form, **HTMX)
    assert part.status_code == 200
    assert part.text.lstrip().startswith("<section")
    assert "On record" in part.text


@slow
def test_follow_ups_are_listed_overdue_first_and_tasks_are_done_from_there(office, desk):
    browser = office.browser("manager")
    desk.send(browser, "assign")
    desk.send(browser, "task", title="Send the samples", due=today(office.served).isoformat())
    page = browser.get("/console/mine").text
    assert page.index("Send the samples") < page.index("Look after the customer")
    task = desk.events[1]
    done = desk.send(browser, "task_done", event=task.id, then="/console/mine?show=all")
    assert done.headers["location"].startswith("/console/mine?show=all&did=")
    assert "Send the samples" not in browser.get("/console/mine").text


@slow
def test_subscriptions_are_told_of_a_task_once_in_the_same_breath(office, desk, tmp_path):
    hook = Webhook(
        name="crm",
        url="https://crm.example/x",
        events=("task.created", "task.closed"),
        secret_file=Path("s"),
    )
    office.config = office.config.model_copy(update={"webhooks": (hook,)})
    browser = office.browser("manager")
    form = desk.hidden(browser) | FORMS["task"]
    for _ in range(2):
        browser.post("/console/actions/task", form)
    desk.send(browser, "task_done", event=desk.events[0].id)
    desk.send(browser, "contact")
    with office.state.reading() as connection:
        bodies = list(connection.execute(sa.select(OUTBOX.c.body).order_by(OUTBOX.c.place)))
    told = [json.loads(body) for (body,) in bodies]
    assert [one["type"] for one in told] == ["task.created", "task.closed"]
    assert told[0]["data"]["title"] == "Call back"
    assert told[0]["data"]["customer_id"] == desk.customer
    assert told[1]["data"]["outcome"] == "done"
    assert told[0]["data"]["task"] == told[1]["data"]["task"]


@pytest.fixture(scope="module")
def terms() -> Config:
    config = load(Path("configs/demo.yaml"), {})
    limits = (TierTerms(tier="vip", budget=100, offer_cap=60),)
    return config.model_copy(
        update={"team": config.team.model_copy(update={"tiers": limits, "employees": None})}
    )


AMOUNTS = st.lists(
    st.tuples(st.sampled_from(["c1", "c2", "c3"]), st.integers(1, 70), st.booleans()), max_size=12
)


@slow
@settings(max_examples=10, deadline=None)
@given(asked=AMOUNTS)
def test_neither_budget_nor_cap_is_ever_overspent_whoever_offers_at_once(
    asked, terms, empty_state, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("budget")
    (folder / "state.db").write_bytes(empty_state.read_bytes())
    stores = Stores(root=folder)
    state = open_state(stores)
    lock, kept = threading.Lock(), dict[int, tuple[str, int]]()

    def check(connection: sa.Connection, deeds: Sequence[Deed]) -> None:
        offers.check(connection, terms, deeds, dt.datetime.now(dt.UTC))

    def offer(given: tuple[int, tuple[str, int, bool]]) -> None:
        number, (customer, amount, takes_back) = given
        details = {"amount": float(amount), "tier": "vip", "currency": "CNY"}
        try:
            (event,) = add(
                stores, state, Form(f"o{number}", "ada", "p"),
                [Deed(customer, "offer", details)], check,
            )  # fmt: skip
        except PageError:
            return
        with lock:
            kept[event.id] = customer, amount
            spent = sum(one for _, one in kept.values())
        assert spent <= 100
        if takes_back:
            with lock:
                kept.pop(event.id)
            back = Deed(customer, "withdraw", {"event": event.id, "note": ""})
            add(stores, state, Form(f"w{number}", "ada", "p"), [back])

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(offer, enumerate(asked)))
    for customer in ("c1", "c2", "c3"):
        given_to = sum(amount for one, amount in kept.values() if one == customer)
        assert given_to <= 60
        with state.reading() as connection:
            left = offers.left(connection, terms.team, customer, "vip", dt.datetime.now(dt.UTC))
        assert left.given == given_to
        assert left.of_budget == 100 - sum(one for _, one in kept.values())
    state.close()
