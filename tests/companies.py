"""Companies that several modules share, and copies of them that a test may change."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from configs.load import load, shipped
from features.simulator import simulate
from serving.endpoint.served import bundle_of
from serving.pipeline import run
from serving.scores.publication import open_live
from serving.scores.publish import publish

FILE = "company.yaml"
CUSTOMERS = 500


def whole_way(folder: Path) -> None:
    """Simulate a company into ``folder``, train and publish it there."""
    simulate(CUSTOMERS, seed=5, out=folder / "exports", days=1000)
    given = yaml.safe_load(shipped("demo.yaml").read_text(encoding="utf-8"))
    given |= {"data": str(folder / "exports"), "stores": {"root": str(folder / "store")}}
    given |= {"clv": {"horizon_days": 182}, "training": {"threads": 1}}
    written(folder, given)
    run(load(folder / FILE, {}))


def own_copy(given: Path, folder: Path, changes: Mapping[str, Any] | None = None) -> Path:
    """Return the configuration of a copy in ``folder`` of the company configured in ``given``."""
    content = yaml.safe_load(given.read_text(encoding="utf-8"))
    shutil.copytree(content["stores"]["root"], folder / "store")
    own = {"stores": {"root": str(folder / "store")}}
    return written(folder, {**content, **own, **(changes or {})})


def written(folder: Path, content: Mapping[str, Any]) -> Path:
    path = folder / FILE
    path.write_text(yaml.safe_dump(dict(content), allow_unicode=True), encoding="utf-8")
    return path


def four_weeks_later(path: Path) -> None:
    """Publish four weeks ago and today again, which then has a past."""
    config = load(path, {})
    live = open_live(config.stores.publications)
    bundle = bundle_of(live, config)
    records = config.stores.records / live.manifest.records
    for as_of in (live.manifest.as_of - dt.timedelta(days=28), live.manifest.as_of):
        publish(config.model_copy(update={"as_of": as_of}), bundle, "1", records)
