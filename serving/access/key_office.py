"""What the commands do with keys and the audit log: open the state database, act, close."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from configs.schema import Config
from serving.access import keys
from serving.access.audit import Verdict, note, verify
from serving.access.audit_archive import archive
from serving.access.keys import Key, Made
from serving.console.visitors import people
from serving.endpoint.bind import check_bind
from serving.endpoint.state import State, open_state


def create(
    config: Config, name: str, role: str, customers: Sequence[str], expires: dt.datetime | None
) -> Made:
    """Make a key; see :func:`serving.access.keys.create`.

    ``expires`` is local where it has no zone.
    """
    if expires is not None and expires.tzinfo is None:
        expires = expires.replace(tzinfo=ZoneInfo(config.timezone))
    with _state(config) as state:
        made = keys.create(state, name, role, customers, expires)
    note(config.stores, "key-created", key=made.key.id, role=made.key.role)
    return made


def listed(config: Config) -> list[Key]:
    """Return all keys, those revoked too, the oldest first."""
    with _state(config) as state:
        return keys.listed(state)


def revoke(config: Config, key_id: str) -> None:
    """Refuse the key from now on; see :func:`serving.access.keys.revoke`."""
    with _state(config) as state:
        keys.revoke(state, key_id)
    note(config.stores, "key-revoked", key=key_id)


def verify_audit(config: Config, archived: Path | None = None) -> Verdict:
    """Look for the first line of the audit log that is not as it was written."""
    with _state(config) as state:
        return verify(config.stores, state, archived)


def archive_audit(config: Config, before: dt.date, folder: Path) -> list[Path]:
    """Move old days of the audit log; see :func:`serving.access.audit_archive.archive`."""
    with _state(config) as state:
        return archive(config.stores, state, before, folder)


def key_file(config: Config) -> Path | None:
    """Return the file of the first key, where it is still there."""
    file = config.stores.root / keys.FIRST_KEY_FILE
    return file if file.is_file() else None


def prepare_start(config: Config, host: str) -> None:
    """Check where the endpoint may listen, and make the first key where there is none.

    Raises:
        ServiceError: ``host`` may not be listened on, or the database cannot be opened.
    """
    with _state(config) as state:
        check_bind(config.serving, host, roles(state))
        keys.first_key(state, config.stores.root)


def roles(state: State) -> list[str]:
    """Return the roles of keys that hold now, and of people who sign in by a password."""
    now = dt.datetime.now(dt.UTC)
    held = [key.role for key in keys.listed(state) if key.holds_at(now)]
    return [
        *held,
        *(
            one.person.role
            for one in people.listed(state)
            if one.has_password and one.disabled_at is None
        ),
    ]


@contextmanager
def _state(config: Config) -> Iterator[State]:
    state = open_state(config.stores)
    try:
        yield state
    finally:
        state.close()
