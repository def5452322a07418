"""Where a size is worked on, and what earlier runs found there."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.scale.child import Cost, Limit
from configs.files import live_generation, write_json
from configs.load import load
from configs.schema import Config
from features.sources import day_number

SEED = 1
SPACING_DAYS = 28
EVENT_TABLES = ("transactions", "interactions", "satisfaction", "attributes")
ECHELON = (sys.executable, "-m", "serving.cli")


@dataclass(frozen=True)
class Setting:
    """One company of one size.

    Attributes:
        customers: how many there are.
        folder: where its exports, stores, logs and findings are; kept between runs.
        threads: of every contestant.
        limit: what any one of them may use.
        memory_gib: what engines are told to stay within.
    """

    customers: int
    folder: Path
    threads: int
    limit: Limit
    memory_gib: float

    @property
    def exports(self) -> Path:
        """The company's files, as a user has them."""
        return self.folder / "exports"

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """What every child is given."""
        return os.environ | {
            "ECHELON_DATA": str(self.exports),
            "ECHELON_STORES__ROOT": str(self.folder / "stores"),
            "ECHELON_ENGINE__THREADS": str(self.threads),
            "ECHELON_ENGINE__MEMORY_LIMIT_GIB": f"{self.memory_gib:g}",
            "ECHELON_TRAINING__THREADS": str(self.threads),
            "OMP_NUM_THREADS": str(self.threads),
        }

    def config(self) -> Config:
        """Return the configuration as children read it."""
        return load(self.exports / "echelon.yaml", self.environment)

    def echelon(self, command: str, *options: str) -> list[str]:
        """Return a command of the product on this company."""
        config = str(self.exports / "echelon.yaml")
        return [*ECHELON, command, *options, "--config", config]

    def records(self) -> Path:
        """Return the live records."""
        folder = live_generation(self.folder / "stores" / "records")
        if folder is None:
            raise SystemExit(f"{self.folder} has no records: run the stage intake")
        return folder

    def events(self) -> int:
        """Return how many event records there are."""
        paths = [self.exports / f"{name}.parquet" for name in EVENT_TABLES]
        return sum(int(pq.read_metadata(path).num_rows) for path in paths)

    def cutoffs(self, count: int) -> list[int]:
        """Return ``count`` days on the grid of snapshots that ends with the last day."""
        as_of = self.config().as_of
        assert as_of is not None, "the simulator says it"
        return sorted(day_number(as_of) - SPACING_DAYS * back for back in range(count))

    def scratch(self, name: str) -> Path:
        """Return an empty place for what a child writes."""
        path = self.folder / "scratch" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        return path

    def found(self) -> dict[str, dict[str, Any]]:
        """Return what was measured here, by its name."""
        path = self.folder / "found.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def keep(self, name: str, cost: Cost, **figures: Any) -> None:
        """Remember what was measured; figures that took minutes survive a stopped run."""
        rounded = {
            key: round(value, 3) if isinstance(value, float) else value
            for key, value in asdict(cost).items()
        }
        write_json(self.folder / "found.json", self.found() | {name: rounded | figures})
