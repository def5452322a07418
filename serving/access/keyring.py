"""The keys in memory of one process, so that checking one costs microseconds.

A watch looks at the database: who is revoked is refused within seconds, and when keys were used
last is written now and then, not per request.
"""

from __future__ import annotations

import datetime as dt
import hmac
import logging
import re
import threading
import time
from contextlib import suppress

import sqlalchemy as sa

from configs.section import Text
from serving.access.keys import Key, count, digest, listed, note_use
from serving.endpoint.logs import failure
from serving.endpoint.problems import ProblemError
from serving.endpoint.state import State

LOOK_EVERY_SECONDS = 1.0
NOTE_USE_EVERY_SECONDS = 60.0
CHALLENGE = 'Bearer realm="echelon"'

logger = logging.getLogger("echelon.keys")
_BEARER = re.compile(r"bearer +ech_([0-9a-f]{10})_([A-Za-z0-9_-]{43})", re.IGNORECASE)
_NOBODY = "0" * 64
OTHER_FORM = Text(
    zh="Authorization的形式不对；请发送Authorization: Bearer ech_…，密钥须完整。",
    en="The header has another form than 'Authorization: Bearer ech_…' with the whole key.",
)


class KeyRing:
    """All keys of ``state`` as they are now.

    If the database cannot be read for a while, the keys known last go on holding.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._keys: dict[str, Key] = {}
        self._seen: tuple[int, int] | None = None
        self._used: dict[str, dt.datetime] = {}
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.refresh()

    def holder(self, authorization: str) -> Key:
        """Return the key that the header ``Authorization`` shows.

        Raises:
            ProblemError: key-missing; key-not-valid, whatever is wrong with the one sent.
        """
        if not authorization:
            raise ProblemError("key-missing", headers={"WWW-Authenticate": CHALLENGE})
        sent = _BEARER.fullmatch(authorization)
        key = self._keys.get(sent[1].lower()) if sent else None
        right = _NOBODY if key is None else key.secret_sha256
        is_same = hmac.compare_digest(digest(sent[2] if sent else ""), right)
        now = dt.datetime.now(dt.UTC)
        if key is None or not is_same or not key.holds_at(now):
            challenge = f'{CHALLENGE}, error="invalid_token"'
            detail = "" if sent else OTHER_FORM
            raise ProblemError("key-not-valid", detail, headers={"WWW-Authenticate": challenge})
        self._used[key.id] = now
        return key

    def refresh(self) -> None:
        """Read the keys anew if one was made or revoked."""
        now = count(self._state)
        if now != self._seen:
            self._keys = {key.id: key for key in listed(self._state)}
            self._seen = now

    def watch(self) -> None:
        """Look at the database from now on, in a thread of its own."""
        self._thread = threading.Thread(target=self._look, name="keys-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the watch, and keep when keys were used last."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        with suppress(sa.exc.SQLAlchemyError):
            self._note_use()

    def _look(self) -> None:
        noted = time.monotonic()
        while not self._stopped.wait(LOOK_EVERY_SECONDS):
            try:
                self.refresh()
                if time.monotonic() - noted > NOTE_USE_EVERY_SECONDS:
                    noted = time.monotonic()
                    self._note_use()
            except Exception as error:  # noqa: BLE001  the watch must live to see a key revoked
                logger.error(failure("keys-not-read", error))

    def _note_use(self) -> None:
        used, self._used = self._used, {}
        note_use(self._state, used)
