"""The name of a request: in its answer, its problem document, the log and its trace."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
"""W3C Trace Context, level 1, section 3.2: version, trace, parent span, flags."""

_UUID = re.compile(rb"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")
"""A UUID with or without hyphens: no phone number, customer or card number looks like one."""


def trace_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the trace of ``traceparent``, else the UUID of ``x-request-id``, else a new id.

    >>> trace_id([(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")])
    'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
    >>> trace_id([(b"x-request-id", b"0af76519-16cd-43dd-8448-eb211c80319c")])
    '0af76519-16cd-43dd-8448-eb211c80319c'
    >>> len(trace_id([(b"x-request-id", b"13800138000")]))
    32
    """
    asked = None
    for name, value in headers:
        if name == b"traceparent":
            parent = TRACEPARENT.fullmatch(value)
            if parent is not None:
                return parent[1].decode()
        elif name == b"x-request-id" and _UUID.fullmatch(value):
            asked = value.decode()
    return asked or os.urandom(16).hex()
