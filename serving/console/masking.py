"""Customers' ids as data scientists see them: always the same stand-in, which tells nothing.

A keyed hash, by a secret that the state database keeps. Managers see and use the ids themselves.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from base64 import b32hexencode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from configs.section import Text
from serving.console.book import book
from serving.console.page import PageError, Visit
from serving.endpoint.state import METADATA, State

if TYPE_CHECKING:
    from serving.endpoint.served import Served

SECRET_BYTES = 32
MASK_BYTES = 10
"""Two of a million customers have the same stand-in in one company of a trillion."""
OF_MASKS = "masks"
WORD = re.compile(r"[A-Za-z0-9_-]+")

SECRETS = sa.Table(
    "console_secrets",
    METADATA,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
NOBODY = Text(zh="没有这位客户", en="There is no such customer")
LOOK_IN_QUEUE = Text(
    zh="当前发布结果中没有此编号；请在风险复核中查找。",
    en="Nobody of this id is published now; look for them in the review.",
)

_known: WeakKeyDictionary[State, bytes] = WeakKeyDictionary()


def is_masked(visit: Visit) -> bool:
    """Return whether this person sees stand-ins instead of ids."""
    return visit.person.role == "data_scientist"


def mask(visit: Visit, customer_id: str) -> str:
    """Return ``customer_id`` as this person may see it, in texts and in addresses."""
    return _stand_in(secret(visit.endpoint.state), customer_id) if is_masked(visit) else customer_id


def without_ids(visit: Visit, text: str) -> str:
    """Return what somebody wrote, with stand-ins where it names customers.

    Who is not published now, and names and numbers that are no ids, stay as they were written.
    """
    if not is_masked(visit):
        return text
    of = book(visit.served)

    def stand_in(found: re.Match[str]) -> str:
        word = found[0]
        return word if of.row_of(word) is None else mask(visit, word)

    return WORD.sub(stand_in, text)


def unmask(visit: Visit, shown: str, served: Served | None = None) -> str:
    """Return the id of the published customer whom this person knows as ``shown``.

    Raises:
        PageError: 404, nobody is.
    """
    taken = visit.served if served is None else served
    row = row_of(visit, taken, shown)
    if row is None:
        raise PageError(404, NOBODY, LOOK_IN_QUEUE)
    return book(taken).id_of(row)


def row_of(visit: Visit, served: Served, shown: str) -> int | None:
    """Return the row in the book of the customer whom this person knows as ``shown``."""
    if not is_masked(visit):
        return book(served).row_of(shown)
    found = rows_starting(visit, served, shown)
    return (
        int(found[0])
        if len(found) == 1 and mask(visit, book(served).id_of(found[0])) == shown
        else None
    )


def rows_starting(visit: Visit, served: Served, prefix: str) -> npt.NDArray[np.int64]:
    """Return the rows of whom this person knows by something that begins with ``prefix``."""
    if not is_masked(visit):
        return np.arange(*book(served).starting_with(prefix))
    return visit.kept(served, StandIns(secret(visit.endpoint.state))).starting_with(prefix)


@dataclass(frozen=True)
class Index:
    """Stand-ins of everybody who is published.

    Attributes:
        stand_ins: rising.
        rows: in the book, of each.
    """

    stand_ins: npt.NDArray[np.bytes_]
    rows: npt.NDArray[np.int64]

    def starting_with(self, prefix: str) -> npt.NDArray[np.int64]:
        """Return the rows whose stand-in begins with ``prefix``."""
        start = prefix.encode("ascii", "replace")
        first, last = np.searchsorted(self.stand_ins, [start, start + b"~"])
        return self.rows[first:last]


@dataclass(frozen=True)
class StandIns:
    """Makes the index of a publication; equal for one secret, so it is kept as one."""

    secret: bytes = field(repr=False)

    def __call__(self, served: Served) -> Index:
        """Return the stand-ins of everybody who is published."""
        ids = book(served).customer_ids.to_pylist()
        made = np.array([_stand_in(self.secret, one) for one in ids], dtype="S16")
        rows = np.argsort(made, kind="stable")
        return Index(made[rows], rows)


def secret(state: State) -> bytes:
    """Return the secret of stand-ins, made by whoever needs it first."""
    if state not in _known:
        _known[state] = _kept(state) or _made(state)
    return _known[state]


def _kept(state: State) -> bytes | None:
    with state.reading() as connection:
        return connection.execute(
            sa.select(SECRETS.c.value).where(SECRETS.c.name == OF_MASKS)
        ).scalar()


def _made(state: State) -> bytes:
    try:
        with state.writing() as connection:
            values = {"name": OF_MASKS, "value": secrets.token_bytes(SECRET_BYTES)}
            connection.execute(sa.insert(SECRETS).values(values))
    except sa.exc.IntegrityError:
        pass  # another process was faster; its secret is the one
    found = _kept(state)
    assert found is not None
    return found


def _stand_in(key: bytes, customer_id: str) -> str:
    digest = hashlib.blake2b(customer_id.encode(), key=key, digest_size=MASK_BYTES).digest()
    return b32hexencode(digest).decode().lower()
