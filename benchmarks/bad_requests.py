"""Generated bad requests: every route and more, every content type, bodies mended until wrong.

Each text that is generated holds :data:`CANARY`, so that an answer which repeats one is caught.
Keys of objects hold it with signs that no field's name has: names of fields may be pointed at.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from serving.endpoint.route import Row

CANARY = "canary4711"
KEY = f"{CANARY}@example.org 客户"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW", "post")
PATHS = (
    f"/{CANARY}",
    f"/v1/customers/{CANARY}/x",
    "//v1/predictions",
    "/v1/predictions/",
    "/v1/%70redictions",
    "/v1/%2e%2e/%2e%2e/etc/passwd",
    "/static_content/../../etc/passwd",
    "/static_content/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/%",
    "/%zz",
    "/%00",
    "/%ff%fe",
    f"/v1/predictions;{CANARY}=1",
    "/" + "a" * 9000,
    "*",
    "",
)
TYPES = (
    "application/json",
    "application/json; charset=utf-8",
    "application/json; charset=gbk",
    "application/x-ndjson",
    "application/vnd.apache.parquet",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/vnd.bentoml+pickle",
    "text/plain",
    f"{CANARY}/{CANARY}",
    "",
    ";;;",
)
HEADERS = (
    ("accept", "application/xml"),
    ("accept", CANARY),
    ("accept-language", "zh-CN,zh;q=0.9"),
    ("accept-language", f"{CANARY};q=9;;,,*;q=0"),
    ("authorization", f"Bearer ech_{CANARY}_{CANARY}"),
    ("authorization", f"Basic {CANARY}"),
    ("authorization", "Bearer"),
    ("content-encoding", "gzip"),
    ("content-length", "99999999999"),
    ("content-length", CANARY),
    ("content-length", "-1"),
    ("cookie", f"session={CANARY}"),
    ("expect", "100-continue"),
    ("host", f"{CANARY}.example"),
    ("host", ""),
    ("idempotency-key", CANARY * 40),
    ("if-none-match", f'"{CANARY}"'),
    ("range", "bytes=0-"),
    ("traceparent", f"00-{CANARY}"),
    ("transfer-encoding", "gzip, chunked"),
    ("x-forwarded-for", CANARY),
    ("x-request-id", CANARY),
    ("x-request-id", "\xff" * 100),
)
LEAVES: tuple[Any, ...] = (
    *(CANARY, f"{CANARY}@example.org", "", CANARY * 1100, f"\x00{CANARY}", "\ud83d\ude00" * 3),
    *(None, True, 0, -1, 1.5, 10**18, 2**70, 1e308, -0.0, "2026-02-30", "1899-01-01", "NaN"),
    *([], {}, [CANARY], [[[[CANARY]]]], {KEY: CANARY}, ["C0000001"] * 1001),
)


@dataclass(frozen=True)
class Sent:
    """A request as a server hands it to the app."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def requests(rows: Sequence[Row], examples: Sequence[Any], key: str) -> st.SearchStrategy[Sent]:
    """Return requests to ``rows`` and to nowhere, with bodies made from ``examples``.

    Args:
        rows: the table of routes.
        examples: bodies that are accepted.
        key: a key that is; most requests come with it, so that what lies behind it is reached.
    """
    targets = [row.path.replace("{path:path}", CANARY).replace("{", "").replace("}", "")
               for row in rows]  # fmt: skip
    posted = [row.path for row in rows if row.body is not None and "{" not in row.path]
    body = bodies(examples)
    plausible = st.builds(
        Sent,
        st.just("POST"),
        st.sampled_from(posted),
        st.just((*_known(key), ("content-type", "application/json"))),
        body,
    )
    odd = st.builds(
        Sent,
        st.sampled_from(METHODS),
        st.builds(str.__add__, st.sampled_from((*targets, *PATHS)), st.sampled_from(QUERIES)),
        _headers(key),
        body,
    )
    return plausible | odd


QUERIES = (*[""] * 8, f"?{CANARY}={CANARY}", "?%ff=%", "?" + "&".join(["a=1"] * 2000))


def _known(key: str) -> tuple[tuple[str, str], ...]:
    return (("host", "localhost"), ("authorization", f"Bearer {key}"))


def _headers(key: str) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    odd = st.lists(st.sampled_from(HEADERS), max_size=4)
    kind = st.sampled_from(TYPES).map(lambda value: ("content-type", value))
    base = st.sampled_from([*[_known(key)] * 6, _known(key)[:1], ()])
    return st.builds(lambda base, kind, odd: (*base, kind, *odd), base, kind, odd)


def bodies(examples: Sequence[Any]) -> st.SearchStrategy[bytes]:
    """Return bodies: documents changed in one to three places, then perhaps damaged as bytes."""
    changed = st.builds(_changed, st.sampled_from(list(examples)), st.lists(CHANGES, max_size=3))
    return st.builds(_damaged, changed, st.sampled_from((*[""] * 8, *DAMAGES)), st.integers(0, 500))


CHANGES = st.tuples(
    st.integers(0, 400),
    st.sampled_from(("replace", "replace", "remove", "add", "repeat")),
    st.integers(0, len(LEAVES) - 1),
)


def _changed(example: Any, changes: Sequence[tuple[int, str, int]]) -> str:
    document = {"": copy.deepcopy(example)}
    for place, change, leaf in changes:
        value = copy.deepcopy(LEAVES[leaf])
        places = list(_places(document))
        holder, key = places[place % len(places)]
        if change == "remove" and holder is not document:
            del holder[key]
        elif change == "add" and isinstance(holder[key], dict):
            holder[key][KEY if place % 2 else "colour"] = value
        elif change == "repeat" and isinstance(holder[key], list):
            holder[key] = holder[key] * 3
        else:
            holder[key] = value
    return json.dumps(document[""])


def _places(holder: Any) -> Any:
    for key, value in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
        yield holder, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _damaged(text: str, damage: str, place: int) -> bytes:
    body = text.encode()
    match damage:
        case "cut":
            return body[: place % (len(body) + 1)]
        case "nan":
            return text.replace("1", "NaN", 1).encode()
        case "huge":
            return text.replace("1", "1e999", 1).encode()
        case "twice":
            return text.replace(
                "{", f'{{"customer_ids":["{CANARY}"],"customer_ids":[],', 1
            ).encode()
        case "deep":
            return b'{"records":' + b"[" * 5000
        case "bytes":
            return body[:place] + b"\xff\x00\xc3" + body[place:]
        case "surrogate":
            return b'{"customer_ids": ["\\ud800' + CANARY.encode() + b'"]}'
        case "gzip":
            return gzip.compress(body)
        case "long":
            return body + b" " * 1_100_000
        case "bom":
            return b"\xef\xbb\xbf" + body
        case "wide":
            return text.encode("utf-16")
        case "lines":
            return body + b"\n" + body
        case _:
            return body


DAMAGES = ("cut", "nan", "huge", "twice", "deep", "bytes", "surrogate", "gzip", "long", "bom",
           "wide", "lines", "empty")  # fmt: skip
