"""Whether there is anything to tell or to send; looked at every second, so it loads no sender."""

from __future__ import annotations

import datetime as dt

from configs.schema import Config
from serving.jobs.outbox import Outbox


def has_work(config: Config, outbox: Outbox, served: str | None, live: str | None) -> bool:
    """Return whether a subscription is to be told of what is served, or a message is due.

    What is served counts once it is what the pointer names: of several workers, one may be late.
    """
    if not config.webhooks:
        return False
    names = [webhook.name for webhook in config.webhooks]
    if served is not None and served == live:
        told = (outbox.told(name) for name in names)
        if any(one is None or one.publication != served for one in told):
            return True
    due_at = outbox.next_due(names)
    return due_at is not None and due_at <= dt.datetime.now(dt.UTC)
