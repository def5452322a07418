"""How often a wrong password may be tried per name and per address; then not for a while.

A try is kept before its password is looked at and forgotten if that was right, so that tries at
once count as well, in every process. Names and addresses are kept as hashes, for a quarter of an
hour.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
from dataclasses import dataclass

import sqlalchemy as sa

from serving.console.visitors.people import as_typed
from serving.endpoint.state import METADATA, Moment, State

WINDOW = dt.timedelta(minutes=15)
OF_A_NAME = 10
OF_AN_ADDRESS = 30
"""Several people may come from one address."""
PREFIX_OF_IPV6 = 64

WRONG_SIGN_INS = sa.Table(
    "wrong_sign_ins",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("subject", sa.String(64), nullable=False, index=True),
    sa.Column("at", Moment, nullable=False),
)


@dataclass(frozen=True)
class Try:
    """A password that is about to be looked at.

    Attributes:
        wait: how long nothing is looked at; ``None`` where this try is let through.
    """

    wait: dt.timedelta | None
    _rows: tuple[int, ...] = ()


def begin(state: State, name: str, address: str) -> Try:
    """Return whether a password for ``name``, sent from ``address``, may be looked at now."""
    now = dt.datetime.now(dt.UTC)
    limits = {
        _hash(f"name {as_typed(name)}"): OF_A_NAME,
        _hash(f"address {_network(address)}"): OF_AN_ADDRESS,
    }
    with state.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("LOCK TABLE wrong_sign_ins IN EXCLUSIVE MODE"))
        connection.execute(sa.delete(WRONG_SIGN_INS).where(WRONG_SIGN_INS.c.at < now - WINDOW))
        full = [
            at
            for subject, limit in limits.items()
            if (at := _nth_last(connection, subject, limit)) is not None
        ]
        if full:
            return Try(max(full) + WINDOW - now)
        keys = [
            connection.execute(
                sa.insert(WRONG_SIGN_INS).values(subject=subject, at=now)
            ).inserted_primary_key
            for subject in limits
        ]
    return Try(None, tuple(key[0] for key in keys if key is not None))


def forget(state: State, name: str, right: Try) -> None:
    """Forget a try whose password was right, and the wrong ones for that name before it."""
    subject = _hash(f"name {as_typed(name)}")
    gone = WRONG_SIGN_INS.c.id.in_(right._rows) | (WRONG_SIGN_INS.c.subject == subject)
    with state.writing() as connection:
        connection.execute(sa.delete(WRONG_SIGN_INS).where(gone))


def _nth_last(connection: sa.Connection, subject: str, n: int) -> dt.datetime | None:
    """Return when the ``n``-th last try was; ``None`` where there were fewer."""
    tries = (
        sa.select(WRONG_SIGN_INS.c.at)
        .where(WRONG_SIGN_INS.c.subject == subject)
        .order_by(WRONG_SIGN_INS.c.at.desc())
        .offset(n - 1)
        .limit(1)
    )
    at: dt.datetime | None = connection.execute(tries).scalar()
    return at


def _network(address: str) -> str:
    """Return the network that one person holds: an address of IPv4, a /64 of IPv6.

    >>> _network("192.0.2.7"), _network("2001:db8::1:2"), _network("")
    ('192.0.2.7', '2001:db8::/64', '')
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, PREFIX_OF_IPV6), strict=False))


def _hash(subject: str) -> str:
    return hashlib.sha256(subject.encode()).hexdigest()
