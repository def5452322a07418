"""The check of a bundle in a process of its own, made once for each digest and set of libraries.

What a child process tells is whether these libraries read these bytes without crashing. Both are
fixed by the digest and the versions, so the verdict is kept; a restart, another worker and a swap
back take it as it is. Only good verdicts are kept: a refusal may come of a lack of memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from configs.errors import ModelError
from configs.files import written_whole
from training.bundle import Bundle, check_golden, check_in_child, parsed
from training.manifest import Verified, canonical_json, libraries, verified


def read_checked(folder: Path, key: Ed25519PublicKey, verdicts: Path) -> Bundle:
    """Return the bundle in ``folder``, its golden predictions given again in this process, too.

    Digests and signature come first: what is damaged costs no child process. What is parsed are
    the very bytes that were checked.

    Raises:
        ModelError: see :func:`training.manifest.verified` and :func:`check_once`.
    """
    whole = verified(folder, key)
    check_once(folder, whole, key, verdicts)
    bundle = parsed(folder, whole)
    check_golden(bundle)
    return bundle


def check_once(folder: Path, whole: Verified, key: Ed25519PublicKey, verdicts: Path) -> None:
    """Check a verified bundle in a child process, unless ``verdicts`` has it already.

    One check runs at a time, so that of several workers one checks and the others wait. Where
    ``verdicts`` may not be written, every process checks for itself.

    Raises:
        ModelError: the child refused the bundle or crashed, or the folder changed meanwhile.
    """
    verdict = verdicts / f"{whole.digest}.json"
    known = canonical_json(libraries())
    with _one_at_a_time(verdicts):
        if verdict.is_file() and verdict.read_bytes() == known:
            return
        if check_in_child(folder, key) != whole.digest:
            raise ModelError(f"{folder} changed while it was checked; it is read again in a minute")
        with contextlib.suppress(OSError), written_whole(verdict) as draft:
            draft.write_bytes(known)


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
