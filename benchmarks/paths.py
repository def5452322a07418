"""How long one customer's what-if and paths take, and how many sets of actions are scored.

    python -m benchmarks.paths [--config configs/demo.yaml] [--customers 50]

Every customer is read from the records store, supposed about and scored through the whole pipeline,
as the endpoint does it. Wall and processor time are told: on a busy machine they differ.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from configs.events import AnyEvent, Order
from configs.load import load
from serving.endpoint.served import Served, open_served
from serving.scores.publication import open_live
from serving.suppositions.paths import Goal, find_paths
from serving.suppositions.what_if import suppose_published, what_if

GOALS: tuple[Goal, ...] = ("next_tier", "below_churn")


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what ``work`` returns, its wall and its processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - processor


def told(name: str, seconds: list[tuple[float, float]]) -> str:
    """Return one line of medians and 95 % quantiles, in milliseconds."""
    wall, processor = 1000.0 * np.array(seconds).T
    return (
        f"{name}: median {np.median(wall):.0f} ms, 95 % {np.quantile(wall, 0.95):.0f} ms "
        f"(processor: {np.median(processor):.0f} and {np.quantile(processor, 0.95):.0f} ms)"
    )


def _what_if(served: Served, customer_id: str, events: list[AnyEvent]) -> dict[str, Any]:
    return what_if(suppose_published(served, customer_id), events)


def _paths(served: Served, customer_id: str, goal: Goal) -> dict[str, Any]:
    return find_paths(suppose_published(served, customer_id), goal)


def main() -> None:
    """Print the times of a what-if and of the two kinds of paths."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--customers", type=int, default=50)
    given = parser.parse_args()
    config = load(given.config)
    live = open_live(config.stores.publications)
    served = open_served(config, live.folder)
    ids = live.scores()["customer_id"].to_pylist()
    chosen = ids[:: max(len(ids) // given.customers, 1)][: given.customers]
    order: list[AnyEvent] = [Order(amount=100.0)]
    _what_if(served, chosen[0], order)
    supposed = [timed(partial(_what_if, served, one, order)) for one in chosen]
    print(f"{len(chosen)} of {len(ids):,} customers, publication {live.manifest.id}")
    print(told("what-if", [(wall, processor) for _, wall, processor in supposed]))
    for goal in GOALS:
        runs = [timed(partial(_paths, served, one, goal)) for one in chosen]
        searched = [run for run in runs if run[0]["tried"]]
        print(told(f"paths, {goal}, where searched", [(w, p) for _, w, p in searched]))
        tried = [facts["tried"] for facts, _, _ in searched]
        answers = dict(Counter(facts["status"] for facts, _, _ in runs))
        print(f"  {answers}; sets of actions scored: median {np.median(tried):.0f}")


if __name__ == "__main__":
    main()
