"""Tells subscriptions what is new and sends what is due, in a process that the endpoint starts.

``echelon webhooks send`` does the same once, where no endpoint runs.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from configs.errors import EchelonError, PublicationError, ServiceError
from configs.load import secret_text
from configs.schema import Config
from configs.service import Webhook
from serving.endpoint import logs
from serving.endpoint.logs import Line, failure
from serving.endpoint.state import open_state
from serving.jobs.background import NICENESS, Stop, alone, told
from serving.jobs.beside import WEBHOOKS_LOCK
from serving.jobs.outbox import Outbox, Waiting
from serving.jobs.posting import Outcome, Posting
from serving.jobs.tier_events import messages
from serving.jobs.webhooks import ATTEMPTS_AT_MOST, Message, headers_of, secrets_in, wait_after
from serving.scores.publication import Publication, open_live, open_publication

LINGER_SECONDS = 30.0
"""A message due within that time is waited for; a later one starts a process of its own."""

GONE = 410
OF_THE_MESSAGE = range(300, 500)
"""Refusals that may be of one message; anything else is the receiver's state."""

logger = logging.getLogger("echelon.webhooks")


def announce(
    outbox: Outbox, webhooks: Sequence[Webhook], live: Publication, now: dt.datetime
) -> int:
    """Write down for every subscription what ``live`` changed since it was told last.

    A new subscription is told of nothing yet: it starts from what is live now. So does one whose
    last publication is not kept any more.

    Returns:
        how many messages were written.
    """
    n = 0
    for webhook in webhooks:
        told = outbox.told(webhook.name)
        if told is not None and told.publication == live.manifest.id:
            continue
        old = None if told is None else _kept(live.folder.parent / told.publication)
        if told is None or old is None:
            found: Iterator[Message] = iter(())
        else:
            bound = webhook.churn_alert_at
            found = messages(webhook.name, told.turn, webhook.events, bound, old, live)
        n += outbox.tell(webhook.name, live.manifest.id, found, told, now)
    return n


def _kept(folder: Path) -> Publication | None:
    try:
        return open_publication(folder)
    except PublicationError as error:
        logger.warning(replace(failure("publication-untold", error), publication=folder.name))
        return None


def send_due(
    outbox: Outbox,
    webhooks: Sequence[Webhook],
    posting: Posting,
    chance: random.Random,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Counter[str]:
    """Try every message that is due once and return how many had which outcome.

    A receiver that does not answer, or answers 429 or 5xx, is left alone until its message is
    tried again, so that it holds up nobody else. Messages of a subscription go in their order, but
    for those that the receiver refused.
    """
    outcomes: Counter[str] = Counter()
    for webhook in webhooks:
        try:
            keys = secrets_in(secret_text(webhook.secret_file, webhook.secret_variable))
        except EchelonError as error:
            logger.error(replace(failure("webhook-unsigned", error), webhook=webhook.name))
            outcomes["no_secret"] += 1
            continue
        sender = _Sender(outbox, webhook, keys, posting, chance)
        while not is_stopped() and (waiting := outbox.due(webhook.name, _now())) is not None:
            outcomes[sender.send(waiting)] += 1
    return outcomes


class _Sender:
    """Sends the messages of one subscription."""

    def __init__(
        self,
        outbox: Outbox,
        webhook: Webhook,
        keys: Sequence[bytes],
        posting: Posting,
        chance: random.Random,
    ) -> None:
        self._outbox, self._webhook, self._keys = outbox, webhook, keys
        self._posting, self._chance = posting, chance

    def send(self, waiting: Waiting) -> str:
        """Try one message; return delivered, failed or given_up."""
        status, asked, outcome = self._try(waiting)
        now = _now()
        if status is not None and 200 <= status < 300:
            self._outbox.ended(waiting.message.id, "delivered", outcome, now)
            return "delivered"
        attempts = waiting.attempts + 1
        error = outcome if status is None else None
        named = Line("webhook-failed", webhook=self._webhook.name, message=waiting.message.id)
        logger.warning(replace(named, status=status, error=error))
        if attempts >= ATTEMPTS_AT_MOST or status == GONE:
            self._outbox.ended(waiting.message.id, "given_up", outcome, now)
            return "given_up"
        until = now + wait_after(attempts, self._chance, asked)
        self._outbox.failed(waiting.message.id, outcome, until)
        if status is None or status == 429 or status not in OF_THE_MESSAGE:
            self._outbox.hold(self._webhook.name, until)
        return "failed"

    def _try(self, waiting: Waiting) -> Outcome:
        headers = headers_of(waiting.message, self._keys, _now())
        return self._posting.post(self._webhook.url, waiting.message.body.encode(), headers)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def send_until_done(
    outbox: Outbox, webhooks: Sequence[Webhook], is_stopped: Callable[[], bool]
) -> None:
    """Send what is due, and what comes due within moments."""
    names = [webhook.name for webhook in webhooks]
    with Posting() as posting:
        while not is_stopped():
            send_due(outbox, webhooks, posting, random.Random(), is_stopped)
            due_at = outbox.next_due(names)
            wait = LINGER_SECONDS if due_at is None else (due_at - _now()).total_seconds()
            if wait >= LINGER_SECONDS:
                return
            time.sleep(max(min(wait, 0.2), 0.01))


def send_once(config: Config) -> Counter[str]:
    """Tell of the live publication, try once what is due and return the outcomes.

    Raises:
        PublicationError: nothing is published yet, or it is damaged.
        ServiceError: another process is sending.
    """
    live = open_live(config.stores.publications)
    live.check()
    with alone(config.stores.root / WEBHOOKS_LOCK) as is_mine:
        if not is_mine:
            raise ServiceError("another process is sending webhooks, such as `echelon serve`")
        state = open_state(config.stores)
        outbox = Outbox(state)
        announce(outbox, config.webhooks, live, _now())
        with Posting() as posting:
            outcomes = send_due(outbox, config.webhooks, posting, random.Random())
        state.close()
    return outcomes


def main() -> None:
    """Tell the subscriptions of the company that the parent names, and send."""
    os.nice(NICENESS)
    logs.start()
    given = told(sys.stdin.buffer)
    stop = Stop(given.parent)
    config = given.config
    with alone(config.stores.root / WEBHOOKS_LOCK) as is_mine:
        if is_mine:
            outbox = Outbox(open_state(config.stores))
            outbox.sweep([webhook.name for webhook in config.webhooks], _now())
            if given.publication is not None:
                live = open_publication(config.stores.publications / given.publication)
                announce(outbox, config.webhooks, live, _now())
            send_until_done(outbox, config.webhooks, stop)


if __name__ == "__main__":
    main()
