"""Idempotency keys: sent twice, created once."""

from __future__ import annotations

import datetime as dt
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.schema import Stores
from serving.endpoint.problems import ProblemError
from serving.endpoint.state import State, open_state
from serving.jobs import idempotency
from serving.jobs.idempotency import KEPT, LEASE, IdempotencyKeys, Reply, key_in, replayed

NOW = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
REPLY = Reply(202, {"location": "/v1/jobs/job_1"}, '{"id":"job_1"}')


@pytest.fixture
def state(empty_state: Path, tmp_path: Path) -> Iterator[State]:
    shutil.copy(empty_state, tmp_path)
    opened = open_state(Stores(root=tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def keys(state: State) -> IdempotencyKeys:
    return IdempotencyKeys(state)


def answer(keys: IdempotencyKeys, state: State, caller: str = "k1", body: str = "b1") -> None:
    held = keys.reserve(caller, "key", NOW)
    with state.writing() as connection:
        keys.complete(connection, held, body, REPLY)


def refusal(keys: IdempotencyKeys, caller: str = "k1", now: dt.datetime = NOW) -> str:
    with pytest.raises(ProblemError) as refused:
        keys.reserve(caller, "key", now)
    return refused.value.code


def test_the_same_body_gets_the_stored_answer_and_says_so(keys, state):
    answer(keys, state)
    again = replayed(keys.reserve("k1", "key", NOW), "b1")
    assert (again.status, again.body) == (REPLY.status, REPLY.body)
    assert again.headers == {**REPLY.headers, "idempotency-replayed": "true"}


def test_another_body_is_refused(keys, state):
    answer(keys, state)
    with pytest.raises(ProblemError) as refused:
        replayed(keys.reserve("k1", "key", NOW), "b2")
    assert refused.value.code == "idempotency-key-reused"


def test_while_the_first_is_answered_the_second_waits_and_a_dead_one_gives_way(keys):
    keys.reserve("k1", "key", NOW)
    assert refusal(keys) == "request-in-flight"
    assert keys.reserve("k1", "key", NOW + LEASE).stored is None


def test_a_request_taken_for_dead_creates_nothing_beside_the_one_after_it(keys, state):
    dead = keys.reserve("k1", "key", NOW)
    next_one = keys.reserve("k1", "key", NOW + LEASE)
    with pytest.raises(ProblemError) as refused, state.writing() as connection:
        keys.complete(connection, dead, "b1", REPLY)
    assert refused.value.code == "request-in-flight"
    keys.release(dead)
    with state.writing() as connection:
        keys.complete(connection, next_one, "b1", REPLY)


def test_a_request_that_created_nothing_gives_its_key_free(keys):
    keys.release(keys.reserve("k1", "key", NOW))
    assert keys.reserve("k1", "key", NOW).stored is None


def test_an_answer_is_not_given_free_and_is_kept_for_a_day(keys, state):
    answer(keys, state)
    keys.release(keys.reserve("k1", "key", NOW))
    late = NOW + KEPT - dt.timedelta(seconds=1)
    assert keys.reserve("k1", "key", late).stored is not None
    assert keys.reserve("k1", "key", NOW + KEPT).stored is None


def test_keys_are_of_one_caller(keys, state):
    answer(keys, state, "k1")
    assert keys.reserve("k2", "key", NOW).stored is None


def test_of_many_at_once_one_goes_on(keys):
    outcomes: list[str] = []

    def try_it() -> None:
        try:
            keys.reserve("k1", "key", NOW)
            outcomes.append("on")
        except ProblemError as problem:
            outcomes.append(problem.code)

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["on", *["request-in-flight"] * 7]


def test_a_caller_cannot_fill_the_database(keys, monkeypatch):
    monkeypatch.setattr(idempotency, "KEYS_AT_MOST", 3)
    for number in range(3):
        keys.reserve("k1", f"key {number}", NOW)
    assert refusal(keys) == "too-many-idempotency-keys"
    assert keys.reserve("k2", "key", NOW).stored is None


@pytest.mark.parametrize("text", ["", " ", "a b", "键", "x" * 256, '"', '""', '"a"b"', "a\n"])
def test_a_key_that_is_not_plain_is_refused(text):
    with pytest.raises(ProblemError) as refused:
        key_in({"idempotency-key": text})
    assert refused.value.code == "invalid-idempotency-key"
