"""The stages of a company's way, each a command that a user would give."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.scale.child import measure
from benchmarks.scale.contestants import Told, said
from benchmarks.scale.setting import SEED, Setting

Command = Callable[[Setting], list[str]]


def _simulate(setting: Setting) -> list[str]:
    size, seed = str(setting.customers), str(SEED)
    command = setting.echelon("simulate", "--customers", size, "--seed", seed)
    return [*command[: command.index("--config")], "--out", str(setting.exports)]


def _intake(setting: Setting) -> list[str]:
    shutil.rmtree(setting.folder / "stores" / "records", ignore_errors=True)
    return setting.echelon("intake")


def _publication(setting: Setting) -> list[str]:
    shutil.rmtree(setting.folder / "stores" / "publications", ignore_errors=True)
    return setting.echelon("score")


def _features(setting: Setting, count: int) -> list[str]:
    module = [sys.executable, "-m", "benchmarks.scale.features"]
    days = [str(day) for day in setting.cutoffs(count)]
    config = str(setting.exports / "echelon.yaml")
    return [*module, config, str(setting.scratch(f"features_{count}")), "--cutoffs", *days]


STAGES: dict[str, Command] = {
    "simulate": _simulate,
    "intake": _intake,
    "features": lambda setting: _features(setting, 10),
    "features_1": lambda setting: _features(setting, 1),
    "training": lambda setting: setting.echelon("train"),
    "promotion": lambda setting: setting.echelon("promote", "--override", "to be measured"),
    "publication": _publication,
}


def run_stage(setting: Setting, name: str, told: Told, again: bool) -> None:
    """Measure one stage unless it is measured; a stage that fails ends the run.

    Raises:
        SystemExit: it failed.
    """
    found = setting.found().get(name)
    if found is not None and not found["failed"] and not again:
        return
    log = setting.folder / f"{name}.log"
    cost = measure(STAGES[name](setting), log, setting.limit, setting.environment)
    figures = {"events": setting.events()} if name == "simulate" and not cost.failed else {}
    setting.keep(name, cost, **figures, kept_gib=_kept(setting, name))
    told(said(name, cost))
    shutil.rmtree(setting.folder / "scratch", ignore_errors=True)
    if cost.failed:
        raise SystemExit(f"{name} failed; see {log}")


def _kept(setting: Setting, name: str) -> float:
    """Return the size of what a stage leaves behind."""
    places = {
        "simulate": setting.exports,
        "intake": setting.folder / "stores" / "records",
        "features": setting.folder / "scratch" / "features_10",
        "features_1": setting.folder / "scratch" / "features_1",
        "publication": setting.folder / "stores" / "publications",
    }
    return round(_size(places[name]) / 2**30, 3) if name in places else 0.0


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
