"""Folders that engines spill to: they go with their process, however it ends.

One that is killed cannot remove its own; the next engine on the machine does, and leaves those of
living processes alone, which hold them locked. Machines that share the system's folder for
temporary files leave each other's alone: a lock may not be seen from another one.
"""

from __future__ import annotations

import atexit
import os
import re
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from configs.files import draft_folder, sweep_drafts


@contextmanager
def spill_folder() -> Iterator[Path]:
    """Yield a new folder in the system's folder for temporary files; killed ones' go first."""
    parent, name = Path(tempfile.gettempdir()), _name()
    sweep_drafts(parent, name)
    with draft_folder(parent, name) as folder:
        folder.chmod(0o700)
        yield folder


def _name() -> str:
    machine = re.sub("[^A-Za-z0-9]+", "-", socket.gethostname())
    return f"echelon-spilled-{machine}"


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
