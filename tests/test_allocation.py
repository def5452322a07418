"""The plan: no limit is ever broken, nothing better is missed, prices are what they say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.allocation.columns import columns_of
from serving.allocation.company import divided, narrowed
from serving.allocation.question import Assignment, Question, broken
from serving.allocation.relaxation import beyond, shortage
from serving.allocation.rules import equal_split, greedy, in_order
from serving.allocation.solve import hour_worth, money_worth, solve


def question(
    gains: list[list[float]],
    hours: list[float],
    capacities: list[float],
    **others: object,
) -> Question:
    """Return a question whose customers are alike but for the value of each option."""
    n, k = len(gains), len(hours)
    given: dict[str, object] = {
        "gains": np.array(gains, float),
        "costs": np.zeros((n, k)),
        "hours": np.tile(np.array(hours, float), (n, 1)),
        "levels": np.ones((n, k), int),
        "possible": np.ones((n, k), bool),
        "tiers": np.zeros(n, int),
        "owners": np.full(n, -1),
        "obliged": np.zeros(n, bool),
        "dedicated": np.zeros(n, bool),
        "capacities": np.array(capacities, float),
        "skills": np.ones(len(capacities), int),
        "budgets": np.array([np.inf]),
        "handover_cost": 5.0,
    }
    return Question(**{**given, **{name: np.asarray(value) for name, value in others.items()}})  # type: ignore[arg-type]


@st.composite
def questions(draw: st.DrawFn, customers: int, options: int, people: int) -> Question:
    """Return any question of at most so many, in quarters of hours and whole money."""
    n = draw(st.integers(1, customers))
    k = draw(st.integers(1, options))
    m = draw(st.integers(1, people))
    tiers = draw(st.integers(1, 2))

    def table(values: st.SearchStrategy[float]) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=n * k, max_size=n * k))).reshape(n, k)

    def row(values: st.SearchStrategy[float], length: int = n) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=length, max_size=length)))

    return Question(
        gains=table(st.integers(-5, 60)).astype(float),
        costs=table(st.integers(0, 20)).astype(float),
        hours=table(st.integers(1, 8)) / 4.0,
        levels=table(st.integers(0, 2)),
        possible=table(st.booleans()),
        tiers=row(st.integers(0, tiers - 1)),
        owners=row(st.integers(-1, m - 1)),
        obliged=row(st.booleans()),
        dedicated=row(st.booleans()),
        capacities=row(st.integers(0, 16), m) / 4.0,
        skills=row(st.integers(0, 2), m),
        budgets=row(st.sampled_from([0.0, 10.0, 25.0, np.inf]), tiers),
        handover_cost=draw(st.sampled_from([0.0, 3.0, 12.0])),
    )


def every(asked: Question) -> list[Assignment]:
    """Return every assignment that keeps all limits, what is owed left aside."""
    n, k, m = *asked.gains.shape, len(asked.capacities)
    free = asked.owing(np.zeros(n, bool))
    choices = [(-1, -1), *itertools.product(range(k), range(m))]
    pairs = (np.array(one) for one in itertools.product(choices, repeat=n))
    made = (Assignment(pair[:, 0], pair[:, 1]) for pair in pairs)
    return [one for one in made if not broken(free, one)]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(questions(customers=14, options=4, people=4))
def test_no_plan_breaks_a_limit_or_claims_more_than_its_bound(asked):
    solved = solve(asked)
    assert broken(asked.owing(solved.kept), solved.made) == []
    assert (solved.kept <= asked.obliged).all()
    assert solved.value <= solved.bound + 1e-4
    assert solved.short is not None or (solved.kept == asked.obliged).all()


@settings(max_examples=25, deadline=None)
@given(questions(customers=3, options=2, people=2))
def test_no_other_plan_is_better(asked):
    solved = solve(asked)
    possible = every(asked)
    most = max(int((one.options[asked.obliged] >= 0).sum()) for one in possible)
    assert int(solved.kept.sum()) == most
    best = max(
        one.value(asked) for one in possible if int((one.options[asked.obliged] >= 0).sum()) == most
    )
    assert solved.value == pytest.approx(best, abs=1e-3)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(questions(customers=8, options=2, people=2), st.integers(0, 8))
def test_a_plan_over_those_with_most_to_gain_still_bounds_all_plans(asked, at_most):
    asked = asked.owing(np.zeros(asked.n_customers, bool))
    rows, rest = divided(asked, at_most)
    some, others = narrowed(asked, rows), narrowed(asked, rest)
    solved = solve(some)
    bound = solved.bound + beyond(others, columns_of(others), solved.relaxed)
    assert bound >= solve(asked).value - 1e-4


@settings(max_examples=15, deadline=None)
@given(questions(customers=8, options=3, people=3))
def test_rules_of_thumb_keep_the_limits_and_never_do_better(asked):
    asked = asked.owing(np.zeros(asked.n_customers, bool))
    bound = solve(asked).bound
    for made in (greedy(asked), equal_split(asked), in_order(asked, asked.gains.max(axis=1))):
        assert broken(asked, made) == []
        assert made.value(asked) <= bound + 1e-4


def test_the_same_question_gives_the_same_plan():
    rng = np.random.default_rng(3)
    asked = question(rng.gamma(1, 50, (80, 3)).tolist(), [0.5, 1.0, 1.5], [6.0, 9.0, 4.0])
    one, again = solve(asked), solve(asked)
    assert one.made.options.tolist() == again.made.options.tolist()
    assert one.made.employees.tolist() == again.made.employees.tolist()


def test_greedy_misses_what_the_plan_finds():
    gains = [[70.0, -1.0], [-1.0, 50.0], [-1.0, 50.0]]
    asked = question(gains, [1.25, 1.0], [2.0])
    assert greedy(asked).value(asked) == 70.0
    assert solve(asked).value == 100.0


def test_a_customer_stays_with_the_owner_unless_another_is_worth_the_hand_over():
    asked = question([[50.0], [50.0]], [1.0], [1.0, 1.0], owners=[0, 0])
    assert sorted(solve(asked).made.employees.tolist()) == [0, 1]
    dearer = question([[50.0], [4.0]], [1.0], [1.0, 1.0], owners=[0, 0])
    assert solve(dearer).made.employees.tolist() == [0, -1]


def test_a_dedicated_owner_serves_or_nobody_does():
    asked = question([[50.0], [40.0]], [1.0], [1.0, 1.0], owners=[0, 0], dedicated=[True, True])
    assert solve(asked).made.employees.tolist() == [0, -1]


def test_an_hour_is_worth_what_one_more_hour_brings():
    rng = np.random.default_rng(1)
    levels = rng.integers(1, 3, (60, 2))
    asked = question(
        rng.gamma(1, 50, (60, 2)).tolist(), [0.25, 0.25], [4.0, 3.0], levels=levels, skills=[1, 2]
    )
    solved = solve(asked)
    for level in (1, 2):
        more = solve(asked.with_hours(level, 1.0))
        brought = more.bound - solved.bound
        before, after = (one.relaxed.hour_price(level) for one in (solved, more))
        assert before + 1e-6 >= brought >= after - 1e-6 > 0
        assert hour_worth(asked, solved, level) == pytest.approx(brought)
        assert more.value >= solved.value
    assert hour_worth(asked, solved, 2) >= hour_worth(asked, solved, 1)


def test_money_is_worth_what_one_more_unit_brings():
    rng = np.random.default_rng(2)
    asked = question(
        rng.gamma(1, 50, (50, 1)).tolist(),
        [0.25],
        [40.0],
        costs=np.full((50, 1), 10.0),
        budgets=[100.0],
    )
    solved = solve(asked)
    brought = money_worth(asked, solved, 0, 10.0)
    assert brought == pytest.approx(10 * solved.relaxed.money_prices(asked)[0])
    assert solve(asked.with_budget(0, 10.0)).value - solved.value == pytest.approx(brought)
    assert brought > 0


def test_what_is_owed_and_does_not_fit_names_the_limit_and_by_how_much():
    asked = question(
        [[0.0]] * 6,
        [1.0],
        [2.0, 10.0],
        obliged=[True] * 6,
        levels=[[2]] * 6,
        skills=[2, 1],
    )
    solved = solve(asked)
    assert solved.short is not None
    assert solved.short.hours.tolist() == pytest.approx([0.0, 0.0, 4.0])
    assert int(solved.kept.sum()) == 2


def test_customers_of_a_busy_dedicated_owner_are_short_of_that_owner():
    asked = question(
        [[0.0]] * 3,
        [1.0],
        [1.0, 10.0],
        obliged=[True] * 3,
        owners=[0, 0, 0],
        dedicated=[True] * 3,
    )
    short = shortage(asked)
    assert short.own_hours.tolist() == pytest.approx([2.0, 0.0])
    assert short.hours.sum() == 0


def test_a_contact_that_nobody_is_skilled_for_is_said_to_be_beyond_the_team():
    asked = question([[0.0]], [1.0], [9.0], obliged=[True], levels=[[2]])
    solved = solve(asked)
    assert solved.short is not None
    assert solved.short.beyond == 1
    assert solved.kept.tolist() == [False]
