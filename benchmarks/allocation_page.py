"""The page of ``benchmarks.allocation``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from benchmarks.allocation import WAYS, Outcome, interval
from serving.allocation.solve import Solved

Outcomes = Sequence[Mapping[str, Outcome]]
BAR_SECONDS = 30.0


def page(
    seeds: Sequence[int],
    planned: Mapping[str, Outcomes],
    times: Sequence[tuple[int, float, Solved]],
) -> str:
    """Return the results as Markdown."""
    parts = (
        _head(seeds),
        _assumed(planned["assumed"]),
        _average(planned["average"]),
        _known(planned["known"]),
        _times(times),
    )
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(seeds: Sequence[int]) -> Iterator[str]:
    yield "# Do plans beat greedy and equal split?"
    yield ""
    yield (
        f"Printed by `python -m benchmarks.allocation --seeds {' '.join(map(str, seeds))}`: as "
        "many simulated companies of 5,000 customers, each trained and published, with the "
        "team and the limits of `configs/demo.yaml`. All ways keep the same hours, skills, budgets "
        "and contacts owed. Money per company, CNY. *Greedy* is the best of three orders: value, "
        "value an hour, value by what it takes of hours and budget. A tenth of customers is left "
        "out of each action by a secret that every company draws anew, so figures differ by some "
        "per cent from run to run."
    )
    yield ""


def _assumed(outcomes: Outcomes) -> Iterator[str]:
    yield "## With assumed effects, as the product plans before anything is measured"
    yield ""
    yield from _table(outcomes, "net value aimed at")
    yield from _verdict(outcomes, "aimed at", lambda one: one.aimed)
    yield from _truly(outcomes)
    yield (
        "An assumed effect is the same change of everybody's odds of leaving. In the simulator "
        "an action helps only those who have begun to drift and have not left, does nothing to "
        "most, and harms the irritable; so what is truly added says more about the assumption "
        "than about the plan. That is why pages call effects assumed, and why a tenth of customers "
        "is left out of each action."
    )
    yield ""


def _average(outcomes: Outcomes) -> Iterator[str]:
    yield "## With each tier's average effect, as a hold-out of everybody would measure it"
    yield ""
    yield from _table(outcomes, "net value aimed at")
    yield from _truly(outcomes)
    yield (
        "One average for a tier still moves the odds of those whom nothing helps. What is "
        "left to gain needs effects that differ between customers: `echelon effects` fits them "
        "once enough randomised outcomes are there."
    )
    yield ""


def _truly(outcomes: Outcomes) -> Iterator[str]:
    """Say whether the plan truly brings more than doing nothing."""
    middle, low, high = interval(outcomes, "nothing")
    told = "better than doing nothing" if low > 0 else "worse than doing nothing"
    if low <= 0 <= high:
        told = "not told apart from doing nothing"
    yield f"- truly added: {middle:,.0f} a company ({low:,.0f} to {high:,.0f}): {told}."
    yield ""


def _known(outcomes: Outcomes) -> Iterator[str]:
    yield "## With the true effects, as an ideal measurement would give them"
    yield ""
    yield (
        "Nobody has these; they show what the allocation itself is worth once effects are known. "
        "Only what skill adds is left out of what is planned with."
    )
    yield ""
    yield from _table(outcomes, "net value aimed at")
    yield from _verdict(outcomes, "aimed at", lambda one: one.aimed)
    yield from _verdict(outcomes, "truly added", lambda one: float(one.true.sum()))


def _table(outcomes: Outcomes, aimed: str) -> Iterator[str]:
    yield f"| way | {aimed} | truly added, costs off | the plan truly adds more by (95 %) |"
    yield "|---|---:|---:|---:|"
    for way in WAYS:
        thought = np.mean([one[way].aimed for one in outcomes])
        true = np.mean([one[way].true.sum() for one in outcomes])
        more = ""
        if way != "plan":
            middle, low, high = interval(outcomes, way)
            more = f"{middle:,.0f} ({low:,.0f} to {high:,.0f})"
        yield f"| {way} | {thought:,.0f} | {true:,.0f} | {more} |"
    yield ""


def _verdict(outcomes: Outcomes, what: str, of: object) -> Iterator[str]:
    assert callable(of)
    for way in ("greedy", "equal split"):
        plan = np.array([of(one["plan"]) for one in outcomes])
        other = np.array([of(one[way]) for one in outcomes])
        wins = int((plan > other).sum())
        share = plan.sum() / other.sum() - 1 if other.sum() > 0 else np.nan
        told = f", {share:+.1%} in all" if np.isfinite(share) else ""
        yield f"- {what}: the plan is above {way} in {wins} of {len(plan)} companies{told}."
    yield ""


def _times(times: Sequence[tuple[int, float, Solved]]) -> Iterator[str]:
    slowest = max(seconds for _, seconds, _ in times)
    met = "met" if slowest < BAR_SECONDS else "missed"
    yield "## 5,000 customers × 6 options × 50 employees"
    yield ""
    yield (
        f"The bar is {BAR_SECONDS:.0f} seconds: {met}, {slowest:.1f} at most (of one processor, "
        "reading and writing left out). Named one by one there are 1.5 million choices; pooled by "
        "skill and without what another choice beats, as many as stand here. The gap is how much "
        "more any plan could be worth, at most."
    )
    yield ""
    yield "| seed | columns | processor seconds | gap | contacts owed, kept |"
    yield "|---:|---:|---:|---:|---:|"
    for seed, seconds, solved in times:
        short = "" if solved.short is None else " (not all fit)"
        yield (
            f"| {seed} | {solved.n_columns:,} | {seconds:.1f} | {solved.gap:.3%} | "
            f"{int(solved.kept.sum())}{short} |"
        )
