"""Do plans beat greedy and equal split, on what they aim at and on what is true?

``python -m benchmarks.allocation`` simulates companies, trains and publishes each, plans for them
as the product does, and looks up in the simulator's truth what every plan and rule of thumb would
have brought. Then it times the solver on 5,000 customers, 6 options and 50 employees.

What the truth knows is the effect of *a* retention action on the value of each customer
(``action_effect_on_value_365d``). That an action has its share of it in proportion to the effect
assumed of it, and that skill adds to it (``SKILL``), are assumptions of this benchmark.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import yaml
from scipy.optimize import brentq

from configs.load import load, shipped
from configs.schema import Config
from features.simulator import simulate
from serving.allocation.company import Posed, posed
from serving.allocation.question import Assignment, Floats, Question
from serving.allocation.rules import equal_split, greedy, in_order
from serving.allocation.scenario import Scenario
from serving.allocation.solve import Solved, solve
from serving.endpoint.state import open_state
from serving.pipeline import run
from serving.scores.publication import open_live
from training.odds import share_taken

RESULTS = Path(__file__).parent / "results" / "allocation.md"
CUSTOMERS = 5_000
SKILL = {"experienced": 1.2, "regular": 1.0, "automation": 0.6}
"""What whoever does it makes of an action's effect: assumed here alone, the product does not."""
DRAWS = 2_000
STRONGEST = 0.99
"""The largest effect that an average is told as; 1 would keep everybody."""
WAYS = ("plan", "greedy", "equal split", "by churn probability", "nothing")


@dataclass(frozen=True)
class Outcome:
    """What one way of allocating comes to, in one company.

    Attributes:
        aimed: net value by the effects that were planned with.
        true: value really added less costs, of each customer, (n_customers,).
    """

    aimed: float
    true: Floats


def company(folder: Path, seed: int) -> Config:
    """Return a company that is trained and published in ``folder``, made where it is not there."""
    path = folder / "company.yaml"
    if not path.exists():
        simulate(CUSTOMERS, seed=seed, out=folder / "exports")
        given = yaml.safe_load(shipped("demo.yaml").read_text(encoding="utf-8"))
        given |= {"data": str(folder / "exports"), "stores": {"root": str(folder / "store")}}
        draft = folder / "draft.yaml"
        draft.write_text(yaml.safe_dump(given, allow_unicode=True), encoding="utf-8")
        run(load(draft, {}))
        draft.rename(path)
    return load(path, {})


def question_of(config: Config) -> Posed:
    """Return what is asked of a plan."""
    state = open_state(config.stores)
    try:
        return posed(config, state, open_live(config.stores.publications), Scenario())
    finally:
        state.close()


def true_effects(config: Config, asked: Posed) -> Floats:
    """Return what a retention action would truly add to each customer's value, money."""
    truth = pq.read_table(config.data / "truth.parquet")
    known = dict(
        zip(
            truth["customer_id"].to_pylist(),
            truth["action_effect_on_value_365d"].to_pylist(),
            strict=True,
        )
    )
    return np.array([known[one] for one in asked.book.ids_of(asked.rows)])


def strengths(asked: Posed) -> Floats:
    """Return each option's share of the true effect: as assumed, the strongest 1; contacts 0."""
    assumed = np.array([max(option.effects) for option in asked.options])
    return np.append(assumed / assumed.max(), 0.0)


def outcome(asked: Posed, effects: Floats, question: Question, made: Assignment) -> Outcome:
    """Return what an assignment was thought to bring by ``question``, and what it truly does."""
    at = made.served
    skill = np.array([SKILL[one.skill] for one in asked.employees])
    true = np.zeros(question.n_customers)
    options, employees = made.options[at], made.employees[at]
    true[at] = effects[at] * strengths(asked)[options] * skill[employees]
    true[at] -= question.costs[at, options]
    return Outcome(made.value(question), true)


def ways(asked: Posed, question: Question) -> dict[str, Assignment]:
    """Return every way of allocating, under the limits of ``question``."""
    risk = np.nan_to_num(asked.book.churn[asked.rows])
    nothing = np.full(question.n_customers, -1)
    return {
        "plan": solve(question).made,
        "greedy": greedy(question),
        "equal split": equal_split(question),
        "by churn probability": in_order(question, risk),
        "nothing": Assignment(nothing, nothing),
    }


def knowing(asked: Posed, effects: Floats) -> Question:
    """Return the question with true effects in place of assumed ones; skill is left out of it."""
    gains = effects[:, None] * strengths(asked)[None, :] - asked.question.costs
    return dataclasses.replace(asked.question, gains=gains)


def measured(asked: Posed, effects: Floats) -> Question:
    """Return the question with each tier's average effect, as a trial of everybody measures it.

    It is spread over the customers of the tier as the product does, by one change of odds.
    """
    question = asked.question
    stake = np.nan_to_num(asked.book.at_risk[asked.rows])
    churn = np.nan_to_num(asked.book.churn[asked.rows])
    saved = np.zeros(question.n_customers)
    for tier in range(len(asked.tiers)):
        own = question.tiers == tier
        saved[own] = spread(churn[own], stake[own], float(effects[own].sum()))
    gains = saved[:, None] * strengths(asked)[None, :] - question.costs
    return dataclasses.replace(question, gains=gains)


def spread(churn: Floats, stake: Floats, added: float) -> Floats:
    """Return what one change of odds saves with each customer, so that it comes to ``added``."""

    def beyond(effect: float) -> float:
        return float(share_taken(churn, effect) @ stake) - added

    if beyond(-STRONGEST) >= 0 or beyond(STRONGEST) <= 0:
        return share_taken(churn, np.sign(added) * STRONGEST) * stake
    return share_taken(churn, brentq(beyond, -STRONGEST, STRONGEST)) * stake


def interval(
    outcomes: Sequence[Mapping[str, Outcome]], way: str, seed: int = 0
) -> tuple[float, float, float]:
    """Return the mean over companies of what the plan truly brings beyond ``way``, and 95 %.

    Customers are drawn anew within every company; the assignments stay as they are.
    """
    rng = np.random.default_rng(seed)
    drawn = np.zeros(DRAWS)
    middle = 0.0
    for one in outcomes:
        more = one["plan"].true - one[way].true
        middle += more.sum() / len(outcomes)
        counts = rng.multinomial(len(more), np.full(len(more), 1 / len(more)), DRAWS)
        drawn += counts @ more / len(outcomes)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return middle, float(low), float(high)


def big_question(seed: int, n: int = 5_000, people: int = 50) -> Question:
    """Return a question of the size that the bar names: 6 options, 4 tiers, all limits."""
    rng = np.random.default_rng(seed)
    stake = rng.lognormal(5.5, 1.2, n) * rng.beta(1, 2, n)
    effects = np.array([0.05, 0.1, 0.15, 0.2, 0.25, 0.3]) * rng.uniform(0.6, 1.4, (n, 6))
    costs = np.tile(np.array([2.0, 10.0, 40.0, 60.0, 50.0, 80.0]), (n, 1))
    tiers = np.digitize(stake, np.quantile(stake, [0.5, 0.8, 0.95]))
    return Question(
        gains=effects * stake[:, None] - costs,
        costs=costs,
        hours=np.tile(np.array([0.1, 0.25, 0.5, 0.75, 1.0, 1.5]), (n, 1)),
        levels=np.tile(np.array([0, 0, 1, 1, 2, 2]), (n, 1)),
        possible=rng.random((n, 6)) < 0.9,
        tiers=tiers,
        owners=np.where(rng.random(n) < 0.6, rng.integers(0, people, n), -1),
        obliged=(tiers == 3) & (rng.random(n) < 0.2),
        dedicated=tiers == 3,
        capacities=rng.integers(10, 30, people).astype(np.float64),
        skills=np.array([0] * 3 + [1] * (people - 20) + [2] * 17),
        budgets=np.array([3e3, 8e3, 2e4, 1e4]),
        handover_cost=20.0,
    )


def timed(seed: int) -> tuple[float, Solved]:
    """Return processor seconds and the plan of a big question."""
    asked = big_question(seed)
    started = time.process_time()
    solved = solve(asked)
    return time.process_time() - started, solved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("var/allocation"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    from benchmarks.allocation_page import page

    planned: dict[str, list[dict[str, Outcome]]] = {"assumed": [], "average": [], "known": []}
    for seed in given.seeds:
        config = company(given.work / f"seed{seed}", seed)
        asked = question_of(config)
        effects = true_effects(config, asked)
        questions = {
            "assumed": asked.question,
            "average": measured(asked, effects),
            "known": knowing(asked, effects),
        }
        for by, question in questions.items():
            planned[by].append(
                {
                    name: outcome(asked, effects, question, one)
                    for name, one in ways(asked, question).items()
                }
            )
        print(f"company {seed}: done", flush=True)
    times = [(seed, *timed(seed)) for seed in range(5)]
    given.out.write_text(page(given.seeds, planned, times), encoding="utf-8")
    print(given.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
