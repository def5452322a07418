"""Workers: replaced when they die, given up when they cannot start, ended when told to."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.errors import PublicationError
from serving.endpoint import supervisor
from serving.endpoint.supervisor import Supervisor

FORK = multiprocessing.get_context("fork")


def supervised(work: supervisor.Work, count: int, folder: Path) -> multiprocessing.Process:
    """Run a supervisor in a process of its own; ``folder`` gets a file once all answer."""

    def run() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        all_answer, leaving = (folder / "all").touch, (folder / "leaving").touch
        Supervisor(work, count, 5.0, lambda said: all_answer(), leaving, lambda pid: None).run()

    process = FORK.Process(target=run)
    process.start()
    return process


def answering(folder: Path, ends_after: float = 0.0) -> supervisor.Work:
    """Work that leaves a file named by its process and ends at SIGTERM, a while after it."""

    def work(on_ready: Callable[[str], None], on_beat: Callable[[], None]) -> None:
        told = threading.Event()
        signal.signal(signal.SIGTERM, lambda sig, frame: told.set())
        (folder / f"{os.getpid()}.worker").touch()
        on_ready("here")
        while not told.wait(0.01):
            on_beat()
        time.sleep(ends_after)

    return work


def until(claim: Callable[[], bool]) -> None:
    for _ in range(3000):
        if claim():
            return
        time.sleep(0.01)
    raise AssertionError


def workers(folder: Path) -> set[int]:
    return {int(file.stem) for file in folder.glob("*.worker")}


def test_a_worker_that_is_killed_is_replaced_and_all_end_with_the_supervisor(tmp_path):
    process = supervised(answering(tmp_path), 2, tmp_path)
    until((tmp_path / "all").exists)
    os.kill(min(workers(tmp_path)), signal.SIGKILL)
    until(lambda: len(workers(tmp_path)) == 3)
    os.kill(process.pid, signal.SIGTERM)
    process.join(30)
    assert process.exitcode == 0
    assert (tmp_path / "leaving").exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers(tmp_path))


def test_a_worker_that_hangs_is_replaced(tmp_path, monkeypatch):
    """The first to answer gives no sign of life any more; the second does."""
    monkeypatch.setattr(supervisor, "HUNG_SECONDS", 0.3)
    monkeypatch.setattr(supervisor, "PAUSE_SECONDS", 0.05)
    alive = answering(tmp_path)

    def work(on_ready: Callable[[str], None], on_beat: Callable[[], None]) -> None:
        hangs = not workers(tmp_path)
        alive(on_ready, (lambda: None) if hangs else on_beat)

    process = supervised(work, 1, tmp_path)
    until(lambda: len(workers(tmp_path)) == 2)
    time.sleep(0.6)
    assert len(workers(tmp_path)) == 2
    os.kill(process.pid, signal.SIGTERM)
    process.join(30)
    assert process.exitcode == 0


def test_workers_end_by_themselves_when_the_supervisor_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "LOOK_FOR_PARENT_SECONDS", 0.02)
    process = supervised(answering(tmp_path), 2, tmp_path)
    until((tmp_path / "all").exists)
    process.kill()
    process.join()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers(tmp_path)))


def test_a_worker_that_cannot_start_ends_the_service_with_its_code_and_says_why(tmp_path, capfd):
    def work(on_ready: Callable[[str], None], on_beat: Callable[[], None]) -> None:
        (tmp_path / f"{os.getpid()}.worker").touch()
        raise PublicationError("the publication is damaged")

    process = supervised(work, 1, tmp_path)
    process.join(30)
    assert process.exitcode == PublicationError.exit_code
    assert len(workers(tmp_path)) == 1
    assert "echelon: the publication is damaged" in capfd.readouterr().err


def test_a_replacement_that_cannot_start_is_given_up_after_a_few_tries(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "PAUSE_SECONDS", 0.001)
    answer = answering(tmp_path)

    def work(on_ready: Callable[[str], None], on_beat: Callable[[], None]) -> None:
        if (tmp_path / "all").exists():
            (tmp_path / f"{os.getpid()}.failed").touch()
            raise SystemExit(7)
        answer(on_ready, on_beat)

    process = supervised(work, 2, tmp_path)
    until((tmp_path / "all").exists)
    os.kill(min(workers(tmp_path)), signal.SIGKILL)
    process.join(30)
    assert process.exitcode == 7
    assert len(list(tmp_path.glob("*.failed"))) == supervisor.STARTS_AT_MOST


@pytest.mark.parametrize(("sig", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 1)])
def test_what_is_being_done_is_finished_unless_a_second_signal_comes(tmp_path, sig, code):
    process = supervised(answering(tmp_path, ends_after=0.3), 1, tmp_path)
    until((tmp_path / "all").exists)
    began = time.monotonic()
    os.kill(process.pid, sig)
    process.join(30)
    assert process.exitcode == code
    assert time.monotonic() - began > 0.3


def test_a_second_signal_ends_at_once(tmp_path):
    process = supervised(answering(tmp_path, ends_after=60), 1, tmp_path)
    until((tmp_path / "all").exists)
    os.kill(process.pid, signal.SIGTERM)
    time.sleep(0.1)
    os.kill(process.pid, signal.SIGTERM)
    process.join(20)
    assert process.exitcode == 128 + signal.SIGTERM
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers(tmp_path)))
