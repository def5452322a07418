"""What one machine does, from ten thousand to a million customers, beside what else one would use.

    python -m benchmarks.scale --customers 10k,100k,1m [--stages intake,features] [--only-peers]

Every size is simulated once (some 60 events a customer) and kept under --work. Each stage is a
child process of its own: wall time, processor time, peak memory, bytes written. What is measured
already is not measured again unless --again says so: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from benchmarks.scale.child import Limit
from benchmarks.scale.contestants import PEERS, Told, features_contest
from benchmarks.scale.setting import Setting
from benchmarks.scale.stages import STAGES, run_stage

SIZES = "10k,100k,1m"
NEEDED_BY_PEERS = ("simulate", "intake")


def main() -> None:
    """Measure what is asked for."""
    chosen = _arguments()
    for customers in chosen.customers:
        setting = Setting(
            customers,
            chosen.work / str(customers),
            chosen.threads,
            Limit(chosen.seconds_at_most, chosen.gib_at_most),
            chosen.memory_gib,
        )
        setting.folder.mkdir(parents=True, exist_ok=True)
        told = _teller(customers)
        stages = NEEDED_BY_PEERS if chosen.only_peers else chosen.stages
        for stage in stages:
            run_stage(setting, stage, told, chosen.again and not chosen.only_peers)
        if chosen.only_peers:
            features_contest(setting, PEERS, told)


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
    parser.add_argument("--stages", type=lambda names: names.split(","), default=list(STAGES))
    parser.add_argument("--only-peers", action="store_true", help="only ours beside the peers")
    parser.add_argument("--again", action="store_true", help="measure also what is measured")
    parser.add_argument("--work", type=Path, default=Path("var/scale"), help="kept between runs")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--memory-gib", type=float, default=4, help="engine.memory_limit_gib")
    parser.add_argument("--seconds-at-most", type=float, default=3_600, help="of each child")
    parser.add_argument("--gib-at-most", type=float, default=12, help="of each child, or it ends")
    return parser.parse_args()


if __name__ == "__main__":
    main()
