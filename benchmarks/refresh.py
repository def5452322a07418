"""What a daily refresh costs beside a full run, on a simulated company, in one run.

    python -m benchmarks.refresh [--customers 50k,1m] [--ways daily] [--keep FOLDER]
                                 [--company EXPORTS] [--out FOLDER]

Of the exports the newest 1 % of rows are held back and a full run is made of the others, as of the
day before the last. Then they come, three ways, each to a copy of the stores:

- *late*: all but those of the last day, the day scored stays;
- *one_day*: after those, the rows of the last day alone, and the day moves by one;
- *daily*: all of them at once, and the day moves by one. The bar is on this.

Beside it, *whole* takes in and scores everything anew at that last day without training, and the
publications of *daily* and *whole* are compared: scores to 1e-9, tiers and sentences identical.
Every command is a process of its own; ratios are of processor seconds, wall time stands beside.

With ``--keep`` files are kept there: what is measured is not measured again, and a run that was
stopped goes on where it was. The daily way takes about 12 kB of disk a customer there, *whole*
half as much again; what each left is measured. Other sizes measured before stay in the results.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from benchmarks.scale.__main__ import sizes
from benchmarks.scale.child import Limit, measure
from benchmarks.whole_way import ECHELON
from configs.files import live_generation, write_json, write_text
from features.sources import date_of
from serving.scores.publication import FEATURES_FILE, LOOKUP_FILE, REASONS_FILE, open_live

TABLES = {
    "customers": "signed_up_on",
    "transactions": "occurred_at",
    "interactions": "occurred_at",
    "satisfaction": "occurred_at",
    "attributes": "observed_at",
}
LATE, LAST = "1-late", "2-last"
"""Parts of each table that are held back."""
WAYS = ("late", "one_day", "daily", "whole")
SHARE_NEW = 0.01
BAR = 0.1
RESULTS = Path("benchmarks/results")
NAME = "refresh"
SEED = 1
LIMIT = Limit(seconds=4 * 3_600, gib=16)
Row = dict[str, Any]


def main() -> None:
    """Measure, print and write the table."""
    chosen = _arguments()
    path = chosen.out / f"{NAME}.json"
    for customers in chosen.customers:
        with _working(chosen.keep) as folder:
            company = Company(customers, folder / str(customers), chosen.company)
            row = compared(company, chosen.ways)
        rows = json.loads(path.read_text())["rows"] if path.exists() else []
        rows = [one for one in rows if one["customers"] != customers] + [row]
        rows.sort(key=lambda one: int(one["customers"]))
        write_json(path, {"machine": _machine(), "rows": rows})
        write_text(path.with_suffix(".md"), report(rows))
        print(report(rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=sizes, default=[50_000, 1_000_000])
    parser.add_argument("--ways", type=_ways, default=list(WAYS), help=",".join(WAYS))
    parser.add_argument("--keep", type=Path, help="work here, keep the files, go on from them")
    parser.add_argument("--company", type=Path, help="exports of one size that are there already")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    if chosen.company is not None and len(chosen.customers) > 1:
        parser.error("--company is of one size: say by --customers which")
    return chosen


def _ways(listed: str) -> list[str]:
    names = listed.split(",")
    if unknown := [name for name in names if name not in WAYS]:
        raise argparse.ArgumentTypeError(f"{unknown} unknown; known: {', '.join(WAYS)}")
    return names


@contextmanager
def _working(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="echelon-refresh-") as folder:
        yield Path(folder)


@dataclass(frozen=True)
class Company:
    """A simulated company and what was measured of it so far.

    Attributes:
        customers: how many.
        folder: of its stores, and of its exports cut into what was there and what comes.
        given: its exports, where they are there already.
    """

    customers: int
    folder: Path
    given: Path | None = None

    @property
    def data(self) -> Path:
        """Folder that its configuration reads."""
        return self.folder / "data"

    @property
    def found(self) -> Row:
        """What is measured."""
        path = self.folder / "measured.json"
        found: Row = json.loads(path.read_text()) if path.exists() else {}
        return found

    def note(self, **found: Any) -> None:
        """Remember what was found."""
        write_json(self.folder / "measured.json", self.found | found)

    def made(self) -> int:
        """Make the exports, what is new held back, and return the last day."""
        if "last" not in self.found:
            exports = self.given or self.folder / "exports"
            if self.given is None:
                size = ["--customers", str(self.customers), "--seed", str(SEED)]
                _ran(self.folder, "simulate", [*ECHELON, "simulate", *size, "--out", str(exports)])
            shutil.rmtree(self.data, ignore_errors=True)
            last, share = split(exports, self.data)
            if self.given is None:
                shutil.rmtree(exports)
            self.note(customers=self.customers, last=last, new_share=share)
        return int(self.found["last"])

    def full(self) -> None:
        """Make the full run that all else begins with."""
        if "full" not in self.found:
            shutil.rmtree(self.folder / "full", ignore_errors=True)
            self._measured("full", "full", self.made() - 1, [], ["run"])
            forget(self.folder / "full", LOOKUP_FILE, REASONS_FILE)

    def way(self, way: str) -> None:
        """Measure a way, unless it is measured."""
        if way in self.found:
            return
        last = self.made()
        if way == "late" or (way == "one_day" and not (self.folder / "late").is_dir()):
            self._measured("late", self._copied("late"), last - 1, [LATE])
        if way == "one_day":
            shutil.rmtree(self.folder / "one_day", ignore_errors=True)
            os.replace(self.folder / "late", self.folder / "one_day")
            self._measured("one_day", "one_day", last, [LATE, LAST])
        elif way == "daily":
            self._measured("daily", self._copied("daily"), last, [LATE, LAST])
        elif way == "whole":
            forget(self.folder / "daily", LOOKUP_FILE, FEATURES_FILE)
            self._measured("whole", self._copied("whole"), last, [LATE, LAST], ["intake", "score"])

    def _measured(
        self, way: str, store: str, as_of: int, parts: Sequence[str], commands: Sequence[str] = ()
    ) -> None:
        """Measure ``commands``, or a refresh step by step, with ``parts`` come."""
        come(self.data, parts)
        config = config_of(self.folder, store, as_of)
        steps = self.folder / f"{way}.steps.json"
        if commands:
            runs = [[*ECHELON, command, "--config", str(config)] for command in commands]
        else:
            runs = [[sys.executable, "-m", "benchmarks.refresh_steps", str(config), str(steps)]]
        costs = [_ran(self.folder, f"{way}-{place}", run) for place, run in enumerate(runs)]
        cost = {name: sum(one[name] for one in costs) for name in ("cpu", "wall", "written")}
        cost |= {"gib": max(one["gib"] for one in costs), "disk": _disk(self.folder)}
        if not commands:
            cost["steps"] = json.loads(steps.read_text())
        self.note(**{way: cost})
        told = f"{cost['cpu']:.1f} s of processor, {cost['wall']:.0f} s, {cost['disk']:.2f} GiB"
        print(f"{self.customers:,} customers, {way}: {told} of disk", flush=True)

    def _copied(self, store: str) -> str:
        shutil.rmtree(self.folder / store, ignore_errors=True)
        _copy(self.folder, store)
        return store


def compared(company: Company, ways: Sequence[str]) -> Row:
    """Return what each of ``ways`` costs, and the full run beside them."""
    company.folder.mkdir(parents=True, exist_ok=True)
    company.made()
    company.full()
    for way in ways:
        company.way(way)
    for store in ("late", "one_day"):
        shutil.rmtree(company.folder / store, ignore_errors=True)
    stores = [company.folder / name for name in ("daily", "whole")]
    if "differences" not in company.found and all(store.is_dir() for store in stores):
        company.note(differences=differences(*stores))
    return company.found


def forget(store: Path, *files: str) -> None:
    """Remove ``files`` of the live publication of ``store``, which no later step reads."""
    live = live_generation(store / "publications") if store.is_dir() else None
    if live is not None:
        for file in files:
            (live / file).unlink(missing_ok=True)


def _ran(folder: Path, name: str, command: Sequence[str]) -> dict[str, float]:
    """Return what a command cost; what it says goes to a file."""
    cost = measure(command, folder / f"{name}.log", LIMIT)
    if cost.failed:
        raise SystemExit(f"{' '.join(command)}: {cost.failed}")
    told = asdict(cost)
    names = {"cpu": "cpu_seconds", "wall": "wall_seconds", "gib": "peak_gib"}
    return {short: told[name] for short, name in names.items()} | {"written": cost.written_gib}


def _disk(folder: Path) -> float:
    """Return the GiB that the files of a folder take, shared ones once."""
    files = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum({one.st_ino: one.st_size for one in files}.values()) / 2**30


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
        for folder, part in ((data, "0-old"), (data / "held", LATE), (data / "held", LAST)):
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


def come(data: Path, parts: Sequence[str]) -> None:
    """Let of the held back rows ``parts`` alone be there, a file each in the folder of a table."""
    for name in TABLES:
        for part in (LATE, LAST):
            there = data / name / f"{part}.parquet"
            there.unlink(missing_ok=True)
            if part in parts:
                os.link(data / "held" / name / there.name, there)


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
    """Return the tables in Markdown, with whether the bar is met."""
    lines = [
        "# What a daily refresh costs",
        "",
        f"`python -m benchmarks.refresh`, {_machine()}. Seconds of processor (of wall time); "
        "shares are of the full run's processor seconds; memory is that of the daily way.",
        "",
        "| customers | new rows | full run | intake + score | late | share | one day | share "
        "| daily | share | memory |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [_line(row) for row in rows]
    for row in rows:
        lines += _verdict(row)
    return "\n".join([*lines, *_divided(rows)]) + "\n"


def _line(row: Row) -> str:
    def cost(name: str) -> str:
        return f"{row[name]['cpu']:,.0f} s ({row[name]['wall']:,.0f})" if name in row else ""

    cells = [f"{row['customers']:,}", f"{row['new_share']:.2%}", cost("full"), cost("whole")]
    for name in ("late", "one_day", "daily"):
        cells += [cost(name), f"{_share(row, name):.1%}" if name in row else ""]
    memory = f"{row['daily']['gib']:.2f} GiB" if "daily" in row else ""
    return f"| {' | '.join(cells)} | {memory} |"


def _verdict(row: Row) -> list[str]:
    """Return whether the bar is met and the result equal, as far as that was measured."""
    if "daily" not in row:
        return []
    share = _share(row, "daily")
    verdict = "met" if share <= BAR else "missed"
    told = (
        f"{row['customers']:,} customers: the bar, a daily refresh with 1 % new rows in at most "
        f"{BAR:.0%} of a full run, is **{verdict}** ({share:.1%})."
    )
    if "whole" in row:
        part = row["daily"]["cpu"] / row["whole"]["cpu"]
        told += f" It takes {part:.0%} of taking in and scoring everything without training"
    if found := row.get("differences"):
        told += (
            f", and publishes the same: numbers at most {found['numbers']:.0e} apart, "
            f"{found['words']} other words, {found['sentences']} other sentences"
        )
    return ["", told.rstrip(".") + "."]


def _divided(rows: Sequence[Row]) -> list[str]:
    """Return what each step of the daily way costs, the largest first."""
    told = {row["customers"]: row["daily"]["steps"] for row in rows if "daily" in row}
    if not told:
        return []
    largest = told[max(told)]
    heads = [f"{customers:,} customers" for customers in told]
    lines = ["", "## Where the daily way spends its processor seconds", ""]
    lines += [f"| step | {' | '.join(heads)} |", f"|---|{'---:|' * len(told)}"]
    for step in sorted(largest, key=lambda name: -largest[name]):
        cells = [f"{steps.get(step, 0.0):,.1f} s" for steps in told.values()]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    return lines


def _share(row: Row, name: str) -> float:
    return float(row[name]["cpu"] / row["full"]["cpu"])


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    threads = os.environ.get("ECHELON_ENGINE__THREADS", "2")
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {threads} threads"


if __name__ == "__main__":
    main()
