"""A plan as it is kept: an immutable folder with a summary and who does what for whom."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from configs.errors import PublicationError
from configs.files import new_generation, write_text
from configs.progress import Progress, silent
from configs.schema import Config
from configs.section import Text
from configs.team import SKILLS, Skill
from serving.allocation.columns import columns_of
from serving.allocation.company import CONTACT, CONTACT_NAME, Option, Posed, posed
from serving.allocation.question import HOUR, LEVELS, Assignment
from serving.allocation.relaxation import beyond
from serving.allocation.rules import equal_split, greedy, in_order
from serving.allocation.scenario import Scenario
from serving.allocation.solve import Solved, hour_worth, money_worth, solve
from serving.endpoint.state import State
from serving.scores.publication import open_publication

SUMMARY_FILE = "plan.json"
TASKS_FILE = "tasks.parquet"
MONEY_STEP = 100.0
"""What more budget is worth is asked of so much more of it."""

TASKS = pa.schema(
    [
        ("customer_id", pa.string()),
        ("tier", pa.string()),
        ("churn_probability", pa.float64()),
        ("at_stake", pa.float64()),
        ("action", pa.string()),
        ("employee", pa.string()),
        ("owner", pa.string()),
        ("hours", pa.float64()),
        ("cost", pa.float64()),
        ("effect", pa.float64()),
        ("value", pa.float64()),
        ("is_owed", pa.bool_()),
    ]
)
"""One row per customer who is given something, the most value first within an employee.

``owner`` is null where nobody looks after the customer yet; ``value`` has the cost and the
hand-over taken off.
"""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PersonUsed(_Frozen):
    """An employee in the plan."""

    code: str
    name: str
    skill: Skill
    hours: float
    used: float
    customers: int


class TierUsed(_Frozen):
    """A tier in the plan.

    Attributes:
        budget: what it leaves after ``offered``; ``None`` where there is no limit.
        offered: money within the planning period before the plan.
    """

    code: str
    name: Text
    budget: float | None
    offered: float = 0.0
    spent: float
    customers: int
    owed: int
    kept: int
    value: float


class Worth(_Frozen):
    """What one more hour of a skill, or more budget of a tier, is worth."""

    kind: Literal["hour", "budget"]
    of: str
    more: float
    worth: float


class Missing(_Frozen):
    """What is short for all that is owed.

    Attributes:
        kind: hours of one employee, hours of a skill, budget of a tier, customers nobody is
            skilled for, or ``whole``: in sum it fits, but visits cannot be split.
        of: code of the employee, the skill or the tier.
        amount: hours, money or customers.
    """

    kind: Literal["own_hours", "hours", "budget", "skill", "whole"]
    of: str
    amount: float


class OptionUsed(_Frozen):
    """An option in the plan.

    Attributes:
        effects: per tier, the highest first: share of a churn probability of one half.
        is_own: claims that each customer's own effect counts in their stead.
        own: the least and the largest of those, as shares of the customers' own churn
            probabilities, over whom the plan gives the option; ``None`` without any.
    """

    code: str
    name: Text
    hours: float
    cost: float
    minimum_skill: Skill
    effects: tuple[float, ...]
    is_measured: bool
    customers: int
    is_own: bool = False
    own: tuple[float, float] | None = None


class Plan(_Frozen):
    """A plan in figures; JSON by ``model_dump_json``.

    Attributes:
        id: name of its folder.
        publication: what it was made from, and ``as_of`` its day.
        weeks: for how long it is.
        scenario: what was supposed.
        inputs: digest of all that decides it.
        value: expected to be saved, costs and hand-overs taken off; ``bound``: no plan is worth
            more.
        rules: what rules of thumb come to under the same limits: greedy, equal, risk.
        columns: choices in the program.
        at_stake: value at risk of the customers who are served.
    """

    id: str
    made_at: dt.datetime
    publication: str
    as_of: dt.date
    weeks: int
    scenario: Scenario
    inputs: str
    value: float
    bound: float
    rules: dict[str, float]
    columns: int
    customers: int
    asked_customers: int
    at_stake: float
    people: tuple[PersonUsed, ...]
    tiers: tuple[TierUsed, ...]
    options: tuple[OptionUsed, ...]
    worths: tuple[Worth, ...]
    missing: tuple[Missing, ...]
    processor_seconds: float

    @property
    def gap(self) -> float:
        """The share of the bound that a better plan might still add."""
        return max(0.0, self.bound - self.value) / max(abs(self.bound), HOUR)

    @property
    def is_short(self) -> bool:
        """Whether not all that is owed fits."""
        return bool(self.missing)


def make_plan(
    config: Config,
    state: State,
    plan_id: str,
    publication: str,
    scenario: Scenario,
    progress: Progress = silent,
) -> Plan:
    """Work a plan out, keep it in ``stores.plans`` and return its figures.

    Raises:
        RecordsError: there is no team, or nothing to plan.
        PublicationError: the publication cannot be read.
    """
    started = time.process_time()
    published = open_publication(config.stores.publications / publication)
    asked = posed(config, state, published, scenario)
    solved = solve(asked.question, lambda step, share: progress(step, 0.8 * share))
    tasks = _tasks(asked, solved)
    made = Plan(
        id=plan_id,
        made_at=dt.datetime.now(dt.UTC),
        publication=publication,
        as_of=asked.book.as_of,
        weeks=config.team.weeks,
        scenario=scenario,
        inputs=asked.digest,
        value=solved.value,
        bound=solved.bound + beyond(asked.rest, columns_of(asked.rest), solved.relaxed),
        rules=_rules(asked),
        columns=solved.n_columns,
        customers=len(solved.made.served),
        asked_customers=asked.question.n_customers,
        at_stake=float(np.sum(tasks["at_stake"].to_numpy())),
        people=_people(asked, solved.made),
        tiers=_tiers(asked, solved),
        options=_options(config, asked, solved.made),
        worths=_worths(asked, solved),
        missing=_missing(asked, solved),
        processor_seconds=time.process_time() - started,
    )
    with new_generation(config.stores.plans, plan_id) as folder:
        pq.write_table(tasks, folder / TASKS_FILE, compression="zstd")
        write_text(folder / SUMMARY_FILE, made.model_dump_json(indent=1))
    progress("allocate", 1.0)
    return made


def read_plan(plans: Path, plan_id: str) -> Plan:
    """Return the figures of a plan.

    Raises:
        PublicationError: it cannot be read.
    """
    try:
        return Plan.model_validate_json((plans / plan_id / SUMMARY_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise PublicationError(
            f"plan {plan_id} cannot be read from {plans}; run `echelon plan` again ({error})"
        ) from error


def read_tasks(plans: Path, plan_id: str) -> pa.Table:
    """Return who does what for whom, of schema ``TASKS``."""
    return pq.read_table(plans / plan_id / TASKS_FILE)


def _rules(asked: Posed) -> dict[str, float]:
    question = asked.question
    risk = np.nan_to_num(asked.book.churn[asked.rows])
    made = {
        "greedy": greedy(question),
        "equal": equal_split(question),
        "risk": in_order(question, risk),
    }
    return {name: one.value(question) for name, one in made.items()}


def _tasks(asked: Posed, solved: Solved) -> pa.Table:
    question, made = asked.question, solved.made
    at = made.served
    options, employees = made.options[at], made.employees[at]
    values = np.array(
        [
            question.worth(*one)
            for one in zip(at.tolist(), options.tolist(), employees.tolist(), strict=True)
        ]
    )
    stakes = np.nan_to_num(asked.book.at_risk[asked.rows[at]])
    order = np.lexsort((-stakes, -values, employees)) if len(at) else at
    at, options, employees = at[order], options[order], employees[order]
    rows = asked.rows[at]
    churn = asked.book.churn[rows]
    codes = [*(option.code for option in asked.options), CONTACT]
    owners = question.owners[at]
    return pa.table(
        {
            "customer_id": asked.book.ids_of(rows),
            "tier": [asked.tiers[tier] for tier in question.tiers[at].tolist()],
            "churn_probability": churn,
            "at_stake": stakes[order],
            "action": [codes[option] for option in options.tolist()],
            "employee": [asked.employees[one].code for one in employees.tolist()],
            "owner": [None if one < 0 else asked.employees[one].code for one in owners.tolist()],
            "hours": question.hours[at, options],
            "cost": question.costs[at, options],
            "effect": asked.shares[at, options],
            "value": values[order] if len(at) else values,
            "is_owed": question.obliged[at],
        },
        schema=TASKS,
    )


def _people(asked: Posed, made: Assignment) -> tuple[PersonUsed, ...]:
    used = made.used(asked.question)
    counts = np.bincount(made.employees[made.served], minlength=len(asked.employees))
    return tuple(
        PersonUsed(
            code=one.code,
            name=one.name,
            skill=one.skill,
            hours=float(asked.question.capacities[at]),
            used=float(used[at]),
            customers=int(counts[at]),
        )
        for at, one in enumerate(asked.employees)
    )


def _tiers(asked: Posed, solved: Solved) -> tuple[TierUsed, ...]:
    question, made = asked.question, solved.made
    spent = made.spent(question)
    found = []
    for at, code in enumerate(asked.tiers):
        inside = question.tiers == at
        served = made.served[inside[made.served]]
        budget = float(question.budgets[at])
        found.append(
            TierUsed(
                code=code,
                name=asked.tier_names[code],
                budget=budget if np.isfinite(budget) else None,
                offered=asked.offered[at],
                spent=float(spent[at]),
                customers=len(served),
                owed=int((question.obliged & inside).sum()),
                kept=int((solved.kept & inside).sum()),
                value=float(question.gains[served, made.options[served]].sum()),
            )
        )
    return tuple(found)


def _options(config: Config, asked: Posed, made: Assignment) -> tuple[OptionUsed, ...]:
    actions = {action.code: action for action in config.actions}
    counts = np.bincount(made.options[made.served], minlength=len(asked.options) + 1)
    found = []
    for at, option in enumerate(asked.options):
        action = actions[option.code]
        found.append(
            OptionUsed(
                code=option.code,
                name=option.name,
                hours=action.hours or 0.0,
                cost=action.cost,
                minimum_skill=action.minimum_skill,
                effects=option.effects,
                is_measured=_is_measured(option),
                is_own=option.is_own,
                own=_own_effects(asked, made, at) if option.is_own else None,
                customers=int(counts[at]),
            )
        )
    contact = OptionUsed(
        code=CONTACT,
        name=CONTACT_NAME,
        hours=config.team.contact_minutes / 60,
        cost=0.0,
        minimum_skill="automation",
        effects=(0.0,) * len(asked.tiers),
        is_measured=False,
        customers=int(counts[-1]),
    )
    return (*found, contact)


def _own_effects(asked: Posed, made: Assignment, at: int) -> tuple[float, float] | None:
    shares = asked.shares[made.served[made.options[made.served] == at], at]
    return (float(shares.min()), float(shares.max())) if len(shares) else None


def _is_measured(option: Option) -> bool:
    return all(source == "measured" for source in option.sources)


def _worths(asked: Posed, solved: Solved) -> tuple[Worth, ...]:
    question = asked.question
    found = []
    for level in range(LEVELS - 1, -1, -1):
        worth = hour_worth(question, solved, level)
        found.append(Worth(kind="hour", of=SKILLS[level], more=1.0, worth=worth))
    for tier, code in enumerate(asked.tiers):
        if np.isfinite(question.budgets[tier]):
            worth = money_worth(question, solved, tier, MONEY_STEP)
            found.append(Worth(kind="budget", of=code, more=MONEY_STEP, worth=worth))
    return tuple(found)


def _missing(asked: Posed, solved: Solved) -> tuple[Missing, ...]:
    short = solved.short
    if short is None:
        return ()
    own = [("own_hours", asked.employees[at].code, v) for at, v in enumerate(short.own_hours)]
    hours = [("hours", SKILLS[at], v) for at, v in enumerate(short.hours)]
    money = [("budget", asked.tiers[at], v) for at, v in enumerate(short.money)]
    beyond = [("skill", "", float(short.beyond))]
    found = [
        Missing(kind=kind, of=of, amount=float(amount))
        for kind, of, amount in (*own, *hours, *money, *beyond)
        if amount > HOUR
    ]
    left_out = float((asked.question.obliged & (solved.made.options < 0)).sum())
    return tuple(found) or (Missing(kind="whole", of="", amount=left_out),)
