"""What is served follows the pointer, and what cannot start says why."""

from __future__ import annotations

import asyncio
import json
import shlex
import socket
import time
from pathlib import Path

import pytest

from configs.errors import PublicationError, ServiceError
from configs.files import make_live
from serving.current import Current
from serving.serve import greeting, listen


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


def test_a_port_that_is_taken_and_a_foreign_address_are_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=f"port {port} on .* cannot be had"):
            listen("127.0.0.1", port)
    with pytest.raises(ServiceError, match="listens on this machine alone"):
        listen("0.0.0.0", port)


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
    shown = greeting("http://127.0.0.1:3000", 'o\'hara "x" $HOME').splitlines()[1]
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
