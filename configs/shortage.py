"""Disk or memory that runs out under a command or a worker: what is said of it."""

from __future__ import annotations

import errno
import sqlite3
import sys

from configs.errors import first_line

FULL = ("No space left on device", "database or disk is full", "failed to offload data block")
"""Words of DuckDB and SQLite; the last are of a temporary folder that takes no more."""
OUT_OF_MEMORY = "Out of Memory Error"


def shortages() -> tuple[type[Exception], ...]:
    """Return the kinds of errors that a shortage may be, DuckDB's if anybody has imported it."""
    engine = sys.modules.get("duckdb")
    own = (OSError, MemoryError, sqlite3.Error)
    return own if engine is None else (*own, engine.Error)


def shortage(error: Exception) -> str | None:
    """Return what ran out and how to mend it, ``None`` where ``error`` is no shortage.

    >>> shortage(OSError(errno.ENOENT, "No such file or directory"))
    """
    if is_full(error):
        return (
            f"a disk is full ({first_line(error)}). Free some of stores.root, such as old "
            "publications, or of the folder for temporary files (TMPDIR); then run the same "
            "again: what is live is whole"
        )
    if isinstance(error, MemoryError):
        return (
            f"the memory of this machine is too little ({first_line(error)}). End what else "
            "runs on it, or lower engine.memory_limit_gib and engine.threads; then run the same "
            "again: what is live is whole"
        )
    if is_beyond_limit(error):
        return (
            f"the memory given to the engine is too little ({first_line(error)}). Raise "
            "engine.memory_limit_gib or lower engine.threads; then run the same again: what is "
            "live is whole"
        )
    return None


def is_full(error: BaseException) -> bool:
    """Return whether ``error`` says that a disk takes no more."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(words in str(error) for words in FULL)


def is_beyond_limit(error: BaseException) -> bool:
    """Return whether ``error`` says that the engine's own memory limit is too little."""
    return OUT_OF_MEMORY in str(error)
