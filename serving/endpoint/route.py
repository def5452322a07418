"""One row of the table of routes, and how an address finds its row.

The gate and the app are both made from rows, so nothing answers that has no row: what is not
listed is refused, and a row says who may call it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

if TYPE_CHECKING:
    from configs.service import Serving
    from serving.endpoint.endpoint import Endpoint

Role = Literal["data_scientist", "application", "manager", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
BODY_SECONDS = 10.0
ANSWER_SECONDS = 30
PUBLIC = frozenset({"public"})
"""The roles of a row that everybody may call, with or without a key."""


class Handler(Protocol):
    """Parses a request, calls one function, formats what it returns."""

    async def __call__(self, request: Request, endpoint: Endpoint) -> Response: ...  # noqa: D102


@dataclass(frozen=True)
class Body:
    """What a row reads.

    Attributes:
        media_types: what ``Content-Type`` may say. JSON is parsed by the gate and handed on in
            ``scope[DOCUMENT]``; anything else reaches the handler as a stream, its bytes counted.
        bytes_at_most: the largest body, of the settings.
        seconds: how long a JSON body may take to arrive, and each piece of a stream.
    """

    media_types: tuple[str, ...]
    bytes_at_most: Callable[[Serving], int]
    seconds: float = BODY_SECONDS


@dataclass(frozen=True)
class Row:
    """An address, who may call it how, and what answers.

    Attributes:
        path: in Starlette's form, such as ``/v1/customers/{customer_id}/tier-history``.
        methods: in upper case; rows of one path differ in them.
        roles: who may call it, or :data:`PUBLIC`.
        name: what metrics, logs and the audit call it.
        handler: what answers; ``None`` where BentoML does.
        body: what is read; ``None`` where a body is not looked at.
    """

    path: str
    methods: tuple[str, ...]
    roles: frozenset[str]
    name: str
    handler: Handler | None = None
    body: Body | None = None


class RouteTable:
    """The rows by address: plain paths by one look-up, those with parameters by pattern."""

    def __init__(self, rows: Iterable[Row]) -> None:
        by_path: dict[str, dict[str, Row]] = {}
        for row in rows:
            by_path.setdefault(row.path, {}).update(dict.fromkeys(row.methods, row))
        self._plain = {path: found for path, found in by_path.items() if "{" not in path}
        self._patterns = [
            (compile_path(path)[0], found) for path, found in by_path.items() if "{" in path
        ]

    def at(self, path: str) -> Mapping[str, Row] | None:
        """Return the rows at ``path`` by method, or ``None`` where nothing is."""
        found = self._plain.get(path)
        if found is not None:
            return found
        return next((rows for pattern, rows in self._patterns if pattern.match(path)), None)
