"""Whether effects are told as they are: on trials drawn from the simulator's truth.

    python -m benchmarks.effects --config configs/demo.yaml --truth var/demo/exports/truth.parquet

The company is one that `echelon simulate` wrote and `echelon run` published. Customers, published
numbers and features are as they are; who is left out and what follows is drawn from what is true of
each customer, so the effect that is to be found is known.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.effects.coverage import QUARTERS, Row, every_look, rows
from benchmarks.effects.people import BETTER_BY, EMPLOYEES, Fairness, fairness
from benchmarks.effects.ranking import CHOSEN, COST, Contest, contest, persuadable
from benchmarks.effects.truth import Company, Planted, company_of
from configs.files import write_text
from configs.load import load
from serving.scores.publication import open_live

RESULT = Path(__file__).parent.parent / "results" / "effects.md"
SHARE = 0.15
SIZES = (1_000, 4_000)
LOOK_SIZE = 1_000
RANKED_QUARTERS = 4


def main() -> None:
    """Draw, tell and compare; print the page and keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--truth", type=Path, default=Path("var/demo/exports/truth.parquet"))
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--runs", type=int, default=20, help="of rankings: a tenth of them")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    live = open_live(load(given.config).stores.publications)
    company = company_of(live, given.truth)
    text = "\n".join(_page(company, given.trials, given.runs)) + "\n"
    write_text(given.out, text)
    print(text)


def _page(company: Company, trials: int, runs: int) -> Iterator[str]:
    yield "# Effects of actions, on trials drawn from the truth"
    yield ""
    yield (
        f"`python -m benchmarks.effects --config … --truth … --trials {trials} --runs {runs}` on a "
        f"simulated company of {len(company):,} customers; a tenth of each audience is left out."
    )
    planted = Planted(SHARE).of(company)
    actions = (
        (f"an action that takes away {SHARE:.0%} of everybody's churn", planted),
        ("the simulator's own action: it helps some, harms others, about 0 on average", company),
    )
    for name, some in actions:
        yield from _coverage(name, list(rows(some, SIZES, trials, seed=0)))
    plain, wide = every_look(planted, LOOK_SIZE, trials // 2, seed=0)
    yield ""
    yield (
        f"Looked at after each of {QUARTERS} quarters of {LOOK_SIZE:,} customers, all intervals "
        f"held together in {plain:.1%} of {trials // 2} years at 95 % each, and in {wide:.1%} by "
        "the levels that looks are told at."
    )
    some_runs = max(runs // 10, 2)
    for name, some in (
        ("an action that moves customers of middling risk only", persuadable(company, 0)),
        ("the simulator's own action", company),
    ):
        found = contest(some, RANKED_QUARTERS, 0.5, some_runs, seed=0)
        yield from _ranking(name, found, some_runs)
    yield from _people(fairness(company, runs, seed=0), runs)


def _coverage(name: str, told: list[Row]) -> Iterator[str]:
    yield ""
    yield f"## Intervals: {name}"
    yield ""
    yield "| outcome | audience | trials | 90 % hold | 95 % hold | bias / sd | found | ± |"
    yield "|---|---|---|---|---|---|---|---|"
    for one in told:
        width = f"{one.width:,.0f}" if one.width > 1 else f"{one.width:.1%}"
        yield (
            f"| {one.what} | {one.n:,} | {one.trials:,} | {one.covered['90%']:.1%} | "
            f"{one.covered['95%']:.1%} | {one.bias:+.2f} | {one.found:.0%} | {width} |"
        )


def _ranking(name: str, found: Contest, runs: int) -> Iterator[str]:
    yield ""
    yield f"## Whom to choose: {name}"
    yield ""
    yield (
        f"{CHOSEN:.0%} of customers nobody learnt from, at {COST:.0f} each, {runs} runs; learnt "
        f"from {found.rows:,} customers × quarters, half of them left out. Mean Qini held back "
        f"{found.qini:.3f}; the model was let rank in {found.used:.0%} of runs."
    )
    yield ""
    yield "| ranked by | true gain less cost | mean ± 1.96 standard errors |"
    yield "|---|---|---|"
    for one in found.chosen:
        yield f"| {one.by} | {one.value:,.0f} | {one.low:,.0f} to {one.high:,.0f} |"


def _people(told: Fairness, runs: int) -> Iterator[str]:
    yield ""
    yield "## Employees"
    yield ""
    yield (
        f"{EMPLOYEES} equal employees, the first with the safest customers and the last with the "
        f"riskiest, {runs} draws: plain retention calls {told.raw_flagged:.0%} of them better or "
        f"worse than the company, adjusted retention {told.flagged:.1%}; its 95 % intervals hold "
        f"the truth (no difference) in {told.covered:.1%}. Correlation with the risk of their "
        f"customers: {told.raw_gap:+.2f} plain, {told.gap:+.2f} adjusted. Where half of them keep "
        f"{BETTER_BY:.0%} more than the other half, {told.told_apart:.0%} are told apart, "
        f"{told.right_side:.0%} of these on the right side."
    )


if __name__ == "__main__":
    main()
