"""Figures of the product's own models at several evaluation cutoffs of one company.

    ECHELON_DATA=… python -m benchmarks.cutoffs configs/datasets/online_retail_ii.yaml \\
        --at 2010-12-08 2011-03-09 2011-06-09

Each cutoff is a training of its own with the configuration's defaults: the measured model learns
only from horizons that had closed by then. Figures are the model's own, also where a rule beat it
there and would be served: that choice is made on the very outcomes printed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
from pathlib import Path

from configs.files import live_generation
from configs.load import load
from configs.schema import Config
from features.intake import take_in
from features.sources import Records, open_engine, open_records
from training.evaluate import NOT_SERVED, TargetEvaluation
from training.fit import fit


def records_of(config: Config) -> Records:
    """Return the records of ``config``, taken in if they were not."""
    if live_generation(config.stores.records) is None:
        take_in(config)
    folder = live_generation(config.stores.records)
    assert folder is not None, "intake makes a generation live"
    return open_records(open_engine(config.engine), folder)


def line(one: TargetEvaluation) -> str:
    """Return the figures of one target, of the model and of the purchase model alone."""
    told = [f"{one.cutoff} {one.target}, {one.n} customers"]
    own, alone = one.baselines.get(NOT_SERVED, one.model), one.baselines["purchase_model"]
    for name, figures in (("model", own), ("purchase model", alone)):
        told.append(f"{name}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))
    return "\n  ".join([*told, *(note.en for note in one.notes)])


def main() -> None:
    """Print the figures of each cutoff."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--at", nargs="+", type=dt.date.fromisoformat, required=True)
    chosen = parser.parse_args()
    config = load(chosen.config, environment=os.environ)
    records = records_of(config)
    for day in chosen.at:
        snapshots = config.snapshots.model_copy(update={"evaluation_cutoff": day})
        fitted = fit(config.model_copy(update={"snapshots": snapshots}), records)
        for one in fitted.evaluation.targets.values():
            print(line(one), flush=True)


if __name__ == "__main__":
    main()
