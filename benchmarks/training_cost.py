"""Wall time and peak memory of intake and training for 10k, 100k and 1M simulated customers.

    python -m benchmarks.training_cost [--customers 10000 100000] [--keep FOLDER] [--out FOLDER]

Every command of `echelon` runs as a process of its own; memory is the largest sum of resident
pages over it and its children. Growth is the exponent of a straight line in logarithms through
the sizes: 1 is proportional. CPU seconds stand beside wall time, which other work on the machine
moves. Beyond `training.customers_at_most` a sample is learnt from. What earlier runs measured stays
in the results until it is measured anew; `--steps train` with `--keep` measures training alone.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq

from benchmarks.whole_way import ECHELON, measured
from configs.files import write_json, write_text

SIZES = (10_000, 100_000, 1_000_000)
STEPS = ("simulate", "intake", "train")
EVENT_TABLES = ("transactions", "interactions", "satisfaction", "attributes")
RESULTS = Path("benchmarks/results")
NAME = "training_cost"
SEED = 1

Row = dict[str, Any]


def cost(customers: int, folder: Path, steps: Sequence[str]) -> Row:
    """Return one row of the table: seconds and peak GiB of each step, and the events there are.

    Args:
        customers: how many to simulate.
        folder: where exports and stores go, or are already.
        steps: which of ``STEPS`` to take.
    """
    exports, config = folder / "exports", folder / "exports" / "echelon.yaml"
    environment = os.environ | {
        "ECHELON_DATA": str(exports),
        "ECHELON_STORES__ROOT": str(folder / "stores"),
    }
    commands = {
        "simulate": [
            "simulate", "--customers", str(customers), "--seed", str(SEED), "--out", str(exports),
        ],
        "intake": ["intake", "--config", str(config)],
        "train": ["train", "--config", str(config)],
    }  # fmt: skip
    row: Row = {"customers": customers}
    for step in steps:
        before = _cpu_seconds()
        seconds, peak = measured([*ECHELON, *commands[step]], environment)
        busy = _cpu_seconds() - before
        row |= {
            f"{step}_seconds": round(seconds, 1),
            f"{step}_cpu_seconds": round(busy, 1),
            f"{step}_gib": round(peak, 3),
        }
        print(
            f"{customers:>9,} customers: {step} {seconds:.0f} s ({busy:.0f} s of CPU), "
            f"peak {peak:.2f} GiB",
            flush=True,
        )
    return row | {"events": _events(exports)}


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _events(exports: Path) -> int:
    return sum(pq.read_metadata(exports / f"{name}.parquet").num_rows for name in EVENT_TABLES)


def growth(rows: Sequence[Row], figure: str) -> float | None:
    """Return the exponent e of ``figure ~ customers^e``; ``None`` below two sizes.

    >>> growth([{"customers": 10, "s": 3.0}, {"customers": 1000, "s": 300.0}], "s")
    1.0
    """
    if len(rows) < 2:
        return None
    x = [math.log(row["customers"]) for row in rows]
    y = [math.log(max(row[figure], 1e-3)) for row in rows]
    return round(float(np.polyfit(x, y, 1)[0]), 6)


def expected_at(rows: Sequence[Row], figure: str, customers: int) -> float:
    """Return what ``figure`` would be, on the line through the two largest sizes measured."""
    last, before = sorted(rows, key=lambda row: -row["customers"])[:2]
    slope = (last[figure] - before[figure]) / (last["customers"] - before["customers"])
    return float(last[figure] + slope * (customers - last["customers"]))


def report(rows: Sequence[Row], machine: str) -> str:
    """Return the table in Markdown, with growth and, for sizes not run, what they would take."""
    lines = [
        "# What training costs",
        "",
        f"`python -m benchmarks.training_cost`, {machine}.",
        "",
        "| customers | events | intake: wall | CPU | memory | train: wall | CPU | memory |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['customers']:,} | {row['events']:,} | " + " | ".join(_cells(row)) + " |"
        for row in rows
    ]
    if len(rows) > 1:
        time, memory = growth(rows, "train_cpu_seconds"), growth(rows, "train_gib")
        lines += [
            "",
            f"CPU time of training grows as customers^{time:.2f}, its peak memory as "
            f"customers^{memory:.2f}.",
        ]
        lines += [
            f"{size:,} customers were not run. Learnt from whole, on the line through the two "
            f"largest sizes, they would take {expected_at(rows, 'train_cpu_seconds', size):,.0f} s "
            f"of CPU and {expected_at(rows, 'train_gib', size):.1f} GiB; by default a sample of "
            "`training.customers_at_most` customers is learnt from."
            for size in SIZES
            if size not in {row["customers"] for row in rows}
        ]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> list[str]:
    """Return wall, CPU and memory of intake and training as text."""
    return [
        text
        for step in ("intake", "train")
        for text in (
            f"{row[f'{step}_seconds']:,.0f} s",
            f"{row[f'{step}_cpu_seconds']:,.0f} s",
            f"{row[f'{step}_gib']:.2f} GiB",
        )
    ]


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    threads = os.environ.get("ECHELON_TRAINING__THREADS", "2")
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {threads} threads"


@contextmanager
def _working(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="echelon-cost-") as folder:
        yield Path(folder)


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--keep", type=Path, help="work here and leave the files")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    path = chosen.out / f"{NAME}.json"
    known = json.loads(path.read_text())["rows"] if path.exists() else []
    for customers in chosen.customers:
        with _working(chosen.keep) as folder:
            row = cost(customers, folder / str(customers), chosen.steps)
        for one in [one for one in known if one["customers"] == customers]:
            known.remove(one)
            row = one | row
        known.append(row)
        known.sort(key=lambda one: int(one["customers"]))
        write_json(path, {"machine": _machine(), "rows": known})
        write_text(path.with_suffix(".md"), report(known, _machine()))
    print(report(known, _machine()))


if __name__ == "__main__":
    main()
