"""What is served follows the pointer, and what cannot start says why."""

from __future__ import annotations

import asyncio
import json
import shlex
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from configs.errors import PublicationError, ServiceError
from configs.files import POINTER, make_live
from serving.endpoint.current import Current
from serving.endpoint.endpoint import Endpoint
from serving.endpoint.problems import ProblemError
from serving.endpoint.serve import greeting, listen


def test_a_generation_that_fails_is_left_alone_for_a_while_and_a_new_one_is_not(tmp_path):
    opened: list[str] = []

    def open_generation(folder: Path, before: str | None) -> str:
        opened.append(folder.name)
        if folder.name == "bad":
            raise PublicationError("damaged")
        return folder.name

    for name in ("good", "bad", "better"):
        (tmp_path / name).mkdir()
    current = Current(tmp_path, open_generation)
    current.refresh()
    assert current.served is None
    for name, served in (("good", "good"), ("bad", "good"), ("bad", "good"), ("better", "better")):
        make_live(tmp_path, name)
        current.refresh()
        assert current.served == served
    assert opened == ["good", "bad", "better"]


class Alert:
    """Remembers what the meters would show."""

    def __init__(self) -> None:
        self.is_raised = False
        self.failures = 0

    def loaded(self, name: str, is_served: bool) -> None:
        self.failures += not is_served

    def is_refused(self, is_refused: bool) -> None:
        self.is_raised = is_refused


def spoiled(store: Path, way: str) -> None:
    """Make the pointer of ``store`` name nothing that can be served."""
    pointer = store / POINTER
    if way == "no pointer":
        pointer.unlink()
    elif way == "no text":
        pointer.write_bytes(b"\xff\xfe\x00")
    elif way == "empty":
        pointer.write_text("")
    elif way == "a folder":
        pointer.unlink()
        pointer.mkdir()
    elif way == "names nothing":
        pointer.write_text("nowhere\n")
    else:
        (store / "good").rmdir()


@pytest.mark.parametrize(
    "way", ["no pointer", "no text", "empty", "a folder", "names nothing", "served folder removed"]
)
def test_a_store_that_names_nothing_raises_the_alert_until_it_is_mended(tmp_path, way):
    (tmp_path / "good").mkdir()
    make_live(tmp_path, "good")
    alert = Alert()
    current = Current(tmp_path, lambda folder, before: folder.name, alert)
    current.start()
    spoiled(tmp_path, way)
    for _ in range(3):
        current.refresh()
        assert (current.served, current.is_ready) == ("good", True)
        assert (alert.is_raised, alert.failures) == (True, 1)
    if way == "a folder":
        (tmp_path / POINTER).rmdir()
    (tmp_path / "good").mkdir(exist_ok=True)
    make_live(tmp_path, "good")
    current.refresh()
    assert not alert.is_raised


def test_an_error_nobody_thought_of_leaves_what_is_served_and_the_watch_alive(tmp_path):
    class UnheardError(Exception):
        pass

    def open_generation(folder: Path, before: str | None) -> str:
        if folder.name == "bad":
            raise UnheardError
        return folder.name

    for name in ("good", "bad", "better"):
        (tmp_path / name).mkdir()
    make_live(tmp_path, "good")
    alert = Alert()
    current = Current(tmp_path, open_generation, alert)
    current.start()
    make_live(tmp_path, "bad")
    current.refresh()
    assert current.served == "good"
    assert alert.is_raised
    make_live(tmp_path, "better")
    current.refresh()
    assert current.served == "better"
    assert not alert.is_raised


def test_a_worker_that_starts_while_a_bad_publication_is_live_serves_what_the_others_do(tmp_path):
    def open_generation(folder: Path, before: str | None) -> str:
        if folder.name == "bad":
            raise PublicationError("damaged")
        return folder.name

    store = tmp_path / "store"
    for name in ("good", "bad"):
        (store / name).mkdir(parents=True)
    make_live(store, "good")
    first = Current(store, open_generation)
    first.note = tmp_path / "note"
    first.start()
    make_live(store, "bad")
    alert = Alert()
    replacement = Current(store, open_generation, alert)
    replacement.note = first.note
    replacement.start()
    assert replacement.served == "good"
    assert alert.is_raised
    alone = Current(store, open_generation)
    with pytest.raises(PublicationError, match="damaged"):
        alone.start()


def test_who_leaves_is_not_ready_and_still_serves(tmp_path):
    (tmp_path / "good").mkdir()
    make_live(tmp_path, "good")
    current = Current(tmp_path, lambda folder, before: folder.name)
    assert not current.is_ready
    current.start()
    assert current.is_ready
    current.leave()
    assert (current.is_ready, current.served) == (False, "good")


def test_a_port_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=f"port {port} on .* cannot be had"):
            listen("127.0.0.1", port)


def test_the_watch_takes_up_a_new_generation_by_itself(tmp_path):
    (tmp_path / "first").mkdir()
    current = Current(tmp_path, lambda folder, before: folder.name)
    current.watch()
    make_live(tmp_path, "first")
    for _ in range(50):
        if current.served == "first":
            break
        time.sleep(0.1)
    current.stop()
    assert current.served == "first"


def test_the_command_shown_at_the_start_survives_any_customer_id():
    url = "http://127.0.0.1:3000"
    shown = greeting(url, 'o\'hara "x" $HOME', Path("a b/first.key")).splitlines()[1]
    assert "Bearer $(cat 'a b/first.key')" in shown
    *_, body = shlex.split(shown)
    assert json.loads(body) == {"customer_ids": ['o\'hara "x" $HOME']}


def test_answers_are_sent_without_the_delay_of_small_packets():
    async def delay_is_off() -> bool:
        async def look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted = writer.get_extra_info("socket")
            seen.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0)
            writer.close()

        seen: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        listener = listen("127.0.0.1", 0)
        async with await asyncio.start_server(look, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            writer.close()
            await writer.wait_closed()
            return await seen

    assert asyncio.run(delay_is_off())


def test_a_publication_removed_under_an_answer_is_a_503_and_no_500(tmp_path):
    nobody: Any = None
    endpoint = Endpoint(nobody, nobody, nobody, nobody, nobody, nobody)

    async def ask() -> str:
        return await endpoint.in_turn((tmp_path / "gone.parquet").read_text)

    with pytest.raises(ProblemError) as refused:
        asyncio.run(ask())
    assert refused.value.code == "not-ready"
