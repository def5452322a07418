"""Old days of the audit log put elsewhere, without breaking the chain."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import sqlalchemy as sa

from configs.errors import AuditError, ServiceError
from configs.files import written_whole
from configs.schema import Stores
from serving.access.audit import (
    AUDIT_CHAINS,
    archived_name,
    end_of_file,
    entry,
    files_in,
    record,
    verify,
)
from serving.endpoint.state import State


def archive(stores: Stores, state: State, before: dt.date, folder: Path) -> list[Path]:
    """Move the files of days before ``before`` to ``folder`` and return where they are now.

    The database keeps where the chain goes on, so what is left is verified as before, and all of it
    with ``folder``. The newest file always stays. Killed midway, it may be run again.

    Raises:
        AuditError: the log is not whole, so that nothing should be moved.
        ServiceError: ``folder`` holds another file of that name, or is the log's own.
    """
    if folder.resolve() == stores.audit.resolve():
        raise ServiceError(f"{folder} is where the audit log is; name another folder")
    found = verify(stores, state)
    if found.broken_at is not None:
        raise AuditError(f"{found.broken_at} {found.why}; nothing was moved")
    old = [file for file in files_in(stores.audit)[:-1] if file.stem < before.isoformat()]
    if not old:
        return []
    moved = [_copied(file, folder) for file in old]
    end = end_of_file(old[-1])
    row = {"id": archived_name(stores), "n_lines": end.n_lines, "last_hash": end.last_hash}
    with state.writing() as connection:
        connection.execute(sa.delete(AUDIT_CHAINS).where(AUDIT_CHAINS.c.id == row["id"]))
        connection.execute(sa.insert(AUDIT_CHAINS).values(row))
    for file in old:
        file.unlink()
    record(stores, state, [entry("audit-archived", lines=end.n_lines)])
    return moved


def _copied(file: Path, folder: Path) -> Path:
    target = folder / file.name
    if target.exists():
        if target.read_bytes() != file.read_bytes():
            raise ServiceError(f"{target} is there already and is another; name another folder")
        return target
    with written_whole(target) as draft:
        shutil.copyfile(file, draft)
        draft.chmod(0o600)
    return target
