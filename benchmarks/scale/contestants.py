"""The same features by ours and by what a user would write instead, one after the other."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.scale.child import Cost, measure
from benchmarks.scale.contest.equal import differences
from benchmarks.scale.contest.subset import Task
from benchmarks.scale.setting import Setting

Told = Callable[[str], None]
CUTOFFS = (1, 10)
PATIENCE = 1_800
"""Seconds that a peer is waited for."""


@dataclass(frozen=True)
class Contestant:
    """One way to compute the features.

    Attributes:
        name: as results call it.
        module: of ``benchmarks.scale.contest``.
        python: the interpreter that has its packages.
    """

    name: str
    module: str
    python: Path = Path(sys.executable)
    of: str = ""
    """What it computes, where that is not everything."""


OURS = Contestant("ours", "ours")
PEERS = (
    Contestant("DuckDB SQL", "sql"),
    Contestant("pandas", "pandas_peer"),
    Contestant(
        "featuretools",
        "featuretools_peer",
        Path("var/featuretools/bin/python"),
        "21 of the features, all rows known when they happened",
    ),
)
NAMES = (OURS.name, *(peer.name for peer in PEERS))


def features_contest(setting: Setting, told: Told, again: bool) -> None:
    """Measure ours and every peer, and look whether they wrote the same table."""
    for count in CUTOFFS:
        if not again and all(_called(one, count) in setting.found() for one in (OURS, *PEERS)):
            continue
        ours = setting.scratch(f"{OURS.module}_{count}")
        cost = _asked(setting, OURS, count, ours)
        setting.keep(_called(OURS, count), cost)
        told(said(f"{OURS.name}, {count} cutoffs", cost))
        for peer in PEERS:
            theirs = setting.scratch(f"{peer.module}_{count}.parquet")
            cost = _asked(setting, peer, count, theirs)
            unequal = None if cost.failed or not ours.exists() else differences(ours, theirs)
            setting.keep(_called(peer, count), cost, unequal=unequal, of=peer.of)
            told(said(f"{peer.name}, {count} cutoffs", cost) + _equality(unequal))
            theirs.unlink(missing_ok=True)
        shutil.rmtree(ours, ignore_errors=True)


def _asked(setting: Setting, one: Contestant, count: int, out: Path) -> Cost:
    if not one.python.exists():
        return Cost(0.0, 0.0, 0.0, 0.0, f"not run: {one.python} does not exist, see docs/scale.md")
    days = tuple(setting.cutoffs(count))
    asked = Task(setting.records(), out, days, setting.threads, setting.memory_gib)
    module = f"benchmarks.scale.contest.{one.module}"
    command = [str(one.python), "-m", module, *asked.arguments()]
    log = setting.folder / f"{one.module}_{count}.log"
    seconds = setting.limit.seconds if one is OURS else min(setting.limit.seconds, PATIENCE)
    limit = replace(setting.limit, seconds=seconds)
    return measure(command, log, limit, setting.environment)


def _called(one: Contestant, count: int) -> str:
    return f"contest {one.name} {count}"


def said(name: str, cost: Cost) -> str:
    """Return one line about what something cost."""
    what = (
        f"{name}: {cost.wall_seconds:,.1f} s ({cost.cpu_seconds:,.1f} s of processor), "
        f"peak {cost.peak_gib:.2f} GiB, written {cost.written_gib:.2f} GiB"
    )
    return f"{what} — {cost.failed}" if cost.failed else what


def _equality(unequal: dict[str, int] | None) -> str:
    if unequal is None:
        return ""
    return f"; other values than ours: {unequal}" if unequal else "; equal to ours"
