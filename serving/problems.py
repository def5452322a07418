"""What the endpoint says when it refuses: one problem document (RFC 9457) for everything not 2xx.

A document says what is wrong, where (a JSON pointer, RFC 6901) and how to mend it. It never repeats
a value that was sent, so that logs of client errors hold no personal data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MEDIA_TYPE = "application/problem+json"
SHOWN_AT_MOST = 20
"""Field errors listed in one document; the detail says how many there are."""


@dataclass(frozen=True)
class Kind:
    """One kind of problem: a stable code for programs, a status, a title for people."""

    code: str
    status: int
    title: str


KINDS = {
    kind.code: kind
    for kind in (
        Kind("malformed-json", 400, "The body is not JSON"),
        Kind("not-finite-number", 400, "A number is not finite"),
        Kind("repeated-key", 400, "A key stands twice in one object"),
        Kind("malformed-request", 400, "The request is malformed"),
        Kind("unknown-customer", 404, "The customer is not in the publication"),
        Kind("unknown-route", 404, "There is nothing at this address"),
        Kind("method-not-allowed", 405, "The address does not accept this method"),
        Kind("body-too-slow", 408, "The body did not arrive in time"),
        Kind("body-too-large", 413, "The body is too large"),
        Kind("too-many-rows", 413, "The request holds too many rows"),
        Kind("not-json", 415, "The body must be sent as JSON"),
        Kind("host-not-allowed", 421, "The host name is not served here"),
        Kind("invalid-request", 422, "The request does not fit its schema"),
        Kind("raw-records-not-served", 422, "Raw records cannot be scored by this model"),
        Kind("overloaded", 429, "Too many requests at once"),
        Kind("internal-error", 500, "The endpoint failed"),
        Kind("not-ready", 503, "The endpoint is not ready"),
        Kind("timed-out", 504, "The answer took too long"),
    )
}
"""Every kind, by code; ``docs/api.md`` explains each, and a test says so."""

BY_STATUS = {kind.status: kind.code for kind in reversed(KINDS.values())} | {
    400: "malformed-request",
    404: "unknown-route",
}
"""The code that stands for a bare status."""

DETAILS = {
    "malformed-request": "The request cannot be understood; see /docs.json for what is accepted.",
    "unknown-route": "See /docs.json for the addresses that exist.",
    "overloaded": "Send the request again later, and fewer at once.",
    "internal-error": "The operator finds the cause in the log under this trace id.",
    "not-ready": "No publication is loaded; see /readyz, and send the request again later.",
    "timed-out": "Send fewer rows, or send the request again later.",
}
"""What a document says when nothing more particular is known."""


@dataclass(frozen=True)
class FieldError:
    """One place in the request that is wrong, and how to mend it."""

    pointer: str
    detail: str
    remedy: str


class ProblemError(Exception):
    """A refusal on its way to the client; ``headers`` go with the document."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})

    @property
    def kind(self) -> Kind:
        """The kind that the code names."""
        return KINDS[self.code]


def of_status(status: int) -> ProblemError:
    """Return the problem for a bare HTTP status, as the framework gives it.

    >>> of_status(404).code, of_status(418).code, of_status(502).code
    ('unknown-route', 'malformed-request', 'internal-error')
    """
    code = "malformed-request" if status < 500 else "internal-error"
    wait = {"Retry-After": "1"} if status in (429, 503) else {}
    return ProblemError(BY_STATUS.get(status, code), headers=wait)


def document(problem: ProblemError, trace_id: str) -> dict[str, Any]:
    """Return the problem as the JSON members of RFC 9457, with ``code``, ``trace_id``, ``errors``.

    >>> document(ProblemError("unknown-route"), "4f1c")["title"]
    'There is nothing at this address'
    """
    kind = problem.kind
    content: dict[str, Any] = {
        "type": f"urn:echelon:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail or DETAILS.get(kind.code, kind.title + "."),
        "code": kind.code,
        "trace_id": trace_id,
    }
    if problem.errors:
        shown = problem.errors[:SHOWN_AT_MOST]
        content["errors"] = [vars(error) for error in shown]
        content["error_count"] = len(problem.errors)
    return content


def encoded(problem: ProblemError, trace_id: str) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of the document."""
    body = json.dumps(document(problem, trace_id), ensure_ascii=False).encode()
    headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body))}
    return body, headers | problem.headers


_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def pointer(location: Iterable[str | int]) -> str:
    """Return the JSON pointer of ``location``; it ends before a key that is no plain name.

    Keys that look like data (an address, a name) are values too, and are not repeated.

    >>> pointer(["records", "transactions", 3, "amount"])
    '/records/transactions/3/amount'
    >>> pointer(["records", "ada@example.org", 1])
    '/records'
    """
    parts = []
    for part in location:
        if isinstance(part, str) and not _PLAIN_KEY.fullmatch(part):
            break
        parts.append(str(part))
    return "".join(f"/{part}" for part in parts)
