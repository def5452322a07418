"""How many customers value intervals cover, overall and in each tier, and how good the outlook is.

    python -m benchmarks.intervals [--seeds 101 102 103] [--customers 8000] [--data FOLDER]

Simulated companies with seeds that nothing was developed on, trained with the defaults; and, where
``--data`` or ``ECHELON_DATA`` names the folder of public data sets, Online Retail II with a horizon
of 182 days. Printed is what training itself measures on its evaluation cutoff: intervals learnt one
horizon earlier where history allows it, halves of one period else. A total's interval is that of
the earlier period; it is set beside what came.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from configs.files import live_generation
from configs.load import load, shipped
from configs.schema import Config
from features.intake import take_in
from features.simulator import simulate
from features.sources import open_engine, open_records
from training.coverage import Coverage
from training.evaluate import Evaluation
from training.fit import fit

ALL = (0.78, 0.82)
TIER = (0.75, 0.85)
ONE_THREAD = {"ECHELON_TRAINING__THREADS": "1", "ECHELON_ENGINE__THREADS": "1"}
RETAIL_HORIZON_DAYS = 182


def companies(
    seeds: Sequence[int], customers: int, data: Path | None
) -> Iterator[tuple[str, Evaluation]]:
    """Yield each company's name and the evaluation of its training."""
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="echelon-") as scratch:
            root = Path(scratch)
            simulate(customers, seed, root)
            config = load(root / "echelon.yaml", ONE_THREAD | {"ECHELON_STORES__ROOT": str(root)})
            yield f"simulated {seed}", trained(config)
    if data is not None:
        with tempfile.TemporaryDirectory(prefix="echelon-") as scratch:
            own = {"ECHELON_STORES__ROOT": scratch, "ECHELON_DATA": str(data)}
            own |= {"ECHELON_CLV__HORIZON_DAYS": str(RETAIL_HORIZON_DAYS)}
            config = load(shipped("datasets/online_retail_ii.yaml"), ONE_THREAD | own)
            yield "online_retail_ii", trained(config)


def trained(config: Config) -> Evaluation:
    """Return what training on the sources of ``config`` measured."""
    take_in(config)
    folder = live_generation(config.stores.records)
    assert folder is not None
    return fit(config, open_records(open_engine(config.engine), folder)).evaluation


def coverage_row(name: str, found: Coverage) -> tuple[str, ...]:
    """Return one company's shares; those outside their bar are marked."""
    whole = (
        f"{_marked(found.overall.share, ALL)} ({found.overall.low:.1%}–{found.overall.high:.1%})"
    )
    tiers = (
        f"{_marked(one.share, TIER)} ±{(one.high - one.low) / 2:.0%}"
        for one in found.tiers.values()
    )
    return (name, found.how, str(found.overall.n), whole, *tiers)


def _marked(share: float, bar: tuple[float, float]) -> str:
    return f"{share:.1%}" + ("" if bar[0] <= share <= bar[1] else " missed")


def outlook_row(name: str, evaluation: Evaluation) -> tuple[str, ...] | None:
    """Return Brier by threshold, beside each tier's own rate, and ECE."""
    if evaluation.outlook is None:
        return None
    cells = (
        f"{one.brier:.4f} / {one.brier_of_tier:.4f} / {one.ece15:.3f}"
        for one in evaluation.outlook.reaches
    )
    return (name, *cells)


def main() -> None:
    """Train every company and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, nargs="*", default=[101, 102, 103])
    parser.add_argument("--customers", type=int, default=8_000)
    given = os.environ.get("ECHELON_DATA")
    parser.add_argument("--data", type=Path, default=Path(given) if given else None)
    options = parser.parse_args()
    tiers = ("vip", "potential", "general", "low")
    covered = Table("company", "how", "customers", "all (78–82 %)", *tiers)
    outlook = Table("company", *(f"{tier}: Brier / of tier / ECE" for tier in tiers[:3]))
    shares = []
    for name, evaluation in companies(options.seeds, options.customers, options.data):
        found = evaluation.targets["clv"].coverage
        if found is not None:
            covered.add_row(*coverage_row(name, found))
            shares.append([found.overall.share, *(one.share for one in found.tiers.values())])
        row = outlook_row(name, evaluation)
        if row is not None:
            outlook.add_row(*row)
    simulated = np.array([row for row in shares[: len(options.seeds)] if len(row) == 5])
    if len(simulated):
        means = [f"{share:.1%}" for share in simulated.mean(axis=0)]
        covered.add_row("mean of simulated", "", "", *means)
    console = Console(width=150)
    console.print(covered)
    console.print(outlook)


if __name__ == "__main__":
    main()
