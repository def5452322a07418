"""Publications killed at moments spread over all that is called, each gone on from afterwards.

``python -m tests.publish_kills FOLDER MOMENTS`` prints as JSON how far each was when it went on,
and whether it ended in the uninterrupted one's bytes; a reader looks after each kill.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from configs.files import live_generation
from serving.scores.publication import open_publication
from serving.scores.publish import publish_matrix
from tests.small_bundle import job_in, matrix_of

CUSTOMERS = 130
ROWS_AT_ONCE = 50


class Counter:
    """Counts calls, and ends the process at one of them as the system would."""

    def __init__(self, last: int | None = None) -> None:
        self.calls, self._last = 0, last

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Count a call or a return."""
        self.calls += 1
        if self.calls == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


def publish(folder: Path, counter: Counter | None = None) -> float:
    """Publish and return how far it was already."""
    told: list[tuple[str, float]] = []
    sys.setprofile(counter)
    job = job_in(folder, score_rows_at_once=ROWS_AT_ONCE)
    publish_matrix(job, matrix_of(CUSTOMERS), lambda *one: told.append(one))
    sys.setprofile(None)
    return dict(told).get("resumed at", 0.0)


def killed(folder: Path, call: int) -> bool:
    """Publish and be killed at ``call``; return whether it was, and readers saw nothing half."""
    child = os.fork()
    if not child:
        publish(folder, Counter(call))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    live = live_generation(job_in(folder).store)
    if live is not None:
        open_publication(live).check()
    return os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of what is live in ``folder``, its manifest with its times aside."""
    store = job_in(folder).store
    live = live_generation(store)
    assert live is not None
    assert {one.name for one in store.iterdir()} == {".lock", "CURRENT", live.name}
    return {file.name: file.read_bytes() for file in live.iterdir() if file.suffix != ".json"}


def main() -> None:
    """Kill, go on and compare."""
    root, moments = Path(sys.argv[1]), int(sys.argv[2])
    publish(root / "warm")  # what is imported and remembered by the first is called once
    whole = Counter()
    publish(root / "whole", whole)
    found = []
    for moment in range(moments):
        folder = root / str(moment)
        was_killed = killed(folder, whole.calls * (2 * moment + 1) // (2 * moments))
        resumed = publish(folder)
        same = contents(folder) == contents(root / "whole")
        found.append({"killed": was_killed, "resumed": resumed, "same": same})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
