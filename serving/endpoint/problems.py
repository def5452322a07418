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

from configs.section import Text
from serving.endpoint.languages import Language
from serving.endpoint.problem_kinds import BY_STATUS, KINDS, Kind

MEDIA_TYPE = "application/problem+json"
SHOWN_AT_MOST = 20
"""Field errors listed in one document; the detail says how many there are."""

Said = Text | str
"""What is told in both languages; a mere name, number or header is the same in either."""


def in_one(said: Said, language: Language) -> str:
    """Return ``said`` in ``language``."""
    return said if isinstance(said, str) else said[language]


@dataclass(frozen=True)
class FieldError:
    """One place in the request that is wrong, and how to mend it."""

    pointer: str
    detail: Said
    remedy: Said

    def told(self, language: Language) -> dict[str, str]:
        """Return the members of this error in a problem document."""
        texts = {"detail": self.detail, "remedy": self.remedy}
        return {"pointer": self.pointer} | {
            name: in_one(text, language) for name, text in texts.items()
        }


class ProblemError(Exception):
    """A refusal on its way to the client.

    Args:
        code: one of ``KINDS``.
        detail: what is wrong in particular; the kind's own where nothing is.
        errors: the fields that are wrong, or the first of them.
        headers: go with the document.
        count: how many fields are wrong, where ``errors`` are only the first.
    """

    def __init__(
        self,
        code: str,
        detail: Said = "",
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
        count: int | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.count = len(errors) if count is None else count

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


def document(
    problem: ProblemError, trace_id: str, language: Language | None = None
) -> dict[str, Any]:
    """Return the problem as the JSON members of RFC 9457, with ``code``, ``trace_id``, ``errors``.

    Args:
        problem: what is refused.
        trace_id: also in the header ``X-Request-Id``.
        language: of the texts, which RFC 9457 has as plain ones; English unless told.

    >>> document(ProblemError("unknown-route"), "4f1c")["title"]
    'There is nothing at this address'
    >>> document(ProblemError("unknown-route"), "4f1c", "zh")["title"]
    '该地址没有内容'
    """
    kind, language = problem.kind, language or "en"
    content: dict[str, Any] = {
        "type": f"urn:echelon:problem:{kind.code}",
        "title": kind.title[language],
        "status": kind.status,
        "detail": in_one(problem.detail or kind.detail, language),
        "code": kind.code,
        "trace_id": trace_id,
    }
    if problem.errors:
        shown = problem.errors[:SHOWN_AT_MOST]
        content["errors"] = [error.told(language) for error in shown]
        content["error_count"] = problem.count
    return content


def encoded(
    problem: ProblemError, trace_id: str, language: Language | None = None
) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of the document."""
    body = json.dumps(document(problem, trace_id, language), ensure_ascii=False).encode()
    headers = {
        "content-type": MEDIA_TYPE,
        "content-length": str(len(body)),
        "content-language": language or "en",
        "vary": "Accept-Language",
    }
    return body, headers | problem.headers


_PLAIN_KEY = re.compile(r"(?=.{1,64}$)[A-Za-z_]+(?:[0-9]{1,2}[A-Za-z_]+)*[0-9]{0,2}")
"""Words with at most two digits together: `Contacts_Count_12_mon`, and no customer's number."""


def is_plain(key: str) -> bool:
    """Return whether ``key`` may be repeated: it looks like a field's name, not like data."""
    return _PLAIN_KEY.fullmatch(key) is not None


def pointer(location: Iterable[str | int]) -> str:
    """Return the JSON pointer of ``location``; it ends before a key that is no plain name.

    Keys that look like data (an address, a name) are values too, and are not repeated.

    >>> pointer(["records", "transactions", 3, "amount"])
    '/records/transactions/3/amount'
    >>> pointer(["records", "ada@example.org", 1]), pointer(["records", "C0000001"])
    ('/records', '/records')
    """
    parts = []
    for part in location:
        if isinstance(part, str) and not is_plain(part):
            break
        parts.append(str(part))
    return "".join(f"/{part}" for part in parts)
