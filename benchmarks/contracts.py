"""Churn of contract customers on four public data sets (S3), ours beside the usual choices.

    python -m benchmarks.contracts --data DIR [--dataset NAME …] [--seeds 5]

StratifiedKFold(5, shuffle) with seeds 0, 1, … and everything fitted inside the fold: columns as
``echelon train`` takes them from a snapshot, one default for all four, nothing tuned by hand.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from configs.load import load
from configs.records import SnapshotFile, SnapshotSource
from features.snapshot import snapshot_features, snapshot_matrix
from features.spec import Feature
from training.contract_fit import fitted_churn, logistic_regression
from training.dataset import Dataset
from training.metrics import auc, expected_maximum_profit, log_loss

Vector = NDArray[np.float64]
Rows = NDArray[np.int64]
FOLDS = 5


@dataclass(frozen=True)
class Source:
    """How one data set is read, and the bars of S3.

    Attributes:
        label, positive: the column and its value for who left.
        bars: best known figures by metric.
        dropped: columns that are no features.
        categories: numbers that are codes.
        numbers: texts that are numbers.
        once: whether rows that equal another, label included, are dropped first.
    """

    label: str
    positive: str
    bars: Mapping[str, float]
    dropped: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    once: bool = False


SOURCES = {
    "telco": Source(
        "Churn",
        "Yes",
        {"auc": 0.850, "logloss": 0.411, "empc": 10.41},
        dropped=("customerID",),
        categories=("SeniorCitizen",),
        numbers=("TotalCharges",),
    ),
    "mlc_churn": Source("churn", "yes", {"auc": 0.922, "logloss": 0.161, "empc": 6.42}),
    "bankchurners": Source(
        "Attrition_Flag",
        "Attrited Customer",
        {"auc": 0.994, "logloss": 0.074, "empc": 8.38},
        dropped=("CLIENTNUM",),
    ),
    "iranian_churn": Source(
        "Churn", "1", {"auc": 0.989, "logloss": 0.099, "empc": 8.10}, once=True
    ),
}
METRICS: Mapping[str, Callable[[Vector, Vector], float]] = {
    "auc": auc,
    "logloss": log_loss,
    "empc": expected_maximum_profit,
}
LOWER_IS_BETTER = ("logloss",)
METHODS = ("ours", "lightgbm", "logistic_regression")

Figures = dict[str, dict[str, float]]
"""Method → metric → mean over the folds."""
Folds = dict[str, dict[str, Vector]]
"""Method → metric → one figure per fold, in the same order for every method."""


@dataclass(frozen=True)
class Customers:
    """The customers of one data set, as training takes them."""

    data: Dataset
    features: tuple[Feature, ...]

    @property
    def names(self) -> list[str]:
        return [feature.name for feature in self.features]


def customers(data: Path, dataset: str) -> Customers:
    """Return the customers of a data set in the folder ``data``."""
    source = SOURCES[dataset]
    rows = pd.read_parquet(data / f"{dataset}.parquet")
    rows = rows.drop_duplicates() if source.once else rows
    y = (rows[source.label].astype(str) == source.positive).to_numpy(dtype=float)
    rows = rows.drop(columns=[source.label, *source.dropped])
    is_number = {name: pd.api.types.is_numeric_dtype(rows[name]) for name in rows}
    is_number |= dict.fromkeys(source.categories, False) | dict.fromkeys(source.numbers, True)
    for name, number in is_number.items():
        kept = pd.to_numeric(rows[name], errors="coerce") if number else rows[name].astype(str)
        rows[name] = kept.astype(float) if number else kept
    snapshot = SnapshotSource(
        source=SnapshotFile(path=f"{dataset}.parquet"),
        label=source.label,
        positive=source.positive,
        observed_on="2020-01-01",
        numbers=tuple(name for name in rows if is_number[name]),
        categories=tuple(name for name in rows if not is_number[name]),
    )
    ids = pa.array([f"C{i:06d}" for i in range(len(rows))])
    table = pa.Table.from_pandas(rows, preserve_index=False).add_column(0, "customer_id", ids)
    features = snapshot_features(snapshot, table)
    return Customers(Dataset(snapshot_matrix(features, table), y), features)


def predictions(of: Customers, train: Rows, test: Rows) -> dict[str, Vector]:
    """Return churn probabilities of the rows ``test`` by every method, learnt on ``train``."""
    config = load(None, {"ECHELON_TRAINING__THREADS": "1"})
    learnt, unseen = (of.data.where(_mask(len(of.data), rows)) for rows in (train, test))
    model, _ = fitted_churn(learnt, of.features, config)
    X, y, new = learnt.X(of.names), learnt.y, unseen.X(of.names)
    return {
        "ours": model.predict(unseen.columns(of.names)),
        "lightgbm": plain_lightgbm(X, y, new),
        "logistic_regression": logistic_regression(X, y, new, 0),
    }


def plain_lightgbm(X: Vector, y: Vector, unseen: Vector) -> Vector:
    """Return probabilities of LightGBM as it comes: 100 trees of 31 leaves."""
    settings = {"objective": "binary", "num_threads": 1, "verbosity": -1, "seed": 0}
    return np.asarray(lgb.train(settings, lgb.Dataset(X, y), 100).predict(unseen))


def measure_folds(data: Path, dataset: str, seeds: Iterable[int] = range(5)) -> Folds:
    """Return every method's figures on every fold, for paired intervals."""
    of = customers(data, dataset)
    y = of.data.y
    found = [
        {
            method: {name: metric(y[test], p) for name, metric in METRICS.items()}
            for method, p in predictions(of, train, test).items()
        }
        for train, test in _splits(y, seeds)
    ]
    return {
        method: {name: np.array([fold[method][name] for fold in found]) for name in METRICS}
        for method in METHODS
    }


def measure(data: Path, dataset: str, seeds: Iterable[int] = range(5)) -> Figures:
    """Return every method's mean figures over the folds of S3's protocol.

    Args:
        data: folder of the public data sets.
        dataset: ``telco``, ``mlc_churn``, ``bankchurners`` or ``iranian_churn``.
        seeds: of the shuffles, five folds each.
    """
    return means(measure_folds(data, dataset, seeds))


def means(folds: Folds) -> Figures:
    """Return the mean of every figure over the folds."""
    return {
        method: {name: float(values.mean()) for name, values in figures.items()}
        for method, figures in folds.items()
    }


def meets(dataset: str, metric: str, figure: float) -> bool:
    """Return whether a figure, rounded as the bar is, is at least as good as the bar."""
    bar, digits = SOURCES[dataset].bars[metric], 2 if metric == "empc" else 3
    rounded = round(figure, digits)
    return rounded <= bar if metric in LOWER_IS_BETTER else rounded >= bar


def _splits(y: Vector, seeds: Iterable[int]) -> Iterator[tuple[Rows, Rows]]:
    for seed in seeds:
        split = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        yield from split.split(y, y)


def _mask(n: int, rows: Rows) -> NDArray[np.bool_]:
    mask = np.zeros(n, dtype=bool)
    mask[rows] = True
    return mask


def print_table(dataset: str, folds: Folds, seconds: float) -> None:
    """Print every method's means beside the bars, and ours minus plain LightGBM with its error."""
    source, n = SOURCES[dataset], len(folds["ours"]["auc"])
    bars = " / ".join(f"{metric} {bar:g}" for metric, bar in source.bars.items())
    print(f"\n{dataset}, {n} folds, {seconds:.0f} s of processor; bars: {bars}")
    for method, figures in means(folds).items():
        cells = [
            f"{metric} {figure:.4f} {'met' if meets(dataset, metric, figure) else 'MISSED':7s}"
            for metric, figure in figures.items()
        ]
        print(f"  {method:20s}" + "  ".join(cells), flush=True)
    won = [f"{metric} {int((_gain(metric, folds) > 0).sum())}/{n}" for metric in METRICS]
    print(f"  {'folds ahead':20s}of plain LightGBM: {', '.join(won)}", flush=True)


def _gain(metric: str, folds: Folds) -> Vector:
    ahead = folds["ours"][metric] - folds["lightgbm"][metric]
    return -ahead if metric in LOWER_IS_BETTER else ahead


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures of every data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--dataset", nargs="*", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--seeds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    for dataset in chosen.dataset:
        began = time.process_time()
        folds = measure_folds(chosen.data, dataset, range(chosen.seeds))
        print_table(dataset, folds, time.process_time() - began)


if __name__ == "__main__":
    main()
