"""Sessions of the console, kept at the server; a browser holds a random token, nothing else."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets

import sqlalchemy as sa

from serving.console.visitors.people import PEOPLE, Person
from serving.endpoint.state import METADATA, Moment, State

TOKEN_BYTES = 32
LASTS = dt.timedelta(hours=12)
"""From signing in on, however busy."""
IDLE = dt.timedelta(hours=2)
"""Without a page asked for."""
SEEN_EVERY = dt.timedelta(minutes=1)
"""How exactly it is kept when a session was last used: a write a minute, not one a page."""
LINK_LASTS = dt.timedelta(minutes=30)

SESSIONS = sa.Table(
    "sessions",
    METADATA,
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("person", sa.String(24), nullable=False, index=True),
    sa.Column("is_link", sa.Boolean, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)
"""``is_link``: a token that opens a session once, as the link of the start does."""


def open_session(state: State, person: Person) -> str:
    """Return the token of a new session of ``person``."""
    return _made(state, person, LASTS, is_link=False)


def open_link(state: State, person: Person) -> str:
    """Return a token that signs ``person`` in once."""
    return _made(state, person, LINK_LASTS, is_link=True)


def linked(state: State, token: str) -> Person | None:
    """Return whom the link of ``token`` would sign in; it is not used up by that."""
    found = _held(state, token, is_link=True)
    return None if found is None else found[0]


def use_link(state: State, token: str) -> Person | None:
    """Return whom ``token`` signs in, and never again."""
    person = linked(state, token)
    with state.writing() as connection:
        gone = connection.execute(
            sa.delete(SESSIONS).where(SESSIONS.c.token_sha256 == _hash(token), SESSIONS.c.is_link)
        )
    return person if gone.rowcount else None


def holder(state: State, token: str) -> Person | None:
    """Return whose session ``token`` is; ``None`` once it has ended or its person is disabled."""
    found = _held(state, token, is_link=False)
    if found is None:
        return None
    person, seen_at = found
    now = dt.datetime.now(dt.UTC)
    if now - seen_at > SEEN_EVERY:
        whose = SESSIONS.c.token_sha256 == _hash(token)
        with state.writing() as connection:
            connection.execute(sa.update(SESSIONS).where(whose).values(seen_at=now))
    return person


def close_session(state: State, token: str) -> None:
    """End a session."""
    _close(state, SESSIONS.c.token_sha256 == _hash(token))


def close_all(state: State, person: Person) -> None:
    """End every session of ``person``, and let no link sign them in."""
    _close(state, SESSIONS.c.person == person.id)


def _close(state: State, which: sa.ColumnElement[bool]) -> None:
    with state.writing() as connection:
        connection.execute(sa.delete(SESSIONS).where(which))


def _made(state: State, person: Person, lasts: dt.timedelta, is_link: bool) -> str:
    token, now = secrets.token_urlsafe(TOKEN_BYTES), dt.datetime.now(dt.UTC)
    values = {
        "token_sha256": _hash(token),
        "person": person.id,
        "is_link": is_link,
        "created_at": now,
        "seen_at": now,
        "expires_at": now + lasts,
    }
    with state.writing() as connection:
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.expires_at < now))
        connection.execute(sa.insert(SESSIONS).values(values))
    return token


def _held(state: State, token: str, is_link: bool) -> tuple[Person, dt.datetime] | None:
    now = dt.datetime.now(dt.UTC)
    held = (
        (SESSIONS.c.token_sha256 == _hash(token))
        & (SESSIONS.c.is_link == is_link)
        & (SESSIONS.c.expires_at > now)
        & PEOPLE.c.disabled_at.is_(None)
    )
    if not is_link:
        held &= SESSIONS.c.seen_at > now - IDLE
    joined = SESSIONS.join(PEOPLE, SESSIONS.c.person == PEOPLE.c.id)
    columns = PEOPLE.c.id, PEOPLE.c.name, PEOPLE.c.role, SESSIONS.c.seen_at
    with state.reading() as connection:
        row = connection.execute(sa.select(*columns).select_from(joined).where(held)).one_or_none()
    return None if row is None else (Person(row.id, row.name, row.role), row.seen_at)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
