"""What others did about a customer while somebody filled in a form, and whether it matters."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from configs.section import Text
from serving.console.acting.events import Deed, Event, Kind, events_of

MATTERS: dict[Kind, frozenset[Kind]] = {
    "assign": frozenset({"assign", "dismiss"}),
    "offer": frozenset({"offer", "dismiss", "override", "approve"}),
    "snooze": frozenset({"snooze", "dismiss", "assign"}),
    "dismiss": frozenset({"dismiss", "assign", "offer", "override"}),
    "override": frozenset({"override", "approve", "reject", "dismiss"}),
    "approve": frozenset({"override"}),
    "reject": frozenset({"override"}),
}
"""Which deeds of others make one think again before these; what is not named is just added."""

TITLE = Text(zh="刚刚有人处理过此客户", en="Somebody has just acted on this customer")


class MeanwhileError(Exception):
    """Others acted on customers after a form was opened, in ways that matter for it.

    Args:
        events: what they did, the oldest first.
        newest: id of the newest event that is known to the customers.
    """

    def __init__(self, events: Sequence[Event], newest: int) -> None:
        super().__init__("somebody acted meanwhile")
        self.events = events
        self.newest = newest


def check(connection: sa.Connection, deeds: Sequence[Deed], seen: int) -> None:
    """Let ``deeds`` pass unless what happened after event ``seen`` matters for one of them.

    Raises:
        MeanwhileError: it does.
    """
    found: list[Event] = []
    newest = seen
    for deed in deeds:
        events = events_of(connection, deed.customer_id)
        kinds = {event.id: event.kind for event in events}
        for event in (one for one in events if one.id > seen):
            about = kinds[event.details["event"]] if event.kind == "withdraw" else event.kind
            if about in MATTERS.get(deed.kind, frozenset()):
                found.append(event)
            newest = max(newest, event.id)
    if found:
        raise MeanwhileError(found, newest)
