"""The purchase models on CDNOW (S1), and how long they take for many customers.

    ECHELON_DATA=… python -m benchmarks.purchase [--customers 200000] [--lifetimes-python PATH]

S1: ``cdnow_sample`` merged per customer-day, fitted on what came by 1997-09-30, judged on the
273 days after. The peer is the `lifetimes` package, run by the interpreter that has it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.metrics import mean_absolute_error, normalised_gini, root_mean_squared_error
from training.purchase import KINDS, MAXIMUM_LIKELIHOOD, USUAL, GammaGamma

Vector = NDArray[np.float64]

CUTOFF, HORIZON_DAYS = pd.Timestamp("1997-09-30"), 273
PEER_SECONDS = 300
PEER = Path(__file__).with_name("lifetimes_peer.py")
PUBLISHED = {
    "bg_nbd": {"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259},
    "pareto_nbd": {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669},
}
BARS = {
    "transactions": {"r": 0.630, "nGini": 0.673, "MAE": 0.755},
    "value": {"nGini": 0.693, "MAE": 29.2, "RMSE": 72.0},
}
DIGITS = {"r": 3, "nGini": 3, "MAE": 3, "RMSE": 1}
HIGHER_IS_BETTER = {"r", "nGini"}


@dataclass(frozen=True)
class Histories:
    """Customers by the cutoff, days and money, and what they did after."""

    frequency: Vector
    recency: Vector
    tenure: Vector
    mean_spend: Vector
    later_days: Vector
    later_spend: Vector

    @property
    def rows(self) -> tuple[Vector, Vector, Vector]:
        return self.frequency, self.recency, self.tenure


def cdnow(path: Path) -> Histories:
    """Return the sample's customers, purchases merged per customer-day."""
    lines = pd.read_parquet(path, columns=["sample_id", "date", "amount"])
    lines["date"] = pd.to_datetime(lines.date.astype(str))
    days = lines.groupby(["sample_id", "date"], as_index=False).amount.sum()
    before = days[days.date <= CUTOFF].groupby("sample_id")
    until = CUTOFF + pd.Timedelta(days=HORIZON_DAYS)
    after = days[(days.date > CUTOFF) & (days.date <= until)].groupby("sample_id")
    first, last = before.date.min(), before.date.max()

    def numbers(values: pd.Series) -> Vector:
        return values.reindex(first.index, fill_value=0).to_numpy(dtype=float)

    return Histories(
        frequency=numbers(before.size() - 1),
        recency=numbers((last - first).dt.days),
        tenure=numbers((CUTOFF - first).dt.days),
        mean_spend=numbers(before.amount.mean()),
        later_days=numbers(after.size()),
        later_spend=numbers(after.amount.sum()),
    )


def simulated(n: int, seed: int = 0) -> tuple[Vector, Vector, Vector, Vector]:
    """Return frequency, recency, tenure in whole days, and mean spend; rates near CDNOW's."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.55, 1 / 74.0, n)
    stays = rng.exponential(1 / rng.gamma(0.6, 1 / 82.0, n))
    tenure = np.floor(rng.uniform(100, 900, n))
    seen = np.minimum(stays, tenure)
    frequency = rng.poisson(rate * seen).astype(float)
    last = seen * rng.beta(np.maximum(frequency, 1.0), 1.0)
    recency = np.where(frequency > 0, np.floor(last), 0.0)
    days = frequency + 1.0
    spend = rng.gamma(6.25 * days, 1.0) / (days * rng.gamma(3.74, 1 / 15.44, n))
    return frequency, recency, tenure, spend


def figures(y: Vector, p: Vector, names: Mapping[str, float]) -> dict[str, float]:
    every: dict[str, Callable[[Vector, Vector], float]] = {
        "r": lambda y, p: float(np.corrcoef(y, p)[0, 1]),
        "nGini": normalised_gini,
        "MAE": mean_absolute_error,
        "RMSE": root_mean_squared_error,
    }
    return {name: every[name](y, p) for name in names}


def print_row(name: str, what: str, ours: Mapping[str, float]) -> None:
    cells = []
    for metric, bar in BARS[what].items():
        digits = 1 if what == "value" and metric == "MAE" else DIGITS[metric]
        figure = round(ours[metric], digits)
        met = figure >= bar if metric in HIGHER_IS_BETTER else figure <= bar
        cells.append(f"{metric} {figure:.{digits}f} {'met' if met else 'MISSED'}")
    print(f"  {name:36s}" + "".join(f"  {cell:<21s}" for cell in cells))


def print_s1(histories: Histories, peers: Mapping[str, Mapping[str, list[float]]]) -> None:
    """Print transactions and value of every model, rule and peer beside the bars."""
    days = histories.frequency + 1.0
    spend = GammaGamma.fit(days, histories.mean_spend)
    mean = spend.expected_spend(days, histories.mean_spend)
    rate = HORIZON_DAYS / np.maximum(histories.tenure, 1.0)
    purchases = {
        kind: model.fit(*histories.rows).expected_purchases(HORIZON_DAYS, *histories.rows)
        for kind, model in KINDS.items()
    }
    value = {kind: expected * mean for kind, expected in purchases.items()}
    for name, peer in peers.items():
        purchases[f"lifetimes {name}"] = np.array(peer["expected"])
        value[f"lifetimes {name} × Gamma-Gamma"] = np.array(peer["value"])
    purchases["past repeat days, once more"] = histories.frequency
    value["past rate"] = days * histories.mean_spend * rate
    sets = {
        "transactions": (histories.later_days, purchases),
        "value": (histories.later_spend, value),
    }
    for what, (y, predictions) in sets.items():
        bars = ", ".join(f"{metric} {bar:g}" for metric, bar in BARS[what].items())
        print(f"\nS1 CDNOW, {len(y):,} customers, {what}; bars: {bars}")
        for name, p in predictions.items():
            print_row(name, what, figures(y, p, BARS[what]))


def print_parameters(histories: Histories) -> None:
    print("parameters on CDNOW")
    for kind, model in KINDS.items():
        for name, search in {"MAP": USUAL, "maximum likelihood": MAXIMUM_LIKELIHOOD}.items():
            fitted = model.fit(*histories.rows, search=search).to_dict()
            print(f"  {kind:11s}{name:20s}" + _listed(fitted))
        if kind in PUBLISHED:
            print(f"  {'':11s}{'published':20s}" + _listed(PUBLISHED[kind]))


def _listed(parameters: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in parameters.items())


def fit_time(kind: str, n: int) -> tuple[float, float, str]:
    """Return seconds, peak resident MiB of this process, and the parameters of one fit."""
    frequency, recency, tenure, spend = simulated(n)
    began = time.perf_counter()
    if kind == "gamma_gamma":
        fitted = GammaGamma.fit(frequency + 1.0, spend).to_dict()
    else:
        fitted = KINDS[kind].fit(frequency, recency, tenure).to_dict()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, peak / 1024, _listed(fitted)


def print_times(n: int, python: str | None) -> None:
    print(f"\nfit of {n:,} simulated customers, each in a process of its own (its peak memory)")
    context = multiprocessing.get_context("spawn")
    for kind in (*KINDS, "gamma_gamma"):
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            seconds, peak, fitted = pool.submit(fit_time, kind, n).result()
        print(f"  {kind:14s}{seconds:8.2f} s  {peak:6.0f} MiB  {fitted}", flush=True)
        if python is not None:
            frequency, recency, tenure, spend = simulated(n)
            columns = {"frequency": frequency, "recency": recency, "tenure": tenure}
            said = peer(python, kind, {**columns, "spend": spend})
            print(f"    lifetimes   {said if isinstance(said, str) else _peer_line(said)}")


def _peer_line(said: Mapping[str, object]) -> str:
    return f"{said['seconds']:.2f} s  {_listed(said['parameters'])}"  # type: ignore[arg-type]


def peer(python: str, kind: str, columns: Mapping[str, Vector]) -> dict[str, object] | str:
    """Return what `lifetimes` fitted, or why it did not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "columns.npz")
        np.savez(path, horizon_days=HORIZON_DAYS, **columns)
        command = [python, "-W", "ignore", str(PEER), kind, str(path)]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=PEER_SECONDS)
        except subprocess.TimeoutExpired:
            return f"had not ended after {PEER_SECONDS} s"
    if run.returncode:
        return "failed: " + (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return dict(json.loads(run.stdout))


def _interpreter_with_lifetimes(named: str | None) -> str | None:
    python = named or sys.executable
    found = subprocess.run([python, "-c", "import lifetimes"], capture_output=True)
    if found.returncode == 0:
        return python
    print(f"lifetimes is not installed for {python}: no peer (see --lifetimes-python)")
    return None


def main() -> None:
    """Print parameters, S1 and fit times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, nargs="*", default=[200_000])
    parser.add_argument("--lifetimes-python", help="an interpreter that has lifetimes")
    chosen = parser.parse_args()
    histories = cdnow(Path(os.environ["ECHELON_DATA"], "cdnow_sample.parquet"))
    python = _interpreter_with_lifetimes(chosen.lifetimes_python)
    print_parameters(histories)
    peers = {}
    if python is not None:
        rows = dict(zip(("frequency", "recency", "tenure"), histories.rows, strict=True))
        for kind in KINDS:
            said = peer(python, kind, {**rows, "spend": histories.mean_spend})
            if isinstance(said, str):
                print(f"  lifetimes {kind}: {said}")
            else:
                peers[kind] = said
                print(f"  {kind:11s}{'lifetimes':20s}{_listed(said['parameters'])}")
    print_s1(histories, peers)
    for n in chosen.customers:
        print_times(n, python)


if __name__ == "__main__":
    main()
