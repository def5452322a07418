"""Old publications without their look-up: most of the bytes, and nothing of its own.

Histories, movements, risk over time and what came of forecasts read scores, reasons and features of
old publications, so these stay; an answer that is asked for is made of them anew, the same to the
byte.
"""

from __future__ import annotations

from pathlib import Path

from configs.files import live_generation
from serving.scores.publication import LOOKUP_FILE, open_live


def thin(store: Path, kept_whole: int) -> list[str]:
    """Remove the look-ups of old publications of ``store`` and return whose, the oldest first.

    The live publication keeps its own, and the one it held tiers against, and the newest
    ``kept_whole`` by day. Who reads one at this moment goes on: an open file stays until it is
    closed, and whoever opens it later is answered from scores and reasons.
    """
    if live_generation(store) is None:
        return []
    live = open_live(store).manifest
    lookups = sorted(store.glob(f"[!.]*/{LOOKUP_FILE}"), key=lambda file: file.parent.name)
    newest = {file.parent.name for file in lookups[-kept_whole:]}
    old = [one for one in lookups if one.parent.name not in newest | {live.id, live.previous}]
    for lookup in old:
        lookup.unlink()
    return [lookup.parent.name for lookup in old]
