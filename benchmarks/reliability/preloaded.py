"""Services started quickly: forked from a process that has imported what ``echelon serve`` imports.

    python -m benchmarks.reliability.preloaded CONFIG DRAIN_SECONDS

For every port on standard input it forks a process that does what ``echelon serve`` does there,
prints its process id, and once it has ended its exit code.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from configs.errors import EchelonError
from configs.lean import keep_out
from configs.load import load
from configs.schema import Config
from serving.endpoint.serve import serve, settle


def main(path: Path, drain_seconds: float) -> None:
    """Start a service for each port that is asked for, one after the other."""
    config = load(path)
    drained = config.serving.model_copy(update={"drain_seconds": drain_seconds})
    config = config.model_copy(update={"serving": drained})
    with tempfile.TemporaryDirectory(prefix="echelon-preloaded-") as folder:
        settle(Path(folder))
        keep_out()
        import uvicorn  # noqa: F401

        import serving.api
        import serving.endpoint.served  # noqa: F401

        for line in sys.stdin:
            child = os.fork()
            if child == 0:
                _serve(config, int(line))
            print(child, flush=True)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _serve(config: Config, port: int) -> None:
    """Serve and end this process, with the code that the command line would end with."""
    code = 70
    os.dup2(2, 1)
    try:
        serve(config, None, "127.0.0.1", port)
        code = 0
    except EchelonError as error:
        print(f"echelon: {error}", file=sys.stderr)
        code = error.exit_code
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
