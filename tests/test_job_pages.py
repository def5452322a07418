"""Whose a batch job is, asked without a server between."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from configs.schema import Stores
from serving.access.keys import create
from serving.endpoint.gate import Gate
from serving.endpoint.state import State, open_state
from serving.jobs.beside import RUNNER, SENDER
from serving.jobs.job_rows import UnreadableError
from serving.jobs.room import check_size
from tests.test_access import EverybodysData, bearer, config_at, endpoint_over, sent

ROWS = b'{"customer_id": "a"}\n'


@pytest.fixture
def state(empty_state: Path, tmp_path: Path) -> Iterator[State]:
    shutil.copy(empty_state, tmp_path)
    opened = open_state(Stores(root=tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def keys(state: State) -> dict[str, str]:
    roles = {"mine": "application", "other": "application", "admin": "admin"}
    return {name: create(state, name, role).text for name, role in roles.items()}


@pytest.fixture
def gate(keys: dict[str, str], state: State, tmp_path: Path) -> Gate:
    return endpoint_over(EverybodysData(), state, tmp_path)


def asked(gate: Gate, key: str, method: str, path: str, **headers: str) -> tuple[int, Any]:
    shown = {"authorization": bearer(key), "content-type": "application/x-ndjson"} | headers
    body = ROWS if method == "POST" else b""
    status, answer = asyncio.run(sent(gate, method, path, shown, body))
    return status, json.loads(answer) if answer else None


def test_a_list_goes_on_after_a_job_of_the_key_and_after_no_other(gate, keys):
    mine, other = keys["mine"], keys["other"]
    ids = [asked(gate, mine, "POST", "/v1/jobs")[1]["id"] for _ in range(2)]
    _, page = asked(gate, mine, "GET", f"/v1/jobs?cursor={ids[1]}")
    assert [job["id"] for job in page["jobs"]] == ids[:1]
    for key, place in ((other, ids[1]), (mine, "job_nowhere")):
        status, problem = asked(gate, key, "GET", f"/v1/jobs?cursor={place}")
        assert (status, problem["errors"][0]["pointer"]) == (422, "/cursor")


def test_a_job_is_its_keys_own_and_an_admin_sees_all(gate, keys):
    mine, other, admin = keys.values()
    status, job = asked(gate, mine, "POST", "/v1/jobs")
    assert (status, job["state"]) == (202, "queued")
    address = f"/v1/jobs/{job['id']}"
    for path in (address, f"{address}/results"):
        status, problem = asked(gate, other, "GET", path)
        assert (status, problem["code"]) == (404, "unknown-job")
    assert asked(gate, other, "DELETE", address)[0] == 404
    assert asked(gate, other, "GET", "/v1/jobs")[1]["jobs"] == []
    for key in (mine, admin):
        assert [one["id"] for one in asked(gate, key, "GET", "/v1/jobs")[1]["jobs"]] == [job["id"]]
        assert asked(gate, key, "GET", address)[0] == 200
    assert asked(gate, admin, "DELETE", address)[1]["state"] == "cancelled"


def test_an_admin_limited_to_customers_sees_no_jobs_of_others(gate, keys, state, tmp_path):
    limited = create(state, "Shanghai", "admin", ("SH-*",)).text
    gate = endpoint_over(EverybodysData(), state, tmp_path)
    _, job = asked(gate, keys["mine"], "POST", "/v1/jobs")
    assert asked(gate, limited, "GET", f"/v1/jobs/{job['id']}/results")[0] == 404
    assert asked(gate, limited, "GET", "/v1/jobs")[1]["jobs"] == []


def test_another_keys_idempotency_key_is_another(gate, keys):
    same = {"idempotency-key": "4711"}
    callers = [keys["mine"], keys["other"]] * 2
    made = [asked(gate, key, "POST", "/v1/jobs", **same)[1]["id"] for key in callers]
    assert made[0] != made[1]
    assert made[:2] == made[2:]


def test_no_more_jobs_wait_than_may(gate, keys):
    codes = [asked(gate, keys["mine"], "POST", "/v1/jobs") for _ in range(21)]
    assert [status for status, _ in codes] == [202] * 20 + [429]
    assert codes[-1][1]["code"] == "too-many-jobs"


def test_what_jobs_put_on_disk_is_their_owners_alone_and_leaves_room(
    gate, keys, tmp_path, monkeypatch
):
    _, job = asked(gate, keys["mine"], "POST", "/v1/jobs")
    assert (tmp_path / "jobs" / job["id"]).stat().st_mode & 0o077 == 0
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2**30 - 1))
    status, problem = asked(gate, keys["mine"], "POST", "/v1/jobs")
    assert (status, problem["code"]) == (507, "no-room")
    assert len(list((tmp_path / "jobs").glob("job_*"))) == 1
    with pytest.raises(UnreadableError, match="free some"):
        check_size(config_at(tmp_path), 1)


def test_a_job_of_more_rows_than_may_be_is_not_gone_on_with(tmp_path):
    config = config_at(tmp_path)
    check_size(config, config.serving.jobs.rows_at_most)
    with pytest.raises(UnreadableError, match="several jobs"):
        check_size(config, config.serving.jobs.rows_at_most + 1)


def test_while_the_state_database_is_held_by_others_jobs_are_answered_503(gate, keys, monkeypatch):
    def held(*given: Any) -> None:
        raise sa.exc.OperationalError("SELECT 'secret4711'", {}, Exception("database is locked"))

    monkeypatch.setattr("serving.jobs.job_book.JobBook.listed", held)
    status, problem = asked(gate, keys["mine"], "GET", "/v1/jobs")
    assert (status, problem["code"]) == (503, "busy")
    assert "secret" not in json.dumps(problem)


def test_rows_that_drip_in_are_refused_after_a_while_and_leave_nothing(
    gate, keys, tmp_path, monkeypatch
):
    monkeypatch.setattr("serving.jobs.uploads.UPLOAD_SECONDS", 0.2)
    answer: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b" ", "more_body": not answer}

    async def send(message: Any) -> None:
        answer.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/jobs", "query_string": b"", "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/x-ndjson"),
            (b"authorization", bearer(keys["mine"]).encode()),
        ],
    }  # fmt: skip
    monkeypatch.setattr("serving.endpoint.gate.DISCARDED_BODIES", 0)
    asyncio.run(gate(scope, receive, send))
    assert answer[0]["status"] == 408
    assert list((tmp_path / "jobs").glob("job_*")) == []


def test_a_body_that_is_cut_off_leaves_no_job_and_gives_its_key_free(gate, keys, tmp_path):
    headers = {"authorization": bearer(keys["mine"]), "content-type": "application/x-ndjson"}
    scope_headers = {**headers, "idempotency-key": "4711"}
    pieces = iter(
        [
            {"type": "http.request", "body": ROWS, "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    answer: list[Any] = []

    async def receive() -> Any:
        return next(pieces, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        answer.append(message)

    raw = [(name.encode(), value.encode()) for name, value in scope_headers.items()]
    scope = {
        "type": "http", "method": "POST", "path": "/v1/jobs", "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost"), *raw],
    }  # fmt: skip
    asyncio.run(gate(scope, receive, send))
    assert answer[0]["status"] == 400
    assert list((tmp_path / "jobs").glob("job_*")) == []
    assert asked(gate, keys["mine"], "POST", "/v1/jobs", **{"idempotency-key": "4711"})[0] == 202


@pytest.mark.parametrize("module", [RUNNER, SENDER])
def test_what_the_endpoint_starts_beside_itself_is_there(module: str) -> None:
    assert find_spec(module) is not None
