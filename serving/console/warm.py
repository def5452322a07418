"""What the first visitor after a publication would wait for, worked out before anybody comes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from serving.console.customer import pages as customer
from serving.console.page import Handler, Visit
from serving.console.portfolios import portfolio
from serving.console.quality import data, model
from serving.console.review_queue import queue
from serving.console.service_levels import service
from serving.console.tier_policy import policy_editor
from serving.console.visitors.people import Person
from serving.endpoint.logs import failure

if TYPE_CHECKING:
    from serving.console.door import Console
    from serving.endpoint.served import Served

logger = logging.getLogger("echelon.console")
LOOK_EVERY_SECONDS = 0.2
SETTLED_SECONDS = 3.0
"""How long a publication that follows another has been served before its pages are worked out:
who has just asked the endpoint goes first, and one that is replaced at once is not worth it."""
Opened = tuple[str, Handler, Mapping[str, str]]
FIRST: tuple[Opened, ...] = (
    ("/console/queue", queue.page, {}),
    ("/console/portfolio", portfolio.page, {}),
    ("/console/service", service.page, {}),
    ("/console/model", model.page, {}),
    ("/console/data", data.page, {}),
    ("/console/policy/edit", policy_editor.form, {}),
)
"""Pages that work out something about everybody once per publication, the usual first one first."""
NOBODY = Person("warm", "warm", "manager")
"""In whose name pages are opened: a manager who is not on record and has done nothing."""


class Warm:
    """Opens the slow pages once after each publication, beside the answers.

    Readiness does not wait for it, and a visitor who comes meanwhile waits for what is being
    worked out at most, since each thing is made once.

    Args:
        console: whose pages.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._done: Served | None = None
        self._seen: Served | None = None
        self._seen_at = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, name="console-warm", daemon=True)

    def start(self) -> None:
        """Look for new publications from now on, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End after the page that is being opened."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def once(self) -> None:
        """Open the pages of what is served, if that is not done yet, for as long as it is."""
        served = self._console.endpoint.current.served
        if served is None or served is self._done:
            return
        self._done = served
        language = self._console.endpoint.config.language
        for path, handler, parameters in (*FIRST, *_somebody(served)):
            if self._stopped.is_set() or self._console.endpoint.current.served is not served:
                return
            self._open(handler, Visit(self._console, NOBODY, language, path, parameters))

    def _open(self, handler: Handler, visit: Visit) -> None:
        try:
            handler(visit)
        except Exception as error:  # noqa: BLE001  the outermost frame: its visitors will be told
            logger.warning(failure("page-not-warmed", error))

    def _look(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_SECONDS):
            if self._has_settled(time.monotonic()):
                self.once()

    def _has_settled(self, now: float) -> bool:
        """Return whether what is served has been for a while, or is the first."""
        served = self._console.endpoint.current.served
        if served is not self._seen:
            self._seen, self._seen_at = served, now
        return self._done is None or now - self._seen_at >= SETTLED_SECONDS


def _somebody(served: Served) -> tuple[Opened, ...]:
    """Return the page of one customer, if anybody is published."""
    if not len(served.book):
        return ()
    known = {"customer_id": served.book.id_of(0)}
    return (("/console/customers/{customer_id}", customer.customer, known),)
