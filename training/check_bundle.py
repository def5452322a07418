"""Check a bundle in a process of its own, where a crash does no harm.

Run as ``python -m training.check_bundle FOLDER`` with a public key on standard input; it ends with
0, or says what is wrong and ends with the code of a ``ModelError``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from configs.errors import EchelonError, ModelError
from configs.lean import keep_out


def main(folder: Path) -> int:
    """Check the bundle in ``folder`` against the public key on standard input."""
    keep_out()
    from training.bundle import check_golden, read_bundle
    from training.signing import public_key_of

    try:
        check_golden(read_bundle(folder, public_key_of(sys.stdin.buffer.read())))
    except EchelonError as error:
        print(error, file=sys.stderr)
        return ModelError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
