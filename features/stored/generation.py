"""The files of a records generation: each table in one sorted part, and what came since in another.

What Spark writes is a folder of sorted parts in place of the one part.

A generation is immutable. One that adds new records to the one before shares its unchanged files
by hard links, so removing either harms neither.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from configs.errors import RecordsError, first_line

REPORT_FILE = "report.json"
"""In every generation: what was read to make it."""
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
        except pa.ArrowMemoryError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise _damaged(folder, path, error) from error


@contextmanager
def naming_damage(parts: Iterable[Path]) -> Iterator[None]:
    """Say which of the record files ``parts`` is damaged, should reading them fail within.

    Raises:
        RecordsError: one cannot be read to its end.
    """
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        require_readable(parts, error)
        raise


def require_readable(parts: Iterable[Path], failed: Exception) -> None:
    """Check that the files of generations among ``parts`` can be read to their ends.

    It takes as long as reading them, so it is asked only where something ``failed``.

    Raises:
        RecordsError: one cannot, by damage in its middle.
    """
    for path in parts:
        folder = _generation_of(path)
        if folder is None:
            continue
        try:
            with pq.ParquetFile(path) as file:
                for _ in file.iter_batches():
                    pass
        except pa.ArrowMemoryError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise _damaged(folder, path, error) from failed


def _generation_of(path: Path) -> Path | None:
    """Return the generation that a file is of, also one in a folder of parts or digests."""
    folders = (one for one in path.parents[:2] if (one / REPORT_FILE).is_file())
    return next(folders, None)


def _damaged(folder: Path, path: Path, error: Exception) -> RecordsError:
    return RecordsError(
        f"{path}, a file of the records taken in, is damaged or not whole ({first_line(error)}). "
        f"Remove {folder} and run `echelon intake`, which makes it anew from the sources"
    )


def read_rows(
    parts: Sequence[Path], columns: list[str] | None = None, filters: Any = None
) -> pa.Table:
    """Return the rows of ``parts``, at least one, those of the first part first."""
    with naming_damage(parts):
        tables = [pq.read_table(path, columns=columns, filters=filters) for path in parts]
    return pa.concat_tables(tables, promote_options="default")


def share(file: Path, target: Path) -> None:
    """Make ``target`` the same file as ``file``; a copy where links are not possible."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copy2(file, target)
