"""The look-up of published answers by id: a read-only SQLite file, kept open."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from threading import local
from urllib.parse import quote

from configs.errors import PublicationError

IDS_AT_ONCE = 500


class Lookup:
    """Answers by customer id, as JSON text; any thread may ask.

    To open the file costs ten times as much as to look something up, so each thread keeps a
    connection, until the look-up is let go of.

    Args:
        path: of the SQLite file, which never changes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = local()
        self._opened: list[sqlite3.Connection] = []

    def find(self, customer_ids: Sequence[str]) -> dict[str, str]:
        """Return the answers about those of ``customer_ids`` that are published.

        Raises:
            FileNotFoundError: the file was removed before this thread first asked.
            PublicationError: it is there, but cannot be opened.
        """
        found: dict[str, str] = {}
        for start in range(0, len(customer_ids), IDS_AT_ONCE):
            asked = customer_ids[start : start + IDS_AT_ONCE]
            marks = ", ".join("?" * len(asked))
            sql = f"SELECT customer_id, answer FROM answers WHERE customer_id IN ({marks})"
            found.update(self._connection.execute(sql, list(asked)))
        return found

    @property
    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            name = f"file:{quote(str(self._path.resolve()))}?mode=ro&immutable=1"
            try:
                connection = sqlite3.connect(name, uri=True, check_same_thread=False)
            except sqlite3.OperationalError as error:
                if not self._path.exists():
                    raise FileNotFoundError(f"{self._path} is not there") from error
                raise PublicationError(
                    f"{self._path} is there but cannot be opened ({error}). Let this user read it, "
                    "or raise how many files a process may have open (`ulimit -n`)"
                ) from error
            self._own.connection = connection
            self._opened.append(connection)
        return connection

    def __del__(self) -> None:
        for connection in self._opened:
            connection.close()
