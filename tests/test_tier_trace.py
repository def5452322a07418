"""The tier's trace: every rule a line, and the last line's tier is the one served."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.section import Text
from configs.tiers import ChurnBands, Guard, Tier
from serving.scores.publication import Publication, open_live
from serving.scores.publish import publish_matrix
from serving.scores.tier_trace import replay, tier_trace
from tests.small_bundle import job_in, matrix_of
from training.policy import Policy

CODES = ("top", "middle", "low")
NAMES = {"top": ("高级", "Top"), "middle": ("中级", "Middle"), "low": ("低级", "Low")}


def policy(hysteresis: float = 0.2, stay: int = 28, guards: tuple[Guard, ...] = ()) -> Policy:
    return Policy(
        name="three",
        objective="revenue",
        tiers=tuple(Tier(code=c, name=Text(zh=NAMES[c][0], en=NAMES[c][1])) for c in CODES),
        thresholds=(100.0, 1_000.0),
        thresholds_by="amount",
        hysteresis=hysteresis,
        minimum_stay_days=stay,
        guards=guards,
        churn_bands=ChurnBands(medium=0.3, high=0.6),
    )


def guard(**rule: object) -> Guard:
    return Guard(name=Text(zh="规则", en="rule"), feature="open", **rule)  # type: ignore[arg-type]


GUARDS = st.lists(
    st.builds(
        guard,
        at_least=st.none() | st.floats(0, 3),
        at_most=st.none() | st.floats(0, 3),
        cap=st.none() | st.sampled_from(CODES),
        lift=st.none() | st.sampled_from(CODES),
    ),
    max_size=3,
).map(tuple)
VALUES = st.floats(0, 3_000) | st.sampled_from([80.0, 100.0, 120.0, 800.0, 1_000.0, 1_200.0])


@given(
    policy=st.builds(policy, st.floats(0, 0.9), st.integers(0, 60), GUARDS),
    value=VALUES,
    previous=st.none() | st.sampled_from([*CODES, "gone"]),
    days=st.none() | st.floats(0, 90),
    open_cases=st.none() | st.floats(0, 4),
)
def test_replaying_the_rules_one_by_one_gives_the_tier_of_the_policy(
    policy, value, previous, days, open_cases
):
    nan = float("nan")
    given = policy.assign(
        [value],
        [previous or ""],
        [nan if days is None else days],
        {"open": np.array([nan if open_cases is None else open_cases])},
    )
    steps = replay(policy, value, previous, days, {"open": open_cases})
    assert policy.codes[steps[-1].tier] == given.codes[0]
    assert steps[0].tier == given.plain_ranks[0]
    movers = [step.guard for step in steps if step.rule == "guard" and step.moved]
    assert (movers[-1] if movers else -1) == given.guard[0]


def test_each_rule_that_speaks_is_a_line_in_its_order():
    capped = policy(guards=(guard(at_least=1.0, cap="low"),))
    steps = replay(capped, 90.0, "middle", 10.0, {"open": 2.0})
    assert [(step.rule, capped.codes[step.tier], step.moved) for step in steps] == [
        ("value", "low", False),
        ("hysteresis", "middle", True),
        ("minimum_stay", "middle", False),
        ("guard", "low", True),
    ]


def test_a_customer_without_a_past_is_judged_by_value_alone():
    assert [step.rule for step in replay(policy(), 90.0)] == ["value"]


@pytest.fixture(scope="module")
def publication(tmp_path_factory: pytest.TempPathFactory) -> Publication:
    job = job_in(Path(tmp_path_factory.mktemp("store")))
    publish_matrix(job, matrix_of(500, day=19_986, seed=5))
    publish_matrix(job, matrix_of(500))
    return open_live(job.store)


def test_the_trace_ends_in_the_served_tier_for_every_customer_of_a_publication(publication):
    scores = publication.scores().to_pylist()
    features = publication.features().to_pylist()
    terms = publication.manifest.terms
    rules = set()
    for score, row in zip(scores, features, strict=True):
        trace = tier_trace(score, row, terms.policy, terms.currency)
        assert trace is not None
        assert trace["tier"] == trace["lines"][-1]["tier"] == score["tier"]
        by_value = [line for line in trace["lines"] if line["rule"] != "guard"]
        assert (by_value[-1]["tier"] != by_value[0]["tier"]) == score["tier_held"]
        rules |= {(line["rule"], line["moved"]) for line in trace["lines"]}
    assert rules >= {("value", False), ("hysteresis", True), ("minimum_stay", True)}
    assert ("guard", True) in rules


def test_the_distances_lead_from_the_expected_value_to_the_boundaries(publication):
    terms = publication.manifest.terms
    for score in publication.scores().to_pylist():
        trace = tier_trace(score, {}, terms.policy, terms.currency)
        assert trace is not None
        for side, sign in (("above", 1), ("below", -1)):
            if trace[side] is not None:
                reached = score["clv_expected"] + sign * trace[side]["distance"]
                assert reached == pytest.approx(trace[side]["at"])


def test_the_lines_say_in_both_languages_what_was_decided():
    score = {
        **{"tier": "middle", "clv_expected": 90.0, "cutoff": 20_000, "tier_rises_at": 1_200.0},
        **{"tier_falls_below": 80.0, "previous_tier": "middle", "previous_tier_since": None},
    }
    trace = tier_trace(score, {}, policy(), "CNY")
    assert trace is not None
    assert [line["text"] for line in trace["lines"]] == [
        {
            "zh": "预期价值¥90，未达到¥100：低级",
            "en": "Expected value CN¥90 is below CN¥100: Low",
        },
        {
            "zh": "上次为中级；越过分界不足20%，定为中级",
            "en": "Was Middle; not past the boundary by 20%: Middle",
        },
    ]
    assert trace["above"]["text"] == {
        "zh": "距高级还差¥1,110（达到¥1,200时升入）",
        "en": "CN¥1,110 short of Top, which is reached at CN¥1,200",
    }
    assert trace["below"]["text"]["zh"] == "比¥80高¥10，低于它则降为低级"
    assert trace["outlook"] is None


def test_the_outlook_is_the_chance_of_the_tier_or_one_above():
    score = {
        **{"tier": "middle", "clv_expected": 500.0, "cutoff": 20_000, "tier_rises_at": 1_000.0},
        **{"tier_falls_below": 100.0, "previous_tier": None, "previous_tier_since": None},
        **{"tier_outlook": [0.1, 0.5, 0.4]},
    }
    trace = tier_trace(score, {}, policy(), "CNY")
    assert trace is not None
    assert trace["outlook"]["chance"] == pytest.approx(0.6)
    assert trace["outlook"]["text"]["zh"] == "下一期价值达到中级或更高的可能为60%"
