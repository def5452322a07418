"""Messages on their way: written down before they are sent, and until they have arrived.

What a subscription was told of last and the messages that tell it more change in one transaction,
so a crash neither loses a message nor makes a second one of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from serving.endpoint.state import METADATA, Moment, State
from serving.jobs.webhooks import Message

Ended = Literal["delivered", "given_up"]
KEPT = dt.timedelta(days=7)
"""How long a message that has ended is still listed, without its body."""


ANNOUNCED = sa.Table(
    "announced",
    METADATA,
    sa.Column("subscription", sa.String(64), primary_key=True),
    sa.Column("publication", sa.String(100), nullable=False),
    sa.Column("turn", sa.Integer, nullable=False),
)

OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("subscription", sa.String(64), nullable=False, index=True),
    sa.Column("body", sa.Text),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", Moment, nullable=False),
    sa.Column("ended_at", Moment),
    sa.Column("last_outcome", sa.String(200)),
)


@dataclass(frozen=True)
class Told:
    """The publication that a subscription was told of last, and how often it was told."""

    publication: str
    turn: int


@dataclass(frozen=True)
class Waiting:
    """A message that is to be sent, and how often it was tried."""

    message: Message
    attempts: int


@dataclass(frozen=True)
class Standing:
    """How the messages of one subscription stand.

    Attributes:
        counts: messages by ``waiting``, ``delivered`` and ``given_up``.
        due_at: when the next is tried.
        last_outcome: of the latest attempt that failed.
    """

    counts: dict[str, int]
    due_at: dt.datetime | None
    last_outcome: str | None


def put(
    connection: sa.Connection, subscription: str, messages: Iterable[Message], now: dt.datetime
) -> int:
    """Write down messages to a subscription within a transaction; return how many there are."""
    rows = [
        {
            "id": message.id,
            "subscription": subscription,
            "body": message.body,
            "state": "waiting",
            "attempts": 0,
            "due_at": now,
        }
        for message in messages
    ]
    if rows:
        connection.execute(sa.insert(OUTBOX), rows)
    return len(rows)


class Outbox:
    """The messages of all subscriptions, in the state database."""

    def __init__(self, state: State) -> None:
        self._state = state

    def told(self, subscription: str) -> Told | None:
        """Return what a subscription was told of last; ``None`` for a new one."""
        asked = sa.select(ANNOUNCED).where(ANNOUNCED.c.subscription == subscription)
        with self._state.reading() as connection:
            row = connection.execute(asked).mappings().first()
        return None if row is None else Told(row["publication"], row["turn"])

    def tell(
        self,
        subscription: str,
        publication: str,
        messages: Iterable[Message],
        before: Told | None,
        now: dt.datetime,
    ) -> int:
        """Write down ``messages`` and that the subscription is told of ``publication``.

        Args:
            before: what it was told of last when the messages were made; when that is no longer
                so, somebody else has told it meanwhile and nothing is written.

        Returns:
            how many messages are new.
        """
        made = list(messages)
        with self._state.writing() as connection:
            if before is None:
                known = sa.select(ANNOUNCED).where(ANNOUNCED.c.subscription == subscription)
                if connection.execute(known).first() is not None:
                    return 0
                first = {"subscription": subscription, "publication": publication, "turn": 0}
                connection.execute(sa.insert(ANNOUNCED).values(first))
            else:
                change = (
                    sa.update(ANNOUNCED)
                    .where(ANNOUNCED.c.subscription == subscription)
                    .where(ANNOUNCED.c.turn == before.turn)
                    .values(publication=publication, turn=before.turn + 1)
                )
                if connection.execute(change).rowcount != 1:
                    return 0
            return put(connection, subscription, made, now)

    def due(self, subscription: str, now: dt.datetime) -> Waiting | None:
        """Return the oldest message of a subscription that should be tried now."""
        asked = (
            sa.select(OUTBOX)
            .where(OUTBOX.c.subscription == subscription, OUTBOX.c.state == "waiting")
            .where(OUTBOX.c.due_at <= now)
            .order_by(OUTBOX.c.place)
            .limit(1)
        )
        with self._state.reading() as connection:
            row = connection.execute(asked).mappings().first()
        return None if row is None else Waiting(Message(row["id"], row["body"]), row["attempts"])

    def next_due(self, subscriptions: Sequence[str]) -> dt.datetime | None:
        """Return when the next message of these subscriptions is due; ``None`` without any."""
        asked = (
            sa.select(OUTBOX.c.due_at)
            .where(OUTBOX.c.state == "waiting", OUTBOX.c.subscription.in_(subscriptions))
            .order_by(OUTBOX.c.due_at)
            .limit(1)
        )
        with self._state.reading() as connection:
            return connection.execute(asked).scalar()

    def ended(self, message_id: str, state: Ended, outcome: str, now: dt.datetime) -> None:
        """Note that a message arrived, or is given up; its body is not needed any more."""
        ended = {"state": state, "ended_at": now, "last_outcome": outcome}
        self._attempted(message_id, **ended, body=None)

    def failed(self, message_id: str, outcome: str, due_at: dt.datetime) -> None:
        """Note that an attempt failed and when the next is due."""
        self._attempted(message_id, last_outcome=outcome, due_at=due_at)

    def hold(self, subscription: str, until: dt.datetime) -> None:
        """Try no message of a subscription before ``until``: its receiver does not answer."""
        change = sa.update(OUTBOX).where(
            OUTBOX.c.subscription == subscription,
            OUTBOX.c.state == "waiting",
            OUTBOX.c.due_at < until,
        )
        with self._state.writing() as connection:
            connection.execute(change.values(due_at=until))

    def sweep(self, subscriptions: Sequence[str], now: dt.datetime) -> None:
        """Forget messages that ended a while ago, and all of subscriptions that are no more."""
        ended = OUTBOX.c.ended_at <= (now - KEPT)
        with self._state.writing() as connection:
            gone = OUTBOX.c.subscription.not_in(subscriptions)
            connection.execute(sa.delete(OUTBOX).where(sa.or_(ended, gone)))
            left = ANNOUNCED.c.subscription.not_in(subscriptions)
            connection.execute(sa.delete(ANNOUNCED).where(left))

    def standing(self, subscription: str) -> Standing:
        """Return how the messages of a subscription stand."""
        mine = OUTBOX.c.subscription == subscription
        counts = sa.select(OUTBOX.c.state, sa.func.count()).where(mine).group_by(OUTBOX.c.state)
        failure = (
            sa.select(OUTBOX.c.last_outcome)
            .where(mine, OUTBOX.c.state != "delivered", OUTBOX.c.last_outcome.is_not(None))
            .order_by(OUTBOX.c.due_at.desc())
            .limit(1)
        )
        with self._state.reading() as connection:
            found = {str(state): int(n) for state, n in connection.execute(counts)}
            outcome = connection.execute(failure).scalar_one_or_none()
        return Standing(found, self.next_due([subscription]), outcome)

    def _attempted(self, message_id: str, **values: object) -> None:
        change = sa.update(OUTBOX).where(OUTBOX.c.id == message_id)
        with self._state.writing() as connection:
            connection.execute(change.values(attempts=OUTBOX.c.attempts + 1, **values))
