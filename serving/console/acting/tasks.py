"""Applications are told of tasks: messages of the outbox, written together with the event."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import sqlalchemy as sa

from configs.service import Webhook
from serving.console.acting.events import Event, of_ids
from serving.endpoint.replies import as_text
from serving.jobs.outbox import put
from serving.jobs.webhooks import Message

TaskEvent = Literal["task.created", "task.closed"]
TYPES: Mapping[str, TaskEvent] = {
    "task": "task.created",
    "task_done": "task.closed",
    "task_cancelled": "task.closed",
}


def tell(
    connection: sa.Connection,
    webhooks: Sequence[Webhook],
    events: Sequence[Event],
    names: Mapping[str, str],
) -> None:
    """Write down what subscriptions are to be told of ``events``, in their transaction.

    Args:
        connection: that keeps the events.
        webhooks: the subscriptions.
        events: of any kinds.
        names: of people, by id.
    """
    for event in events:
        kind = TYPES.get(event.kind)
        for webhook in webhooks:
            if kind is not None and kind in webhook.events:
                told = {
                    "type": kind,
                    "timestamp": event.at.isoformat(),
                    "data": _data(connection, event, names),
                }
                message = Message(_id_of(webhook.name, event), as_text(told))
                put(connection, webhook.name, [message], event.at)


def _data(connection: sa.Connection, event: Event, names: Mapping[str, str]) -> dict[str, Any]:
    details = event.details
    data: dict[str, Any] = {
        "customer_id": event.customer_id,
        "by": names.get(event.person, event.person),
        "publication": event.publication,
        "note": details["note"],
    }
    if event.kind == "task":
        owner = None if details["owner"] is None else {
            "code": details["owner"], "name": details["name"]
        }  # fmt: skip
        return {"task": event.id, "title": details["title"], "owner": owner,
                "due": details["due"], **data}  # fmt: skip
    (task,) = of_ids(connection, [details["event"]])
    outcome = "done" if event.kind == "task_done" else "cancelled"
    return {"task": task.id, "title": task.details["title"], "outcome": outcome, **data}


def _id_of(subscription: str, event: Event) -> str:
    """Return the message's id: the same for the same event, whoever makes it."""
    parts = f"{subscription}\ntask\n{event.id}\n{event.at.isoformat()}"
    return "msg_" + hashlib.sha256(parts.encode()).hexdigest()[:32]
