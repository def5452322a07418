"""Disk or memory that runs out under a command: what is said in place of a traceback."""

from __future__ import annotations

import errno
import sqlite3
import sys

FULL = ("No space left on device", "database or disk is full", "failed to offload data block")
"""Words of DuckDB and SQLite; the last are of a temporary folder that takes no more."""
OUT_OF_MEMORY = "Out of Memory Error"


def shortages() -> tuple[type[Exception], ...]:
    """Return the kinds of errors that a shortage may be, DuckDB's if anybody has imported it."""
    engine = sys.modules.get("duckdb")
    return (OSError, sqlite3.Error) if engine is None else (OSError, sqlite3.Error, engine.Error)


def shortage(error: Exception) -> str | None:
    """Return what ran out and how to mend it, ``None`` where ``error`` is no shortage.

    >>> shortage(OSError(errno.ENOENT, "No such file or directory"))
    """
    said = str(error)
    is_full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    if is_full or any(words in said for words in FULL):
        return (
            f"a disk is full ({_first_line(said)}). Free some of stores.root, such as old "
            "publications, or of the folder for temporary files (TMPDIR); then run the same "
            "again: what is live is whole"
        )
    if OUT_OF_MEMORY in said:
        return (
            f"the memory given to the engine is too little ({_first_line(said)}). Raise "
            "engine.memory_limit_gib or lower engine.threads; then run the same again: what is "
            "live is whole"
        )
    return None


def _first_line(said: str) -> str:
    return said.partition("\n")[0].rstrip(".")
