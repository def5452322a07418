"""Webhooks as an application receives them: signed, once each by id, tried again for a day."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import io
import json
import random
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError
from rich.console import Console

from configs.errors import ConfigError, ServiceError
from configs.files import make_live
from configs.load import secret_text
from configs.schema import Stores
from configs.service import Webhook
from serving.endpoint.state import State, open_state
from serving.jobs.background import alone
from serving.jobs.beside import WEBHOOKS_LOCK
from serving.jobs.outbox import Outbox
from serving.jobs.posting import Posting
from serving.jobs.tier_events import churn_alerts, messages, tier_changes
from serving.jobs.webhook_sender import announce, send_due, send_once
from serving.jobs.webhook_work import has_work
from serving.jobs.webhooks import ATTEMPTS_AT_MOST, LONGEST_WAIT, secrets_in, wait_after
from serving.jobs.webhooks_shown import render, standings
from serving.scores.publication import Publication, open_publication
from serving.scores.publish import publish_matrix
from tests.small_bundle import job_in, matrix_of

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OLDER = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
N = 300


class Receiver:
    """An application on this machine: answers as it is told, keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.paths: list[str] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append((headers, body))
                receiver.paths.append(self.path)
                status = receiver.statuses.pop(0) if receiver.statuses else 204
                self.send_response(status)
                self.send_header("location", f"{receiver.url}/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def state(empty_state: Path, tmp_path: Path) -> Iterator[State]:
    shutil.copy(empty_state, tmp_path)
    opened = open_state(Stores(root=tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def outbox(state: State) -> Outbox:
    return Outbox(state)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> tuple[Publication, Publication]:
    """Two days: customers come and go, tiers and churn change."""
    job = job_in(tmp_path_factory.mktemp("published"))
    before = matrix_of(N, day=20_000, seed=5).slice(0, N - 10)
    old = open_publication(publish_matrix(job, before))
    new = open_publication(publish_matrix(job, matrix_of(N, day=20_060).slice(10)))
    return old, new


def webhook(folder: Path, url: str, **more: Any) -> Webhook:
    secret = folder / "crm.secret"
    secret.write_text(f"{SECRET}\n{OLDER}\n")
    given = {"name": "crm", "url": url, "events": ["tier.changed", "churn.alert"]}
    return Webhook(**(given | {"secret_file": secret} | more))


def verified(headers: dict[str, str], body: bytes, secret: str) -> dict[str, Any]:
    """Return the event as a receiver takes it, checked as the specification tells."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join(
        (headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body)
    )
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert expected in headers["webhook-signature"].split()
    age = dt.datetime.now(dt.UTC).timestamp() - int(headers["webhook-timestamp"])
    assert 0 <= age < 300
    return dict(json.loads(body))


def tiers_in(publication: Publication) -> dict[str, str]:
    scores = publication.scores()
    return dict(zip(*(scores[name].to_pylist() for name in ("customer_id", "tier")), strict=True))


def told_of_both(outbox: Outbox, hook: Webhook, published: tuple[Publication, ...]) -> int:
    now = dt.datetime.now(dt.UTC)
    return sum(announce(outbox, [hook], one, now) for one in published)


def send(outbox: Outbox, hook: Webhook) -> dict[str, int]:
    with Posting() as posting:
        return dict(send_due(outbox, [hook], posting, random.Random(0)))


def make_due(outbox: Outbox, state: State) -> None:
    """Let all the waiting pass."""
    from serving.jobs.outbox import OUTBOX

    with state.writing() as connection:
        connection.execute(OUTBOX.update().values(due_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)))


def test_every_customer_in_another_tier_is_told_once_signed_by_each_secret(
    tmp_path, receiver, outbox, published
):
    hook = webhook(tmp_path, receiver.url)
    n = told_of_both(outbox, hook, published)
    assert send(outbox, hook) == {"delivered": n}
    assert send(outbox, hook) == {}
    for secret in (SECRET, OLDER):
        events = [verified(*got, secret) for got in receiver.got]
    tiers = [tiers_in(publication) for publication in published]
    moved = {one for one in tiers[0] if one in tiers[1] and tiers[0][one] != tiers[1][one]}
    found = [
        one
        for event in events
        if event["type"] == "tier.changed"
        for one in event["data"]["customers"]
    ]
    assert len(moved) > 100
    assert sorted(one["customer_id"] for one in found) == sorted(moved)
    for one in found:
        customer_id = one["customer_id"]
        assert one["tier"] == {"before": tiers[0][customer_id], "now": tiers[1][customer_id]}
    assert all(len(event["data"]["customers"]) <= 100 for event in events)
    assert {event["data"]["publication"] for event in events} == {published[1].manifest.id}


def test_a_failing_receiver_gets_the_same_message_again_and_nothing_is_lost(
    tmp_path, receiver, outbox, state, published
):
    hook = webhook(tmp_path, receiver.url)
    n = told_of_both(outbox, hook, published)
    receiver.statuses = [500, 503, 302, 429]
    for _ in range(4):
        send(outbox, hook)
        make_due(outbox, state)
    assert send(outbox, hook).get("failed", 0) == 0
    assert len(set(receiver.ids)) == n
    assert len(receiver.ids) == n + 4
    bodies = {headers["webhook-id"]: body for headers, body in receiver.got}
    assert all(bodies[headers["webhook-id"]] == body for headers, body in receiver.got)
    assert outbox.standing("crm").counts == {"delivered": n}


def test_a_receiver_that_is_away_is_left_alone_with_all_its_messages(
    tmp_path, receiver, outbox, published
):
    hook = webhook(tmp_path, receiver.url)
    told_of_both(outbox, hook, published)
    receiver.statuses = [503] * 10
    assert send(outbox, hook) == {"failed": 1}
    assert len(receiver.got) == 1
    standing = outbox.standing("crm")
    assert standing.last_outcome == "status 503"
    assert standing.due_at > dt.datetime.now(dt.UTC)


def test_redirects_are_not_followed_and_a_closed_port_is_a_failure_like_others(
    tmp_path, receiver, outbox, published
):
    hook = webhook(tmp_path, receiver.url, events=["churn.alert"], churn_alert_at=0.9)
    told_of_both(outbox, hook, published)
    receiver.statuses = [307]
    send(outbox, hook)
    assert receiver.got
    assert "/elsewhere" not in receiver.paths
    closed = hook.model_copy(update={"url": "http://127.0.0.1:9"})
    assert set(send(outbox, closed)) <= {"failed"}


@pytest.fixture
def dripping() -> Iterator[str]:
    """The address of a receiver that answers a byte at a time, and never ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                while not ended.wait(0.02):
                    connection.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        thread.join()


def test_a_receiver_that_drips_its_answer_is_given_up_in_time(dripping):
    with Posting(seconds=0.3) as posting:
        begun = time.monotonic()
        assert posting.post(dripping, b"{}", {}) == (None, None, "TimeoutError")
        assert time.monotonic() - begun < 2


def test_after_the_last_attempt_a_message_is_given_up_and_kept_in_mind(
    tmp_path, receiver, outbox, state, published
):
    hook = webhook(tmp_path, receiver.url, events=["churn.alert"], churn_alert_at=0.9)
    n = told_of_both(outbox, hook, published)
    assert n > 0
    receiver.statuses = [400] * n * ATTEMPTS_AT_MOST
    for _ in range(ATTEMPTS_AT_MOST):
        send(outbox, hook)
        make_due(outbox, state)
    assert outbox.standing("crm").counts == {"given_up": n}
    assert send(outbox, hook) == {}


def test_a_new_subscription_is_told_of_nothing_and_a_publication_taken_back_is_told_again(
    tmp_path, outbox, published
):
    hook = webhook(tmp_path, "http://localhost:1")
    now = dt.datetime.now(dt.UTC)
    old, new = published
    written = [announce(outbox, [hook], one, now) for one in (old, new, new, old, new)]
    assert written[0] == written[2] == 0
    assert written[1] == written[4] > 0
    assert outbox.standing("crm").counts == {"waiting": sum(written)}


def test_who_announces_at_once_announces_once(tmp_path, outbox, published):
    hook = webhook(tmp_path, "http://localhost:1")
    old, new = published
    now = dt.datetime.now(dt.UTC)
    announce(outbox, [hook], old, now)
    before = outbox.told("crm")
    found = list(messages("crm", 0, hook.events, None, old, new))
    assert found == list(messages("crm", 0, hook.events, None, old, new))
    assert outbox.tell("crm", new.manifest.id, found, before, now) == len(found)
    assert outbox.tell("crm", new.manifest.id, found, before, now) == 0


def test_a_subscription_that_is_no_more_leaves_nothing_behind(tmp_path, outbox, published):
    hook = webhook(tmp_path, "http://localhost:1")
    told_of_both(outbox, hook, published)
    outbox.sweep([], dt.datetime.now(dt.UTC))
    assert outbox.told("crm") is None
    assert outbox.next_due(["crm"]) is None


def test_where_no_endpoint_runs_the_command_tells_and_sends_and_shows_how_it_stands(
    tmp_path, receiver, published
):
    store = published[0].folder.parent
    config = job_in(store.parent).config
    assert config.stores.publications == store
    config = config.model_copy(update={"webhooks": (webhook(tmp_path, receiver.url),)})
    make_live(store, published[0].manifest.id)
    assert send_once(config) == {}
    make_live(store, published[1].manifest.id)
    receiver.statuses = [500]
    assert send_once(config) == {"failed": 1}
    with alone(config.stores.root / WEBHOOKS_LOCK), pytest.raises(ServiceError, match="another"):
        send_once(config)
    found = standings(config)
    told, standing = found["crm"]
    assert told == published[1].manifest.id
    console = Console(width=200, file=io.StringIO())
    console.print(render(found, "en"))
    shown = console.file.getvalue()
    assert f"│ {standing.counts['waiting']} " in shown
    assert "status 500" in shown


def scores(churn: dict[str, float], tier: dict[str, str | None]) -> pa.Table:
    return pa.table(
        {
            "customer_id": list(churn),
            "tier": pa.array([tier.get(one) for one in churn], pa.string()),
            "clv_expected": [1.0] * len(churn),
            "churn_probability": pa.array(churn.values(), pa.float64()),
            "churn_band": ["low"] * len(churn),
        }
    )


def test_an_alert_is_a_crossing_and_first_sight_counts_as_below():
    before = scores({"stays": 0.7, "crosses": 0.5, "falls": 0.9, "gone": 0.9}, {})
    now = scores({"stays": 0.9, "crosses": 0.6, "falls": 0.1, "new": 0.8, "calm": 0.1}, {})
    alerts = churn_alerts(before, now, 0.6)
    assert [one["customer_id"] for one in alerts] == ["crosses", "new"]
    assert [one["churn_probability"]["before"] for one in alerts] == [0.5, None]


def test_a_tier_changes_only_from_one_tier_to_another():
    churn = dict.fromkeys(("moves", "stays", "had_none", "has_none"), 0.1)
    before = scores(churn, {"moves": "low", "stays": "vip", "has_none": "vip"})
    now = scores(churn | {"new": 0.1}, {"moves": "vip", "stays": "vip", "had_none": "low"})
    (change,) = tier_changes(before, now)
    assert (change["customer_id"], change["tier"]) == ("moves", {"before": "low", "now": "vip"})


def test_there_is_work_where_somebody_is_to_be_told_of_what_all_workers_serve(
    tmp_path, outbox, published
):
    hook = webhook(tmp_path, "http://localhost:1")
    config = job_in(tmp_path).config
    assert not has_work(config, outbox, "p2", "p2")
    config = config.model_copy(update={"webhooks": (hook,)})
    assert has_work(config, outbox, "p2", "p2")
    assert not has_work(config, outbox, "p1", "p2")
    told_of_both(outbox, hook, published)
    assert has_work(config, outbox, None, None)


def test_waits_grow_to_hours_and_differ_but_are_never_shorter_than_asked():
    chance = random.Random(0)
    waits = [wait_after(n, chance) for n in range(1, ATTEMPTS_AT_MOST)]
    assert all(later > wait * 1.5 for wait, later in pairwise(waits[:7]))
    assert max(waits) < LONGEST_WAIT * 1.3
    assert sum(waits, dt.timedelta()) > dt.timedelta(hours=20)
    assert wait_after(1, chance) != wait_after(1, chance)
    assert wait_after(1, chance, asked=600) >= dt.timedelta(minutes=10)
    assert wait_after(1, chance, asked=1e9) <= LONGEST_WAIT


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("https://crm.example/hooks", True),
        ("http://localhost:8000/x", True),
        ("http://127.0.0.1/x", True),
        ("http://crm.example/hooks", False),
        ("https://user:word@crm.example/", False),
        ("ftp://crm.example/", False),
        ("https:///x", False),
    ],
)
def test_webhooks_go_to_https_or_to_this_machine(tmp_path, url, is_taken):
    if is_taken:
        assert webhook(tmp_path, url).url == url
    else:
        with pytest.raises(ValidationError):
            webhook(tmp_path, url)


def test_a_secret_comes_from_a_file_or_the_environment_and_is_never_repeated(tmp_path):
    assert secret_text(None, "CRM", {"CRM": SECRET}) == SECRET
    for text in ("", "whsec_dG9vc2hvcnQ=", "s3cret-s3cret-s3cret-s3cret-s3cret"):
        with pytest.raises(ConfigError) as refused:
            secrets_in(text)
        assert "s3cret" not in str(refused.value)
    with pytest.raises(ConfigError, match="CRM with a secret is not set"):
        secret_text(None, "CRM", {})
    with pytest.raises(ConfigError, match=r"no\.secret cannot be read"):
        secret_text(tmp_path / "no.secret", None)
    with pytest.raises(ValidationError):
        webhook(tmp_path, "https://a.example", secret_variable="CRM")
