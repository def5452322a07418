"""The handler that tells a customer's tiers over time."""

from __future__ import annotations

import re
import sqlite3
from functools import partial

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import Response

from configs.errors import PublicationError
from configs.section import Text
from serving.changes.tier_history import tier_history
from serving.endpoint.complaints import invalid
from serving.endpoint.endpoint import Endpoint, scope_of
from serving.endpoint.predictions import unknown_at
from serving.endpoint.problems import FieldError, ProblemError
from serving.endpoint.replies import as_text
from serving.endpoint.spoken import spoken
from serving.scores.publication import Publication

MOST = 100
SHOWN = 20
DAMAGED = (PublicationError, pa.ArrowInvalid, sqlite3.DatabaseError)
"""What reading a publication raises whose files were altered."""
PAST_DAMAGED = Text(
    zh="较早的某次发布已损坏，无法给出完整历史；请告知运维人员从备份恢复。",
    en="An earlier publication is damaged, so the history would not be whole; tell the operator to "
    "restore it from a backup.",
)
_CURSOR = re.compile(r"[A-Za-z0-9_-]{1,100}")


async def history(request: Request, endpoint: Endpoint) -> Response:
    """Answer with a customer's tiers, the newest first."""
    limit = whole(request, "limit", SHOWN, MOST)
    after = cursor(request)
    live, customer_id = endpoint.served.publication, request.path_params["customer_id"]
    if customer_id not in scope_of(request):
        raise unknown_at("/customer_id")
    body = await endpoint.in_turn(partial(_body, live, customer_id, limit, after))
    return spoken(request, body)


def _body(live: Publication, customer_id: str, limit: int, after: str | None) -> str:
    try:
        page = tier_history(live, customer_id, limit, after)
    except LookupError:
        raise invalid([WRONG_CURSOR]) from None
    except DAMAGED as error:
        raise ProblemError("not-ready", PAST_DAMAGED) from error
    if not page.is_known:
        raise unknown_at("/customer_id")
    return as_text({"customer_id": customer_id, "entries": page.entries, "next": page.after})


def whole(request: Request, name: str, default: int, most: int) -> int:
    """Return the whole number that a query parameter gives, from 1 to ``most``.

    Raises:
        ProblemError: invalid-request.
    """
    given = request.query_params.get(name, str(default))
    if not (given.isascii() and given.isdigit() and len(given) < 10 and 1 <= int(given) <= most):
        remedy = Text(zh=f"请给出1到{most}的整数。", en=f"Give a whole number from 1 to {most}.")
        raise invalid([FieldError(f"/{name}", NO_NUMBER, remedy)])
    return int(given)


def cursor(request: Request) -> str | None:
    """Return where a page starts, as the page before gave it under ``next``.

    Raises:
        ProblemError: invalid-request.
    """
    given = request.query_params.get("cursor")
    if given is not None and not _CURSOR.fullmatch(given):
        raise invalid([WRONG_CURSOR])
    return given


NO_NUMBER = Text(zh="不是所允许的整数", en="is no whole number that is taken")
WRONG_CURSOR = FieldError(
    "/cursor",
    Text(zh="不是有效的翻页标记", en="is no cursor of this list"),
    Text(zh="请使用上一页的next。", en="Give what the page before has under next."),
)
