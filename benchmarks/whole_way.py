"""Wall time and peak memory of the whole way, and of the command line's answer to ``--help``.

    ECHELON_DATA=… python -m benchmarks.whole_way configs/datasets/online_retail_ii.yaml …

Every command runs as a process of its own; memory is the largest sum over it and its children.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

ECHELON = [sys.executable, "-m", "serving.cli"]


def measured(
    command: list[str], environment: Mapping[str, str] | None = None
) -> tuple[float, float]:
    """Return wall seconds and peak resident GiB of ``command`` with its children."""
    began = time.perf_counter()
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, resident_bytes(watched))
            time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - began, peak / 2**30


def resident_bytes(process: psutil.Process) -> int:
    """Return the resident memory of a process and all its children, 0 once it is gone."""
    try:
        family = [process, *process.children(recursive=True)]
        return sum(member.memory_info().rss for member in family)
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0


def main() -> None:
    """Print one line a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="*", type=Path, help="configurations to run whole")
    helps = [measured([*ECHELON, "--help"])[0] for _ in range(11)]
    print(f"echelon --help: median {statistics.median(helps):.2f} s of {len(helps)} runs")
    for path in parser.parse_args().configs:
        seconds, peak = measured([*ECHELON, "run", "--config", str(path)])
        print(f"echelon run --config {path}: {seconds:.0f} s, peak {peak:.2f} GiB")


if __name__ == "__main__":
    main()
