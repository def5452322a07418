"""Batch jobs, histories and webhooks over HTTP, as an application meets them."""

from __future__ import annotations

import base64
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs.files import make_live
from configs.load import load
from configs.schema import Config
from serving.endpoint.state import open_state
from serving.jobs.beside import RUNNER
from serving.jobs.job_replies import (
    ChurnAlertEvent,
    JobReply,
    JobsReply,
    RowResult,
    TierChangedEvent,
    TierHistory,
)
from serving.jobs.outbox import Outbox
from serving.scores.publication import Publication, open_live
from tests.companies import own_copy
from tests.test_api import ECHELON_SERVE, Company, Running, raw_records, refusal, start
from tests.test_webhooks import Receiver, verified

pytestmark = pytest.mark.slow

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
NDJSON = {"content-type": "application/x-ndjson"}
PARQUET = "application/vnd.apache.parquet"
JOBS = "/v1/jobs"


@dataclass(frozen=True)
class Shop:
    """The small company with a store of its own, two publications, and a webhook."""

    company: Company
    receiver: Receiver
    outbox: Outbox

    @property
    def config(self) -> Config:
        return self.company.config

    @property
    def told(self) -> str | None:
        told = self.outbox.told("crm")
        return None if told is None else told.publication

    @property
    def waiting(self) -> int:
        return self.outbox.standing("crm").counts.get("waiting", 0)

    @property
    def live(self) -> Publication:
        return open_live(self.config.stores.publications)


@pytest.fixture(scope="module")
def shop(returning_company, tmp_path_factory) -> Iterator[Shop]:
    root = tmp_path_factory.mktemp("shop")
    receiver = Receiver()
    (root / "crm.secret").write_text(SECRET)
    hook = {"name": "crm", "url": receiver.url, "events": ["tier.changed", "churn.alert"]}
    hook |= {"secret_file": str(root / "crm.secret"), "churn_alert_at": 0.5}
    changes = {"serving": {"jobs": {"waiting_at_most": 4}}, "webhooks": [hook]}
    path = own_copy(returning_company, root, changes)
    config = load(path, {})
    state = open_state(config.stores)
    records = config.stores.records / open_live(config.stores.publications).manifest.records
    yield Shop(Company(config, path, records), receiver, Outbox(state))
    state.close()
    receiver.close()


@pytest.fixture(scope="module")
def running(shop, tmp_path_factory) -> Iterator[Running]:
    service = start(shop.company, tmp_path_factory.mktemp("serve") / "log", ECHELON_SERVE)
    yield service
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(30) in (0, 143)
    assert "Traceback" not in service.log.read_text()


@pytest.fixture(scope="module")
def client(running, shop) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=60, headers=shop.company.headers) as client:
        yield client


def lines(*documents: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


def created(client: httpx.Client, rows: bytes, **headers: str) -> str:
    response = client.post(JOBS, content=rows, headers=NDJSON | headers)
    assert response.status_code == 202, response.text
    job = JobReply.model_validate_json(response.text)
    assert (job.state, response.headers["location"]) == ("queued", f"{JOBS}/{job.id}")
    return response.headers["location"]


def done(client: httpx.Client, address: str) -> JobReply:
    for _ in range(1_200):
        job = JobReply.model_validate_json(client.get(address).text)
        if job.state not in ("queued", "running"):
            return job
        time.sleep(0.1)
    raise AssertionError(job)


def results(client: httpx.Client, address: str) -> list[str]:
    response = client.get(f"{address}/results")
    assert response.headers["content-type"].startswith("application/x-ndjson")
    for line in response.text.splitlines():
        RowResult.model_validate_json(line)
    return response.text.splitlines()


def test_a_job_answers_to_the_byte_what_http_answers_and_a_bad_row_fails_alone(client, shop):
    customer_ids = shop.live.scores()["customer_id"].to_pylist()
    sent = [raw_records(shop.company, [one], shop.live.manifest.as_of) for one in customer_ids[:40]]
    raw = [{"records": records} for records in sent]
    by_id = [{"customer_id": one} for one in customer_ids]
    bad = [{"customer_id": "nobody"}, {"customer_id": 7}, {"customer": "x"}]
    rows = lines(*by_id[:300], *raw, *bad) + b'{"customer_id": NaN}\n' + lines(*by_id[300:])
    address = created(client, rows)
    job = done(client, address)
    n = len(customer_ids) + len(raw)
    assert (job.state, job.failure) == ("succeeded", None)
    assert job.rows.model_dump() == {"total": n + 4, "done": n + 4, "ok": n, "error": 4}
    assert (job.publication, job.as_of) == (shop.live.manifest.id, shop.live.manifest.as_of)
    found = results(client, address)
    told = [json.loads(line) for line in found]
    assert [one["row"] for one in told] == list(range(1, n + 5))
    errors = [one["error"] for one in told if one["status"] == "error"]
    assert [error["code"] for error in errors] == [
        *("unknown-customer", "invalid-request", "invalid-request", "not-finite-number"),
    ]
    assert [error["pointer"] for error in errors] == [
        "/customer_id",
        "/customer_id",
        "/customer",
        "/customer_id",
    ]
    asked = client.post("/v1/predictions", json={"customer_ids": customer_ids}).text
    sent_raw = [client.post("/v1/predictions", json=row).text for row in raw[:3]]
    for line, one in zip(found, told, strict=True):
        if one["status"] == "ok":
            answer = line.partition('"prediction":')[2][:-1]
            assert answer in asked
    for line, text in zip(found[300:303], sent_raw, strict=True):
        assert line.partition('"prediction":')[2][:-1] in text
    table = client.get(f"{address}/results", headers={"accept": PARQUET})
    assert table.headers["content-type"] == PARQUET
    predictions = pq.read_table(pa.BufferReader(table.content))["prediction"].to_pylist()
    assert [one and json.loads(one) for one in predictions] == [
        one.get("prediction") for one in told
    ]
    assert refusal(client.get(f"{address}/results", headers={"accept": "text/html"})).status == 406


def test_parquet_goes_in_as_ndjson_does(client, shop):
    customer_ids = shop.live.examples(3)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"customer_id": customer_ids}), sink)
    response = client.post(
        JOBS, content=sink.getvalue().to_pybytes(), headers={"content-type": PARQUET}
    )
    address = response.headers["location"]
    assert done(client, address).rows.ok == 3
    assert [json.loads(line)["customer_id"] for line in results(client, address)] == customer_ids
    broken = client.post(JOBS, content=b"PAR1 no PAR1", headers={"content-type": PARQUET})
    job = done(client, broken.headers["location"])
    assert job.state == "failed"
    assert job.failure is not None
    assert "no whole Parquet file" in job.failure.en
    assert refusal(client.get(f"{JOBS}/{job.id}/results")).code == "job-without-results"


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"", NDJSON, "no-rows"),
        (b"no parquet", {"content-type": PARQUET}, "not-parquet"),
        (b"{}", {"content-type": "application/json"}, "media-type-not-accepted"),
        (b"{}\n", NDJSON | {"idempotency-key": "x" * 256}, "invalid-idempotency-key"),
    ],
)
def test_what_is_no_job_is_refused(client, shop, body, headers, code):
    assert refusal(client.post(JOBS, content=body, headers=headers)).code == code
    assert not [one for one in shop.config.stores.jobs.glob("job_*") if not any(one.iterdir())]


def test_a_finished_job_is_removed_and_a_waiting_one_cancelled(client, shop):
    rows = lines({"customer_id": shop.live.examples(1)[0]})
    address = created(client, rows)
    done(client, address)
    listed = JobsReply.model_validate_json(client.get(JOBS, params={"limit": 1}).text)
    assert [f"{JOBS}/{job.id}" for job in listed.jobs] == [address]
    assert client.delete(address).status_code == 204
    assert refusal(client.get(address)).code == "unknown-job"
    assert not (shop.config.stores.jobs / address.rpartition("/")[2]).exists()
    waiting = created(client, rows * 20_000)
    response = client.delete(waiting)
    assert JobReply.model_validate_json(response.text).state == "cancelled"
    assert refusal(client.get(f"{waiting}/results")).code == "job-without-results"


def test_the_same_key_makes_one_job_however_often_and_by_however_many(client, shop):
    rows = lines({"customer_id": shop.live.examples(1)[0]})
    key = {"idempotency-key": '"order-4711"'}
    answers: list[httpx.Response] = []

    def send() -> None:
        answers.append(client.post(JOBS, content=rows, headers=NDJSON | key))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    send()
    taken = [one for one in answers if one.status_code == 202]
    assert {one.headers["location"] for one in taken} == {taken[0].headers["location"]}
    assert len({one.text for one in taken}) == 1
    assert [one.headers.get("idempotency-replayed") for one in taken].count(None) == 1
    assert answers[-1].headers["idempotency-replayed"] == "true"
    others = {refusal(one).code for one in answers if one.status_code != 202}
    assert others <= {"request-in-flight"}
    again = client.post(JOBS, content=rows + rows, headers=NDJSON | key)
    assert refusal(again).code == "idempotency-key-reused"
    done(client, taken[0].headers["location"])


def test_a_killed_runner_leaves_no_job_running_for_ever(client, shop, running):
    rows = lines(*({"customer_id": one} for one in shop.live.scores()["customer_id"].to_pylist()))
    address = created(client, rows * 200)
    for _ in range(1_200):
        if client.get(address).json()["state"] == "running":
            break
        time.sleep(0.05)
    os.kill(runner_of(running), signal.SIGKILL)
    client.delete(address)
    second = created(client, rows)
    assert client.get(address).json()["state"] == "cancelled"
    assert done(client, second).rows.ok == len(rows.splitlines())


def runner_of(running: Running) -> int:
    children = psutil.Process(running.process.pid).children(recursive=True)
    return next(one.pid for one in children if RUNNER in one.cmdline())


def test_the_runner_is_of_the_lowest_priority(client, shop, running):
    created_at = created(client, lines({"customer_id": shop.live.examples(1)[0]}))
    done(client, created_at)
    assert os.getpriority(os.PRIO_PROCESS, runner_of(running)) == 19


def test_a_history_tells_each_publication_newest_first_page_by_page(client, shop):
    customer_id = shop.live.examples(1)[0]
    address = f"/v1/customers/{customer_id}/tier-history"
    whole = TierHistory.model_validate_json(client.get(address).text)
    assert whole.entries[0].publication == shop.live.manifest.id
    assert whole.entries[0].tier is not None
    assert whole.entries[0].lines is not None
    assert whole.entries[0].tier.code == whole.entries[0].lines[-1].tier
    page = client.get(address, params={"limit": 1}).json()
    assert page["entries"] == client.get(address).json()["entries"][:1]
    assert refusal(client.get("/v1/customers/nobody/tier-history")).code == "unknown-customer"
    for wrong in ({"limit": 0}, {"limit": "x"}, {"cursor": "nowhere"}, {"cursor": "a b"}):
        assert refusal(client.get(address, params=wrong)).status == 422


def test_what_a_publication_changed_is_told_signed_and_once_though_the_receiver_fails(client, shop):
    live = shop.live
    before = live.earlier()
    assert before is not None
    wait_until(client, lambda: shop.told == live.manifest.id)
    shop.receiver.statuses = [500]
    make_live(shop.config.stores.publications, before.manifest.id)
    try:
        wait_until(client, lambda: shop.told == before.manifest.id and shop.waiting == 0)
    finally:
        make_live(shop.config.stores.publications, live.manifest.id)
    events = [verified(*got, SECRET) for got in shop.receiver.got]
    assert {event["type"] for event in events} == {"tier.changed", "churn.alert"}
    for event in events:
        kind = TierChangedEvent if event["type"] == "tier.changed" else ChurnAlertEvent
        kind.model_validate_json(json.dumps(event))
        assert event["data"]["publication"] == before.manifest.id
        assert event["data"]["previous_publication"] == live.manifest.id
    assert len(shop.receiver.ids) == len(set(shop.receiver.ids)) + 1


def wait_until(client: httpx.Client, holds: Callable[[], bool]) -> None:
    for _ in range(1_200):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come to that")
