"""The endpoint as an application meets it: the real service, on a port, over a real publication."""

from __future__ import annotations

import datetime as dt
import importlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import httpx
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator

from benchmarks.load import Address, Answer, closed_loop, run
from benchmarks.serving.contestants import answers as answers_at
from configs.errors import ModelError, PublicationError
from configs.files import live_generation, make_live
from configs.load import load
from configs.schema import Config
from features.contracts import TABLES
from serving.access import key_office
from serving.endpoint.model_reply import ModelReply
from serving.endpoint.problem_kinds import KINDS
from serving.endpoint.replies import Explanations, PathsReply, Predictions, Problem, WhatIfReply
from serving.endpoint.served import bundle_of, open_served
from serving.scores.publication import Publication, open_live
from tests.companies import own_copy

pytestmark = pytest.mark.slow

END = dt.date(2026, 6, 30)
READY_SECONDS = 60
PREDICT = "/v1/predictions"
EXPLAIN = "/v1/explanations"
SUPPOSE = "/v1/what-if"
PATHS = "/v1/tier-paths"
UNDOCUMENTED = {"page", "page_assets", "healthz"}


@dataclass(frozen=True)
class Company:
    """A small simulated company with a live publication."""

    config: Config
    path: Path
    records: Path

    @property
    def publication(self) -> Publication:
        return open_live(self.config.stores.publications)

    @property
    def key_file(self) -> Path:
        return self.config.stores.root / "first.key"

    @property
    def headers(self) -> dict[str, str]:
        """What shows the key that the first start made."""
        return {"authorization": f"Bearer {self.key_file.read_text().strip()}"}

    def made(self, role: str) -> dict[str, str]:
        """Return what shows a new key of ``role``."""
        made = key_office.create(self.config, f"test {role}", role, (), None)
        return {"authorization": f"Bearer {made.text}"}


@pytest.fixture(scope="module")
def company(returning_company, tmp_path_factory) -> Company:
    """A copy of a company of two days, four weeks apart: the second has a past."""
    path = own_copy(returning_company, tmp_path_factory.mktemp("company"))
    config = load(path, {})
    records = live_generation(config.stores.records)
    assert records is not None
    return Company(config, path, records)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass(frozen=True)
class Running:
    """A service in a process of its own."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until_ready(self) -> None:
        url = self.url + "/readyz"
        if answers_at(url, lambda: self.process.poll() is None, READY_SECONDS):
            return
        raise AssertionError(self.log.read_text())


def start(company: Company, log: Path, command: list[str]) -> Running:
    port = free_port()
    command = [part.format(port=port, config=company.path) for part in command]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ECHELON_")}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=out, stderr=out, env=environment
        )
    running = Running(f"http://127.0.0.1:{port}", process, log)
    try:
        running.wait_until_ready()
    except AssertionError:
        process.kill()
        process.wait()
        raise
    return running


ECHELON_SERVE = ["serving.cli", "serve", "-c", "{config}", "--port", "{port}"]
BENTOML_SERVE = [
    *("bentoml", "serve", "serving.api:service", "--arg", "config={config}"),
    *("--host", "127.0.0.1", "--port", "{port}"),
]


@pytest.fixture(scope="module")
def running(company, tmp_path_factory) -> Iterator[Running]:
    """Start `echelon serve` once; at the end, Ctrl-C must stop it cleanly."""
    service = start(company, tmp_path_factory.mktemp("serve") / "log", ECHELON_SERVE)
    yield service
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(20) == 130
    assert "Traceback" not in service.log.read_text()
    assert "\x1b[" not in service.log.read_text()


@pytest.fixture(scope="module")
def client(running, company) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=60, headers=company.headers) as client:
        yield client


@pytest.fixture(scope="module")
def operator(running, company) -> Iterator[httpx.Client]:
    """A client that may read metrics."""
    headers = company.made("data_scientist")
    with httpx.Client(base_url=running.url, timeout=60, headers=headers) as client:
        for _ in range(50):
            if client.get("/metrics").status_code == 200:
                break
            time.sleep(0.1)
        yield client


def ask(client: httpx.Client, document: Any) -> httpx.Response:
    return client.post(PREDICT, json=document)


def answers(client: httpx.Client, document: Any) -> list[dict[str, Any]]:
    response = ask(client, document)
    assert response.status_code == 200, response.text
    Predictions.model_validate_json(response.text)
    return list(response.json()["predictions"])


def refusal(response: httpx.Response) -> Problem:
    assert response.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(response.text)
    assert problem.status == response.status_code == KINDS[problem.code].status
    assert problem.trace_id == response.headers["x-request-id"]
    return problem


def as_json(value: Any) -> Any:
    """Return dates and the store's moments, which are in UTC, as ISO text."""
    zone = "Z" if isinstance(value, dt.datetime) else ""
    return value.isoformat() + zone if isinstance(value, dt.date) else value


def raw_records(company: Company, customer_ids: list[str], as_of: dt.date) -> dict[str, Any]:
    """Return the customers' rows of the records store as a client would send them."""
    cutoff = (as_of - dt.date(1970, 1, 1)).days
    records: dict[str, Any] = {"as_of": as_of.isoformat()}
    for name, contract in TABLES.items():
        table = pq.read_table(company.records / f"{name}.parquet")
        table = table.filter(pc.field("customer_id").isin(customer_ids))
        known = pc.fill_null(pc.less_equal(table["known_day"], cutoff), name == "customers")
        sent = [c.name for c in contract.columns if (name, c.name) != ("attributes", "number")]
        rows = table.filter(known).select(sent).to_pylist()
        records[name] = [
            {key: as_json(value) for key, value in row.items() if value is not None} for row in rows
        ]
    return records


def test_an_id_is_answered_as_it_was_published(client, company):
    customer_id = company.publication.examples(1)[0]
    (answer,) = answers(client, {"customer_ids": [customer_id]})
    assert answer == company.publication.customer(customer_id)


def test_raw_records_give_what_is_published_to_the_last_bit(client, company):
    publication = company.publication
    held = publication.scores().filter(pc.field("previous_tier").is_valid())["customer_id"]
    chosen = [*publication.examples(5), *held.to_pylist()[:20:2]]
    for customer_id in dict.fromkeys(chosen):
        records = raw_records(company, [customer_id], END)
        response = ask(client, {"records": records})
        assert response.status_code == 200, response.text
        (published,) = publication.find_texts([customer_id]).values()
        assert response.text == f'{{"predictions":[{published}],"not_found":[]}}'


def test_raw_customers_are_scored_alike_alone_and_together_in_the_order_sent(client, company):
    customer_ids = company.publication.examples(3)
    records = raw_records(company, customer_ids, END)
    records["customers"].sort(key=lambda row: row["customer_id"], reverse=True)
    together = answers(client, {"records": records})
    assert [one["customer_id"] for one in together] == sorted(customer_ids, reverse=True)
    assert all(one == company.publication.customer(one["customer_id"]) for one in together)


def test_rows_that_came_later_do_not_change_an_earlier_day(client, company):
    customer_id = company.publication.examples(1)[0]
    earlier = company.publication.earlier()
    assert earlier is not None
    records = raw_records(company, [customer_id], earlier.manifest.as_of)
    (answer,) = answers(client, {"records": records})
    published = earlier.customer(customer_id)
    for part in ("as_of", "clv", "lifecycle", "segment"):
        assert answer[part] == published[part]
    assert answer["churn"]["probability"] == published["churn"]["probability"]


def test_ids_are_answered_in_the_order_asked_and_unknown_ones_listed(client, company):
    first, second = company.publication.examples(2)
    response = ask(client, {"customer_ids": [second, "nobody", first, second]})
    body = Predictions.model_validate_json(response.text)
    assert [one.customer_id for one in body.predictions] == [second, first, second]
    assert [(one.customer_id, one.pointer) for one in body.not_found] == [
        ("nobody", "/customer_ids/1")
    ]


def test_one_unknown_customer_is_a_404_that_does_not_repeat_the_id(client):
    response = ask(client, {"customer_ids": ["zoe@example.org"]})
    problem = refusal(response)
    assert (problem.status, problem.code) == (404, "unknown-customer")
    assert problem.errors[0].pointer == "/customer_ids/0"
    assert "zoe" not in response.text


def test_explanations_add_up_and_are_the_same_by_id_and_by_records(client, company):
    customer_ids = company.publication.examples(3)
    by_id = client.post(EXPLAIN, json={"customer_ids": customer_ids})
    Explanations.model_validate_json(by_id.text)
    records = raw_records(company, customer_ids, END)
    records["customers"].sort(key=lambda row: customer_ids.index(row["customer_id"]))
    assert client.post(EXPLAIN, json={"records": records}).text == by_id.text
    for one in by_id.json()["explanations"]:
        answer = company.publication.customer(one["customer_id"])
        assert one["tier"]["lines"][-1]["tier"] == answer["tier"]["code"]
        for target, scale in (("churn", 100), ("clv", 1)):
            points = sum(concept["points"] for concept in one[target]["concepts"])
            led_to = one[target]["base"] + points / scale
            assert led_to == pytest.approx(one[target]["shown"], abs=1e-6)


def test_a_what_if_is_answered_the_same_by_id_and_by_records(client, company):
    customer_id = company.publication.examples(1)[0]
    question = {"events": [{"event": "order", "amount": 300, "count": 2}], "in_days": 28}
    by_id = client.post(SUPPOSE, json=question | {"customer_id": customer_id})
    facts = WhatIfReply.model_validate_json(by_id.text)
    published = company.publication.customer(customer_id)
    assert facts.today.churn == published["churn"]["probability"]
    assert facts.today.tier == published["tier"]["code"]
    assert (facts.until - facts.as_of).days == 28
    records = raw_records(company, [customer_id], END)
    assert client.post(SUPPOSE, json=question | {"records": records}).text == by_id.text


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"customer_id": "C0000001"}, "/events"),
        ({"customer_id": "C0000001", "events": []}, "/events"),
        ({"events": [{"event": "order"}]}, ""),
        ({"customer_id": "C0000001", "events": [{"event": "dance"}]}, "/events/0/event"),
        ({"customer_id": "C0000001", "events": [{"event": "order", "amount": "3"}]},
         "/events/0/amount"),
        ({"customer_id": "C0000001", "events": [{"event": "order", "price": 3}]},
         "/events/0/price"),
        ({"customer_id": "C0000001", "events": [{"event": "survey", "instrument": "csat",
                                                 "score": 9}]}, "/events"),
        ({"customer_id": "C0000001", "events": [{"event": "order", "in_days": 29}]}, "/events"),
        ({"customer_id": "C0000001", "events": [{"event": "order"}], "in_days": 1000}, "/in_days"),
        ({"records": {"customers": [{"customer_id": "a"}, {"customer_id": "b"}]},
          "events": [{"event": "order"}]}, "/records"),
    ],
)  # fmt: skip
def test_a_wrong_what_if_is_refused_where_it_is_wrong(client, document, pointer):
    problem = refusal(client.post(SUPPOSE, json=document))
    assert problem.status == 422
    assert [error.pointer for error in problem.errors] == [pointer]


def test_a_path_of_the_endpoint_is_true_when_its_events_are_asked_about(client, company):
    paths = [
        (one, path)
        for customer_id in company.publication.scores()["customer_id"].to_pylist()[:12]
        for one in [client.post(PATHS, json={"customer_id": customer_id}).json()]
        for path in PathsReply.model_validate(one).paths
    ]
    assert paths
    for one, path in paths:
        as_of = dt.date.fromisoformat(one["as_of"])
        events = [
            {key: value for key, value in event.items() if key != "on"}
            | {"in_days": (dt.date.fromisoformat(event["on"]) - as_of).days}
            for event in path.events
        ]
        question = {"customer_id": one["customer_id"], "events": events}
        facts = WhatIfReply.model_validate_json(client.post(SUPPOSE, json=question).text)
        assert facts.with_events == path.outcome
        assert path.outcome.tier == one["goal"]["at"]


def test_a_what_if_about_an_unknown_customer_is_a_404(client):
    document = {"customer_id": "nobody", "events": [{"event": "order"}]}
    assert refusal(client.post(SUPPOSE, json=document)).code == "unknown-customer"


def test_a_customer_without_history_gets_an_answer_that_says_so(client):
    (answer,) = answers(client, {"records": {"customers": [{"customer_id": "new"}]}})
    assert answer["confidence"]["fallback"] == "no_purchases"
    assert 0 <= answer["churn"]["probability"] <= 1
    assert answer["tier"]["code"]


def test_text_in_any_script_and_quotes_come_through_in_ids(client):
    name = '客户"\\é 1'
    (answer,) = answers(client, {"records": {"customers": [{"customer_id": name}]}})
    assert answer["customer_id"] == name


def sale(**more: Any) -> dict[str, Any]:
    return {"customer_id": "a", "occurred_at": "2026-06-01", "amount": 10} | more


@pytest.mark.parametrize(
    ("document", "status", "pointer"),
    [
        ({"records": {"transactions": [sale(total_amount="x")]}}, 422,
         "/records/transactions/0/total_amount"),
        ({"records": {"transactions": [sale(secret4711="x")]}}, 422, "/records/transactions/0"),
        ({"records": {"transactions": [sale(amount="secret4711")]}}, 422,
         "/records/transactions/0/amount"),
        ({"records": {"transactions": [sale(occurred_at="2026-07-01")]}}, 422,
         "/records/transactions/0/occurred_at"),
        ({"records": {"as_of": "2199-01-01", "transactions": [sale()]}}, 422, "/records/as_of"),
        ({"records": {"transactions": [sale(kind="secret4711")]}}, 422,
         "/records/transactions/0/kind"),
        ({"customer_ids": ["a"], "reasons": 3}, 422, "/reasons"),
        ({"customer_ids": ["a"] * 1001}, 413, None),
        ({"records": {}}, 422, "/records"),
        ({"records": {"customers": [{"customer_id": "a"}] * 2}}, 422,
         "/records/customers/1/customer_id"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused_where_it_is_wrong(client, document, status, pointer):
    response = ask(client, document)
    problem = refusal(response)
    assert problem.status == status
    assert [error.pointer for error in problem.errors] == ([] if pointer is None else [pointer])
    assert "secret4711" not in response.text


def test_nan_is_refused_with_its_place(client):
    body = b'{"records": {"transactions": [{"customer_id": "a", "amount": NaN}]}}'
    problem = refusal(
        client.post(PREDICT, content=body, headers={"content-type": "application/json"})
    )
    assert (problem.status, problem.errors[0].pointer) == (400, "/records/transactions/0/amount")


def test_a_malformed_multipart_body_is_a_415_and_no_500(client):
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert refusal(client.post(PREDICT, content=b"--x\r\nbroken", headers=headers)).status == 415


def test_a_chunked_body_over_the_limit_is_cut_off(client):
    chunks = (b" " * 65_536 for _ in range(100))
    headers = {"content-type": "application/json"}
    try:
        response = client.post(PREDICT, content=chunks, headers=headers)
    except httpx.WriteError:
        return
    assert refusal(response).code == "body-too-large"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nowhere", "unknown-route"),
        ("GET", "/schema.json", "unknown-route"),
        ("GET", "/static_content/missing.js", "unknown-route"),
        ("GET", PREDICT, "method-not-allowed"),
        ("DELETE", "/v1/models/current", "method-not-allowed"),
        ("POST", "/livez", "method-not-allowed"),
    ],
)
def test_what_the_framework_would_refuse_is_a_problem_document(client, method, path, code):
    assert refusal(client.request(method, path)).code == code


def test_a_foreign_host_is_refused(client):
    problem = refusal(client.get("/livez", headers={"host": "evil.example"}))
    assert problem.code == "host-not-allowed"


def test_liveness_readiness_and_metrics_answer(client, operator, company):
    ask(client, {"customer_ids": company.publication.examples(1)})
    assert client.get("/livez").status_code == client.get("/readyz").status_code == 200
    metrics = operator.get("/metrics").text
    for line in (
        'echelon_publication_loads_total{outcome="served"}',
        'echelon_predictions_total{asked_by="ids"}',
        "echelon_publication_loaded_timestamp_seconds",
        'echelon_requests_total{route="predictions",status="200"}',
        'echelon_request_duration_seconds_bucket{le="0.005",route="predictions"}',
    ):
        assert line in metrics
    assert "nowhere" not in metrics


def test_the_served_model_is_described_whole(client, company):
    body = client.get("/v1/models/current").text
    model = ModelReply.model_validate_json(body)
    assert model.versions.model == "1"
    assert model.as_of == END
    assert [tier.code for tier in model.policy.tiers] == ["vip", "potential", "general", "low"]
    assert {"churn", "clv"} == set(model.targets)
    assert all(target.grade and target.metrics for target in model.targets.values())
    used = [feature for feature in model.features if feature.used_by]
    assert used
    assert all(feature.range for feature in used)
    assert all(feature.label.zh and feature.label.en for feature in model.features)
    assert all(list(f.range.quantiles.values()) == sorted(f.range.quantiles.values()) for f in used)
    assert {fallback.code for fallback in model.fallbacks} >= {"no_purchases", "rules_only"}
    assert set(model.input_schema) == set(TABLES)
    assert model.limits.rows_per_request == company.config.serving.rows_per_request


@pytest.mark.parametrize(("asked", "left"), [("zh-CN,zh;q=0.9,en;q=0.5", "zh"), ("en", "en")])
def test_one_language_is_answered_where_one_is_preferred(client, company, asked, left):
    other = {"zh": "en", "en": "zh"}[left]
    headers = {"accept-language": asked}
    customer_ids = company.publication.examples(2)
    for path, document in [
        (PREDICT, {"customer_ids": [*customer_ids, "nobody"]}),
        (EXPLAIN, {"customer_ids": customer_ids}),
        (SUPPOSE, {"customer_id": customer_ids[0], "events": [{"event": "order"}]}),
        (PATHS, {"customer_id": customer_ids[0]}),
        ("/v1/models/current", None),
    ]:
        method = "GET" if document is None else "POST"
        both = client.request(method, path, json=document)
        one = client.request(method, path, json=document, headers=headers)
        assert one.headers["content-language"] == left
        assert one.headers["vary"] == both.headers["vary"] == "Accept-Language"
        assert one.json() == only(both.json(), other)
        assert one.text != both.text
    problem = refusal(client.post(PREDICT, json={"customer_ids": []}, headers=headers))
    assert problem.title == KINDS["invalid-request"].title[left]


def only(value: Any, without: str) -> Any:
    """Return ``value`` with every text left in one language."""
    if isinstance(value, dict):
        is_text = set(value) == {"zh", "en"}
        return {k: only(v, without) for k, v in value.items() if not (is_text and k == without)}
    return [only(one, without) for one in value] if isinstance(value, list) else value


def test_every_example_of_the_document_is_answered_in_the_form_it_promises(client):
    document = client.get("/docs.json").json()
    for path, ways in document["paths"].items():
        if "post" not in ways:
            continue
        for media_type, content in ways["post"]["requestBody"]["content"].items():
            for example in content.get("examples", {}).values():
                value = example["value"]
                body = value if isinstance(value, str) else json.dumps(value)
                headers = {"content-type": media_type}
                response = client.post(path, content=body.encode(), headers=headers)
                assert response.is_success, response.text
                promised = ways["post"]["responses"][str(response.status_code)]["content"]
                schema = promised["application/json"]["schema"]
                whole = schema | {"components": document["components"]}
                Draft202012Validator(whole).validate(response.json())


def test_the_page_loads_nothing_from_elsewhere(client):
    page = client.get("/docs")
    assert "http" not in page.text
    for asset in re.findall(r'(?:src|href)="/([^"]+)"', page.text):
        assert client.get(f"/{asset}").status_code == 200


def test_the_guide_explains_every_problem_and_its_commands_run(client, running, company):
    guide = Path("docs/api.md").read_text(encoding="utf-8")
    assert all(f"`{code}`" in guide for code in KINDS)
    commands = re.findall(r"```sh\n(curl .*?)```", guide, flags=re.DOTALL)
    assert len(commands) >= 3
    for command in commands:
        command = command.replace("http://127.0.0.1:3000", running.url)
        command = command.replace("var/demo/first.key", str(company.key_file))
        made = subprocess.run(["bash", "-c", command], capture_output=True, check=True, timeout=60)
        is_wrong = """-d '{"customer_id": "C0000001"}'""" in command and PREDICT in command
        assert ("urn:echelon:problem" in made.stdout.decode()) == is_wrong, command
        assert made.stdout.strip()


def test_mlflow_and_shap_stay_out_of_the_serving_process(company, tmp_path):
    script = """
import asyncio, sys
from pathlib import Path
from configs.load import load
from serving.endpoint.serve import settle
settle(Path(sys.argv[2]))
from serving.api import service
from serving.scores.publication import open_live
from serving.endpoint.served import open_served
import httpx
config = load(Path(sys.argv[1]), {})
app = service.for_config(config)
folder = open_live(config.stores.publications).folder
service.current.take_up(folder.name, open_served(config, folder))
async def ask():
    transport = httpx.ASGITransport(app)
    headers = {"authorization": sys.argv[3]}
    base_url = "http://localhost"
    async with httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers) as client:
        body = {"records": {"customers": [{"customer_id": "a"}]}}
        print((await client.post("/v1/predictions", json=body)).status_code)
asyncio.run(ask())
print([name for name in ("mlflow", "shap", "matplotlib", "pyspark") if name in sys.modules])
"""
    key = company.made("application")["authorization"]
    command = [sys.executable, "-c", script, str(company.path), str(tmp_path), key]
    made = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert made.stdout.split("\n")[:2] == ["200", "[]"], made.stderr


def test_requests_are_on_record_whole_and_without_what_they_asked(client, company):
    customer_ids = company.publication.examples(2)
    answers(client, {"customer_ids": customer_ids})
    client.get("/v1/models/current", headers={"authorization": "Bearer nobody"})
    for _ in range(50):
        log = b"".join(file.read_bytes() for file in company.config.stores.audit.glob("*"))
        lines = [json.loads(line) for line in log.splitlines()]
        told = [(line.get("key"), line.get("route"), line.get("status")) for line in lines]
        if ("none", "model", 401) in told:
            break
        time.sleep(0.1)
    key_id = company.key_file.read_text().split("_")[1]
    assert (key_id, "predictions", 200) in told
    assert ("none", "model", 401) in told
    assert not any(one.encode() in log for one in (*customer_ids, "nobody", "C00"))
    assert key_office.verify_audit(company.config).broken_at is None


def test_a_new_publication_is_taken_up_whole_while_requests_are_answered(client, company):
    store = company.config.stores.publications
    late = company.publication
    early = late.earlier()
    assert early is not None
    customer_ids = early.examples(5)
    seen: list[set[str]] = []
    stop = threading.Event()

    def hammer() -> None:
        with httpx.Client(base_url=client.base_url, timeout=60, headers=company.headers) as other:
            while not stop.is_set():
                found = answers(other, {"customer_ids": customer_ids})
                seen.append({one["as_of"] for one in found})

    thread = threading.Thread(target=hammer)
    thread.start()
    try:
        make_live(store, early.folder.name)
        wait_for(client, early.manifest.as_of)
    finally:
        stop.set()
        thread.join()
        make_live(store, late.folder.name)
    wait_for(client, late.manifest.as_of)
    assert all(len(days) == 1 for days in seen)
    assert {str(early.manifest.as_of)} in seen


def wait_for(client: httpx.Client, as_of: dt.date) -> None:
    for _ in range(300):
        if client.get("/v1/models/current").json()["as_of"] == as_of.isoformat():
            return
        time.sleep(0.1)
    raise AssertionError(f"the publication of {as_of} was not taken up")


def test_a_damaged_publication_leaves_the_one_before_in_place(client, operator, company):
    store = company.config.stores.publications
    good = company.publication
    bad = store / "99999999-damaged"
    shutil.copytree(good.folder, bad)
    (bad / "lookup.sqlite").write_bytes(b"damaged")
    failed = 'echelon_publication_loads_total{outcome="failed"}'
    try:
        make_live(store, bad.name)
        for _ in range(100):
            if failed in operator.get("/metrics").text:
                break
            time.sleep(0.1)
        assert failed in operator.get("/metrics").text
        assert client.get("/readyz").status_code == 200
        assert answers(client, {"customer_ids": good.examples(1)})
    finally:
        make_live(store, good.folder.name)
        shutil.rmtree(bad)


def test_an_altered_bundle_is_refused_before_it_is_served(company, tmp_path):
    root = tmp_path / "store"
    shutil.copytree(company.config.stores.root, root)
    stores = company.config.stores.model_copy(update={"root": root})
    config = company.config.model_copy(update={"stores": stores})
    publication = open_live(stores.publications)
    model = stores.bundles / "1" / "churn.txt"
    model.write_text(model.read_text().replace("leaf_value=0", "leaf_value=1"))
    with pytest.raises(ModelError, match=r"churn\.txt was altered"):
        bundle_of(publication, config)
    shutil.rmtree(model.parent)
    with pytest.raises(ModelError, match="there is no copy of it"):
        open_served(config, publication.folder)


def test_without_a_publication_the_service_says_what_to_run_and_does_not_start(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text(f"stores: {{root: {tmp_path / 'store'}}}\n")
    command = [sys.executable, "-m", "serving.cli", "serve", "-c", str(path)]
    made = subprocess.run(
        [*command, "--port", str(free_port())], capture_output=True, text=True, timeout=60
    )
    assert made.returncode == PublicationError.exit_code
    assert "nothing is published" in made.stderr
    assert "echelon run" in made.stderr


def test_bentoml_serves_it_too(company, tmp_path):
    service = start(company, tmp_path / "log", BENTOML_SERVE)
    try:
        with httpx.Client(base_url=service.url, timeout=60, headers=company.headers) as client:
            customer_id = company.publication.examples(1)[0]
            (answer,) = answers(client, {"customer_ids": [customer_id]})
            assert answer == company.publication.customer(customer_id)
            assert refusal(client.get("/nowhere")).status == 404
    finally:
        service.process.terminate()
        service.process.wait(30)


GENERATOR = Path(os.environ.get("CLIENT_GENERATOR", "var/client-generator/bin"))


@pytest.fixture(scope="module")
def generated(client, tmp_path_factory) -> Iterator[str]:
    """Generate a Python client from the document that is served; return its package's name."""
    command = GENERATOR / "openapi-python-client"
    if not command.exists():
        pytest.skip(f"{command} is not there: run `make var/client-generator/.ready`")
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(client.get("/docs.json").text, encoding="utf-8")
    made = subprocess.run(
        [str(command.absolute()), "generate", "--path", str(folder / "openapi.json"),
         "--meta", "none", "--output-path", str(folder / "generated_client"),
         "--config", ".ci/client-generator.yaml"],
        capture_output=True, text=True, timeout=300,
        env=os.environ | {"PATH": f"{GENERATOR.absolute()}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    yield "generated_client"
    sys.path.remove(str(folder))


def test_a_generated_client_predicts_explains_and_is_told_what_is_wrong(
    generated, running, company
):
    package = importlib.import_module(generated)
    models = importlib.import_module(f"{generated}.models")
    predict = importlib.import_module(f"{generated}.api.predictions.predict")
    key = company.headers["authorization"].removeprefix("Bearer ")
    with package.AuthenticatedClient(base_url=running.url, token=key) as client:
        customer_id = company.publication.examples(1)[0]
        asked = models.PredictionRequest.from_dict({"customer_ids": [customer_id, "nobody"]})
        answer = predict.sync(client=client, body=asked)
        assert answer.predictions[0].to_dict() == company.publication.customer(customer_id)
        assert answer.not_found[0].customer_id == "nobody"
        raw = {"records": {"customers": [{"customer_id": "N2", "signed_up_on": "2026-06-01"}]}}
        new = predict.sync(client=client, body=models.PredictionRequest.from_dict(raw))
        assert new.predictions[0].confidence.fallback == "no_purchases"
        wrong = models.PredictionRequest.from_dict({"customer_ids": []})
        refused = predict.sync(client=client, body=wrong, accept_language="zh")
        assert isinstance(refused, models.Problem)
        assert (refused.code, refused.errors[0].pointer) == ("invalid-request", "/customer_ids")
        assert refused.title == KINDS["invalid-request"].title.zh
    stranger = package.AuthenticatedClient(base_url=running.url, token="ech_none_none")
    with stranger as client:
        assert predict.sync_detailed(client=client, body=asked).status_code == 401


def test_a_generated_client_has_a_batch_job_done(generated, running, company):
    package = importlib.import_module(generated)
    file = importlib.import_module(f"{generated}.types").File
    jobs = f"{generated}.api.jobs"
    create, show, download = (
        importlib.import_module(f"{jobs}.{name}")
        for name in ("create_job", "show_job", "download_job_results")
    )
    customer_ids = company.publication.examples(2)
    rows = "".join(json.dumps({"customer_id": one}) + "\n" for one in [*customer_ids, "nobody"])
    key = company.headers["authorization"].removeprefix("Bearer ")
    with package.AuthenticatedClient(base_url=running.url, token=key) as client:
        job = create.sync(client=client, body=file(payload=io.BytesIO(rows.encode())))
        for _ in range(300):
            job = show.sync(job.id, client=client)
            if job.state not in ("queued", "running"):
                break
            time.sleep(0.1)
        assert (job.state, job.rows.ok, job.rows.error) == ("succeeded", 2, 1)
        lines = download.sync(job.id, client=client).payload.read().splitlines()
    results = [json.loads(line) for line in lines]
    published = [company.publication.customer(one) for one in customer_ids]
    assert [one.get("prediction") for one in results[:2]] == published
    assert results[2]["error"]["code"] == "unknown-customer"


def test_a_rush_of_heavy_requests_is_answered_or_told_when_to_come_again(running, company, client):
    """Forty connections keep asking for what one thread works out; ids and health go on."""
    rows = [{"customer_id": f"N{place}", "signed_up_on": "2026-06-01"} for place in range(500)]
    address = Address(httpx.URL(running.url).port or 0)
    asked = address.request(
        "POST", PREDICT, {"records": {"customers": rows}}, dict(company.headers)
    )
    looked: list[Answer] = []
    rush = threading.Thread(
        target=lambda: run(closed_loop(address, repeat(asked), 40, 3.0, looked.append))
    )
    rush.start()
    time.sleep(1.0)
    assert client.get("/livez").status_code == client.get("/readyz").status_code == 200
    by_id = {"customer_ids": company.publication.examples(1)}
    assert client.post(PREDICT, json=by_id).status_code == 200
    rush.join()
    assert {answer.status for answer in looked} == {200, 503}
    refused = [answer for answer in looked if answer.status == 503]
    assert all(b"retry-after: " in answer.head.lower() for answer in refused)
    assert all(b'"busy"' in answer.body for answer in refused)
    began = time.monotonic()
    assert client.post(PREDICT, json={"records": {"customers": rows[:1]}}).status_code == 200
    assert time.monotonic() - began < 5
