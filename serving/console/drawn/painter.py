"""SVG of Vega-Lite specifications, drawn one at a time by a warm child process."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import threading
from functools import cache, lru_cache

from configs.child import child_environment

SECONDS = 10.0
"""Longest that a child may take over one picture, its start included."""
CACHED = 256
"""Pictures kept, of some 20 kB each."""


class DrawingError(Exception):
    """A picture cannot be drawn."""


class Painter:
    """One child process, started by the first picture and again should it have ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None

    def svg(self, spec: str) -> bytes:
        """Return the picture of ``spec``, a Vega-Lite specification as JSON text without breaks.

        Raises:
            DrawingError: the specification is wrong, or the child ended twice or was too slow.
        """
        with self._lock:
            answer = self._asked(spec)
            if not answer:
                self._end()
                answer = self._asked(spec)
        if not answer:
            raise DrawingError(f"no picture within {SECONDS:.0f} seconds, twice")
        found = json.loads(answer)
        if "error" in found:
            raise DrawingError(found["error"])
        return str(found["svg"]).encode()

    def close(self) -> None:
        """End the child; another picture starts it again."""
        with self._lock:
            self._end()

    def _asked(self, spec: str) -> str:
        """Return the child's line about ``spec``, empty if it ended before."""
        child = self._running()
        assert child.stdin is not None
        assert child.stdout is not None
        late = threading.Timer(SECONDS, child.kill)
        late.start()
        try:
            child.stdin.write(spec + "\n")
            child.stdin.flush()
            return child.stdout.readline()
        except BrokenPipeError:
            return ""
        finally:
            late.cancel()

    def _running(self) -> subprocess.Popen[str]:
        if self._child is None or self._child.poll() is not None:
            self._end()
            self._child = _started()
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()


def _started() -> subprocess.Popen[str]:
    """Return a child in a session of its own: Ctrl-C is its parent's to take."""
    return subprocess.Popen(
        [sys.executable, "-m", "serving.console.drawn.drawing"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=child_environment(),
        start_new_session=True,
    )


@cache
def painter() -> Painter:
    """Return this process's painter."""
    made = Painter()
    atexit.register(made.close)
    return made


@lru_cache(CACHED)
def svg(spec: str) -> bytes:
    """Return the picture of ``spec``, from before where it was drawn lately."""
    return painter().svg(spec)
