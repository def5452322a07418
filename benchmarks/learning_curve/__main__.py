"""What a sample of the customers costs: quality on others, and cost, against its size.

    python -m benchmarks.learning_curve [--customers 200000] [--rows 150k 500k …] [--seeds 3]
    ECHELON_DATA=… python -m benchmarks.learning_curve --config FILE --name cdnow --rows …

Every point is a whole training in a process of its own, as if it were a horizon before the end of
the records, on customers drawn by `training.max_rows` and a seed; cost is of the training alone.
All are tried on the same customers, whom nobody learnt from, and on what they did in the horizon.
Intervals hold 90 % of resamples of these customers, the same for both models compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.learning_curve.page import lost, picture, table
from benchmarks.whole_way import ECHELON
from configs.files import write_json, write_text
from training.evaluate import figures
from training.paired import duel

RESULTS = Path("benchmarks/results")
HELD_OUT_SHARE = 0.2
ROWS = ("150k", "300k", "600k", "1.5m", "3m", "6m")
"""About 5,000 to 200,000 simulated customers."""
SEED = 1

Row = dict[str, Any]


def measured(config: Path, max_rows: int, seed: int, held_out: int, out: Path) -> Row:
    """Return one point: size, cost and figures; its predictions are in ``out``."""
    command = [
        sys.executable, "-m", "benchmarks.learning_curve.one", "--config", str(config),
        "--max-rows", str(max_rows), "--seed", str(seed), "--held-out", str(held_out),
        "--out", str(out),
    ]  # fmt: skip
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    row = {"max_rows": max_rows, "seed": seed} | json.loads(told.splitlines()[-1])
    with np.load(out) as said:
        for target in ("churn", "clv"):
            row |= figures(target, said[f"{target}_y"], said[target])
        return row | {"held_out": len(said["tier"])}


def against(largest: Path, other: Path) -> Row:
    """Return how a point differs from the largest: figures with intervals, and tiers."""
    with np.load(largest) as best, np.load(other) as one:
        told = {}
        for metric, target in (("auc", "churn"), ("ngini", "clv"), ("mae", "clv")):
            found = duel(metric, target, best[f"{target}_y"], best[target], one[target])
            told[metric] = [round(v, 6) for v in (found.difference, found.low, found.high)]
        same = float((best["tier"] == one["tier"]).mean())
        return {"against_largest": told, "agreement": same}


def curve(
    config: Path, sizes: Sequence[int], seeds: int, held_out: int, folder: Path
) -> Iterator[list[Row]]:
    """Yield the rows measured so far, the largest size first."""
    rows: list[Row] = []
    largest = folder / f"{max(sizes)}_0.npz"
    for size in sorted(sizes, reverse=True):
        for seed in range(seeds):
            out = folder / f"{size}_{seed}.npz"
            row = measured(config, size, seed, held_out, out)
            rows.append(row | against(largest, out))
            print(json.dumps(rows[-1]), flush=True)
            yield sorted(rows, key=lambda one: (one["max_rows"], one["seed"]))
            if size == max(sizes):
                break


def report(rows: Sequence[Row], name: str, command: str) -> str:
    """Return the page."""
    first = rows[0]
    return "\n".join(
        [
            f"# What a sample costs: {name}",
            "",
            f"`{command}`, {os.cpu_count()} cores.",
            "",
            f"Trained as on {first['cutoff']}; tried on {first['held_out']:,} buyers whom no "
            "training saw, the same each time. Means over seeds of the draw, the lowest and "
            "highest in brackets. "
            "*Same tier* is against the largest sample. CPU and peak memory are of the whole "
            "training, features included.",
            "",
            table(rows),
            "",
            "Against the largest sample, on the same customers, mean of the seeds with the 90 % "
            "interval over customers:",
            "",
            lost(rows),
            "",
        ]
    )


def number(text: str) -> int:
    """Return a number of rows.

    >>> number("150k"), number("1.5m"), number("2000")
    (150000, 1500000, 2000)
    """
    units = {"k": 1e3, "m": 1e6}
    return int(float(text.rstrip("km")) * units.get(text[-1], 1))


@contextmanager
def _company(customers: int, keep: Path | None) -> Iterator[Path]:
    """Yield the configuration of a simulated company, taken in."""
    with tempfile.TemporaryDirectory(prefix="echelon-curve-") as scratch:
        folder = keep or Path(scratch)
        exports = folder / "exports"
        os.environ["ECHELON_DATA"] = str(exports)
        os.environ["ECHELON_STORES__ROOT"] = str(folder / "stores")
        config = exports / "echelon.yaml"
        if not config.exists():
            simulate = ["simulate", "--customers", str(customers), "--seed", str(SEED)]
            subprocess.run([*ECHELON, *simulate, "--out", str(exports)], check=True)
        if not (folder / "stores" / "records").exists():
            _taken_in(config)
        yield config


def _taken_in(config: Path) -> None:
    subprocess.run([*ECHELON, "intake", "--config", str(config)], check=True)


@contextmanager
def _given(config: Path) -> Iterator[Path]:
    """Yield a configuration of real records, taken into a store of its own."""
    with tempfile.TemporaryDirectory(prefix="echelon-curve-") as scratch:
        os.environ["ECHELON_STORES__ROOT"] = scratch
        _taken_in(config)
        yield config


def _command(chosen: argparse.Namespace) -> str:
    """Return the command that measures the same anew, without the folders of this machine."""
    given = f"--customers {chosen.customers}"
    if chosen.config is not None:
        given = f"--config {chosen.config} --name {chosen.name}"
    sizes = " ".join(map(str, chosen.rows))
    held_out = "" if chosen.held_out is None else f" --held-out {chosen.held_out}"
    return (
        f"python -m benchmarks.learning_curve {given}{held_out} --rows {sizes} "
        f"--seeds {chosen.seeds}"
    )


def main() -> None:
    """Measure the curve and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=200_000, help="simulated, to learn from")
    parser.add_argument("--config", type=Path, help="real records instead")
    parser.add_argument("--held-out", type=int, help="customers nobody learns from")
    parser.add_argument("--rows", type=number, nargs="+", default=[number(one) for one in ROWS])
    parser.add_argument("--seeds", type=int, default=3, help="draws of each size but the largest")
    parser.add_argument("--name", default="simulated")
    parser.add_argument("--keep", type=Path, help="simulate here, or use what is here")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    held_out = chosen.held_out or int(chosen.customers * HELD_OUT_SHARE)
    source = (
        _company(chosen.customers + held_out, chosen.keep)
        if chosen.config is None
        else _given(chosen.config)
    )
    path = chosen.out / f"learning_curve_{chosen.name}.json"
    command = _command(chosen)
    with source as config, tempfile.TemporaryDirectory(prefix="echelon-curve-") as folder:
        for rows in curve(config, chosen.rows, chosen.seeds, held_out, Path(folder)):
            write_json(path, {"command": command, "rows": rows})
            write_text(path.with_suffix(".md"), report(rows, chosen.name, command))
            write_text(
                path.with_suffix(".svg"), picture(rows, f"What a sample costs: {chosen.name}")
            )
    print(report(rows, chosen.name, command))


if __name__ == "__main__":
    main()
