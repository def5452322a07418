"""A publication in the making: what is done so far, kept for whoever goes on after a kill.

Its folder is named by what the publication follows from, so that nobody goes on with other inputs'
batches. A part is written beside and renamed to a name that holds its SHA-256: what a kill or a
full disk left of it is never taken for a part, and what a disk spoilt is found before it is used.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving.scores.publication import digest_of

PART = re.compile(r"(?P<name>[a-z]+-\d{6})\.(?P<digest>[0-9a-f]{64})")


@dataclass(frozen=True)
class Draft:
    """The parts of one publication that are done; any process may add some.

    Attributes:
        folder: hidden in the store; exists.
    """

    folder: Path

    def find(self, kind: str, number: int = 0) -> Path | None:
        """Return a part that is done, ``None`` if it is not."""
        return next(self.folder.glob(f"{_name(kind, number)}.*"), None)

    def part(self, kind: str, number: int = 0) -> Path:
        """Return a part that is done.

        Raises:
            FileNotFoundError: it is not.
        """
        found = self.find(kind, number)
        if found is None:
            raise FileNotFoundError(f"{self.folder} has no part {_name(kind, number)}")
        return found

    @contextmanager
    def adding(self, kind: str, number: int = 0) -> Iterator[Path]:
        """Yield a path to write a part to, which replaces another one if the block succeeds."""
        beside = self.folder / f".{uuid.uuid4().hex}"
        before = self.find(kind, number)
        try:
            yield beside
            whole = self.folder / f"{_name(kind, number)}.{digest_of(beside)}"
            os.replace(beside, whole)
            if before not in (None, whole):
                before.unlink()
        finally:
            beside.unlink(missing_ok=True)


def open_draft(store: Path, name: str) -> Draft:
    """Return the draft ``name`` of ``store`` with those of its parts that are whole."""
    folder = store / f".{name}.draft"
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if not _is_whole(file):
            _remove(file)
    return Draft(folder)


def remove_drafts(store: Path, but: Sequence[Path] = ()) -> None:
    """Remove every draft of ``store`` but those given; nobody else may be writing one."""
    for draft in store.glob(".*.draft"):
        if draft not in but:
            _remove(draft)


def _name(kind: str, number: int) -> str:
    return f"{kind}-{number:06d}"


def _is_whole(file: Path) -> bool:
    found = PART.fullmatch(file.name)
    return found is not None and file.is_file() and digest_of(file) == found["digest"]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
