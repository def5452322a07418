"""Sessions of the console, kept at the server; a browser holds a random token, nothing else."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets

import sqlalchemy as sa

from serving.console.people import PEOPLE, Person
from serving.endpoint.state import METADATA, Moment, State

TOKEN_BYTES = 32
LASTS = dt.timedelta(hours=12)
LINK_LASTS = dt.timedelta(minutes=30)

SESSIONS = sa.Table(
    "sessions",
    METADATA,
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("person", sa.String(24), nullable=False),
    sa.Column("is_link", sa.Boolean, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)
"""``is_link``: a token that opens a session once, as the link of the start does."""


def open_session(state: State, person: Person) -> str:
    """Return the token of a new session of ``person``."""
    return _made(state, person, LASTS, is_link=False)


def open_link(state: State, person: Person) -> str:
    """Return a token that signs ``person`` in once."""
    return _made(state, person, LINK_LASTS, is_link=True)


def use_link(state: State, token: str) -> Person | None:
    """Return whom ``token`` signs in, and never again."""
    person = _holder(state, token, is_link=True)
    with state.writing() as connection:
        gone = connection.execute(
            sa.delete(SESSIONS).where(SESSIONS.c.token_sha256 == _hash(token), SESSIONS.c.is_link)
        )
    return person if gone.rowcount else None


def holder(state: State, token: str) -> Person | None:
    """Return whose session ``token`` is; ``None`` once it has ended."""
    return _holder(state, token, is_link=False)


def close_session(state: State, token: str) -> None:
    """End a session."""
    with state.writing() as connection:
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.token_sha256 == _hash(token)))


def _made(state: State, person: Person, lasts: dt.timedelta, is_link: bool) -> str:
    token, now = secrets.token_urlsafe(TOKEN_BYTES), dt.datetime.now(dt.UTC)
    values = {
        "token_sha256": _hash(token),
        "person": person.id,
        "is_link": is_link,
        "created_at": now,
        "expires_at": now + lasts,
    }
    with state.writing() as connection:
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.expires_at < now))
        connection.execute(sa.insert(SESSIONS).values(values))
    return token


def _holder(state: State, token: str, is_link: bool) -> Person | None:
    held = (
        (SESSIONS.c.token_sha256 == _hash(token))
        & (SESSIONS.c.is_link == is_link)
        & (SESSIONS.c.expires_at > dt.datetime.now(dt.UTC))
        & PEOPLE.c.disabled_at.is_(None)
    )
    joined = SESSIONS.join(PEOPLE, SESSIONS.c.person == PEOPLE.c.id)
    columns = PEOPLE.c.id, PEOPLE.c.name, PEOPLE.c.role
    with state.reading() as connection:
        row = connection.execute(sa.select(*columns).select_from(joined).where(held)).one_or_none()
    return None if row is None else Person(*row)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
