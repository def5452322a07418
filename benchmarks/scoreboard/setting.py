"""What every protocol is given to run with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.scoreboard.peers import Peers


@dataclass(frozen=True)
class Setting:
    """Where data lie, where work may be left, and who may be asked.

    Attributes:
        data: the folder of public data sets.
        scratch: a folder of this run.
        threads: of LightGBM and the feature engine.
        peers: the packages of other people.
    """

    data: Path
    scratch: Path
    threads: int
    peers: Peers
