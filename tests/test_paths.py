"""Paths to a goal: the cheapest first, none dominated, and every one of them true."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from configs.events import Contact, Order
from configs.load import load
from configs.schema import Action, Config
from configs.section import Text
from serving.endpoint.served import Served, open_served
from serving.scores.publication import open_live
from serving.suppositions.paths import (
    STATUSES,
    STEPS_AT_MOST,
    Search,
    Supposed,
    _said,
    candidates,
    cost_of,
    events_of,
    find_paths,
    possible,
)
from serving.suppositions.what_if import suppose_published, what_if
from serving.suppositions.what_if_shown import render_paths
from tests.test_changes import shown


def action(code: str, cost: float, at_most: int = 1) -> Action:
    return Action(
        code=code, name=Text(zh=code, en=code), events=(Contact(),), cost=cost, at_most=at_most
    )


MENUS = st.lists(
    st.builds(action, st.just("a"), st.sampled_from([0.0, 10.0, 25.0]), st.integers(1, 3)),
    min_size=1,
    max_size=4,
)


@given(MENUS)
def test_every_small_set_of_actions_is_a_candidate_once_and_the_cheapest_come_first(menu):
    sets = candidates(menu)
    assert len(set(sets)) == len(sets)
    costs = [cost_of(menu, one) for one in sets]
    assert costs == sorted(costs)
    assert all(0 < sum(one) <= STEPS_AT_MOST for one in sets)
    assert all(n <= a.at_most for one in sets for n, a in zip(one, menu, strict=True))
    singles = {tuple(int(i == j) for j in range(len(menu))) for i in range(len(menu))}
    assert singles <= set(sets)


def test_the_events_of_a_set_are_those_of_its_actions_as_often_as_taken():
    order = Action(
        code="order", name=Text(zh="单", en="order"), events=(Order(),), cost=1.0, at_most=2
    )
    assert events_of([order, action("call", 1.0)], (2, 1)) == [Order(), Order(), Contact()]


def test_two_actions_of_one_code_are_refused():
    config = load(None, {})
    menu = (action("call", 1.0), action("call", 2.0))
    with pytest.raises(ValidationError, match="codes of actions repeat"):
        Config.model_validate(config.model_dump() | {"actions": [a.model_dump() for a in menu]})


@pytest.fixture(scope="module")
def served(small_company: Path) -> Served:
    config = load(small_company, {})
    return open_served(config, open_live(config.stores.publications).folder)


def some(served: Served, n: int) -> list[Supposed]:
    ids = served.publication.scores()["customer_id"].to_pylist()
    return [suppose_published(served, one) for one in ids[:: len(ids) // n]]


@pytest.mark.slow
def test_every_path_scored_again_alone_reaches_its_goal_and_waiting_does_not(served):
    policy = served.publication.manifest.terms.policy
    found = 0
    for supposed in some(served, 30):
        for goal in ("next_tier", "below_churn"):
            facts = find_paths(supposed, goal)  # type: ignore[arg-type]
            for path in facts["paths"]:
                found += 1
                counts = {one["code"]: one["count"] for one in path["actions"]}
                menu = [one for one in served.actions if one.code in counts]
                events = events_of(menu, tuple(counts[one.code] for one in menu))
                again = what_if(supposed, events)
                assert again["with_events"] == path["outcome"]
                assert again["idle"] == facts["idle"]
                at = facts["goal"]["at"]
                if goal == "next_tier":
                    rank = policy.codes.index
                    assert rank(again["idle"]["tier"]) < rank(at)
                    assert rank(again["with_events"]["tier"]) >= rank(at)
                else:
                    assert again["with_events"]["churn"] < at <= again["idle"]["churn"]
    assert found >= 10


@pytest.mark.slow
def test_the_search_finds_what_scoring_every_set_of_actions_finds(served):
    for supposed in some(served, 8):
        menu = possible(supposed, 28)
        sets = candidates(menu)
        placed = [supposed.scene.place(events_of(menu, one), 28) for one in sets]
        scores = supposed.score(placed, supposed.scene.as_of + 28)[1].to_pylist()
        facts = find_paths(supposed, "below_churn")
        if facts["status"] not in ("paths", "no_path"):
            continue
        hits = [
            one
            for one, score in zip(sets, scores, strict=True)
            if score["churn_probability"] < facts["goal"]["at"]
        ]
        least = [
            one
            for i, one in enumerate(hits)
            if not any(all(a >= b for a, b in zip(one, other, strict=True)) for other in hits[:i])
        ]
        assert [path["cost"] for path in facts["paths"]] == [
            cost_of(menu, one) for one in least[:3]
        ]


@pytest.mark.slow
def test_where_nothing_better_exists_or_no_action_helps_it_is_said(served):
    scores = served.publication.scores().to_pylist()
    top = served.publication.manifest.terms.policy.codes[-1]
    best = next(row["customer_id"] for row in scores if row["tier"] == top)
    supposed = suppose_published(served, best)
    assert find_paths(supposed)["status"] == "at_the_end"
    assert find_paths(supposed, "below_churn", below=1.0)["status"] == "already"
    hopeless = find_paths(supposed, "below_churn", below=1e-9)
    assert (hopeless["status"], hopeless["paths"]) == ("no_path", [])
    names = served.publication.manifest.terms.tier_names
    assert "no path" in shown(render_paths(hopeless, "en", names))
    assert "没有路径" in shown(render_paths(hopeless, "zh", names))


@pytest.mark.slow
def test_paths_are_shown_with_cost_actions_and_what_waiting_gives(served):
    for supposed in some(served, 30):
        facts = find_paths(supposed)
        if facts["paths"]:
            break
    names = served.publication.manifest.terms.tier_names
    english = shown(render_paths(facts, "en", names))
    assert all(words in english for words in ("cost", "nothing", "not a promise"))
    first = facts["paths"][0]["actions"][0]["name"]["zh"]
    assert first in shown(render_paths(facts, "zh", names))


def test_that_there_is_no_path_is_said_only_of_the_sets_that_were_tried():
    cut_off = _said("no_path", Search(None, [], 256, False))
    assert "256" in cut_off.zh
    assert "256" in cut_off.en
    assert _said("no_path", Search(None, [], 80, True)) == STATUSES["no_path"]
