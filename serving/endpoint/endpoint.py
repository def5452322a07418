"""What every handler answers from: the configuration, what is served now, and the meters."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

from starlette.requests import Request

from configs.schema import Config
from configs.section import Text
from serving.access.audit_writer import AuditWriter
from serving.access.customer_scope import EVERYBODY, CustomerScope
from serving.access.keyring import KeyRing
from serving.access.keys import Key
from serving.endpoint.current import Current
from serving.endpoint.gate import KEY
from serving.endpoint.meters import Meters
from serving.endpoint.problems import ProblemError, of_status
from serving.endpoint.route import ANSWER_SECONDS
from serving.endpoint.state import State
from serving.endpoint.turns import Turns

if TYPE_CHECKING:
    from serving.endpoint.served import Served

T = TypeVar("T")

REMOVED = Text(
    zh="所服务的发布结果有文件不见了；请稍后重发，并告知运维人员。",
    en="Files of the publication that is served are gone; send the request again later, and tell "
    "the operator.",
)


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of one process.

    Attributes:
        config: the company, its stores and limits.
        current: what is served; replaced whole.
        meters: what is counted.
        state: the database of keys and jobs.
        keys: who may come in.
        audit: where requests are put on record.
    """

    config: Config
    current: Current[Served]
    meters: Meters
    state: State
    keys: KeyRing
    audit: AuditWriter
    _heavy: Turns = field(default_factory=lambda: Turns(1, ANSWER_SECONDS))
    _document: list[tuple[Served, bytes]] = field(default_factory=list)

    @property
    def served(self) -> Served:
        """What is served now; an answer takes it once and is made from that alone.

        Raises:
            ProblemError: not-ready, before a publication is loaded.
        """
        if self.current.served is None:
            raise of_status(503)
        return self.current.served

    async def in_turn(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, run in a thread, one at a time.

        Raises:
            ProblemError: busy or timed-out, see :class:`serving.endpoint.turns.Turns`; not-ready,
                see :func:`files_there`.
        """
        with files_there():
            return await self._heavy.take(work)

    async def once(self, served: Served, make: Callable[[], bytes]) -> bytes:
        """Return the document of ``served``, made in a turn by whoever asks first.

        It takes half a second, and anybody may ask for it as often as they like.
        """

        def kept() -> bytes | None:
            return next((text for one, text in self._document if one is served), None)

        def made() -> bytes:
            text = kept() or make()  # of those that came together, the first makes it
            self._document[:] = [(served, text)]
            return text

        text = kept()
        return await self.in_turn(made) if text is None else text


@contextlib.contextmanager
def files_there() -> Iterator[None]:
    """Read a publication.

    Raises:
        ProblemError: not-ready where a file was removed under it, of which the watch on
            publications alerts.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise ProblemError("not-ready", REMOVED, headers={"Retry-After": "1"}) from error


def caller_of(request: Request) -> Key | None:
    """Return the key that ``request`` came with; ``None`` where none is asked for."""
    return cast(Key | None, request.scope[KEY])


def scope_of(request: Request) -> CustomerScope:
    """Return whom the key of ``request`` may ask about; everybody where no key is asked for."""
    key = caller_of(request)
    return EVERYBODY if key is None else key.customers


def today(served: Served) -> dt.date:
    """Return the company's local day."""
    return dt.datetime.now(served.zone).date()
