"""Letting nobody new in over a socket that listens, while those on their way still arrive.

A connection is made by the system, before a program accepts it; whoever gets in between the last
look into that queue and the closing of the socket has a connection, sends a request over it, and is
cut off. So the system is told first to drop what begins a connection (a TCP segment with SYN and
without ACK) by a filter on the socket; the queue is emptied at leisure, and the socket then closed.
Who knocks meanwhile knocks again after a second, as TCP does, and is refused.

The filter is a classic BPF program, which needs no rights; see ``Documentation/networking/filter``
of Linux. Other systems have none: there the gap stays, some microseconds wide.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys

SO_ATTACH_FILTER = 26
FLAGS_AT, ACK_AND_SYN, SYN = 13, 0x12, 0x02
LOAD_BYTE, AND, JUMP_IF_EQUAL, RETURN = 0x30, 0x54, 0x15, 0x06
PROGRAM = (
    (LOAD_BYTE, 0, 0, FLAGS_AT),
    (AND, 0, 0, ACK_AND_SYN),
    (JUMP_IF_EQUAL, 0, 1, SYN),
    (RETURN, 0, 0, 0),
    (RETURN, 0, 0, 0xFFFFFFFF),
)
"""Code, jumps if true and if false, operand: nothing of a segment that begins a connection."""


def let_nobody_in(listener: socket.socket) -> None:
    """Drop what would begin a connection to ``listener``, in whatever process it is shared."""
    if sys.platform != "linux":
        return
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in PROGRAM))
    program = struct.pack("HP", len(PROGRAM), ctypes.addressof(code))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
