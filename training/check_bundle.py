"""Check a bundle in a process of its own, where a crash does no harm.

Run as ``python -m training.check_bundle FOLDER`` with a public key on standard input; it prints
the bundle's digest and ends with 0, or says what is wrong and ends with the code of a
``ModelError``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from configs.errors import EchelonError, ModelError
from configs.lean import keep_out

NICENESS = 5
"""Answers go before checks."""


def main(folder: Path) -> int:
    """Check the bundle in ``folder`` against the public key on standard input."""
    os.nice(NICENESS)
    keep_out()
    from training.bundle import check_golden, read_bundle
    from training.signing import public_key_of

    try:
        bundle = read_bundle(folder, public_key_of(sys.stdin.buffer.read()))
        check_golden(bundle)
    except EchelonError as error:
        print(error, file=sys.stderr)
        return ModelError.exit_code
    print(bundle.digest)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
