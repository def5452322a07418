"""The live publication as the endpoint sees it: replaced whole, never within an answer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from configs.errors import PublicationError
from configs.files import live_generation, write_text
from serving.endpoint.logs import Line, failure

T = TypeVar("T")
logger = logging.getLogger("echelon.current")

LOOK_EVERY_SECONDS = 0.2
RETRY_AFTER_SECONDS = 60.0
NOTHING = "none"
"""What the log calls the generation of a pointer that names none."""


class Told(Protocol):
    """Who is told what comes of publications: the meters."""

    def loaded(self, name: str, is_served: bool) -> None:
        """Count a generation that is now served, or that could not be."""

    def is_refused(self, is_refused: bool) -> None:
        """Raise the alert while the pointer names what is not served, and end it after that."""


class Untold:
    """Nobody is told."""

    def loaded(self, name: str, is_served: bool) -> None:
        """Count nothing."""

    def is_refused(self, is_refused: bool) -> None:
        """Alert nobody."""


class Current(Generic[T]):
    """What is served now, and a watch on the pointer that names what should be.

    An answer takes :attr:`served` once and is made from that alone, so it is wholly of one
    publication. Whatever is wrong with the next one, the one before stays, and the alert is raised
    until the pointer names what is served; a publication that failed is tried again after a minute.

    Args:
        store: folder whose pointer names the live generation.
        open_generation: checks and opens a generation, given what is served so far; slow, run
            beside the answers.
        told: who counts and alerts.

    Attributes:
        served: the open generation; ``None`` before the first.
        note: file that says what was served last, for a worker that starts while the pointer
            names something broken.
    """

    def __init__(
        self,
        store: Path,
        open_generation: Callable[[Path, T | None], T],
        told: Told | None = None,
    ) -> None:
        self._store = store
        self._open = open_generation
        self._told: Told = Untold() if told is None else told
        self._name: str | None = None
        self._failed: tuple[str, float] | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_leaving = False
        self.served: T | None = None
        self.note: Path | None = None

    @property
    def is_ready(self) -> bool:
        """Whether something is served, and will be for a while."""
        return self.served is not None and not self._is_leaving

    def leave(self) -> None:
        """Refuse readiness from now on; requests are still answered."""
        self._is_leaving = True

    def start(self) -> None:
        """Serve what the pointer names; if that cannot be, what :attr:`note` says was served.

        Raises:
            PublicationError: nothing is published yet, or it is damaged, and nothing was served.
            ModelError: its models cannot be used.
        """
        folder = live_generation(self._store)
        if folder is None:
            raise PublicationError(
                f"nothing is published in {self._store} yet. Run `echelon run`, or `echelon score` "
                "when a model is promoted already"
            )
        last = self._noted()
        if last is None or last == folder.name:
            self.take_up(folder.name, self._open(folder, None))
            return
        self.refresh()
        if self.served is None:
            self._take_up(last, self._open(self._store / last, None))

    def refresh(self) -> None:
        """Open what the pointer names, unless it is served already or failed a moment ago."""
        name = NOTHING
        try:
            folder = self._named()
            name = folder.name
            if name == self._name:
                self._mended()
            elif not self._failed_lately(name):
                self.take_up(name, self._open(folder, self.served))
        except Exception as error:  # noqa: BLE001  whatever is wrong with it, the one before stays
            self._refuse(name, error)

    def take_up(self, name: str, served: T) -> None:
        """Serve ``served``, the generation called ``name`` that the pointer names, from now on."""
        self._take_up(name, served)
        self._mended()

    def _take_up(self, name: str, served: T) -> None:
        self.served, self._name = served, name
        logger.info(Line("publication-served", publication=name))
        self._told.loaded(name, True)
        if self.note is not None:
            write_text(self.note, name)

    def _named(self) -> Path:
        """Return the folder that the pointer names.

        Raises:
            PublicationError: there is no pointer, it is empty, or its folder is not there.
            OSError: the pointer cannot be read.
            ValueError: it is no text.
        """
        folder = live_generation(self._store)
        if folder is None or folder == self._store:
            raise PublicationError(
                f"{self._store} names no publication any more. Run `echelon score` to publish again"
            )
        if not folder.is_dir():
            raise PublicationError(
                f"{folder} is not there, though {self._store} names it. Put it back, or run "
                "`echelon score` to publish again"
            )
        return folder

    def _mended(self) -> None:
        self._failed = None
        self._told.is_refused(False)

    def _refuse(self, name: str, error: Exception) -> None:
        if self._failed_lately(name):
            return
        self._failed = (name, time.monotonic())
        logger.error(replace(failure("publication-refused", error), publication=name))
        self._told.loaded(name, False)
        self._told.is_refused(True)

    def _failed_lately(self, name: str) -> bool:
        if self._failed is None or self._failed[0] != name:
            return False
        return time.monotonic() - self._failed[1] < RETRY_AFTER_SECONDS

    def _noted(self) -> str | None:
        if self.note is None or not self.note.is_file():
            return None
        return self.note.read_text(encoding="utf-8").strip()

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
