"""The live publication as the endpoint sees it: replaced whole, never within an answer."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

import pyarrow as pa

from configs.errors import EchelonError
from configs.files import live_generation
from serving.logs import Line, failure

T = TypeVar("T")
logger = logging.getLogger("echelon.current")

UNUSABLE = (EchelonError, OSError, ValueError, LookupError, sqlite3.Error, pa.ArrowException)
"""How a damaged publication or bundle shows itself; whatever it is, the one before stays."""

LOOK_EVERY_SECONDS = 0.5
RETRY_AFTER_SECONDS = 60.0


class Current(Generic[T]):
    """What is served now, and a watch on the pointer that names what should be.

    An answer takes :attr:`served` once and is made from that alone, so it is wholly of one
    publication. A publication that cannot be used leaves the one before in place, and is tried
    again after a minute.

    Args:
        store: folder whose pointer names the live generation.
        open_generation: checks and opens a generation, given what is served so far; slow, run
            beside the answers.
        on_change: told the name of a generation and whether it is now served.
    """

    def __init__(
        self,
        store: Path,
        open_generation: Callable[[Path, T | None], T],
        on_change: Callable[[str, bool], None] = lambda name, is_served: None,
    ) -> None:
        self._store = store
        self._open = open_generation
        self._on_change = on_change
        self._name: str | None = None
        self._failed: tuple[str, float] | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.served: T | None = None

    def refresh(self) -> None:
        """Open what the pointer names, unless it is served already or failed a moment ago."""
        folder = live_generation(self._store)
        if folder is None or folder.name == self._name or self._failed_lately(folder.name):
            return
        try:
            served = self._open(folder, self.served)
        except UNUSABLE as error:
            self._failed = (folder.name, time.monotonic())
            logger.error(replace(failure("publication-refused", error), publication=folder.name))
            self._on_change(folder.name, False)
        else:
            self.take_up(folder.name, served)

    def take_up(self, name: str, served: T) -> None:
        """Serve ``served``, the generation called ``name``, from now on."""
        self.served, self._name, self._failed = served, name, None
        logger.info(Line("publication-served", publication=name))
        self._on_change(name, True)

    def _failed_lately(self, name: str) -> bool:
        if self._failed is None or self._failed[0] != name:
            return False
        return time.monotonic() - self._failed[1] < RETRY_AFTER_SECONDS

    def watch(self) -> None:
        """Look at the pointer from now on, in a thread of its own."""
        self._thread = threading.Thread(target=self._look, name="publication-watch", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_SECONDS):
            self.refresh()

    def stop(self) -> None:
        """End the watch."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=2 * LOOK_EVERY_SECONDS)
