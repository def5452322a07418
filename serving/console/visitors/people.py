"""Who may sign in to the console: people with a role and a password, kept in the state database."""

from __future__ import annotations

import datetime as dt
import secrets
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from configs.errors import ServiceError, did_you_mean
from serving.access.customer_scope import EVERYBODY, CustomerScope
from serving.endpoint.route import ROLES, Role
from serving.endpoint.state import METADATA, Moment, State

SIGN_IN_ROLES: tuple[Role, ...] = tuple(role for role in ROLES if role != "application")
NAME_LETTERS = 60
PASSWORD_LETTERS = 12
PASSWORD_LETTERS_AT_MOST = 200
ID_BYTES = 6
LOCAL = "local"
"""Who comes by the link that is printed at the start: whoever can read this terminal."""

PEOPLE = sa.Table(
    "people",
    METADATA,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("name", sa.String(NAME_LETTERS), nullable=False, unique=True),
    sa.Column("role", sa.String(32), nullable=False),
    sa.Column("password_hash", sa.String(200), nullable=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("disabled_at", Moment, nullable=True),
)

HASHER = PasswordHasher()
"""Argon2id as RFC 9106, section 4, recommends where memory is scarce: 64 MiB, three passes."""
_HASHING = threading.BoundedSemaphore(2)
"""Each takes 64 MiB: who sends many passwords at once must not take all memory."""


@dataclass(frozen=True)
class Person:
    """Somebody who may sign in.

    Attributes:
        id: names them on record and in logs.
        name: what they sign in by, and what others see.
        role: what they may do.
        customers: whom they may see.
    """

    id: str
    name: str
    role: Role
    customers: CustomerScope = EVERYBODY


@dataclass(frozen=True)
class Listed:
    """Somebody as an operator sees them.

    Attributes:
        person: who.
        has_password: whether they sign in by one; else by links alone.
        created_at: when they were added.
        disabled_at: since when they may not come in.
    """

    person: Person
    has_password: bool
    created_at: dt.datetime
    disabled_at: dt.datetime | None


def add(state: State, name: str, role: str, password: str | None) -> Person:
    """Keep a new person and return them.

    Args:
        state: where they are kept.
        name: what they sign in by.
        role: one of :data:`SIGN_IN_ROLES`.
        password: ``None`` for somebody who comes by a link alone.

    Raises:
        ServiceError: the name is taken or empty, the role unknown, the password too short.
    """
    name = as_typed(name)
    if not 0 < len(name) <= NAME_LETTERS or not name.isprintable():
        raise ServiceError(f"a person needs a name of 1 to {NAME_LETTERS} printable letters")
    if role not in SIGN_IN_ROLES:
        raise ServiceError(
            f"{role!r} is no role that signs in; {did_you_mean(role, SIGN_IN_ROLES)}"
        )
    values = {
        "id": "u" + secrets.token_hex(ID_BYTES),
        "name": name,
        "role": role,
        "password_hash": None if password is None else _hashed(password),
        "created_at": dt.datetime.now(dt.UTC),
    }
    with state.writing() as connection:
        try:
            connection.execute(sa.insert(PEOPLE).values(values))
        except sa.exc.IntegrityError as error:
            raise ServiceError(f"there is somebody named {name!r} already") from error
    return _person(values)


def local(state: State) -> Person:
    """Return the administrator who comes by the link of the start, made the first time."""
    found = named(state, LOCAL)
    return add(state, LOCAL, "admin", None) if found is None else found


def named(state: State, name: str) -> Person | None:
    """Return who signs in by ``name``, unless they are disabled."""
    row = _row(state, PEOPLE.c.name == as_typed(name))
    return None if row is None else _person(row)


def checked(state: State, name: str, password: str) -> Person | None:
    """Return who signs in by ``name`` and ``password``; ``None`` for anybody else.

    It takes as long for a name that nobody has.
    """
    row = _row(state, PEOPLE.c.name == as_typed(name))
    kept = None if row is None else row["password_hash"]
    try:
        with _HASHING:
            HASHER.verify(kept or _NOBODY, unicodedata.normalize("NFC", password))
    except VerificationError:
        return None
    return None if row is None or kept is None else _person(row)


def listed(state: State) -> Sequence[Listed]:
    """Return everybody, those disabled too, the first added first."""
    with state.reading() as connection:
        rows = connection.execute(sa.select(PEOPLE).order_by(PEOPLE.c.created_at)).mappings().all()
    return [
        Listed(
            _person(row), row["password_hash"] is not None, row["created_at"], row["disabled_at"]
        )
        for row in rows
    ]


def set_password(state: State, name: str, password: str) -> Person:
    """Give somebody another password and return them.

    Raises:
        ServiceError: there is nobody of that name, or the password is too short.
    """
    return _changed(state, name, {"password_hash": _hashed(password)})


def disable(state: State, name: str) -> Person:
    """Let somebody in no more and return them; their sessions end at once.

    Raises:
        ServiceError: there is nobody of that name.
    """
    return _changed(state, name, {"disabled_at": dt.datetime.now(dt.UTC)})


def as_typed(name: str) -> str:
    """Return ``name`` in one form, however a keyboard composed its letters."""
    return unicodedata.normalize("NFC", name).strip()


def _changed(state: State, name: str, values: Mapping[str, Any]) -> Person:
    person = named(state, name)
    if person is None:
        raise ServiceError(
            f"there is nobody named {name!r} who may sign in; see `echelon users list`"
        )
    with state.writing() as connection:
        connection.execute(sa.update(PEOPLE).where(PEOPLE.c.id == person.id).values(values))
    return person


def _hashed(password: str) -> str:
    if not PASSWORD_LETTERS <= len(password) <= PASSWORD_LETTERS_AT_MOST:
        raise ServiceError(
            f"a password needs {PASSWORD_LETTERS} to {PASSWORD_LETTERS_AT_MOST} letters; "
            "several words are easy to keep in mind"
        )
    return HASHER.hash(unicodedata.normalize("NFC", password))


def _row(state: State, whose: sa.ColumnElement[bool]) -> Mapping[Any, Any] | None:
    held = whose & PEOPLE.c.disabled_at.is_(None)
    with state.reading() as connection:
        return connection.execute(sa.select(PEOPLE).where(held)).mappings().one_or_none()


def _person(row: Mapping[Any, Any]) -> Person:
    return Person(row["id"], row["name"], row["role"])


_NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)
