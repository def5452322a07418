"""Rows explained per second: ours, LightGBM's ``pred_contrib`` and ``shap.TreeExplainer``.

    python -m benchmarks.explanations [--customers 3000] [--rows 4000] [--threads 1] [--numba]

Models are those that training makes of a simulated company: with the defaults, and with 300 trees
of 15 leaves. All three explain the same rows with the same threads, taking turns; the best of the
rounds counts. ``shap`` hands LightGBM's models to ``pred_contrib`` and checks them on the way. With
``--numba`` the same tables are also looked up by compiled code, and what starting it takes is told.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from configs.files import live_generation
from configs.load import load
from configs.schema import Config
from features.build import feature_matrix
from features.catalogue import select
from features.intake import take_in
from features.simulator import simulate
from features.sources import Records, last_day, open_engine, open_records
from training.additive import AdditiveModel
from training.fit import fit
from training.fitted import column_values
from training.signals import with_signals
from training.treeshap import TreeShap

SIZES: dict[str, dict[str, int]] = {
    "the defaults": {},
    "300 trees of 15 leaves": {"count": 300, "leaves": 15},
}
Explain = Callable[[np.ndarray], np.ndarray]


def company(customers: int, folder: Path) -> tuple[Config, Records]:
    """Return a simulated company's configuration and records."""
    simulate(customers, 7, folder)
    config = load(folder / "echelon.yaml", environment={})
    config = config.model_copy(
        update={"stores": config.stores.model_copy(update={"root": folder / "var"})}
    )
    take_in(config)
    generation = live_generation(config.stores.records)
    assert generation is not None
    return config, open_records(open_engine(config.engine), generation)


def with_trees(config: Config, sizes: dict[str, int], threads: int) -> Config:
    trees = config.training.trees.model_copy(update=sizes)
    training = config.training.model_copy(update={"trees": trees, "threads": threads})
    return config.model_copy(update={"training": training})


def some_rows(model: AdditiveModel, matrix: pa.Table, rows: int) -> np.ndarray:
    """Return buyers' inputs of the trees, repeated to ``rows``."""
    bought = ~np.isnan(column_values(matrix, "frequency"))
    X = np.column_stack([column_values(matrix, name) for name in model.tree_inputs])[bought]
    return np.ascontiguousarray(np.resize(X, (rows, X.shape[1])))


def explainers(model: AdditiveModel, threads: int) -> dict[str, Explain]:
    """Return the three ways to explain the trees of ``model``."""
    import shap

    ours, theirs = model.shap_tables, shap.TreeExplainer(model.booster)
    assert ours is not None
    return {
        "echelon": lambda X: ours.contributions(X, threads),
        "pred_contrib": lambda X: np.asarray(
            model.booster.predict(X, pred_contrib=True, num_threads=threads)
        )[:, :-1],
        "shap.TreeExplainer": lambda X: theirs(X).values,
    }


def compare(ways: dict[str, Explain], X: np.ndarray, rounds: int) -> None:
    """Print one line a way: rows per second, the ratio to ours, the largest difference."""
    best = dict.fromkeys(ways, np.inf)
    values = {}
    for _ in range(rounds):
        for name, explain in ways.items():
            began = time.perf_counter()
            values[name] = explain(X)
            best[name] = min(best[name], time.perf_counter() - began)
    for name, seconds in best.items():
        ratio = seconds / best["echelon"]
        apart = np.abs(values[name] - values["echelon"]).max()
        rate = len(X) / seconds
        print(f"  {name:<19}{rate:>10,.0f} rows/s   ours ×{ratio:5.1f}   apart {apart:.0e}")


def describe(title: str, model: AdditiveModel, X: np.ndarray) -> None:
    """Print what is explained, what making its tables takes, and one row alone."""
    assert model.trees is not None
    trees = model.trees
    making = seconds_of(lambda: TreeShap.from_text(trees))
    tables = TreeShap.from_text(trees)
    alone = min(seconds_of(lambda: tables.contributions(X[:1])) for _ in range(20))
    print(
        f"\n{model.target}, {title}: {X.shape[1]} features, {len(X)} rows; tables made in "
        f"{making:.2f} s, one row alone in {1e3 * alone:.2f} ms"
    )


def numba_way(model: AdditiveModel, threads: int) -> Explain:
    """Return our tables looked up by Numba, and print what its first call takes."""
    from benchmarks.numba_tables import compiled

    assert model.shap_tables is not None
    explain, first = compiled(model.shap_tables, threads)
    print(f"  Numba's first call {first:.1f} s")
    return explain


def seconds_of(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=3_000, help="of the simulated company")
    parser.add_argument("--rows", type=int, default=4_000, help="to explain")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--numba", action="store_true", help="also look up by compiled code")
    asked = parser.parse_args()
    if asked.numba:
        # Before shap, which imports Numba too.
        print(f"importing Numba: {seconds_of(lambda: import_module('numba')):.1f} s")
    print(f"{asked.threads} thread(s), best of {asked.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(asked.threads):
        config, records = company(asked.customers, Path(folder))
        for title, sizes in SIZES.items():
            fitted = fit(with_trees(config, sizes, asked.threads), records)
            known = with_signals(records, fitted.sentiment)
            matrix = feature_matrix(known, select(config.features), [last_day(records)])
            for model in fitted.models.values():
                if isinstance(model, AdditiveModel) and not model.is_rules_only:
                    X = some_rows(model, matrix, asked.rows)
                    describe(title, model, X)
                    ways = explainers(model, asked.threads)
                    if asked.numba:
                        ways["the same in Numba"] = numba_way(model, asked.threads)
                    compare(ways, X, asked.rounds)


if __name__ == "__main__":
    main()
