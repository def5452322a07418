"""`Idempotency-Key`: a request that creates, sent again, creates nothing twice.

After draft-ietf-httpapi-idempotency-key-header: the same key with the same body gets the stored
answer, with another body 422, and while the first is still being answered 409. Keys are of one
caller and kept for a day.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from serving.endpoint.problems import ProblemError
from serving.endpoint.state import METADATA, Moment, State

HEADER = "idempotency-key"
REPLAYED = "idempotency-replayed"
KEPT = dt.timedelta(hours=24)
LEASE = dt.timedelta(minutes=15)
"""After which a request that was never answered has died with its process."""

KEYS_AT_MOST = 10_000
"""Of one caller, within a day."""

_KEY = re.compile(r'"[\x20\x21\x23-\x7e]{1,255}"|[\x21\x23-\x7e]{1,255}')


IDEMPOTENCY = sa.Table(
    "idempotency_keys",
    METADATA,
    sa.Column("caller", sa.String(64), primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("reserved_at", Moment, nullable=False, index=True),
    sa.Column("fingerprint", sa.String(64)),
    sa.Column("status", sa.Integer),
    sa.Column("headers", sa.JSON),
    sa.Column("body", sa.Text),
)


@dataclass(frozen=True)
class Reply:
    """An answer that is given again as it was."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Reservation:
    """A caller's key, held while its request is answered.

    Attributes:
        caller: whose key.
        digest: of the key; the key itself is not stored.
        reserved_at: tells it from a later one, where its own was taken for dead.
        stored: the fingerprint of the body and the answer of an earlier request, if there is one.
    """

    caller: str
    digest: str
    reserved_at: dt.datetime
    stored: tuple[str, Reply] | None = None


def key_in(headers: Mapping[str, str]) -> str | None:
    """Return the key that a request carries, with or without the quotes of the draft.

    Raises:
        ProblemError: invalid-idempotency-key.

    >>> key_in({"idempotency-key": '"a-1"'}), key_in({"idempotency-key": "a-1"}), key_in({})
    ('a-1', 'a-1', None)
    """
    given = headers.get(HEADER)
    if given is None:
        return None
    if not _KEY.fullmatch(given):
        raise ProblemError("invalid-idempotency-key")
    return given.strip('"')


class IdempotencyKeys:
    """The keys of a day, in the state database, so that every worker knows them."""

    def __init__(self, state: State) -> None:
        self._state = state

    def reserve(self, caller: str, key: str, now: dt.datetime) -> Reservation:
        """Hold a key for the request that begins now, or return what it was answered.

        Raises:
            ProblemError: request-in-flight, while another request with the key is answered;
                too-many-idempotency-keys.
        """
        digest = hashlib.sha256(key.encode()).hexdigest()
        held = Reservation(caller, digest, now)
        with self._state.writing() as connection:
            self._sweep(connection, caller, now)
        try:
            with self._state.writing() as connection:
                connection.execute(
                    sa.insert(IDEMPOTENCY).values(caller=caller, digest=digest, reserved_at=now)
                )
        except IntegrityError:
            return self._earlier(held)
        return held

    def _sweep(self, connection: Connection, caller: str, now: dt.datetime) -> None:
        is_old = IDEMPOTENCY.c.reserved_at <= (now - KEPT)
        is_dead = sa.and_(
            IDEMPOTENCY.c.status.is_(None), IDEMPOTENCY.c.reserved_at <= (now - LEASE)
        )
        connection.execute(sa.delete(IDEMPOTENCY).where(sa.or_(is_old, is_dead)))
        of_caller = sa.select(sa.func.count()).where(IDEMPOTENCY.c.caller == caller)
        if connection.execute(of_caller).scalar_one() >= KEYS_AT_MOST:
            raise ProblemError("too-many-idempotency-keys", headers={"Retry-After": "3600"})

    def _earlier(self, held: Reservation) -> Reservation:
        with self._state.reading() as connection:
            row = connection.execute(sa.select(IDEMPOTENCY).where(_of(held))).mappings().first()
        if row is None or row["status"] is None:
            raise ProblemError("request-in-flight", headers={"Retry-After": "1"})
        reply = Reply(row["status"], row["headers"], row["body"])
        return Reservation(
            held.caller, held.digest, row["reserved_at"], (row["fingerprint"], reply)
        )

    @staticmethod
    def complete(connection: Connection, held: Reservation, fingerprint: str, reply: Reply) -> None:
        """Store the answer, in the transaction that creates what it speaks of.

        Raises:
            ProblemError: request-in-flight: it took so long that another request has the key now,
                and nothing may be created.
        """
        stored = connection.execute(
            sa.update(IDEMPOTENCY)
            .where(_is(held))
            .values(
                fingerprint=fingerprint,
                status=reply.status,
                headers=dict(reply.headers),
                body=reply.body,
            )
        )
        if stored.rowcount != 1:
            raise ProblemError("request-in-flight", headers={"Retry-After": "1"})

    def release(self, held: Reservation) -> None:
        """Give a key free whose request created nothing: it may be mended and sent again."""
        with self._state.writing() as connection:
            unanswered = sa.and_(_is(held), IDEMPOTENCY.c.status.is_(None))
            connection.execute(sa.delete(IDEMPOTENCY).where(unanswered))


def replayed(held: Reservation, fingerprint: str) -> Reply:
    """Return the stored answer, marked as given again.

    Raises:
        ProblemError: idempotency-key-reused, with another body than the first time.
    """
    assert held.stored is not None
    first, reply = held.stored
    if first != fingerprint:
        raise ProblemError("idempotency-key-reused")
    return Reply(reply.status, {**reply.headers, REPLAYED: "true"}, reply.body)


def _of(held: Reservation) -> sa.ColumnElement[bool]:
    return sa.and_(IDEMPOTENCY.c.caller == held.caller, IDEMPOTENCY.c.digest == held.digest)


def _is(held: Reservation) -> sa.ColumnElement[bool]:
    return sa.and_(_of(held), IDEMPOTENCY.c.reserved_at == held.reserved_at)
