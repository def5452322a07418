"""One point of the curve: a whole training on a sample, tried on customers nobody learnt from.

Training stops at a cutoff, a horizon before the end of the records, as if it were that day; what
came after is known for the customers held out, the same ones for every size and seed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from configs.load import load
from configs.schema import Config
from features.build import feature_matrix
from features.labels import MARGIN, NO_PURCHASE, SPEND, label_table
from features.sample import drawn
from features.sources import (
    Records,
    date_of,
    day_number,
    fetch,
    held,
    last_day,
    open_engine,
    open_records,
)
from serving.champions.live_records import live_records
from training.dataset import Dataset
from training.fit import fit
from training.fitted import Fitted
from training.signals import with_signals

Vector = NDArray[np.float64]
HELD_OUT_SEED = -1
"""Draws the customers held out; no training draws by it."""


def as_if_at(config: Config, cutoff: int, max_rows: int, seed: int) -> Config:
    """Return the configuration of a training on the day ``cutoff`` from at most ``max_rows``."""
    training = config.training.model_copy(update={"max_rows": max_rows, "seed": seed})
    snapshots = config.snapshots.model_copy(update={"evaluation_cutoff": None})
    changed = {"as_of": date_of(cutoff), "training": training, "snapshots": snapshots}
    return config.model_copy(update=changed)


def parted(records: Records, n_held_out: int) -> tuple[Records, Records]:
    """Return the records to learn from, and those of the customers held out."""
    names = [table.select("customer_id") for table in records.tables.values()]
    ids = fetch(records.backend, ibis.union(*names, distinct=True))["customer_id"].to_pylist()
    out = drawn([one for one in ids if one is not None], n_held_out, HELD_OUT_SEED)
    asked = held(records.backend, ibis.memtable(pa.table({"customer_id": out})))
    tables = records.tables.items()
    learnt = {name: table.anti_join(asked, "customer_id") for name, table in tables}
    apart = {name: held(records.backend, t.semi_join(asked, "customer_id")) for name, t in tables}
    return Records(records.backend, learnt), Records(records.backend, apart)


def tried(fitted: Fitted, config: Config, apart: Records, cutoff: int) -> dict[str, Vector]:
    """Return predictions, outcomes and tiers of the customers held out, by name, sorted by id."""
    matrix = feature_matrix(with_signals(apart, fitted.sentiment), fitted.features, [cutoff])
    rows = Dataset(matrix)
    bought, told = rows.has_bought, {}
    value = SPEND if config.clv.measure == "spend" else MARGIN
    for target, label, days in (
        ("churn", NO_PURCHASE, config.churn.horizon_days),
        ("clv", value, config.clv.horizon_days),
    ):
        model = fitted.models[target]
        came = label_table(apart, [label], [cutoff], days)[label.name]
        told[f"{target}_y"] = np.asarray(came.to_numpy(), dtype=float)[bought]
        told[target] = rows.each(model.inputs, model.predict)[bought]
    guards = rows.where(bought).columns(fitted.policy.guard_inputs)
    told["tier"] = fitted.policy.assign(told["clv"], guard_columns=guards).codes
    return told


def main() -> None:
    """Train once, write predictions, print size and cost as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--max-rows", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--held-out", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="predictions, as .npz")
    chosen = parser.parse_args()
    config = load(chosen.config, dict(os.environ))
    records = open_records(open_engine(config.engine), live_records(config))
    end = last_day(records) if config.as_of is None else day_number(config.as_of)
    cutoff = end - max(config.churn.horizon_days, config.clv.horizon_days)
    config = as_if_at(config, cutoff, chosen.max_rows, chosen.seed)
    learnt, apart = parted(records, chosen.held_out)
    before = resource.getrusage(resource.RUSAGE_SELF)
    fitted = fit(config, learnt)
    after = resource.getrusage(resource.RUSAGE_SELF)
    np.savez(chosen.out, allow_pickle=False, **tried(fitted, config, apart, cutoff))
    cost = {
        "customers": fitted.reference.n_customers,
        "cpu_seconds": round(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1
        ),
        "peak_gib": round(after.ru_maxrss / 2**20, 3),
        "cutoff": date_of(cutoff).isoformat(),
    }
    print(json.dumps(cost))


if __name__ == "__main__":
    main()
