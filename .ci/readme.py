"""Run every ``sh`` block of a Markdown file in order, in one shell that stops at a failure.

A line that starts a server ends in ``&``; everything started is ended with the script.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path


def main(path: str) -> int:
    """Return the exit code of the commands in ``path``."""
    blocks = re.findall(r"^```sh\n(.*?)^```", Path(path).read_text(encoding="utf-8"), re.M | re.S)
    script = "set -euxo pipefail\n" + "\n".join(blocks)
    process = subprocess.Popen(["bash", "-c", script], start_new_session=True)
    try:
        return process.wait(timeout=1800)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
