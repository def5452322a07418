"""An answer's head and body leave together, in order, and nothing is held back."""

from __future__ import annotations

import asyncio

from serving.endpoint.joined import HELD_BYTES, Joined


class Wire:
    """A transport that keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


def written(*pieces: bytes, close: bool = False) -> Wire:
    async def turn() -> Wire:
        wire = Wire()
        joined = Joined(wire, asyncio.get_running_loop())
        for piece in pieces:
            joined.write(piece)
        if close:
            joined.close()
        assert joined.is_closing() == close
        await asyncio.sleep(0)
        return wire

    return asyncio.run(turn())


def test_head_and_body_are_one_piece_on_the_wire():
    assert written(b"head ", b"body").sent == [b"head body"]


def test_what_was_written_is_sent_before_the_connection_closes():
    wire = written(b"last words", close=True)
    assert wire.sent == [b"last words"]
    assert wire.is_closed


def test_a_long_answer_is_not_held_back():
    piece = b"x" * HELD_BYTES
    assert written(piece, piece, b"end").sent == [piece + piece, b"end"]
