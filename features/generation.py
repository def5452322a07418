"""The files of a records generation: each table in one sorted part, and what came since in another.

What Spark writes is a folder of sorted parts in place of the one part.

A generation is immutable. One that adds new records to the one before shares its unchanged files
by hard links, so removing either harms neither.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from configs.errors import RecordsError

SINCE = ".since"
"""Before ``.parquet`` in the name of the part that holds what came since the whole was sorted."""


def whole_part(folder: Path, table: str) -> Path:
    """Return the part of ``table`` that a whole intake writes; Spark's is a folder of parts."""
    return folder / f"{table}.parquet"


def since_part(folder: Path, table: str) -> Path:
    """Return the part of ``table`` that holds what came since."""
    return folder / f"{table}{SINCE}.parquet"


def parts_of(folder: Path, table: str) -> list[Path]:
    """Return the files of ``table`` that are there, each sorted by customer; none if not given."""
    whole, since = whole_part(folder, table), since_part(folder, table)
    return [path for path in (*files_in(whole), since) if path.is_file()]


def files_in(part: Path) -> list[Path]:
    """Return the files of one part: itself, or those in the folder that Spark wrote."""
    return sorted(part.glob("part-*.parquet")) if part.is_dir() else [part]


def require_whole(folder: Path, parts: Iterable[Path]) -> None:
    """Check that the files ``parts`` of the generation ``folder`` can be opened.

    Raises:
        RecordsError: one cannot, by damage or since its end is missing.
    """
    for path in parts:
        try:
            pq.read_metadata(path)
        except (pa.ArrowException, OSError) as error:
            said = str(error).splitlines()[0].rstrip(".")
            raise RecordsError(
                f"{path}, a file of the records taken in, is damaged or not whole ({said}). "
                f"Remove {folder} and run `echelon intake`, which makes it anew from the sources"
            ) from error


def read_rows(
    parts: Sequence[Path], columns: list[str] | None = None, filters: Any = None
) -> pa.Table:
    """Return the rows of ``parts``, at least one, those of the first part first."""
    tables = (pq.read_table(path, columns=columns, filters=filters) for path in parts)
    return pa.concat_tables(tables, promote_options="default")


def share(file: Path, target: Path) -> None:
    """Make ``target`` the same file as ``file``; a copy where links are not possible."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copy2(file, target)
