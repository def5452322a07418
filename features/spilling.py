"""Folders that engines spill to: they go with their process, however it ends.

One that is killed cannot remove its own; the next engine on the machine does, and leaves those of
living processes alone, which hold them locked.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from configs.files import draft_folder, sweep_drafts

NAME = "echelon-spilled"


@contextmanager
def spill_folder() -> Iterator[Path]:
    """Yield a new folder in the system's folder for temporary files; killed ones' go first."""
    parent = Path(tempfile.gettempdir())
    sweep_drafts(parent, NAME)
    with draft_folder(parent, NAME) as folder:
        folder.chmod(0o700)
        yield folder


def spill_folder_of_process() -> Path:
    """Return the folder that all engines of this process share until it ends."""
    return _folder_of(os.getpid())


@cache
def _folder_of(process: int) -> Path:
    held = ExitStack()
    folder = held.enter_context(spill_folder())

    def close() -> None:
        if os.getpid() == process:  # a child that was forked leaves it to its parent
            held.close()

    atexit.register(close)
    return folder
