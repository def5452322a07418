"""Peak memory of growing trees on rows on disk, and on a matrix in memory, against their number.

    python -m benchmarks.training_memory [--rows 250000 500000 1000000] [--features 100]

Rows are made up and laid on disk as training lays them; each way runs in a process of its own, on
the settings of training. Memory is what the process holds at most beyond what it held before. The
slope through the sizes says how many bytes a value costs; what does not grow is mostly the 200,000
rows that LightGBM finds bins from.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import psutil
import pyarrow as pa

from configs.files import write_json, write_text
from configs.load import load
from features.matrix import StoredMatrix, store
from training.binned import bin_seed, binned
from training.dataset import Dataset
from training.stored_rows import StoredRows

WAYS = ("disk", "memory")
TREES = 5
ROWS_AT_ONCE = 100_000
CUTOFF = 0
RESULTS = Path("benchmarks/results")
Row = dict[str, Any]


def made_up(rows: int, features: int) -> Iterator[pa.Table]:
    """Yield rows of counts, amounts and shares, a fifth of them missing."""
    rng = np.random.default_rng(rows)
    for first in range(0, rows, ROWS_AT_ONCE):
        n = min(ROWS_AT_ONCE, rows - first)
        columns: dict[str, Any] = {"customer_id": [f"{first + i:09d}" for i in range(n)]}
        columns["cutoff"] = pa.array(np.full(n, CUTOFF, np.int32))
        for place in range(features):
            values = np.round(rng.gamma(1.0, 20.0, n), place % 3)
            columns[f"f{place}"] = pa.array(values, mask=rng.random(n) < 0.2)
        yield pa.table(columns)


def grown(folder: Path, way: str) -> Row:
    """Return the peak GiB of growing a few trees, beyond what the process held before."""
    stored = StoredMatrix(folder)
    names = [name for name in stored.schema.names if name.startswith("f")]
    rows = Dataset(StoredRows.of(stored))
    y = (np.arange(len(rows)) % 3 == 0).astype(float)
    settings = load(None, {}).training
    parameters = {
        "objective": "binary",
        "num_leaves": settings.trees.leaves,
        "bagging_fraction": 0.5,
        "bagging_freq": 1,
        "feature_fraction": 0.4,
        "force_row_wise": True,
        "deterministic": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    parameters |= {"seed": settings.seed, **bin_seed(settings.seed)}
    me, peak, done = psutil.Process(), [0], threading.Event()
    before = me.memory_info().rss

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], me.memory_info().rss)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    data = binned(rows, names, y, parameters) if way == "disk" else lgb.Dataset(rows.X(names), y)
    text = lgb.train(parameters, data, TREES).model_to_string()
    done.set()
    watching.join()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "peak_gib": round((peak[0] - before) / 2**30, 3),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "trees": len(text),
    }


def bytes_a_value(rows: Sequence[Row], way: str, features: int) -> float:
    """Return the slope of peak memory in bytes a value."""
    own = [row for row in rows if row["way"] == way]
    values = np.array([row["rows"] * features for row in own], dtype=float)
    return float(np.polyfit(values, [row["peak_gib"] * 2**30 for row in own], 1)[0])


def report(rows: Sequence[Row], features: int) -> str:
    """Return the page."""
    lines = [
        "# Memory of growing trees",
        "",
        f"`python -m benchmarks.training_memory`, {features} features, {TREES} trees.",
        "",
        "| rows | as floating point | from disk: peak | CPU | a matrix in memory: peak | CPU |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for size in sorted({row["rows"] for row in rows}):
        disk, memory = (
            next(one for one in rows if (one["rows"], one["way"]) == (size, way)) for way in WAYS
        )
        lines.append(
            f"| {size:,} | {size * features * 8 / 2**30:.2f} GiB | {disk['peak_gib']:.2f} GiB | "
            f"{disk['cpu_seconds']:.0f} s | {memory['peak_gib']:.2f} GiB | "
            f"{memory['cpu_seconds']:.0f} s |"
        )
    told = {way: bytes_a_value(rows, way, features) for way in WAYS}
    lines += [
        "",
        f"Through these sizes a value costs {told['disk']:.1f} bytes from disk and "
        f"{told['memory']:.1f} in memory, the copies that LightGBM makes to grow trees included.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[250_000, 500_000, 1_000_000])
    parser.add_argument("--features", type=int, default=100)
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "WAY"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(grown(Path(chosen.child[0]), chosen.child[1])))
        return
    rows: list[Row] = []
    for size in chosen.rows:
        with tempfile.TemporaryDirectory(prefix="echelon-memory-") as scratch:
            folder = Path(scratch) / "features"
            store(made_up(size, chosen.features), [CUTOFF], folder)
            for way in WAYS:
                again = [sys.executable, "-m", "benchmarks.training_memory", "--child"]
                told = subprocess.run(
                    [*again, str(folder), way], check=True, stdout=subprocess.PIPE, text=True
                )
                rows.append({"rows": size, "way": way} | json.loads(told.stdout))
                print(rows[-1], flush=True)
    path = chosen.out / "training_memory.json"
    write_json(path, {"features": chosen.features, "rows": rows})
    write_text(path.with_suffix(".md"), report(rows, chosen.features))
    print(report(rows, chosen.features))


if __name__ == "__main__":
    main()
