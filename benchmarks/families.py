"""What the interaction and satisfaction features are worth: the same models with and without.

    python -m benchmarks.families [--seeds 0 1 2] [--customers 6000] [--data FOLDER] [--out FOLDER]

Simulated companies are forecast on their last day; what came after is known to their simulator
alone, and so is the true probability of churn. Public data sets (``ECHELON_DATA`` or ``--data``)
are forecast one horizon before their last day. Models learn only from what was known on the day
of the forecast. A difference is of the same customers: with the two families less without them,
its interval from 1,000 bootstraps of customers. A *win* leaves out 0.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from configs.files import write_json, write_text
from configs.load import load, shipped
from configs.schema import Config
from features.build import feature_matrix
from features.intake import take_in
from features.labels import MARGIN, NO_PURCHASE, SPEND, label_table
from features.simulator import simulate
from features.sources import Records, date_of, last_day, open_engine, open_records
from training import metrics
from training.columns import column_values
from training.fit import fit
from training.signals import with_signals

Vector = NDArray[np.float64]
Metric = Callable[[Vector, Vector], float]
BOOTSTRAPS = 1_000
CHANCE_DRAWS = 100
FAMILIES = ("interaction", "satisfaction")
CALIBRATED = 0.02
"""Largest calibration error of churn that is asked for on simulated companies."""
RESULTS = Path("benchmarks/results")
MAIN: dict[str, tuple[str, Metric]] = {
    "churn": ("auc", metrics.auc),
    "clv": ("ngini", metrics.normalised_gini),
}
BESIDE: dict[str, dict[str, Metric]] = {
    "churn": {"brier": metrics.brier, "ece15": metrics.calibration_error},
    "clv": {"mae": metrics.mean_absolute_error, "bias": metrics.bias},
}


@dataclass(frozen=True)
class Forecasts:
    """Two forecasts of one target for the same customers, and what came.

    Attributes:
        company: whose customers.
        target: ``churn`` or ``clv``.
        actual: churned or not; money.
        full, plain: predictions with and without the two families.
        truth: the true probability or expectation; ``None`` where nobody knows it.
    """

    company: str
    target: str
    actual: Vector
    full: Vector
    plain: Vector
    truth: Vector | None = None


def compared(one: Forecasts) -> dict[str, Any]:
    """Return both figures of every metric and the paired difference of the main one."""
    name, metric = MAIN[one.target]
    low, high = interval(one.actual, one.full, one.plain, metric)
    row: dict[str, Any] = {
        "company": one.company,
        "target": one.target,
        "customers": len(one.actual),
        "metric": name,
        "with": metric(one.actual, one.full),
        "without": metric(one.actual, one.plain),
        "difference_low": low,
        "difference_high": high,
        "win": low > 0,
        "loss": high < 0,
    }
    row["difference"] = row["with"] - row["without"]
    for other, figure in BESIDE[one.target].items():
        row[f"{other}_with"] = figure(one.actual, one.full)
        row[f"{other}_without"] = figure(one.actual, one.plain)
    if one.target == "churn":
        row["ece15_by_chance"] = error_by_chance(one.full)
    return row | _beside_truth(one, metric)


def error_by_chance(probabilities: Vector) -> float:
    """Return the calibration error that these probabilities would have if all were exactly true.

    Some 400 customers a bin leave an error of about .015, so less than that cannot be asked for.
    """
    rng = np.random.default_rng(0)
    draws = [
        metrics.calibration_error(
            (rng.random(len(probabilities)) < probabilities).astype(float), probabilities
        )
        for _ in range(CHANCE_DRAWS)
    ]
    return float(np.mean(draws))


def _beside_truth(one: Forecasts, metric: Metric) -> dict[str, float]:
    """Return how the forecasts stand to the truth, and what the truth itself would score."""
    if one.truth is None:
        return {}
    return {
        "truth_scores": metric(one.actual, one.truth),
        "distance_to_truth_with": float(np.abs(one.full - one.truth).mean()),
        "distance_to_truth_without": float(np.abs(one.plain - one.truth).mean()),
    }


def interval(actual: Vector, full: Vector, plain: Vector, metric: Metric) -> tuple[float, float]:
    """Return the 95 % interval of the paired difference over bootstraps of customers."""
    rng = np.random.default_rng(0)
    n = len(actual)
    differences = []
    for _ in range(BOOTSTRAPS):
        drawn = rng.integers(0, n, n)
        y = actual[drawn]
        differences.append(metric(y, full[drawn]) - metric(y, plain[drawn]))
    low, high = np.nanquantile(differences, (0.025, 0.975))
    return float(low), float(high)


def simulated(seed: int, customers: int, folder: Path) -> list[Forecasts]:
    """Return the forecasts for a simulated company on its last day, the truth beside them."""
    exports = folder / "exports"
    simulate(customers, seed, exports)
    config = load(exports / "echelon.yaml", environment(exports, folder / "stores"))
    records = taken_in(config)
    assert config.as_of is not None
    full, plain = (_predicted(c, records) for c in _both(config))
    truth = pq.read_table(exports / "truth.parquet").to_pandas().set_index("customer_id")
    known = truth.loc[full["customer_id"]]
    company = f"simulated, seed {seed}"
    churned = (known["purchase_days_next_90d"] == 0).to_numpy(dtype=float)
    none = known["probability_of_none_90d"].to_numpy(dtype=float)
    spent, expected = (
        known[name].to_numpy(dtype=float) for name in ("spend_next_365d", "expected_spend_365d")
    )
    return [
        Forecasts(company, "churn", churned, full["churn"], plain["churn"], none),
        Forecasts(company, "clv", spent, full["clv"], plain["clv"], expected),
    ]


def public(path: Path, data: Path, folder: Path) -> list[Forecasts]:
    """Return the forecasts for a public data set, one horizon before its last day."""
    config = load(path, environment(data, folder))
    records = taken_in(config)
    end = last_day(records)
    cutoff = end - max(config.churn.horizon_days, config.clv.horizon_days)
    config = config.model_copy(update={"as_of": date_of(cutoff)})
    full, plain = (_predicted(c, records) for c in _both(config))
    value = SPEND if config.clv.measure == "spend" else MARGIN
    found = []
    for target, label, days in (
        ("churn", NO_PURCHASE, config.churn.horizon_days),
        ("clv", value, config.clv.horizon_days),
    ):
        table = label_table(records, [label], [cutoff], days)
        row = dict(zip(table["customer_id"].to_pylist(), range(len(table)), strict=True))
        rows = [row[customer] for customer in full["customer_id"]]
        actual = column_values(table, label.name)[rows]
        found.append(Forecasts(config.name, target, actual, full[target], plain[target]))
    return found


def environment(data: Path, stores: Path) -> dict[str, str]:
    """Return the environment's settings with these folders."""
    threads = {key: value for key, value in os.environ.items() if key.startswith("ECHELON_")}
    return threads | {"ECHELON_DATA": str(data), "ECHELON_STORES__ROOT": str(stores)}


def taken_in(config: Config) -> Records:
    """Return the records of the configuration's sources, taken in."""
    take_in(config)
    name = (config.stores.records / "CURRENT").read_text().strip()
    return open_records(open_engine(config.engine), config.stores.records / name)


def _both(config: Config) -> tuple[Config, Config]:
    kept = tuple(family for family in config.features.families if family not in FAMILIES)
    choice = config.features.model_copy(update={"families": kept})
    return config, config.model_copy(update={"features": choice})


def _predicted(config: Config, records: Records) -> dict[str, Any]:
    """Return ids and both predictions of the customers who had bought by ``as_of``."""
    assert config.as_of is not None
    fitted = fit(config, records)
    signals = with_signals(records, fitted.sentiment)
    day = (config.as_of - date_of(0)).days
    matrix = feature_matrix(signals, fitted.features, [day])
    matrix = matrix.filter(matrix["frequency"].is_valid())
    columns = {name: column_values(matrix, name) for name in matrix.column_names[2:]}
    predictions = {target: model.predict(columns) for target, model in fitted.models.items()}
    return {"customer_id": matrix["customer_id"].to_pylist(), **predictions}


def pooled(rows: Sequence[dict[str, Any]], target: str) -> dict[str, Any]:
    """Return the simulated companies together: mean difference, and wins of how many."""
    own = [r for r in rows if r["target"] == target and r["company"].startswith("simulated")]
    differences = np.array([row["difference"] for row in own])
    error = float(differences.std(ddof=1) / np.sqrt(len(own))) if len(own) > 1 else float("nan")
    return {
        "target": target,
        "companies": len(own),
        "wins": sum(row["win"] for row in own),
        "mean_difference": float(differences.mean()),
        "standard_error": error,
        "calibrated": all(row.get("ece15_with", 0.0) < CALIBRATED for row in own),
    }


def report(rows: Sequence[dict[str, Any]], together: Sequence[dict[str, Any]]) -> str:
    """Return the table in Markdown."""
    lines = [
        "# What the interaction and satisfaction features are worth",
        "",
        "`python -m benchmarks.families`. The same models with and without the two families, on "
        "the same customers; 95 % interval of the difference over 1,000 bootstraps of customers.",
        "",
        "| company | target | customers | metric | with | without | difference | 95 % | |",
        "|---|---|---:|---|---:|---:|---:|---|---|",
    ]
    lines += [
        f"| {r['company']} | {r['target']} | {r['customers']:,} | {r['metric']} | {r['with']:.4f} "
        f"| {r['without']:.4f} | {r['difference']:+.4f} | {r['difference_low']:+.4f} … "
        f"{r['difference_high']:+.4f} | {'win' if r['win'] else 'loss' if r['loss'] else 'none'} |"
        for r in rows
    ]
    lines += [
        "",
        "| company | target | with | without | truth | distance to truth |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_beside_row(r) for r in rows]
    for one in together:
        lines += [
            "",
            f"Simulated companies, {one['target']}: {one['wins']} wins of {one['companies']}, mean "
            f"difference {one['mean_difference']:+.4f} "
            f"(standard error {one['standard_error']:.4f}).",
        ]
        if one["target"] == "churn":
            asked = "met" if one["calibrated"] else "**missed**"
            lines[-1] += f" Calibration error below {CALIBRATED} in every company: {asked}."
    return "\n".join(lines) + "\n"


def _beside_row(row: dict[str, Any]) -> str:
    names = BESIDE[row["target"]]
    cells = [
        ", ".join(f"{name} {row[f'{name}_{which}']:.4g}" for name in names)
        for which in ("with", "without")
    ]
    if "ece15_by_chance" in row:
        cells[0] += f" ({row['ece15_by_chance']:.3f} by chance alone)"
    known = "truth_scores" in row
    cells.append(f"{row['metric']} {row['truth_scores']:.4f}" if known else "–")
    distances = (row.get("distance_to_truth_with"), row.get("distance_to_truth_without"))
    cells.append(f"{distances[0]:.4g} / {distances[1]:.4g}" if known else "–")
    return f"| {row['company']} | {row['target']} | " + " | ".join(cells) + " |"


def main() -> None:
    """Compare, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--customers", type=int, default=6_000)
    parser.add_argument("--data", type=Path, default=os.environ.get("ECHELON_DATA"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    rows: list[dict[str, Any]] = []

    def add(forecast: Callable[[Path], list[Forecasts]]) -> None:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="echelon-families-") as folder:
            rows.extend(compared(one) for one in forecast(Path(folder)))
        for row in rows[-2:]:
            print(
                f"{row['company']} {row['target']} {row['metric']} {row['with']:.4f} − "
                f"{row['without']:.4f} = {row['difference']:+.4f} "
                f"({row['difference_low']:+.4f} … {row['difference_high']:+.4f})",
                f"[{time.perf_counter() - began:.0f} s]",
                flush=True,
            )

    for seed in chosen.seeds:
        add(lambda folder, seed=seed: simulated(seed, chosen.customers, folder))
    if chosen.data is not None:
        for path in (shipped("datasets/complete_journey.yaml"), Path("tests/higuides.yaml")):
            add(lambda folder, path=path: public(path, Path(chosen.data), folder))
    together = [pooled(rows, target) for target in MAIN] if chosen.seeds else []
    write_json(chosen.out / "families.json", {"rows": rows, "simulated": together})
    write_text(chosen.out / "families.md", report(rows, together))
    print(report(rows, together))


if __name__ == "__main__":
    main()
