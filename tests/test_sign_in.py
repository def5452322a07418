"""Who comes into the console, how long they stay, and who is kept out."""

from __future__ import annotations

import datetime as dt
import json

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from typer.testing import CliRunner

from configs.errors import ServiceError
from serving.access import key_office
from serving.cli import app
from serving.console.door import SESSION_COOKIE
from serving.console.visitors import people, people_office, sessions, wrong_sign_ins
from serving.console.visitors.sessions import SESSIONS
from serving.console.visitors.wrong_sign_ins import OF_A_NAME, OF_AN_ADDRESS, WRONG_SIGN_INS
from tests.console import HOST, Office

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"
SIGN_IN = "/console/sign-in"
QUEUE = "/console/queue"


SERVED_WITH = people.HASHER


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch) -> None:
    """Hash with little memory, since a test signs in ten times; one test looks at the real cost."""
    monkeypatch.setattr(people, "HASHER", PasswordHasher(time_cost=1, memory_cost=64))


@pytest.fixture
def lina(office) -> people.Person:
    return people.add(office.state, "李娜", "manager", PASSWORD)


def tried(office: Office, password: str, name: str = "李娜", **form: str):
    return office.browser().post(SIGN_IN, {"name": name, "password": password, **form})


@pytest.mark.usefixtures("lina")
@pytest.mark.parametrize(
    ("next_page", "then"),
    [
        ("/console/queue?page=2", "/console/queue?page=2"),
        ("//evil.example/console/", QUEUE),
        ("https://evil.example/console/queue", QUEUE),
        ("/console/\\evil.example", QUEUE),
        ("/console/queue\r\nset-cookie: a=b", QUEUE),
        ("/v1/predictions", QUEUE),
    ],
)
def test_the_right_password_opens_a_session_and_leads_on_within_the_console(
    office, next_page, then
):
    browser = office.browser()
    form = {"name": "李娜", "password": PASSWORD, "next": next_page}
    answer = browser.post(SIGN_IN, form)
    assert (answer.status_code, answer.headers["location"]) == (303, then)
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert browser.get(QUEUE).status_code == 200


@pytest.mark.usefixtures("lina")
def test_under_tls_the_cookie_is_this_hosts_alone(office):
    browser = office.browser()
    form = {"name": "李娜", "password": PASSWORD}
    secure = HOST.replace("http:", "https:")
    answer = browser.post(f"{secure}{SIGN_IN}", form, origin=secure)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-echelon_session=")
    assert "Path=/; " in cookie
    assert cookie.endswith("; Secure")
    assert browser.get(f"{secure}{QUEUE}").status_code == 200


@pytest.mark.usefixtures("lina")
def test_a_wrong_password_a_wrong_name_and_a_link_only_person_are_told_the_same(office):
    people.local(office.state)
    answers = [
        tried(office, "wrong"),
        tried(office, PASSWORD, "nobody"),
        tried(office, "", "local"),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.text for answer in answers}) == 1
    assert "The name or the password is wrong" in answers[0].text


@pytest.mark.usefixtures("lina")
def test_after_ten_wrong_passwords_even_the_right_one_waits(office):
    assert {tried(office, "wrong").status_code for _ in range(OF_A_NAME)} == {403}
    answer = tried(office, PASSWORD)
    assert answer.status_code == 429
    assert "Try again in 15 minutes" in answer.text
    assert 0 < int(answer.headers["retry-after"]) <= 900
    with office.state.writing() as connection:
        earlier = dt.datetime.now(dt.UTC) - wrong_sign_ins.WINDOW
        connection.execute(sa.update(WRONG_SIGN_INS).values(at=earlier))
    assert tried(office, PASSWORD).status_code == 303


def test_many_names_from_one_address_wait_as_well_and_other_addresses_do_not(office):
    for number in range(OF_AN_ADDRESS):
        assert wrong_sign_ins.begin(office.state, f"name {number}", "192.0.2.7").wait is None
    assert wrong_sign_ins.begin(office.state, "another", "192.0.2.7").wait is not None
    assert wrong_sign_ins.begin(office.state, "another", "192.0.2.8").wait is None


def test_a_right_password_forgets_the_wrong_ones_before_it(office, lina):
    for _ in range(OF_A_NAME - 1):
        tried(office, "wrong")
    assert tried(office, PASSWORD).status_code == 303
    assert tried(office, "wrong").status_code == 403


def test_names_and_passwords_are_not_kept_as_they_were_tried(office, lina):
    tried(office, "typed-into-the-wrong-box", "typed-into-the-wrong-box")
    with office.state.reading() as connection:
        kept = connection.execute(sa.select(WRONG_SIGN_INS.c.subject)).scalars().all()
        (hashed,) = connection.execute(sa.select(people.PEOPLE.c.password_hash)).scalars()
    assert kept
    assert all("typed" not in subject and len(subject) == 64 for subject in kept)
    assert hashed.startswith("$argon2id$")
    assert (SERVED_WITH.memory_cost, SERVED_WITH.time_cost) == (65_536, 3)


def test_signing_in_ends_the_session_that_the_browser_had(office, lina):
    browser = office.browser("admin")
    before = browser.cookies.get(SESSION_COOKIE)
    browser.cookies.set(SESSION_COOKIE, before, domain="localhost.local")
    browser.post(SIGN_IN, {"name": "李娜", "password": PASSWORD})
    assert sessions.holder(office.state, before) is None


def test_signing_out_ends_the_session_at_the_server(office):
    browser = office.browser("manager")
    token = browser.cookies.get(SESSION_COOKIE)
    answer = browser.post("/console/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, SIGN_IN)
    assert sessions.holder(office.state, token) is None
    browser.cookies.set(SESSION_COOKIE, token, domain="localhost.local")
    assert browser.get(QUEUE).status_code == 303


@pytest.mark.parametrize(
    "earlier",
    [{"expires_at": dt.timedelta(hours=12)}, {"seen_at": sessions.IDLE}],
    ids=["too old", "idle"],
)
def test_a_session_ends_when_it_is_old_and_when_nobody_uses_it(office, earlier):
    browser = office.browser("manager")
    assert browser.get(QUEUE).status_code == 200
    (column, ago), *_ = earlier.items()
    with office.state.writing() as connection:
        past = dt.datetime.now(dt.UTC) - ago
        connection.execute(sa.update(SESSIONS).values({column: past}))
    assert browser.get(QUEUE).status_code == 303


def test_a_session_that_is_used_stays(office):
    browser = office.browser("manager")
    with office.state.writing() as connection:
        before = dt.datetime.now(dt.UTC) - sessions.IDLE + dt.timedelta(minutes=5)
        connection.execute(sa.update(SESSIONS).values(seen_at=before))
    assert browser.get(QUEUE).status_code == 200
    with office.state.reading() as connection:
        seen_at = connection.execute(sa.select(SESSIONS.c.seen_at)).scalar_one()
    assert dt.datetime.now(dt.UTC) - seen_at < dt.timedelta(minutes=1)


def test_who_is_disabled_is_out_at_once(office, lina):
    browser = office.browser()
    browser.post(SIGN_IN, {"name": "李娜", "password": PASSWORD})
    assert browser.get(QUEUE).status_code == 200
    people_office.disable(office.config, "李娜")
    assert browser.get(QUEUE).status_code == 303
    assert tried(office, PASSWORD).status_code == 403


def test_another_password_ends_the_sessions_of_the_old_one(office, lina):
    browser = office.browser()
    browser.post(SIGN_IN, {"name": "李娜", "password": PASSWORD})
    people_office.set_password(office.config, "李娜", "another horse battery")
    assert browser.get(QUEUE).status_code == 303
    assert tried(office, PASSWORD).status_code == 403
    assert tried(office, "another horse battery").status_code == 303


def test_a_link_is_used_up_by_its_button_not_by_looking_at_it(office):
    address = people_office.link(office.config)
    _, _, token = address.partition("token=")
    scanner, owner, late = office.browser(), office.browser(), office.browser()
    assert "Open the console" in scanner.get(address).text
    assert owner.get(address).status_code == 200
    answer = owner.post("/console/link", {"token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, QUEUE)
    assert owner.get(QUEUE).status_code == 200
    assert late.post("/console/link", {"token": token}).status_code == 403
    assert late.get(address).status_code == 403


def test_a_link_ends_after_half_an_hour(office):
    address = people_office.link(office.config)
    with office.state.writing() as connection:
        past = dt.datetime.now(dt.UTC) - sessions.LINK_LASTS
        connection.execute(sa.update(SESSIONS).values(expires_at=past))
    assert office.browser().get(address).status_code == 403


def test_a_session_is_no_link_and_a_link_no_session(office):
    _, _, link = people_office.link(office.config).partition("token=")
    assert sessions.holder(office.state, link) is None
    token = office.browser("admin").cookies.get(SESSION_COOKIE)
    assert sessions.use_link(office.state, token) is None
    assert sessions.holder(office.state, token) is not None


def test_coming_and_going_is_in_the_audit_log_by_id_alone(office, lina):
    browser = office.browser()
    tried(office, "wrong")
    browser.post(SIGN_IN, {"name": "李娜", "password": PASSWORD})
    browser.get(QUEUE)
    browser.post("/console/sign-out")
    text = office.audited()
    told = [
        (one["what"], one["key"], one.get("route")) for one in map(json.loads, text.splitlines())
    ]
    assert told == [
        ("sign-in-refused", lina.id, None),
        ("signed-in", lina.id, None),
        ("request", lina.id, "console_queue"),
        ("signed-out", lina.id, None),
        ("request", lina.id, "console_leave"),
    ]
    assert "李娜" not in text
    assert PASSWORD not in text
    assert key_office.verify_audit(office.config).broken_at is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin", "origin": HOST}, 303),
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"origin": HOST}, 303),
        ({}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "none", "origin": HOST}, 403),
        ({"sec-fetch-site": "same-site", "origin": HOST}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "https://evil.example"}, 403),
        ({"origin": "http://localhost:3001"}, 403),
        ({"origin": "http://localhost:3000.evil.example"}, 403),
    ],
)
def test_a_form_is_taken_from_this_sites_own_pages_only(office, headers, status):
    browser = office.browser("manager")
    sent = {"content-type": "application/x-www-form-urlencoded", **headers}
    assert browser.ask("POST", "/console/sign-out", headers=sent).status_code == status
    assert browser.get(QUEUE).status_code == (303 if status == 303 else 200)


def test_the_commands_add_change_and_disable_people_and_show_no_password(office, tmp_path):
    from tests.companies import written

    content = json.loads(office.config.model_dump_json(exclude_unset=True))
    config = str(written(tmp_path, content))
    run = CliRunner().invoke

    def said(*command: str, given: str = "") -> str:
        answer = run(app, ["users", *command, "-c", config], input=given)
        assert answer.exit_code == 0, answer.exception or answer.output
        return answer.output

    for name, role in (("Li Na", "manager"), ("Wu Di", "data_scientist"), ("Wang", "admin")):
        assert "may sign in as" in said("add", name, "--role", role, given=f"{PASSWORD}\n")
    assert people.checked(office.state, "Wu Di", PASSWORD).role == "data_scientist"
    said("password", "Li Na", given="another horse battery\n")
    assert people.checked(office.state, "Li Na", "another horse battery") is not None
    said("disable", "Wu Di")
    shown = said("list")
    assert "argon2" not in shown
    assert PASSWORD not in shown
    assert said("link", "Wang").startswith("http://127.0.0.1:3000/console/link?token=")
    events = [json.loads(line)["what"] for line in office.audited().splitlines()]
    assert events == [*["person-added"] * 3, "password-set", "person-disabled", "link-made"]


@pytest.mark.parametrize(
    ("name", "role", "password", "message"),
    [
        ("Li Na", "manager", "short", "a password needs 12 to 200 letters"),
        ("Li Na", "managr", PASSWORD, "did you mean 'manager'"),
        ("Li Na", "application", PASSWORD, "is no role that signs in"),
        ("", "manager", PASSWORD, "1 to 60 printable letters"),
        ("a\nb", "manager", PASSWORD, "1 to 60 printable letters"),
        ("李娜", "manager", PASSWORD, "somebody named '李娜' already"),
        ("local", "manager", PASSWORD, "choose another name"),
    ],
)
@pytest.mark.usefixtures("lina")
def test_who_cannot_be_added_is_said_why(office, name, role, password, message):
    with pytest.raises(ServiceError, match=message):
        people_office.add(office.config, name, role, password)


def test_a_name_and_a_password_are_the_same_however_they_are_composed(office):
    people.add(office.state, "Jose\u0301", "manager", "cafe\u0301 correct horse")
    assert people.checked(office.state, "Jos\u00e9 ", "caf\u00e9 correct horse") is not None


def test_the_terminal_gets_the_link_and_only_where_nobody_else_can_use_it(office, capsys):
    from serving.endpoint.serve import greet, listen

    with listen("127.0.0.1", 0) as listener:
        greet(office.config, listener, "It answers.")
    shown = capsys.readouterr().out
    (address,) = (line.strip() for line in shown.splitlines() if "token=" in line)
    assert office.browser().get(
        address.partition("3000")[2] or address[address.index("/console") :]
    )
    serving = office.config.serving.model_copy(update={"allowed_hosts": ("echelon.example",)})
    with listen("0.0.0.0", 0) as listener:
        greet(office.config.model_copy(update={"serving": serving}), listener, "It answers.")
    assert "token=" not in capsys.readouterr().out
