"""The book of jobs: what a job may become, and what killed processes leave behind."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.schema import Stores
from serving.endpoint.state import State, open_state
from serving.jobs.job_book import TRIES_AT_MOST, JobBook, new_id

NOW = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
KEPT = dt.timedelta(days=7)
COUNTS = {"ok": 2, "error": 1}


@pytest.fixture
def state(empty_state: Path, tmp_path: Path) -> Iterator[State]:
    shutil.copy(empty_state, tmp_path)
    opened = open_state(Stores(root=tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def book(state: State) -> JobBook:
    return JobBook(state)


def queued(book: JobBook, state: State, minutes: int = 0, owner: str | None = None) -> str:
    job_id = new_id()
    with state.writing() as connection:
        book.add(connection, job_id, owner, "ndjson", NOW + dt.timedelta(minutes=minutes))
    return job_id


def test_jobs_are_taken_in_the_order_they_came_and_each_once(book, state):
    second, first = queued(book, state, 2), queued(book, state, 1)
    taken = [book.claim(NOW), book.claim(NOW), book.claim(NOW)]
    assert [job and job.id for job in taken] == [first, second, None]
    assert taken[0] is not None
    assert taken[0].state == "running"


def test_a_finished_job_says_how_much_of_what_and_expires(book, state):
    job_id = queued(book, state)
    job = book.claim(NOW)
    assert book.begun(job, 3, "p1", NOW.date(), {"model": "1"})
    assert book.progressed(job, {"ok": 1, "error": 0})
    assert book.succeeded(job, COUNTS, NOW, KEPT)
    found = book.find(job_id)
    assert (found.state, found.total, found.counts) == ("succeeded", 3, COUNTS)
    assert (found.publication, found.versions) == ("p1", {"model": "1"})
    assert not book.has_work(NOW)
    assert book.expire(NOW + dt.timedelta(days=6)) == []
    assert book.has_work(NOW + KEPT)
    assert book.expire(NOW + KEPT) == [job_id]
    assert book.find(job_id).state == "expired"
    book.expire(NOW + dt.timedelta(days=38))
    assert book.find(job_id) is None


def test_a_cancelled_job_is_not_wanted_any_more_whatever_the_runner_notes(book, state):
    job_id = queued(book, state)
    job = book.claim(NOW)
    assert book.cancel(job_id, NOW, KEPT)
    assert not book.progressed(job, COUNTS)
    assert not book.succeeded(job, COUNTS, NOW, KEPT)
    assert not book.put_back(job)
    assert not book.cancel(job_id, NOW, KEPT)
    assert book.find(job_id).state == "cancelled"


def test_what_a_killed_runner_left_is_tried_again_and_fails_at_last(book, state):
    job_id = queued(book, state)
    for _ in range(TRIES_AT_MOST):
        assert book.find(job_id).state == "queued"
        book.claim(NOW)
        assert book.has_work(NOW)
        book.recover(NOW, KEPT)
    found = book.find(job_id)
    assert found.state == "failed"
    assert f"killed {TRIES_AT_MOST} times" in found.failure.en


def test_a_runner_that_is_told_to_stop_costs_a_job_no_try(book, state):
    job_id = queued(book, state)
    for _ in range(TRIES_AT_MOST + 1):
        assert book.put_back(book.claim(NOW))
    book.recover(NOW, KEPT)
    assert book.find(job_id).state == "queued"


def test_a_caller_lists_their_own_jobs_page_by_page_the_newest_first(book, state):
    mine = [queued(book, state, minute, "k1") for minute in range(5)]
    queued(book, state, 9, "k2")
    assert len(book.listed(None, 10)) == 6
    first = book.listed("k1", 2)
    rest = book.listed("k1", 10, first[-1].id)
    assert [job.id for job in (*first, *rest)] == mine[::-1]
