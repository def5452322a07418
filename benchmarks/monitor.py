"""What monitoring promises: quiet where nothing moves, loud where something does, and fast.

    python -m benchmarks.monitor [--customers 8000] [--rows 3000000] [--out FOLDER]

A simulated company's features are scored once by a model trained on it. *Stationary*: its customers
are split at random 200 times; one half is the reference, the other the publication. *Planted*: the
publication is shifted in one of the ways below, 200 times. *Time*: a publication of three million
customers, drawn from the company with replacement, looked at as `echelon monitor` does.

A feature is planted with only if a model reads it and at least a tenth of the customers have a
value of it that is not 0: what is nearly always missing or 0 cannot be seen to move.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.families import environment, taken_in
from configs.files import write_json, write_text
from configs.load import load
from configs.section import Text
from features.build import feature_matrix
from features.simulator import simulate
from features.sources import day_number
from serving.monitoring.findings import (
    Finding,
    category_findings,
    column_findings,
    score_findings,
    tier_findings,
)
from training.columns import column_values
from training.fit import fit
from training.fitted import Fitted, Reference, served_scores, shares_of, summarise
from training.signals import with_signals

Vector = NDArray[np.float64]
Columns = dict[str, Vector]
RESAMPLES = 200
ASKED = 0.95
SEED = 0
RESULTS = Path("benchmarks/results")
FEWEST_SHOWN = 0.1


class Time(NamedTuple):
    """What a look took: customers, seconds of wall and of CPU, and memory beyond the imports."""

    rows: int
    seconds: float
    cpu_seconds: float
    mebibytes: float

    def __str__(self) -> str:
        return (
            f"A look at {self.rows:,} customers takes {self.cpu_seconds:.1f} s of CPU "
            f"({self.seconds:.1f} s of wall time while measured) and {self.mebibytes:,.0f} MiB."
        )


@dataclass(frozen=True)
class Company:
    """Customers' features, what a model makes of them, and what it reads."""

    fitted: Fitted
    columns: Columns
    scores: Columns
    tiers: NDArray[np.str_]
    watched: tuple[str, ...]

    def rows(self, rows: NDArray[np.int64]) -> Company:
        """Return some of the customers."""
        return Company(
            self.fitted,
            {name: values[rows] for name, values in self.columns.items()},
            {name: values[rows] for name, values in self.scores.items()},
            self.tiers[rows],
            self.watched,
        )

    def reference(self) -> Reference:
        """Return the summary to compare with."""
        return summarise(self.columns, self.tiers, self.scores)

    def scored(self, columns: Columns) -> Company:
        """Return the same customers with other features, scored anew."""
        scores = served_scores(self.fitted.models, columns)
        tiers = self.fitted.policy.assign(scores["clv_expected"], guard_columns=columns).codes
        return Company(self.fitted, columns, scores, tiers, self.watched)


def company(customers: int) -> Company:
    """Return a simulated company on its last day, scored by a model trained on it."""
    with tempfile.TemporaryDirectory(prefix="echelon-monitor-") as folder:
        exports = Path(folder) / "exports"
        simulate(customers, SEED, exports)
        config = load(exports / "echelon.yaml", environment(exports, Path(folder) / "stores"))
        records = taken_in(config)
        fitted = fit(config, records)
        assert config.as_of is not None
        signals = with_signals(records, fitted.sentiment)
        matrix = feature_matrix(signals, fitted.features, [day_number(config.as_of)])
    columns = {name: column_values(matrix, name) for name in matrix.column_names[2:]}
    read = {name for model in fitted.models.values() for name in model.inputs}
    watched = tuple(f.name for f in fitted.features if f.stationary and f.name in read)
    empty = Company(fitted, {}, {}, np.empty(0, dtype=str), watched)
    return empty.scored(columns)


def alarms(reference: Reference, now: Company) -> list[Finding]:
    """Return what `echelon monitor` would raise on these customers."""
    found: list[Finding] = []
    for name in now.watched:
        label = Text(zh=name, en=name)
        _, own = column_findings(reference, name, label, now.columns[name], True)
        found += own
    for name, values in now.scores.items():
        found += score_findings(reference, name, values)
    return found + tier_findings(reference, shares_of(now.tiers), len(now.tiers), {})


def _scaled(now: Company, rng: np.random.Generator) -> Company:
    """A feature times 1.5, as after a change of unit or a doubled import."""
    name = rng.choice(_seen(now))
    return now.scored(now.columns | {name: now.columns[name] * 1.5})


def _missing(now: Company, rng: np.random.Generator) -> Company:
    """A feature missing for 15 more customers of 100."""
    name = rng.choice([n for n in _seen(now) if np.isnan(now.columns[n]).mean() < 0.5])
    values = now.columns[name].copy()
    known = np.flatnonzero(~np.isnan(values))
    gone = rng.choice(known, int(0.15 * len(values)), replace=False)
    values[gone] = np.nan
    return now.scored(now.columns | {name: values})


def _tiers(now: Company, rng: np.random.Generator) -> Company:
    """Ten of 100 customers moved from the largest tier to another one."""
    codes, counts = np.unique(now.tiers, return_counts=True)
    largest = codes[counts.argmax()]
    other = rng.choice(codes[codes != largest])
    tiers = now.tiers.copy()
    own = np.flatnonzero(tiers == largest)
    tiers[rng.choice(own, int(0.1 * len(tiers)), replace=False)] = other
    return Company(now.fitted, now.columns, now.scores, tiers, now.watched)


def _churn(now: Company, rng: np.random.Generator) -> Company:
    """Every churn probability .1 higher."""
    higher = np.minimum(now.scores["churn_probability"] + 0.1, 1.0)
    scores = now.scores | {"churn_probability": higher}
    return Company(now.fitted, now.columns, scores, now.tiers, now.watched)


def _value(now: Company, rng: np.random.Generator) -> Company:
    """Every expected value a third lower."""
    scores = now.scores | {"clv_expected": now.scores["clv_expected"] / 1.5}
    return Company(now.fitted, now.columns, scores, now.tiers, now.watched)


SHIFTS: Mapping[str, Callable[[Company, np.random.Generator], Company]] = {
    "a feature × 1.5": _scaled,
    "15 points more missing": _missing,
    "10 of 100 customers in another tier": _tiers,
    "churn probabilities + .1": _churn,
    "expected values ÷ 1.5": _value,
}


def _seen(now: Company) -> list[str]:
    return [
        name
        for name in now.watched
        if np.mean(~np.isnan(now.columns[name]) & (now.columns[name] != 0)) >= FEWEST_SHOWN
    ]


def shares(whole: Company) -> dict[str, float]:
    """Return the share of quiet stationary resamples, and of alarms per planted shift."""
    rng = np.random.default_rng(SEED)
    n = len(whole.tiers)
    quiet = 0
    caught = dict.fromkeys(SHIFTS, 0)
    for _ in range(RESAMPLES):
        order = rng.permutation(n)
        reference = whole.rows(order[: n // 2]).reference()
        now = whole.rows(order[n // 2 :])
        quiet += not alarms(reference, now)
        for name, shift in SHIFTS.items():
            caught[name] += bool(alarms(reference, shift(now, rng)))
    return {"no change": quiet / RESAMPLES} | {k: v / RESAMPLES for k, v in caught.items()}


def new_category_share() -> float:
    """Return the share of planted new categories that are found: one row in 50 of a new name."""
    rng = np.random.default_rng(SEED)
    found = 0
    for _ in range(RESAMPLES):
        parts = rng.dirichlet(np.ones(6))
        before = {f"c{i}": float(p) for i, p in enumerate(parts)}
        now = {name: 0.98 * share for name, share in before.items()} | {"new": 0.02}
        found += bool(category_findings({"column": before}, {"column": now}))
    return found / RESAMPLES


def timed(whole: Company, rows: int, folder: Path) -> Time:
    """Return what a look at ``rows`` customers takes, in a process of its own."""
    path = folder / "columns.parquet"
    _write(whole, rows, path)
    text = whole.reference().model_dump_json()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(look, path, text, tuple(whole.columns), tuple(whole.scores)).result()


def look(path: Path, text: str, features: tuple[str, ...], scores: tuple[str, ...]) -> Time:
    """Look at features, scores and tiers in ``path``, column by column, as `echelon monitor`."""
    reference, file = Reference.model_validate_json(text), pq.ParquetFile(path)
    held, began, busy = _resident(), time.perf_counter(), time.process_time()
    for name in features:
        values = column_values(file.read(columns=[name]), name)
        column_findings(reference, name, Text(zh=name, en=name), values, True)
    for name in scores:
        score_findings(reference, name, column_values(file.read(columns=[name]), name))
    rows = file.metadata.num_rows
    codes, counts = pc.value_counts(file.read(columns=["tier"])["tier"]).flatten()
    now = {code: n / rows for code, n in zip(codes.to_pylist(), counts.to_pylist(), strict=True)}
    tier_findings(reference, now, rows, {})
    return Time(rows, time.perf_counter() - began, time.process_time() - busy, _resident() - held)


def _write(whole: Company, rows: int, path: Path) -> None:
    rng, writer, at_once = np.random.default_rng(SEED), None, 10_000
    for _ in range(rows // at_once):
        some = whole.rows(rng.integers(0, len(whole.tiers), at_once))
        numbers = {**some.columns, **some.scores}
        table = pa.table(
            {name: pa.array(v, from_pandas=True) for name, v in numbers.items()}
            | {"tier": some.tiers.tolist()}
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _resident() -> float:
    """Return the most memory ever held, in MiB; what the kernel counts by resource usage would
    begin with what the parent held."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def report(found: Mapping[str, float], n: int, took: Time) -> str:
    """Return the table in Markdown."""
    lines = [
        "# What monitoring sees",
        "",
        f"`python -m benchmarks.monitor`: {RESAMPLES} resamples, {n // 2:,} customers on either "
        "side.",
        "",
        "| planted | share of resamples | asked | |",
        "|---|---:|---|---|",
    ]
    for name, share in found.items():
        what = "no alarm" if name == "no change" else "alarm"
        met = "met" if share >= ASKED else "**missed**"
        lines.append(f"| {name} | {what} in {share:.1%} | {ASKED:.0%} | {met} |")
    lines += ["", str(took)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=8_000)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    whole = company(chosen.customers)
    with tempfile.TemporaryDirectory(prefix="echelon-monitor-") as folder:
        took = timed(whole, chosen.rows, Path(folder))
    print(took, flush=True)
    found = shares(whole) | {"a new category, 2 of 100 rows": new_category_share()}
    text = report(found, len(whole.tiers), took)
    write_json(chosen.out / "monitor.json", {"shares": found, "time": took._asdict()})
    write_text(chosen.out / "monitor.md", text)
    print(text)


if __name__ == "__main__":
    main()
