"""What people did about customers: appended, never changed, never deleted.

What is taken back stays, with an event that withdraws it. Where a customer stands after all of it
is folded in ``standing.py``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa

from configs.schema import Stores
from serving.access.audit import entry, record_in
from serving.endpoint.state import METADATA, Moment, State

Kind = Literal[
    "assign", "contact", "offer", "task", "task_done", "task_cancelled", "snooze", "dismiss",
    "override", "approve", "reject", "wrong_reason", "withdraw",
]  # fmt: skip
"""What can be done. Details, by kind (days as ISO dates; ``event`` is the id of an earlier event):

=================  =================================================================
assign             owner (code of an employee, or id of a person), name, due or null
contact            channel, outcome, note
offer              action or null, amount, currency, tier, held_out (despite it), note
task               title, owner or null, name or null, due or null, note
task_done          event, note
task_cancelled     event, note
snooze             until
dismiss            reason, note, until or null
override           tier, published (tier or null), reason, note, until
approve · reject   event, note
wrong_reason       concept, target, mistake, note
withdraw           event, note
=================  =================================================================
"""
KINDS: tuple[Kind, ...] = get_args(Kind)

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("token", sa.String(64), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("person", sa.String(24), nullable=False),
    sa.Column("customer_id", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.String(24), nullable=False, index=True),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("publication", sa.String(100), nullable=False),
    sa.UniqueConstraint("token", "customer_id"),
)

EVENTS_LOCK = 0x_EC4E_1018
"""PostgreSQL's number of the lock that writers of events take turns by, as SQLite's do anyway."""

ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Event:
    """Something that a person did about a customer.

    Attributes:
        id: grows in the order in which events were kept.
        at: when.
        person: id of who did it.
        customer_id: about whom.
        kind: what was done.
        details: see :data:`Kind`; what people wrote is in it, so it never goes to a log.
        publication: id of what they saw when they did it.
    """

    id: int
    at: dt.datetime
    person: str
    customer_id: str
    kind: Kind
    details: Mapping[str, Any]
    publication: str


@dataclass(frozen=True)
class Deed:
    """What is to become an event."""

    customer_id: str
    kind: Kind
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Form:
    """By whom and on what a form was filled in.

    Attributes:
        token: random, of this form: sent twice, it counts once.
        person: id of who sent it.
        publication: id of what they saw.
    """

    token: str
    person: str
    publication: str


class SentAlreadyError(Exception):
    """A form was sent before, with other contents: both cannot be meant.

    Args:
        events: what came of it then.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        super().__init__("the form was sent already")
        self.events = events


Check = Callable[[sa.Connection, Sequence[Deed]], None]
Then = Callable[[sa.Connection, Sequence[Event]], None]


def _nothing(connection: sa.Connection, given: object) -> None:
    """Neither check nor add."""


def add(
    stores: Stores,
    state: State,
    form: Form,
    deeds: Sequence[Deed],
    check: Check = _nothing,
    then: Then = _nothing,
) -> list[Event]:
    """Keep what a form says, whole or not at all, and return it; sent twice it is kept once.

    Writers take turns, so what ``check`` reads still holds when its deeds are kept. Every event is
    on the audit log, without what people wrote or whom it is about.

    Args:
        stores: whose audit log it is.
        state: where events are kept.
        form: by whom and on what.
        deeds: at most one a customer.
        check: raises what forbids them.
        then: writes what follows from them, in the same transaction.

    Raises:
        SentAlreadyError: the form was sent before and said something else.
    """
    with state.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(EVENTS_LOCK)))
        before = _of(connection, EVENTS.c.token == form.token)
        if before:
            if [(one.customer_id, one.kind, one.details) for one in before] != [
                (one.customer_id, one.kind, one.details) for one in deeds
            ]:
                raise SentAlreadyError(before)
            return before
        check(connection, deeds)
        kept = _kept(connection, form, deeds)
        then(connection, kept)
        if kept:
            record_in(connection, stores, [_entry(one) for one in kept])
        return kept


def _kept(connection: sa.Connection, form: Form, deeds: Sequence[Deed]) -> list[Event]:
    now = dt.datetime.now(dt.UTC)
    rows = [
        {
            "token": form.token,
            "at": now,
            "person": form.person,
            "customer_id": deed.customer_id,
            "kind": deed.kind,
            "details": dict(deed.details),
            "publication": form.publication,
        }
        for deed in deeds
    ]
    if rows:
        connection.execute(sa.insert(EVENTS), rows)
    return _of(connection, EVENTS.c.token == form.token)


def _entry(event: Event) -> Mapping[str, str | int]:
    return entry(
        "action",
        kind=event.kind,
        event=event.id,
        person=event.person,
        publication=event.publication,
    )


def of_customer(state: State, customer_id: str) -> list[Event]:
    """Return everything that was done about a customer, the oldest first."""
    with state.reading() as connection:
        return events_of(connection, customer_id)


def events_of(connection: sa.Connection, customer_id: str) -> list[Event]:
    """Return the same within a transaction."""
    return _of(connection, EVENTS.c.customer_id == customer_id)


def of_kinds(state: State, kinds: Sequence[Kind]) -> list[Event]:
    """Return everything of these kinds, the oldest first."""
    with state.reading() as connection:
        return _of(connection, EVENTS.c.kind.in_(kinds))


def of_token(state: State, event_id: int, person: str) -> list[Event]:
    """Return what came of the same form as an event, if that person sent it."""
    mine = EVENTS.c.person == person
    token = sa.select(EVENTS.c.token).where(EVENTS.c.id == event_id, mine).scalar_subquery()
    with state.reading() as connection:
        return _of(connection, EVENTS.c.token == token)


def of_ids(connection: sa.Connection, ids: Sequence[int]) -> list[Event]:
    """Return the events of these ids, the oldest first."""
    return _of(connection, EVENTS.c.id.in_(ids))


def newest_id(connection: sa.Connection) -> int:
    """Return the id of the newest event; 0 before the first."""
    return connection.execute(sa.select(sa.func.max(EVENTS.c.id))).scalar() or 0


def touched(connection: sa.Connection, after: int) -> list[str]:
    """Return about whom something was done after event ``after``."""
    asked = sa.select(EVENTS.c.customer_id).where(EVENTS.c.id > after).distinct()
    return list(connection.execute(asked).scalars())


def by_customer(
    connection: sa.Connection,
    customer_ids: Sequence[str] | None = None,
    at_once: int = ROWS_AT_ONCE,
) -> Iterator[tuple[str, list[Event]]]:
    """Yield each customer with all their events, the oldest first.

    Args:
        connection: of a reading transaction.
        customer_ids: of whom; ``None`` for everybody.
        at_once: rows or customers asked for at a time.
    """
    if customer_ids is not None:
        for start in range(0, len(customer_ids), at_once):
            among = EVENTS.c.customer_id.in_(customer_ids[start : start + at_once])
            yield from _grouped(_rows(connection, among, at_once))
        return
    yield from _grouped(_rows(connection, sa.true(), at_once))


def _grouped(events: Iterator[Event]) -> Iterator[tuple[str, list[Event]]]:
    held: list[Event] = []
    for event in events:
        if held and held[0].customer_id != event.customer_id:
            yield held[0].customer_id, held
            held = []
        held.append(event)
    if held:
        yield held[0].customer_id, held


def _rows(
    connection: sa.Connection, which: sa.ColumnElement[bool], at_once: int
) -> Iterator[Event]:
    asked = sa.select(EVENTS).where(which).order_by(EVENTS.c.customer_id, EVENTS.c.id)
    found = connection.execute(asked.execution_options(yield_per=at_once))
    for row in found.mappings():
        yield _event(row)


def _of(connection: sa.Connection, which: sa.ColumnElement[bool]) -> list[Event]:
    asked = sa.select(EVENTS).where(which).order_by(EVENTS.c.id)
    return [_event(row) for row in connection.execute(asked).mappings()]


def _event(row: Mapping[Any, Any]) -> Event:
    return Event(
        row["id"],
        row["at"],
        row["person"],
        row["customer_id"],
        row["kind"],
        row["details"],
        row["publication"],
    )
