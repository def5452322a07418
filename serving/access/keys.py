"""API keys: ``ech_<id>_<secret>``, of which the database holds the id and the secret's SHA-256.

A secret has 256 random bits, so a fast hash is as safe as a slow one, and checking costs
microseconds. A key has a role, and may be limited to customers whose ids match patterns.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from configs.errors import ServiceError, did_you_mean
from serving.access.customer_scope import CustomerScope
from serving.endpoint.route import ROLES, Role
from serving.endpoint.state import METADATA, Moment, State

SECRET_BYTES = 32
ID_BYTES = 5
NAME_LETTERS = 100
FIRST_KEY_FILE = "first.key"
FIRST_KEY_ROLE: Role = "application"
"""What the key of the first start may do: ask about customers, and nothing an operator does."""

API_KEYS = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(NAME_LETTERS), nullable=False),
    sa.Column("role", sa.String(32), nullable=False),
    sa.Column("customers", sa.JSON, nullable=True),
    sa.Column("secret_sha256", sa.String(64), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=True),
    sa.Column("revoked_at", Moment, nullable=True),
    sa.Column("last_used_at", Moment, nullable=True),
)


@dataclass(frozen=True)
class Key:
    """A key as it is kept.

    Attributes:
        id: names it in the audit log and the commands; no secret.
        name: what it is for.
        role: what it may do.
        customers: whom it may ask about.
        secret_sha256: in hexadecimal.
        created_at: when it was made.
        expires_at: from when on it is refused.
        revoked_at: when it was taken back.
        last_used_at: to the minute, or so.
    """

    id: str
    name: str
    role: Role
    customers: CustomerScope
    secret_sha256: str
    created_at: dt.datetime
    expires_at: dt.datetime | None = None
    revoked_at: dt.datetime | None = None
    last_used_at: dt.datetime | None = None

    def holds_at(self, moment: dt.datetime) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or moment < self.expires_at)


@dataclass(frozen=True)
class Made:
    """A new key with the text that is shown once."""

    key: Key
    text: str


def drawn(
    name: str,
    role: str,
    customers: Sequence[str] = (),
    expires_at: dt.datetime | None = None,
) -> Made:
    """Return a new key that nothing keeps yet; see :func:`create`."""
    if not 0 < len(name) <= NAME_LETTERS or not name.isprintable():
        raise ServiceError(f"a key needs a name of 1 to {NAME_LETTERS} printable letters")
    if role not in ROLES:
        raise ServiceError(f"{role!r} is no role; {did_you_mean(role, ROLES)}")
    secret = secrets.token_urlsafe(SECRET_BYTES)
    key_id = secrets.token_hex(ID_BYTES)
    now = dt.datetime.now(dt.UTC)
    if expires_at is not None and expires_at <= now:
        raise ServiceError(f"a key cannot expire at {expires_at}, which is past; give a later day")
    key = Key(key_id, name, role, CustomerScope(tuple(customers)), digest(secret), now, expires_at)
    return Made(key, f"ech_{key_id}_{secret}")


def create(
    state: State,
    name: str,
    role: str,
    customers: Sequence[str] = (),
    expires_at: dt.datetime | None = None,
) -> Made:
    """Keep a new key and return it with its text, which is nowhere else.

    Args:
        state: where it is kept.
        name: what it is for.
        role: one of :data:`ROLES`.
        customers: patterns of customer ids such as ``SH-*``; none for all customers.
        expires_at: from when on it is refused; ``None`` for never.

    Raises:
        ServiceError: there is no such role, or the moment is past.
    """
    made = drawn(name, role, customers, expires_at)
    with state.writing() as connection:
        connection.execute(sa.insert(API_KEYS).values(row_of(made.key)))
    return made


def digest(secret: str) -> str:
    """Return the SHA-256 of ``secret`` in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def listed(state: State) -> list[Key]:
    """Return all keys, those revoked too, the oldest first."""
    with state.reading() as connection:
        rows = connection.execute(sa.select(API_KEYS).order_by(API_KEYS.c.created_at))
        return [_key(row) for row in rows.mappings()]


def count(state: State) -> tuple[int, int]:
    """Return how many keys were made and revoked; any change to who may come in changes it."""
    columns = sa.func.count(), sa.func.count(API_KEYS.c.revoked_at)
    with state.reading() as connection:
        made, revoked = connection.execute(sa.select(*columns).select_from(API_KEYS)).one()
        return made, revoked


def revoke(state: State, key_id: str) -> None:
    """Refuse the key from now on; processes that serve know within seconds.

    Raises:
        ServiceError: no such key can be used.
    """
    now = dt.datetime.now(dt.UTC)
    held = (API_KEYS.c.id == key_id) & API_KEYS.c.revoked_at.is_(None)
    with state.writing() as connection:
        changed = connection.execute(sa.update(API_KEYS).where(held).values(revoked_at=now))
    if not changed.rowcount:
        raise ServiceError(f"there is no key {key_id!r} to revoke; see `echelon keys list`")


def note_use(state: State, used: Mapping[str, dt.datetime]) -> None:
    """Keep when keys were last used, by id."""
    if not used:
        return
    later = API_KEYS.c.last_used_at.is_(None) | (API_KEYS.c.last_used_at < sa.bindparam("at"))
    change = sa.update(API_KEYS).where((API_KEYS.c.id == sa.bindparam("key_id")) & later)
    rows = [{"key_id": key_id, "at": moment} for key_id, moment in sorted(used.items())]
    with state.writing() as connection:
        connection.execute(change.values(last_used_at=sa.bindparam("at")), rows)


def first_key(state: State, root: Path) -> Path | None:
    """Return the file of a key that is made where there is none yet; ``None`` where there are some.

    Several processes that start at once make one.
    """
    path = root / FIRST_KEY_FILE
    made = drawn("first", FIRST_KEY_ROLE)
    with state.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("LOCK TABLE api_keys IN EXCLUSIVE MODE"))
        if connection.execute(sa.select(sa.func.count()).select_from(API_KEYS)).scalar():
            return None
        connection.execute(sa.insert(API_KEYS).values(row_of(made.key)))
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(made.text + "\n")
    return path


def row_of(key: Key) -> dict[str, Any]:
    """Return the row of the table that holds ``key``."""
    return vars(key) | {"customers": list(key.customers.patterns) or None}


def _key(row: Mapping[Any, Any]) -> Key:
    return Key(**{**row, "customers": CustomerScope(tuple(row["customers"] or ()))})
