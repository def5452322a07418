"""Whether the explanations of a published company hold: S6, for every customer.

    python -m benchmarks.explained --config configs/demo.yaml [--customers 100]

Prints, of the live publication: the largest difference between base plus points and the number
shown; how many tiers are rebuilt from contributions by the policy's rules; how much further masking
a customer's three strongest features moves the score than masking three random ones; and how many
counterfactual paths are true when scored again alone; how many reasons are stable, by place. Where
the simulator's ``truth.parquet`` lies beside the data, also how often planted causes are a first or
second reason (``benchmarks/planted.py``). Masked features have the median of all customers.
"""

from __future__ import annotations

import argparse
import datetime as dt
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.planted import planted
from configs.load import load
from serving.endpoint.served import Served, open_served
from serving.scores.population import Array
from serving.scores.publication import open_live
from serving.scores.reasons import TARGETS
from serving.scores.tier_trace import replay
from serving.suppositions.paths import events_of, find_paths
from serving.suppositions.what_if import suppose_published, what_if
from training.anchor import TargetName

STRONGEST = 3


def additive(served: Served, scores: pa.Table, matrix: pa.Table) -> None:
    """Print the largest gap between base plus points and the number, and the tiers rebuilt."""
    columns = served.reasoner.scorer.columns(matrix)
    for target in TARGETS:
        if target not in served.bundle.models:
            continue
        split = served.reasoner.breakdown(target, columns, scores)
        rebuilt = split.base + split.points.sum(axis=0)
        gap = np.abs(rebuilt - split.shown)
        largest = np.max(gap / np.maximum(1.0, np.abs(split.shown)))
        print(f"{target}: base + points - shown, largest of {len(gap):,}: {largest:.1e}")
        if target == "clv":
            same = sum(_tiers_alike(served, scores, matrix, rebuilt))
            print(f"tiers rebuilt from contributions: {same:,} of {len(gap):,}")


def _tiers_alike(served: Served, scores: pa.Table, matrix: pa.Table, values: Array) -> list[bool]:
    policy = served.publication.manifest.terms.policy
    guards = matrix.select(list(policy.guard_inputs)).to_pylist()
    alike = []
    for row, guard, value in zip(scores.to_pylist(), guards, values.tolist(), strict=True):
        since = row["previous_tier_since"]
        days = None if since is None else row["cutoff"] - (since - dt.date(1970, 1, 1)).days
        steps = replay(policy, value, row["previous_tier"], days, guard)
        alike.append(policy.codes[steps[-1].tier] == row["tier"])
    return alike


def masking(served: Served, scores: pa.Table, matrix: pa.Table, target: TargetName) -> None:
    """Print how far masking moves the link score: three strongest against three random features."""
    model = served.bundle.models[target]
    columns = served.reasoner.scorer.columns(matrix)
    split = served.reasoner.breakdown(target, columns, scores)
    inputs = np.array(split.inputs)
    strongest = np.argsort(-np.abs(split.points), axis=0)[:STRONGEST]
    rng = np.random.default_rng(0)
    chosen = np.argsort(rng.random(split.points.shape), axis=0)[:STRONGEST]
    medians = {name: float(np.nanmedian(columns[name])) for name in inputs}
    at = model.link_score(columns)
    moved = []
    for rows in (strongest, chosen):
        masked = dict(columns)
        for place, name in enumerate(inputs):
            is_masked = (rows == place).any(axis=0)
            masked[name] = np.where(is_masked, medians[name], columns[name])
        moved.append(float(np.mean(np.abs(model.link_score(masked) - at))))
    print(
        f"{target}: masking the {STRONGEST} strongest moves the link score by {moved[0]:.3f}, "
        f"{STRONGEST} random ones by {moved[1]:.3f}: {moved[0] / moved[1]:.1f} times"
    )


def counterfactuals(served: Served, customers: int) -> None:
    """Print how many paths are true when scored again alone."""
    ids = served.publication.scores()["customer_id"].to_pylist()
    policy, found, true = served.publication.manifest.terms.policy, 0, 0
    for customer_id in ids[:: max(len(ids) // customers, 1)][:customers]:
        supposed = suppose_published(served, customer_id)
        facts = find_paths(supposed)
        for path in facts["paths"]:
            counts = {one["code"]: one["count"] for one in path["actions"]}
            menu = [one for one in served.actions if one.code in counts]
            events = events_of(menu, tuple(counts[one.code] for one in menu))
            tier = what_if(supposed, events)["with_events"]["tier"]
            found += 1
            true += policy.codes.index(tier) >= policy.codes.index(facts["goal"]["at"])
    print(f"paths to the next tier true when scored again: {true} of {found} ({customers} asked)")


def stable(served: Served) -> None:
    """Print the share of stable reasons by target and place."""
    reasons = served.publication.reasons().to_pandas().query("concept != 'rest'")
    for (target, place), own in reasons.groupby(["target", "rank"]):
        told = own.stable.dropna().astype(float)
        share = f"{told.mean():.0%}" if len(told) else "not looked into"
        print(f"{target}: reasons at place {place} that are stable: {share} of {len(own):,}")


def cost(served: Served, scores: pa.Table, matrix: pa.Table) -> None:
    """Print the processor time of reasons, and of looking whether they are stable."""
    columns = served.reasoner.scorer.columns(matrix)
    models = [served.bundle.models[target] for target in TARGETS if target in served.bundle.models]
    concept_of = {one.name: one.concept for one in served.bundle.features}
    spent = []
    for _ in range(2):  # tables are made by the first
        began = time.process_time()
        served.reasoner.reasons(matrix, scores)
        told = time.process_time()
        for model in models:
            model.contributions_of_all(columns, concept_of)
        again = time.process_time()
        for model in models:
            model.contributions(columns)
        spent = [told - began, again - told - (time.process_time() - again)]
    each, again = (1e6 * one / len(scores) for one in spent)
    print(f"reasons: {each:.0f} µs of processor time a customer, {again:.0f} of models learnt anew")


def main() -> None:
    """Print what holds of the live publication."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--customers", type=int, default=100, help="asked for paths")
    given = parser.parse_args()
    config = load(given.config)
    live = open_live(config.stores.publications)
    served = open_served(config, live.folder)
    scores, matrix = live.scores(), live.features()
    print(f"{len(scores):,} customers, publication {live.manifest.id}")
    additive(served, scores, matrix)
    for target in TARGETS:
        masking(served, scores, matrix, target)
    stable(served)
    cost(served, scores, matrix)
    counterfactuals(served, given.customers)
    if (config.data / "truth.parquet").is_file():
        planted(config.data / "truth.parquet", live)


if __name__ == "__main__":
    main()
