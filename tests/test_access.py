"""Who may ask what: keys, roles, customers a key is limited to, pace, and where to listen."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import itertools
import json
import random
import re
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from configs.errors import ServiceError
from configs.load import load
from configs.schema import Config, Stores
from serving.access import key_office, keyring
from serving.access.access import Access
from serving.access.audit_writer import AuditWriter
from serving.access.keyring import KeyRing
from serving.access.keys import create, first_key, listed, revoke
from serving.endpoint.app import app
from serving.endpoint.bind import check_bind
from serving.endpoint.endpoint import Endpoint
from serving.endpoint.gate import Gate, Rules
from serving.endpoint.meters import Meters
from serving.endpoint.problems import ProblemError, in_one
from serving.endpoint.route import PUBLIC, ROLES, Row
from serving.endpoint.routes import ROUTES, TABLE
from serving.endpoint.state import State, open_state

ROW = Row("/x", ("GET",), frozenset({"application"}), "x")
SOON = dt.timedelta(hours=1)


@pytest.fixture
def state(tmp_path) -> Iterator[State]:
    opened = open_state(Stores(root=tmp_path))
    yield opened
    opened.close()


def config_at(root: Path, **serving: Any) -> Config:
    given = load(None, {"ECHELON_STORES__ROOT": str(root)})
    return given.model_copy(update={"serving": given.serving.model_copy(update=serving)})


def bearer(text: str) -> str:
    return f"Bearer {text}"


def refusal_of(ring: KeyRing, authorization: str) -> str | None:
    try:
        ring.holder(authorization)
    except ProblemError as problem:
        return problem.code if problem.headers["WWW-Authenticate"].startswith("Bearer ") else ""
    return None


def test_a_key_has_256_bits_and_only_its_digest_is_kept(state, tmp_path):
    made = create(state, "shop", "application")
    assert re.fullmatch(r"ech_[0-9a-f]{10}_[A-Za-z0-9_-]{43}", made.text)
    secret = made.text[15:].encode()
    state.close()
    for file in tmp_path.glob("state.db*"):
        assert secret not in file.read_bytes()


def test_the_key_that_was_made_comes_in_and_no_other(state):
    one, other = (create(state, name, "application").text for name in ("one", "other"))
    ring = KeyRing(state)
    assert ring.holder(bearer(one)).name == "one"
    assert ring.holder(f"bearer  {other}").name == "other"
    wrong = [
        one[:-1] + ("a" if one[-1] != "a" else "b"),
        one[:15] + other[15:],
        one[:14],
        one + "a",
    ]
    wrong += [one.upper(), f"{one} ", "ech_0000000000_" + "a" * 43, "", "Basic " + one]
    assert {refusal_of(ring, bearer(text)) for text in wrong} == {"key-not-valid"}
    assert refusal_of(ring, one) == "key-not-valid"
    assert refusal_of(ring, "") == "key-missing"


def test_a_header_of_another_form_is_told_apart_from_a_key_that_does_not_hold(state):
    ring = KeyRing(state)
    key = create(state, "one", "application").text
    for header, is_told in ((key, True), (f"Basic {key}", True), (bearer(key[:-2] + "aa"), False)):
        with pytest.raises(ProblemError) as refused:
            ring.holder(header)
        assert ("another form" in in_one(refused.value.detail, "en")) == is_told


def test_a_key_that_expired_is_refused(state, monkeypatch):
    made = create(state, "short", "application", expires_at=dt.datetime.now(dt.UTC) + SOON)
    ring = KeyRing(state)
    assert refusal_of(ring, bearer(made.text)) is None
    assert not made.key.holds_at(dt.datetime.now(dt.UTC) + SOON)
    monkeypatch.setattr(keyring, "dt", SimpleNamespace(UTC=dt.UTC, datetime=Later))
    assert refusal_of(ring, bearer(made.text)) == "key-not-valid"


class Later(dt.datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Later:
        return cls.fromtimestamp(time.time() + 2 * SOON.total_seconds(), tz)


def test_another_process_revokes_and_a_running_one_knows_within_seconds(state, tmp_path):
    made = create(state, "shop", "application")
    ring = KeyRing(state)
    ring.watch()
    assert refusal_of(ring, bearer(made.text)) is None
    elsewhere = open_state(Stores(root=tmp_path))
    revoke(elsewhere, made.key.id)
    later = create(elsewhere, "new", "manager")
    elsewhere.close()
    until = time.monotonic() + 5
    while refusal_of(ring, bearer(made.text)) is None and time.monotonic() < until:
        time.sleep(0.05)
    assert refusal_of(ring, bearer(made.text)) == "key-not-valid"
    assert refusal_of(ring, bearer(later.text)) is None
    ring.stop()
    assert [key.last_used_at is None for key in listed(state)] == [False, False]


def test_a_database_that_fails_for_a_while_keeps_the_keys_known_and_the_watch(state, monkeypatch):
    made = create(state, "shop", "application")
    ring = KeyRing(state)
    failed = threading.Event()

    def failing(state: State) -> tuple[int, int]:
        failed.set()
        raise LookupError

    with monkeypatch.context() as patch:
        patch.setattr(keyring, "LOOK_EVERY_SECONDS", 0.01)
        patch.setattr(keyring, "count", failing)
        ring.watch()
        assert failed.wait(5)
        assert refusal_of(ring, bearer(made.text)) is None
    revoke(state, made.key.id)
    until = time.monotonic() + 5
    while refusal_of(ring, bearer(made.text)) is None and time.monotonic() < until:
        time.sleep(0.01)
    assert refusal_of(ring, bearer(made.text)) == "key-not-valid"
    ring.stop()


def test_who_cannot_be_revoked_and_which_role_there_is_not_is_said(state):
    with pytest.raises(ServiceError, match="no key 'nobody' to revoke"):
        revoke(state, "nobody")
    with pytest.raises(ServiceError, match="'boss' is no role; known: admin, application"):
        create(state, "x", "boss")
    for name in ("", "a\nb", "a" * 101):
        with pytest.raises(ServiceError, match="needs a name"):
            create(state, name, "admin")
    with pytest.raises(ServiceError, match="which is past"):
        create(state, "x", "admin", expires_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))


def test_a_check_costs_microseconds(state):
    made = [create(state, str(i), "application").text for i in range(50)]
    ring = KeyRing(state)
    begun = time.process_time()
    for text in made * 20:
        ring.holder(bearer(text))
    assert (time.process_time() - begun) / 1000 < 200e-6


def test_the_first_start_makes_one_key_that_its_owner_alone_reads(tmp_path):
    config = config_at(tmp_path)
    assert key_office.key_file(config) is None
    for _ in range(2):
        key_office.prepare_start(config, "127.0.0.1")
    file = tmp_path / "first.key"
    assert key_office.key_file(config) == file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (key,) = key_office.listed(config)
    assert key.role == "application"
    state = open_state(config.stores)
    assert KeyRing(state).holder(bearer(file.read_text().strip())) == key
    state.close()


def test_where_there_is_a_key_none_is_made(state, tmp_path):
    create(state, "ours", "admin")
    assert first_key(state, tmp_path) is None
    assert not (tmp_path / "first.key").exists()


def test_a_key_that_asks_too_often_waits_and_others_do_not(state):
    one, other = (create(state, name, "application").text for name in ("one", "other"))
    access = Access(KeyRing(state), requests_per_minute=3)
    for _ in range(3):
        access({}, ROW, bearer(one))
    with pytest.raises(ProblemError) as refused:
        access({}, ROW, bearer(one))
    assert (refused.value.code, refused.value.kind.status) == ("too-many-requests", 429)
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 60
    access({}, ROW, bearer(other))


async def sent(gate: Any, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
    """Return status and body of one request, sent to the ASGI app without a client between."""
    answer: list[Any] = []
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    plain, _, query = path.partition("?")
    scope = {
        "type": "http", "method": method, "path": plain, "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-length", b"%d" % len(body)), *raw],
    }  # fmt: skip

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        answer.append(message)

    await gate(scope, receive, send)
    return answer[0]["status"], b"".join(part["body"] for part in answer[1:])


async def passed(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


MATRIX = [(row, method) for row in ROUTES for method in row.methods]


def test_every_route_answers_the_roles_of_its_row_and_nobody_else(state, tmp_path):
    shown = {role: {"authorization": bearer(create(state, role, role).text)} for role in ROLES}
    shown |= {"nobody": {}, "liar": {"authorization": "Bearer ech_0000000000_" + "a" * 43}}
    access = Access(KeyRing(state), requests_per_minute=10**6)
    gate = Gate(passed, Rules(TABLE, config_at(tmp_path).serving), access, lambda code: None)

    async def statuses() -> dict[tuple[str, str, str], int]:
        return {
            (row.name, method, who): (await ask(gate, row, method, headers))[0]
            for (row, method), (who, headers) in itertools.product(MATRIX, shown.items())
        }

    found = asyncio.run(statuses())
    assert len(found) == len(MATRIX) * (len(ROLES) + 2)
    for (row, method), who in itertools.product(MATRIX, shown):
        is_in = row.roles == PUBLIC or who in row.roles
        expected = 200 if is_in else 403 if who in ROLES else 401
        assert found[row.name, method, who] == expected, (row.path, method, who)


async def ask(gate: Any, row: Row, method: str, headers: dict[str, str]) -> Any:
    path = re.sub(r"\{[^}]*\}", "x", row.path)
    media_type = {} if row.body is None else {"content-type": row.body.media_types[0]}
    return await sent(gate, method, path, headers | media_type, b"{}")


class EverybodysData:
    """A publication that answers about anybody at all, and remembers whom it was asked about."""

    as_of = dt.date(2026, 6, 30)
    zone = ZoneInfo("Asia/Shanghai")
    contract = None

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.publication = SimpleNamespace(find=self.find)
        self.publication.find_texts = self.texts_by_id

    def texts_by_id(self, customer_ids: Any) -> dict[str, str]:
        self.asked += customer_ids
        return dict.fromkeys(customer_ids, '{"secret":1}')

    explained_by_id = texts_by_id

    def find(self, customer_id: str) -> None:
        self.asked.append(customer_id)
        raise AssertionError

    def texts_by_records(self, records: Any, as_of: dt.date) -> list[str]:
        self.asked += [row.customer_id for row in records.customers]
        return ['{"secret":1}'] * len(records.customers)

    explained_by_records = texts_by_records


PATTERNS = ("SH-*", "HZ-0?", "[AB]1")
INSIDE = ("SH-1", "SH-", "HZ-07", "A1")


def outside(draw: random.Random) -> str:
    """Return an id near the patterns that none of them matches."""
    near = ["sh-1", "SH", " SH-1", "HZ-0", "HZ-077", "HZ-1a", "C1", "A11", "BJ-4", "*", "SH*", ".."]
    letters = "SH-Z01AB客/*?[]\"'%_\\ "
    while True:
        start = draw.choice([*near, "", "", "", "", "", ""])
        made = start + "".join(draw.choices(letters, k=draw.randrange(4) + (start == "")))
        if not re.fullmatch(r"(SH-.*)|(HZ-0.)|([AB]1)", made):
            return made


def probes(n: int) -> Iterator[tuple[str, bytes]]:
    """Yield questions about customers outside, some beside those inside, over all routes."""
    draw = random.Random(20261122)
    order = {"event": "order", "amount": 3}
    for _ in range(n):
        who, friend = outside(draw), draw.choice(INSIDE)
        mixed = draw.sample([{"customer_id": who}, {"customer_id": friend}], 2)
        sale = {"customer_id": who, "occurred_at": "2026-06-01", "amount": 3}
        records = draw.choice([
            {"customers": [{"customer_id": who}]}, {"customers": mixed},
            {"customers": [{"customer_id": friend}], "transactions": [sale]},
            {"snapshot": [{"customer_id": who}]}, {"snapshot": [{"id": who}]},
        ])  # fmt: skip
        path, document = draw.choice([
            ("/v1/predictions", {"customer_ids": [who]}),
            ("/v1/predictions", {"records": records}),
            ("/v1/explanations", {"customer_ids": [who]}),
            ("/v1/explanations", {"records": records}),
            ("/v1/what-if", {"customer_id": who, "events": [order]}),
            ("/v1/what-if", {"records": records, "events": [order]}),
            ("/v1/tier-paths", {"customer_id": who}),
            ("/v1/tier-paths", {"records": records}),
            (f"/v1/customers/{who}/tier-history", {}),
        ])  # fmt: skip
        yield path, json.dumps(document).encode()


NOT_ABOUT_CUSTOMERS = {"model", "metrics"}
OF_JOBS = {"create_job", "jobs", "job", "job_results", "end_job"}
"""Asked from outside in ``tests/test_job_rows.py``, by other keys in ``test_job_pages.py``."""


def test_every_route_about_customers_is_among_those_probed():
    probed = {row.name for path, _ in probes(500) for row in (TABLE.at(path) or {}).values()}
    asked_with_a_key = {row.name for row in ROUTES if row.roles != PUBLIC}
    assert asked_with_a_key - NOT_ABOUT_CUSTOMERS - OF_JOBS == probed


def endpoint_over(served: Any, state: State, root: Path) -> Gate:
    config, ring = config_at(root), KeyRing(state)
    current: Any = SimpleNamespace(served=served)
    meters: Any = contextlib.nullcontext(Meters()).enter_result
    access = Access(ring, requests_per_minute=10**9)
    answering = app(
        Endpoint(config, current, meters, state, ring, AuditWriter(config.stores, state))
    )
    return Gate(answering, Rules(TABLE, config.serving), access, lambda code: None)


@pytest.mark.slow
def test_ten_thousand_questions_about_customers_outside_a_key_are_not_answered(state, tmp_path):
    text = create(state, "Shanghai", "application", PATTERNS).text
    headers = {"authorization": bearer(text), "content-type": "application/json"}
    served = EverybodysData()
    gate = endpoint_over(served, state, tmp_path)

    async def all_answers() -> list[tuple[int, bytes]]:
        return [
            await sent(gate, "GET" if path.endswith("history") else "POST", path, headers, body)
            for path, body in probes(10_000)
        ]

    answers = asyncio.run(all_answers())
    assert len(answers) == 10_000
    assert {status for status, _ in answers} == {404}
    assert not any(b"secret" in body for _, body in answers)
    assert served.asked == []


def test_of_several_only_those_inside_are_answered_and_the_others_are_not_found(state, tmp_path):
    text = create(state, "Shanghai", "application", PATTERNS).text
    headers = {"authorization": bearer(text), "content-type": "application/json"}
    served = EverybodysData()
    gate = endpoint_over(served, state, tmp_path)
    body = json.dumps({"customer_ids": ["BJ-1", *INSIDE, "sh-1"]}).encode()
    status, answer = asyncio.run(sent(gate, "POST", "/v1/predictions", headers, body))
    found = json.loads(answer)
    assert (status, len(found["predictions"])) == (200, len(INSIDE))
    assert [one["customer_id"] for one in found["not_found"]] == ["BJ-1", "sh-1"]
    assert served.asked == list(INSIDE)


OPEN = {"tls_certificate": Path("cert.pem"), "tls_key": Path("key.pem")}


@pytest.mark.parametrize(
    ("serving", "roles", "missing"),
    [
        ({}, [], ["tls_certificate", "allowed_hosts", "--role admin"]),
        ({"allowed_hosts": ("scores.example.org",)}, ["admin"], ["tls_certificate"]),
        (OPEN, ["application", "admin"], ["allowed_hosts"]),
        (OPEN | {"allowed_hosts": ("scores.example.org",)}, ["manager"], ["--role admin"]),
    ],
)
def test_others_come_in_only_with_tls_a_host_name_and_an_admin(tmp_path, serving, roles, missing):
    settings = config_at(pair(tmp_path), **at(tmp_path, serving)).serving
    with pytest.raises(ServiceError) as refused:
        check_bind(settings, "0.0.0.0", roles)
    every = {"tls_certificate", "allowed_hosts", "--role admin"}
    assert {word for word in every if word in str(refused.value)} == set(missing)


def test_with_all_three_others_come_in_and_this_machine_needs_none(tmp_path):
    pair(tmp_path)
    serving = at(tmp_path, OPEN) | {"allowed_hosts": ("localhost", "scores.example.org")}
    check_bind(config_at(tmp_path, **serving).serving, "0.0.0.0", ["admin"])
    check_bind(config_at(tmp_path).serving, "::1", [])


@pytest.mark.parametrize("is_there", [False, True])
def test_a_certificate_that_cannot_be_used_is_said_and_no_pass_phrase_asked_for(tmp_path, is_there):
    if is_there:
        pair(tmp_path, serialization.BestAvailableEncryption(b"hunter2"))
    serving = config_at(tmp_path, **at(tmp_path, OPEN)).serving
    with pytest.raises(ServiceError, match=r"cert\.pem .* cannot be used .*PEM files of one pair"):
        check_bind(serving, "127.0.0.1", [])


def at(folder: Path, serving: dict[str, Any]) -> dict[str, Any]:
    return {k: folder / v if isinstance(v, Path) else v for k, v in serving.items()}


def pair(
    folder: Path,
    secret: serialization.KeySerializationEncryption = serialization.NoEncryption(),  # noqa: B008
) -> Path:
    """Write a certificate that signs itself, for localhost, and return the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(7)
        .not_valid_before(now - SOON).not_valid_after(now + SOON)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, secret))
    return folder


def test_the_guide_says_what_each_role_may():
    guide = (Path(__file__).parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
    order = re.findall(r"^\| `(\w+)` \| ", guide.partition("| role | may |")[2], re.M)[:4]
    may = [{row.name for row in ROUTES if role in row.roles} for role in order]
    assert order == ["manager", "application", "data_scientist", "admin"]
    assert may[1] - may[0] == OF_JOBS
    assert may[2] - may[1] == {"metrics"}
    assert may[3] == may[2]
    assert may[0] < may[1] < may[2]


def test_the_document_is_made_once_for_what_is_served(state, tmp_path):
    config, ring = config_at(tmp_path), KeyRing(state)
    writer = AuditWriter(config.stores, state)
    one: Any = EverybodysData()
    other: Any = EverybodysData()
    nothing: Any = None
    endpoint = Endpoint(config, nothing, nothing, state, ring, writer)
    made: list[bytes] = []

    def make() -> bytes:
        made.append(b"%d" % len(made))
        return made[-1]

    async def asked() -> list[bytes]:
        together = await asyncio.gather(*(endpoint.once(one, make) for _ in range(5)))
        return [*together, await endpoint.once(other, make), await endpoint.once(other, make)]

    assert asyncio.run(asked()) == [b"0"] * 5 + [b"1"] * 2
