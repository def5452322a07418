"""The door of the console: who may see what, and what becomes of every wrong request."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from starlette.responses import Response

from configs.section import Text
from serving.console import door
from serving.console.page import READ, Page, PageError, Visit
from serving.console.routes import EVERYBODY, MANAGERS, MENU, PAGES
from serving.console.visitors import people
from serving.endpoint.route import PUBLIC, ROLES
from tests.console import FORM, HOST, SAME_SITE, Office

pytestmark = pytest.mark.slow

QUEUE = "/console/queue"
OF_READERS = {"console_leave", "console_view_save", "console_view_delete"}
"""Forms that change nothing about customers, which a data scientist may send, too."""


def at(path: str) -> str:
    """Return an address of a row."""
    parts = path.split("{")
    return parts[0] + "".join("1" + part.partition("}")[2] for part in parts[1:])


def with_page(office: Office, handler: Callable[[Visit], Response], method: str = "GET") -> Office:
    """Return the office with one more page, which managers may see."""
    methods = READ if method == "GET" else (method,)
    page = Page("/console/more", methods, MANAGERS, "console_more", handler)
    return replace(office, pages=(*PAGES, page))


def test_a_page_is_for_the_roles_of_its_row_and_for_nobody_else(office):
    """Asked of every row of the table, for every role and for who has not signed in."""
    reached = Response("reached", 299)
    pages = tuple(replace(page, handler=lambda visit: reached) for page in PAGES)
    office = replace(office, pages=pages)
    browsers = {role: office.browser(role) for role in ROLES if role != "application"}
    browsers["nobody"] = office.browser()
    for page in pages:
        for method in page.methods:
            for role, browser in browsers.items():
                headers = {"content-type": FORM, **SAME_SITE}
                status = browser.ask(method, at(page.path), headers=headers).status_code
                if page.roles == PUBLIC or role in page.roles:
                    assert status == 299, (page.name, method, role)
                else:
                    assert status == (303 if role == "nobody" else 403), (page.name, method, role)


def test_the_table_lets_only_managers_act_and_only_signing_in_is_for_everybody():
    public = {page.name for page in PAGES if page.roles == EVERYBODY}
    assert public == {
        *("console_home", "console_start", "console_static"),
        *("console_sign_in", "console_enter", "console_link", "console_by_link"),
    }
    for page in PAGES:
        assert "application" not in page.roles, page.name
        if "POST" in page.methods and page.name not in public | OF_READERS:
            assert page.roles <= MANAGERS, page.name
    assert {path for path, _ in MENU} <= {page.path for page in PAGES if "GET" in page.methods}
    assert len({page.name for page in PAGES}) == len(PAGES)


def test_a_program_with_a_key_is_not_a_person(office):
    from serving.access import keys

    made = keys.create(office.state, "app", "admin")
    headers = {"authorization": f"Bearer {made.text}"}
    assert office.browser().ask("GET", QUEUE, headers=headers).status_code == 303


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/console/nothing", {}, 404),
        ("GET", "/console/static/..%2Fdoor.py", {}, 404),
        ("GET", "/console/static/nothing.css", {}, 404),
        ("PUT", QUEUE, SAME_SITE, 405),
        ("CANARY", QUEUE, SAME_SITE, 405),
        ("POST", QUEUE, SAME_SITE, 405),
        ("GET", QUEUE, {"host": "evil.example"}, 421),
        ("GET", f"{QUEUE}?{'x' * 9000}", {}, 414),
        ("GET", QUEUE, {"x-long": "x" * 40_000}, 431),
        ("POST", "/console/sign-in", {**SAME_SITE, "content-type": "application/json"}, 400),
        ("POST", "/console/sign-in", {"origin": "http://["}, 403),
        ("POST", "/console/sign-in", {"origin": "null"}, 403),
        ("POST", "/console/sign-in", {}, 403),
        ("POST", "/console/sign-in", {**SAME_SITE, "content-type": "multipart/form-data"}, 400),
    ],
)
def test_what_is_wrong_is_a_page_that_says_so(office, method, path, headers, status):
    answer = office.browser("manager").ask(method, path, headers=headers)
    assert answer.status_code == status
    assert "<h1>" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"
    if status == 405:
        assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"name=" + b"x" * door.FORM_BYTES, 413),
        (b"&".join([b"a=b"] * (door.FORM_FIELDS + 1)), 400),
        (b"name=\xff", 400),
        (b"name=%ff", 400),
        (b"", 403),
        (b"name=a&name=b&password", 403),
    ],
)
def test_a_form_that_is_none_is_refused(office, body, status):
    headers = {"content-type": FORM, **SAME_SITE}
    answer = office.browser().ask("POST", "/console/sign-in", content=body, headers=headers)
    assert answer.status_code == status


def test_a_form_that_does_not_arrive_is_not_waited_for(office, monkeypatch):
    monkeypatch.setattr(door, "FORM_SECONDS", 0.05)
    scope = {
        "type": "http", "method": "POST", "path": "/console/sign-in", "query_string": b"",
        "headers": [(b"host", b"localhost:3000"), (b"content-type", FORM.encode()),
                    (b"sec-fetch-site", b"same-origin")],
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(office.app(scope, receive, send))
    assert sent[0]["status"] == 408


def test_before_anything_is_served_the_page_says_so(office):
    office = replace(office, served=None)
    answer = office.browser("manager").get(QUEUE)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "<h1>" in answer.text
    assert office.browser().get("/console/sign-in").status_code == 200


def failing(error: Exception) -> Callable[[Visit], Response]:
    def page(visit: Visit) -> Response:
        raise error

    return page


def test_a_page_that_fails_tells_a_number_and_nothing_else(office, caplog):
    browser = with_page(office, failing(ValueError("ada@example.org"))).browser("manager")
    answer = browser.ask("GET", "/console/more", headers={"x-request-id": "0" * 32})
    assert answer.status_code == 500
    assert "0" * 32 in answer.text
    assert "ada@" not in answer.text + str([record.getMessage() for record in caplog.records])


def test_a_database_that_is_away_is_no_fault_of_the_page(office):
    away = sa.exc.OperationalError("SELECT", {}, Exception("locked"))
    answer = with_page(office, failing(away)).browser("manager").get("/console/more")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_page_that_takes_too_long_is_given_up(office, monkeypatch):
    monkeypatch.setattr(door, "PAGE_SECONDS", 0.2)
    slow = with_page(office, lambda visit: time.sleep(0.6) or Response())
    answer = slow.browser("manager").get("/console/more")
    assert answer.status_code == 503
    assert "took too long" in answer.text


def test_pages_that_were_given_up_keep_their_threads_so_there_are_never_more(office, monkeypatch):
    monkeypatch.setattr(door, "PAGE_SECONDS", 0.02)
    monkeypatch.setattr(door, "PAGES_AT_ONCE", 3)
    now, most = [], []

    def slow(visit: Visit) -> Response:
        now.append(1)
        most.append(len(now))
        time.sleep(0.3)
        now.pop()
        return Response()

    browser = with_page(office, slow).browser("manager")
    assert {browser.get("/console/more").status_code for _ in range(8)} == {503}
    assert max(most) <= 3


def test_an_address_that_is_none_leads_to_signing_in(office):
    answer = office.browser().ask("POST", "/console/sign-out", headers={
        **SAME_SITE, "content-type": FORM, "referer": "http://[",
    })  # fmt: skip
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in?next=")


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000, "²", "-1"])
def test_a_number_that_is_none_is_never_our_fault(office, number):
    browser = office.browser("manager")
    sent = [
        browser.post("/console/queue/views/delete", {"view": number}),
        browser.post("/console/plan", {"experienced": number}),
        browser.post("/console/policy/edit", {"based_on": number, "do": "propose"}),
        browser.get("/console/policy/edit", **{"from": number}),
    ]
    assert [one.status_code for one in sent] == [303, 422, 422, 200]


def test_even_where_no_page_can_be_shown_the_reader_is_told(office, monkeypatch):
    monkeypatch.setattr(Visit, "page", lambda *given, **shown: 1 / 0)
    answer = office.browser("manager").get("/console/nothing")
    assert answer.status_code == 404
    assert answer.text.startswith("There is no such page")


def test_htmx_gets_the_content_alone_and_is_sent_to_sign_in_whole(office):
    part = office.browser("manager").part("/console/sign-in")
    assert "<html" not in part.text
    assert "<h1>" in part.text
    sent = office.browser().ask(
        "GET",
        QUEUE,
        headers={"hx-request": "true", "hx-current-url": f"{HOST}/console/queue?page=3"},
    )
    assert sent.status_code == 204
    assert sent.headers["hx-redirect"] == (
        f"/console/sign-in?next={quote('/console/queue?page=3', safe='')}"
    )


def test_a_refusal_of_a_form_says_why_in_the_readers_language(office):
    refused = PageError(
        409, Text(zh="慢了一步", en="Somebody was faster"), Text(zh="刷新", en="Reload")
    )
    browser = with_page(office, failing(refused), "POST").browser("manager", "zh")
    answer = browser.post("/console/more")
    assert answer.status_code == 409
    assert "慢了一步" in answer.text
    assert "Somebody" not in answer.text


def test_the_language_is_the_one_asked_for_then_the_one_chosen_then_the_browsers(office):
    browser = office.browser("manager", "zh")
    assert 'lang="zh-CN"' in browser.get(QUEUE).text
    asked = browser.get(QUEUE, lang="en", sort="clv")
    assert '<html lang="en">' in asked.text
    assert 'href="?sort=clv&amp;lang=zh"' in asked.text
    assert '<html lang="en">' in browser.get(QUEUE).text
    assert '<html lang="en">' in browser.get(QUEUE, lang="fr").text


def test_files_are_kept_for_good_by_their_version_and_asked_for_again_without(office):
    browser = office.browser()
    page = browser.get("/console/sign-in").text
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert "immutable" in browser.get(address).headers["cache-control"]
    plain = browser.get(address.partition("?")[0])
    assert plain.headers["cache-control"] == "no-cache"
    known = {"if-none-match": plain.headers["etag"]}
    assert browser.ask("GET", "/console/static/console.css", headers=known).status_code == 304


def test_every_request_of_a_person_is_on_record_with_their_id(office):
    office.browser("data_scientist").get(QUEUE)
    told = json.loads(office.audited().splitlines()[-1])
    assert (told["key"], told["role"]) == (office.person("data_scientist").id, "data_scientist")
    assert (told["what"], told["route"], told["status"]) == ("request", "console_queue", 200)
    assert office.log[-1].key == office.person("data_scientist").id


WORDS = (
    *("", "0", "-1", "1e999", "nan", "9" * 40, "null", "true", "C0000001", "../..", "%00", "\x00"),
    *("' OR 1=1 --", "<script>alert(1)</script>", "{{ 7*7 }}", "=cmd|' /C calc'!A0", "客户", "🙂"),
    *("2026-13-45", "2026-06-30", "/", "//", "a" * 3000, "vip", "asc", "\r\nset-cookie: a=b"),
)
FIELDS = (
    *("page", "sort", "order", "tier", "q", "audience", "at_least", "name", "password", "next"),
    *("token", "reason", "until", "due", "owner", "employee", "action", "amount", "customer_id"),
    *("lang", "view", "from", "to", "limit", "version", "policy", "goal", "event", "id", "kind"),
)
REQUESTS = 250


def test_bad_requests_never_fail(office, monkeypatch):
    """Paths, questions and forms drawn at random over every row, as each role."""
    monkeypatch.setattr(people, "HASHER", PasswordHasher(time_cost=1, memory_cost=64))
    draw = random.Random(11)
    browsers = [office.browser(role) for role in ("manager", "data_scientist", "admin", None)]
    pages = [page for page in PAGES if page.name != "console_leave"]
    failed = []
    for number in range(REQUESTS):
        page = pages[number % len(pages)]
        parts = page.path.split("{")
        path = parts[0] + "".join(
            quote(draw.choice(WORDS), safe="/") + part.partition("}")[2] for part in parts[1:]
        )
        fields = [(draw.choice(FIELDS), draw.choice(WORDS)) for _ in range(draw.randrange(6))]
        browser = draw.choice(browsers)
        if "POST" in page.methods:
            answer = browser.post(path, fields)
        else:
            query = "&".join(f"{name}={quote(value)}" for name, value in fields)
            answer = browser.ask("GET", f"{path}?{query}")
        if answer.status_code >= 500:
            failed.append((page.name, path, fields))
    assert failed == []
