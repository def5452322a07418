"""What one machine does, from ten thousand to a million customers, beside what else one would use.

    python -m benchmarks.scale --customers 10k,100k,1m [--stages intake,features] [--only-peers]

Every size is simulated once (some 60 events a customer) and kept under --work. Each stage is a
child process of its own: wall time, processor time, peak memory, bytes written. What is measured
already is not measured again unless --again says so: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.scale.child import Limit
from benchmarks.scale.contestants import Told, features_contest
from benchmarks.scale.page import SAYS
from benchmarks.scale.results import sizes_in, write
from benchmarks.scale.scoring import scoring_contest
from benchmarks.scale.setting import Setting
from benchmarks.scale.stages import STAGES, run_stage

SIZES = "10k,100k,1m"
CONTESTS: dict[str, Callable[[Setting, Told, bool], None]] = {
    "peers": features_contest,
    "scoring": scoring_contest,
}
USUAL = (*STAGES, *CONTESTS)
BESIDE = ("refresh", "spark")
"""Benchmarks of their own, whose results the bars read: they run only where asked for."""
EVERYTHING = (*USUAL, *BESIDE)
NEEDED_BY_PEERS = ("simulate", "intake")


def main() -> None:
    """Measure what is asked for, and say which bars are met."""
    chosen = _arguments()
    found = sizes_in(chosen.out / "scale.json")
    for customers in chosen.customers:
        setting = Setting(
            customers,
            chosen.work / str(customers),
            chosen.threads,
            Limit(chosen.seconds_at_most, chosen.gib_at_most),
            chosen.memory_gib,
        )
        setting.folder.mkdir(parents=True, exist_ok=True)
        for name in chosen.stages:
            _measure(name, setting, _teller(customers), chosen)
            found[customers] = found.get(customers, {}) | setting.found()
            write(chosen.out, found, chosen.threads)
    for bar in write(chosen.out, found, chosen.threads):
        print(f"{SAYS[bar.met]:13} {bar.name}: {bar.figure or '–'} (asked: {bar.asked})")


def _measure(name: str, setting: Setting, told: Told, chosen: argparse.Namespace) -> None:
    if name in CONTESTS:
        CONTESTS[name](setting, told, chosen.again)
    elif name in BESIDE:
        module = f"benchmarks.{name}"
        size = str(setting.customers)
        subprocess.run([sys.executable, "-m", module, "--customers", size], check=True)
    else:
        run_stage(setting, name, told, chosen.again and not chosen.only_peers)


def _teller(customers: int) -> Told:
    began = time.monotonic()

    def told(line: str) -> None:
        minutes = (time.monotonic() - began) / 60
        print(f"{minutes:6.1f} min  {customers:>9,} customers  {line}", flush=True)

    return told


def sizes(listed: str) -> list[int]:
    """Return the sizes that ``10k,1m`` says.

    >>> sizes("10k,2m,500")
    [10000, 2000000, 500]
    """
    units = {"k": 1_000, "m": 1_000_000}
    return [
        round(float(one[:-1]) * units[one[-1]]) if one[-1] in units else int(one)
        for one in listed.lower().split(",")
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=sizes, default=sizes(SIZES))
    parser.add_argument("--stages", type=_stages, default=list(USUAL), help=_LISTED)
    parser.add_argument("--spark", action="store_true", help="also Spark beside DuckDB")
    parser.add_argument("--only-peers", action="store_true", help="only ours beside the peers")
    parser.add_argument("--again", action="store_true", help="measure also what is measured")
    parser.add_argument("--work", type=Path, default=Path("var/scale"), help="kept between runs")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--memory-gib", type=float, default=4, help="engine.memory_limit_gib")
    parser.add_argument("--seconds-at-most", type=float, default=3_600, help="of each child")
    parser.add_argument("--gib-at-most", type=float, default=12, help="of each child, or it ends")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    if chosen.only_peers:
        chosen.stages = [*NEEDED_BY_PEERS, "peers"]
    if chosen.spark:
        chosen.stages = [*chosen.stages, "spark"]
    return chosen


_LISTED = ",".join(EVERYTHING)


def _stages(listed: str) -> list[str]:
    names = listed.split(",")
    if unknown := [name for name in names if name not in EVERYTHING]:
        raise argparse.ArgumentTypeError(f"{unknown} unknown; known: {_LISTED}")
    return names


if __name__ == "__main__":
    main()
