"""Writes what requests did to the audit log, in the background and in batches."""

from __future__ import annotations

import logging
import threading
from collections import deque

from configs.schema import Stores
from serving.access.audit import Entry, entry, record
from serving.endpoint.gate import KEY, ROW, Scope
from serving.endpoint.logs import failure
from serving.endpoint.route import PUBLIC
from serving.endpoint.state import State

WRITE_EVERY_SECONDS = 0.1
"""Batches are small: while a large one is made into lines, answers wait."""
WAITING_AT_MOST = 100_000
"""Entries that wait while they cannot be written; how many more were lost is written then."""

logger = logging.getLogger("echelon.audit")


class AuditWriter:
    """Collects entries and writes them ten times a second; what waits at the end is written then.

    A process that is killed loses a tenth of a second.
    """

    def __init__(self, stores: Stores, state: State) -> None:
        self._stores = stores
        self._state = state
        self._waiting: deque[Entry] = deque()
        self._n_lost = 0
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def answered(self, scope: Scope, status: int, rows: int | None) -> None:
        """Note that a request was answered; health and documents, which ask no key, are not."""
        row = scope.get(ROW)
        if row is None or row.roles == PUBLIC:
            return
        key = scope.get(KEY)
        who = {"key": "none"} if key is None else {"key": key.id, "role": key.role}
        self.happened("request", **who, route=row.name, status=status, customers=rows or 0)

    def happened(self, what: str, **details: str | int) -> None:
        """Note something that no request alone tells, such as who signed in."""
        if len(self._waiting) >= WAITING_AT_MOST:
            self._n_lost += 1
            return
        self._waiting.append(entry(what, **details))

    def watch(self) -> None:
        """Write from now on, in a thread of its own."""
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        self.write()

    def _work(self) -> None:
        while not self._stopped.wait(WRITE_EVERY_SECONDS):
            self.write()

    def write(self) -> None:
        """Write what waits; what cannot be written waits on."""
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        n_lost, self._n_lost = self._n_lost, 0
        if n_lost:
            batch.append(entry("lost", entries=n_lost))
        if not batch:
            return
        try:
            record(self._stores, self._state, batch)
        except Exception as error:  # noqa: BLE001  whatever it was, what waits is written later
            logger.error(failure("audit-not-written", error))
            self._waiting.extendleft(reversed(batch))
