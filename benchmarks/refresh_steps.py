"""Processor seconds of one daily refresh, step by step.

    python -m benchmarks.refresh_steps CONFIG STEPS.json

It does what ``echelon refresh -c CONFIG`` does, in this process; what each step costs goes to the
JSON file, processes of its own that have ended included. A step inside another is told apart.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from configs.files import write_json
from configs.garbage import look_for_garbage_seldom

OTHER = "start, imports and all else"
Steps = dict[str, tuple[ModuleType | type, str]]


def main() -> None:
    """Refresh and write what each step cost."""
    look_for_garbage_seldom()
    config, out = sys.argv[1:]
    write_json(Path(out), steps_of(Path(config)))


def steps_of(config: Path) -> dict[str, float]:
    """Return the processor seconds of each step of a refresh by ``config``."""
    from configs.load import load
    from serving import pipeline

    laps = Laps()
    for name, (owner, attribute) in _steps().items():
        setattr(owner, attribute, laps.timed(name, getattr(owner, attribute)))
    pipeline.refresh(load(config))
    laps.end(OTHER)
    return {name: round(seconds, 2) for name, seconds in laps.seconds.items()}


def _steps() -> Steps:
    """Return where each step begins: a function that the refresh calls by this name."""
    from features import refreshed
    from features.intake import Intake
    from serving import pipeline
    from serving.pages import report
    from serving.scores import matrix, publish

    return {
        "registry": (pipeline, "champion"),
        "models": (pipeline, "read_bundle"),
        "what is new of the files": (refreshed, "growth_of"),
        "reading new rows": (Intake, "read"),
        "merging parts": (Intake, "finish"),
        "report of the records": (Intake, "report"),
        "records made live": (Intake, "published"),
        "sentiment of texts": (matrix, "with_signals"),
        "features": (matrix, "write_matrix"),
        "digest of inputs": (publish, "_digest_of_inputs"),
        "scores and reasons": (publish, "_do_batches"),
        "files of the publication": (publish, "put_together"),
        "changes since the last": (report, "portfolio_sums"),
        "page for managers": (pipeline, "report"),
    }


class Laps:
    """Seconds of the processor since this process began, by what they went to."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inside = [OTHER]
        self._until = 0.0

    def timed(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``step``, with its time given to ``name``."""

        def stepped(*given: Any, **named: Any) -> Any:
            self.end(self._inside[-1])
            self._inside.append(name)
            try:
                return step(*given, **named)
            finally:
                self.end(self._inside.pop())

        return stepped

    def end(self, name: str) -> None:
        """Give the time since the last call to ``name``."""
        now = sum(os.times()[:4])
        self.seconds[name] += now - self._until
        self._until = now


if __name__ == "__main__":
    main()
