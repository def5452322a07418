"""How the messages of webhooks stand, as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from configs.schema import Config
from configs.section import Language, Text
from serving.endpoint.state import open_state
from serving.jobs.outbox import Outbox, Standing

COLUMNS = {
    "name": Text(zh="名称", en="Webhook"),
    "told": Text(zh="已告知的发布", en="Told of"),
    "waiting": Text(zh="等待", en="Waiting"),
    "delivered": Text(zh="送达", en="Arrived"),
    "given_up": Text(zh="放弃", en="Given up"),
    "due": Text(zh="下次尝试", en="Next attempt"),
    "outcome": Text(zh="最近一次失败", en="Latest failure"),
}


def standings(config: Config) -> dict[str, tuple[str | None, Standing]]:
    """Return by webhook the publication it was told of last, and how its messages stand."""
    state = open_state(config.stores)
    outbox = Outbox(state)
    found = {}
    for webhook in config.webhooks:
        told = outbox.told(webhook.name)
        publication = None if told is None else told.publication
        found[webhook.name] = (publication, outbox.standing(webhook.name))
    state.close()
    return found


def render(found: Mapping[str, tuple[str | None, Standing]], language: Language) -> Table:
    """Return the table."""
    table = Table(*(text[language] for text in COLUMNS.values()))
    for name, (publication, standing) in found.items():
        counts = [str(standing.counts.get(one, 0)) for one in ("waiting", "delivered", "given_up")]
        due = "" if standing.due_at is None else f"{standing.due_at:%Y-%m-%d %H:%M:%SZ}"
        table.add_row(name, publication or "", *counts, due, standing.last_outcome or "")
    return table
