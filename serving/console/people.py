"""Who may sign in to the console: people with a role and a password, kept in the state database."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from configs.errors import ServiceError, did_you_mean
from serving.access.customer_scope import EVERYBODY, CustomerScope
from serving.endpoint.route import ROLES, Role
from serving.endpoint.state import METADATA, Moment, State

NAME_LETTERS = 60
PASSWORD_LETTERS = 12
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


def add(state: State, name: str, role: str, password: str | None) -> Person:
    """Keep a new person and return them.

    Args:
        state: where they are kept.
        name: what they sign in by.
        role: one of :data:`ROLES`.
        password: ``None`` for somebody who comes by a link alone.

    Raises:
        ServiceError: the name is taken or empty, the role unknown, the password too short.
    """
    if not 0 < len(name) <= NAME_LETTERS or not name.isprintable():
        raise ServiceError(f"a person needs a name of 1 to {NAME_LETTERS} printable letters")
    if role not in ROLES:
        raise ServiceError(f"{role!r} is no role; {did_you_mean(role, ROLES)}")
    if password is not None and len(password) < PASSWORD_LETTERS:
        raise ServiceError(f"a password needs at least {PASSWORD_LETTERS} letters")
    values = {
        "id": "u" + secrets.token_hex(ID_BYTES),
        "name": name,
        "role": role,
        "password_hash": None if password is None else HASHER.hash(password),
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
    row = _row(state, PEOPLE.c.name == name)
    return None if row is None else _person(row)


def checked(state: State, name: str, password: str) -> Person | None:
    """Return who signs in by ``name`` and ``password``; ``None`` for anybody else.

    It takes as long for a name that nobody has.
    """
    row = _row(state, PEOPLE.c.name == name)
    kept = None if row is None else row["password_hash"]
    try:
        HASHER.verify(kept or _NOBODY, password)
    except VerificationError:
        return None
    return None if row is None or kept is None else _person(row)


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
