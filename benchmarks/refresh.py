"""What a daily refresh costs beside a full run, on a simulated company, in one run.

    python -m benchmarks.refresh [--customers 50k,1m] [--keep FOLDER] [--out FOLDER]

Of the exports the newest 1 % of rows are held back and a full run is made of the others, as of the
day before the last. Then they come, three ways, each to a copy of the stores:

- *late*: all but those of the last day, the day scored stays;
- *one day*: after those, the rows of the last day alone, and the day moves by one;
- *daily*: all of them at once, and the day moves by one. The bar is on this.

Beside it, *whole* takes in and scores everything anew at that last day without training, and the
publications of *daily* and *whole* are compared: scores to 1e-9, tiers and sentences identical.
Every command is a process of its own; ratios are of CPU seconds, wall time stands beside. What
earlier runs measured at other sizes stays in the results.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from benchmarks.whole_way import ECHELON, measured
from configs.files import write_json, write_text
from features.sources import date_of
from serving.scores.publication import open_live

TABLES = {
    "customers": "signed_up_on",
    "transactions": "occurred_at",
    "interactions": "occurred_at",
    "satisfaction": "occurred_at",
    "attributes": "observed_at",
}
SHARE_NEW = 0.01
BAR = 0.1
RESULTS = Path("benchmarks/results")
NAME = "refresh"
SEED = 1
Row = dict[str, Any]


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=_sizes, default=[50_000, 1_000_000])
    parser.add_argument("--keep", type=Path, help="work here and leave the files")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    path = chosen.out / f"{NAME}.json"
    rows: list[Row] = json.loads(path.read_text())["rows"] if path.exists() else []
    for customers in chosen.customers:
        with _working(chosen.keep) as folder:
            row = compared(customers, folder / str(customers))
        rows = [one for one in rows if one["customers"] != customers] + [row]
        rows.sort(key=lambda one: int(one["customers"]))
        write_json(path, {"machine": _machine(), "rows": rows})
        write_text(path.with_suffix(".md"), report(rows))
    print(report(rows))


@contextmanager
def _working(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="echelon-refresh-") as folder:
        yield Path(folder)


def compared(customers: int, folder: Path) -> Row:
    """Return what each way costs for a simulated company of so many customers."""
    exports, data = folder / "exports", folder / "data"
    _run("simulate", ["--customers", str(customers), "--seed", str(SEED), "--out", str(exports)])
    last, share = split(exports, data)
    row: Row = {"customers": customers, "new_share": share}
    row["full"] = _measured("run", config_of(folder, "full", last - 1))
    _copy(folder, "late")
    come(data, "1-late")
    row["late"] = _measured("refresh", config_of(folder, "late", last - 1))
    come(data, "2-last")
    row["one_day"] = _measured("refresh", config_of(folder, "late", last))
    shutil.rmtree(folder / "late")
    _copy(folder, "daily")
    row["daily"] = _measured("refresh", config_of(folder, "daily", last))
    _copy(folder, "whole")
    whole = config_of(folder, "whole", last)
    steps = [_measured(step, whole) for step in ("intake", "score")]
    row["whole"] = {name: sum(step[name] for step in steps) for name in ("cpu", "wall")}
    row["differences"] = differences(folder / "daily", folder / "whole")
    return row


def split(exports: Path, data: Path) -> tuple[int, float]:
    """Put the exports in ``data``, the new rows held back; return the last day and their share."""
    narrow = {name: _known_days(exports / f"{name}.parquet", name) for name in TABLES}
    events = np.concatenate([days for name, days in narrow.items() if name != "customers"])
    last = int(events.max())
    cut = min(int(np.quantile(events, 1.0 - SHARE_NEW)), last - 2)
    for name in TABLES:
        _split_table(exports / f"{name}.parquet", name, data, cut, last)
    for name in ("employees.csv", "owners.csv", "echelon.yaml"):
        shutil.copy(exports / name, data / name)
    return last, float((events > cut).mean())


def _split_table(path: Path, name: str, data: Path, cut: int, last: int) -> None:
    with ExitStack() as stack:
        file = stack.enter_context(pq.ParquetFile(path))
        writers = []
        for folder, part in ((data, "0-old"), (data / "held", "1-late"), (data / "held", "2-last")):
            (folder / name).mkdir(parents=True, exist_ok=True)
            target = folder / name / f"{part}.parquet"
            writers.append(stack.enter_context(pq.ParquetWriter(target, file.schema_arrow)))
        for batch in file.iter_batches():
            table = pa.Table.from_batches([batch])
            place = np.searchsorted([cut, last - 1], _known(table, TABLES[name]))
            for number, writer in enumerate(writers):
                writer.write_table(table.filter(pa.array(place == number)))


def _known_days(path: Path, name: str) -> np.ndarray:
    there = pq.read_schema(path).names
    names = [one for one in (TABLES[name], "recorded_at") if one in there]
    return _known(pq.read_table(path, columns=names), TABLES[name])


def _known(table: pa.Table, time: str) -> np.ndarray:
    """Return the day on which each row was known, by UTC; the first of all where it has none."""
    moments = [table[name] for name in (time, "recorded_at") if name in table.column_names]
    days = [pc.fill_null(moment.cast(pa.date32()).cast(pa.int32()), 0) for moment in moments]
    return np.maximum.reduce([one.to_numpy() for one in days])


def _copy(folder: Path, store: str) -> None:
    """Copy the stores of the full run; files that never change are shared."""

    def shared(source: str, target: str) -> str:
        immutable = source.endswith((".parquet", ".sqlite"))
        (os.link if immutable else shutil.copy2)(source, target)
        return target

    shutil.copytree(folder / "full", folder / store, copy_function=shared)


def come(data: Path, part: str) -> None:
    """Let the held back rows of ``part`` come, a new file in the folder of each table."""
    for name in TABLES:
        os.replace(data / "held" / name / f"{part}.parquet", data / name / f"{part}.parquet")


def config_of(folder: Path, store: str, as_of: int) -> Path:
    """Return a configuration of the company as of a day, with a store of its own."""
    settings = yaml.safe_load((folder / "data" / "echelon.yaml").read_text())
    settings |= {"data": str(folder / "data"), "as_of": date_of(as_of).isoformat()}
    settings["stores"] = {"root": str(folder / store)}
    for name, sources in settings["sources"].items():
        sources[0]["path"] = name
    path = folder / f"{store}-{as_of}.yaml"
    path.write_text(yaml.safe_dump(settings, allow_unicode=True))
    return path


def _measured(command: str, config: Path) -> dict[str, float]:
    before = _cpu_seconds()
    seconds, peak = _run(command, ["--config", str(config)])
    cost = {"cpu": _cpu_seconds() - before, "wall": seconds, "gib": peak}
    print(f"{config.stem}: {command} {cost['cpu']:.1f} s of CPU, {seconds:.0f} s", flush=True)
    return cost


def _run(command: str, options: Sequence[str]) -> tuple[float, float]:
    return measured([*ECHELON, command, *options], dict(os.environ))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def differences(one: Path, other: Path) -> dict[str, float]:
    """Return how far two stores' live publications are apart: largest difference, rows that differ.

    Raises:
        ValueError: they are not of the same customers.
    """
    live, anew = (open_live(store / "publications") for store in (one, other))
    scores, others = live.scores(), anew.scores()
    if not scores["customer_id"].equals(others["customer_id"]):
        raise ValueError("the two publications are of other customers")
    apart, words = 0.0, 0
    for field in scores.schema:
        left, right = scores[field.name], others[field.name]
        if pa.types.is_floating(field.type):
            gap = np.abs(left.to_numpy() - right.to_numpy()) / np.maximum(
                1, np.abs(left.to_numpy())
            )
            apart = max(apart, float(np.nanmax(gap, initial=0.0)))
        elif not pa.types.is_list(field.type):
            words += int(pc.sum(pc.not_equal(left, right)).as_py() or 0)
    told, told_anew = live.reasons(), anew.reasons()
    sentences = -1
    if len(told) == len(told_anew):
        names = ("customer_id", "concept", "text_zh", "text_en")
        differ = [pc.not_equal(told[name], told_anew[name]) for name in names]
        sentences = sum(int(pc.sum(one).as_py() or 0) for one in differ)
    return {"numbers": apart, "words": words, "sentences": sentences}


def report(rows: Sequence[Row]) -> str:
    """Return the table in Markdown, with whether the bar is met."""
    lines = [
        "# What a daily refresh costs",
        "",
        f"`python -m benchmarks.refresh`, {_machine()}. Seconds of CPU (of wall time); shares are "
        "of the full run's CPU.",
        "",
        "| customers | new rows | full run | intake + score | late | share | one day | share "
        "| daily | share | memory |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [_line(row) for row in rows]
    for row in rows:
        found, share = row["differences"], _share(row, "daily")
        verdict = "met" if share <= BAR else "missed"
        lines += [
            "",
            f"{row['customers']:,} customers: the bar, a daily refresh with 1 % new rows in at "
            f"most {BAR:.0%} of a full run, is **{verdict}** ({share:.1%}). It takes "
            f"{row['daily']['cpu'] / row['whole']['cpu']:.0%} of taking in and scoring everything "
            f"without training, and publishes the same: numbers at most {found['numbers']:.0e} "
            f"apart, {found['words']} other words, {found['sentences']} other sentences.",
        ]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    def cost(name: str) -> str:
        return f"{row[name]['cpu']:,.0f} s ({row[name]['wall']:,.0f})"

    cells = [f"{row['customers']:,}", f"{row['new_share']:.2%}", cost("full"), cost("whole")]
    for name in ("late", "one_day", "daily"):
        cells += [cost(name), f"{_share(row, name):.1%}"]
    return f"| {' | '.join(cells)} | {row['daily']['gib']:.2f} GiB |"


def _share(row: Row, name: str) -> float:
    return float(row[name]["cpu"] / row["full"]["cpu"])


def _sizes(text: str) -> list[int]:
    """Return sizes such as ``10k,1m``.

    >>> _sizes("10k,1m")
    [10000, 1000000]
    """
    units = {"k": 1_000, "m": 1_000_000}
    return [int(float(one.rstrip("km")) * units.get(one[-1], 1)) for one in text.split(",")]


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    threads = os.environ.get("ECHELON_ENGINE__THREADS", "2")
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {threads} threads"


if __name__ == "__main__":
    main()
