"""Files that readers may open: written beside, flushed to disk, then renamed.

A *generation* is an immutable folder under a store; a pointer file names the live one. Replacing
the pointer is the single atomic step: a reader sees the old generation or the new one, never half.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

POINTER = "CURRENT"
DRAFT_FILE_SECONDS = 60.0
"""A draft file this old was left by a killed process: files are written in moments."""


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and rename it onto ``path`` if the block succeeds.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "report.txt"
    >>> with written_whole(target) as draft:
    ...     _ = draft.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.draft")
    try:
        yield draft
        flush_to_disk(draft)
        os.replace(draft, path)
        flush_to_disk(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, wholly or not at all."""
    with written_whole(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` as JSON with sorted keys, wholly or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n")


@contextmanager
def new_generation(store: Path, name: str) -> Iterator[Path]:
    """Yield a draft folder that becomes ``store/name`` if the block succeeds.

    The generation is not live until :func:`make_live` names it.

    Raises:
        FileExistsError: a generation of that name exists already; generations are immutable.
    """
    target = store / name
    if target.exists():
        raise FileExistsError(f"{target} exists already and generations are immutable")
    with draft_folder(store, name) as draft:
        yield draft
        for file in draft.rglob("*"):
            flush_to_disk(file)
        flush_to_disk(draft)
        os.rename(draft, target)
        flush_to_disk(store)


@contextmanager
def draft_folder(store: Path, name: str) -> Iterator[Path]:
    """Yield a new hidden folder in ``store``, removed afterwards unless it was renamed.

    While its writer lives it is locked, so that :func:`sweep_drafts` leaves it alone.
    """
    store.mkdir(parents=True, exist_ok=True)
    draft, handle = _locked_draft(store, name)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(handle)


def sweep_drafts(store: Path, name: str = "*") -> list[str]:
    """Remove the drafts that killed processes left in ``store`` and return their names.

    A draft folder whose writer lives is held by it, whatever its age, and stays.

    Args:
        store: where they lie.
        name: what they were called by their writers; default: all.
    """
    return [one.name for one in sorted(store.glob(f".{name}.*.draft")) if _swept(one)]


@contextmanager
def held_alone(lock: Path) -> Iterator[None]:
    """Hold the file ``lock``; the system frees it when the process ends, however it ends.

    Raises:
        BlockingIOError: another process holds it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _locked_draft(store: Path, name: str) -> tuple[Path, int]:
    """Return a new folder and what locks it; the system frees it when the process ends."""
    while True:
        draft = store / f".{name}.{uuid.uuid4().hex}.draft"
        draft.mkdir()
        try:
            handle = os.open(draft, os.O_RDONLY)
        except FileNotFoundError:  # swept before it could be locked
            continue
        fcntl.flock(handle, fcntl.LOCK_EX)
        if draft.is_dir():
            return draft, handle
        os.close(handle)


def _swept(draft: Path) -> bool:
    """Remove a draft unless somebody is writing it, and return whether it was."""
    try:
        if not draft.is_dir():
            is_old = time.time() - draft.stat().st_mtime > DRAFT_FILE_SECONDS
            if is_old:
                draft.unlink(missing_ok=True)
            return is_old
        handle = os.open(draft, os.O_RDONLY)
    except (FileNotFoundError, PermissionError):  # gone meanwhile, or another user's
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(draft, ignore_errors=True)  # still locked: nobody takes it up meanwhile
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def make_live(store: Path, name: str) -> None:
    """Point ``store`` at its generation ``name``: the one atomic step of every publication."""
    if not (store / name).is_dir():
        raise FileNotFoundError(f"{store / name} does not exist, so it cannot be made live")
    write_text(store / POINTER, name + "\n")


def live_generation(store: Path) -> Path | None:
    """Return the folder that ``store`` points at, or ``None`` before the first one."""
    try:
        name = (store / POINTER).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    return store / name


def flush_to_disk(path: Path) -> None:
    """Wait until ``path``, a file or a folder, is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
