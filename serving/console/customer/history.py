"""A customer's tiers over the publications, and what people did about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from serving.changes.tier_history import tier_history
from serving.console.acting.events import Event, of_customer
from serving.console.customer.asked import Asked

ENTRIES = 12


@dataclass(frozen=True)
class History:
    """What was published and done, the newest first.

    Attributes:
        entries: tiers as published, see :func:`serving.changes.tier_history.entry`.
        after: id of the publication that older ones come after; ``None`` at the end.
        deeds: what people did.
    """

    entries: Sequence[dict[str, Any]]
    after: str | None
    deeds: Sequence[Event]


def history(asked: Asked, after: str | None) -> History:
    """Return a page of the tiers, and all deeds with the first page.

    Raises:
        LookupError: ``after`` names no publication of this line.
    """
    page = tier_history(asked.served.publication, asked.customer_id, ENTRIES, after)
    deeds = of_customer(asked.visit.endpoint.state, asked.customer_id) if after is None else []
    return History(page.entries, page.after, deeds[::-1])
