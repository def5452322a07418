"""Grades: a letter that says what the model adds to the best rule, and how sure that is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training import metrics
from training.grade import (
    BIAS_OF_AN_A,
    CALIBRATION_OF_AN_A,
    FEWEST_CUSTOMERS,
    FEWEST_OF_EACH,
    FORMULA,
    MOST_CUSTOMERS,
    SKILL_OF_AN_A,
    grade,
)
from training.resample import resampled_auc, resampled_gini

RNG = np.random.default_rng(0)


def leavers(n: int, noise: float = 0.3, seed: int = 0):
    """Return outcomes, their true probabilities, and a rule that sees them through noise."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(size=n)
    return (rng.uniform(size=n) < p).astype(float), p, p + rng.normal(0, noise, n)


def test_a_calibrated_model_far_better_than_the_rule_is_an_a():
    y, p, rule = leavers(2_000)
    given_ = grade("churn", y, p, {"rule": rule})
    assert (given_.letter, given_.rule) == ("A", "rule")
    assert 0 < given_.low < given_.skill < given_.high < 1
    own, theirs = metrics.auc(y, p), metrics.auc(y, rule)
    assert given_.skill == pytest.approx((own - theirs) / (1 - theirs))


def test_the_same_order_at_a_wrong_level_is_a_b():
    y, p, rule = leavers(2_000)
    assert grade("churn", y, p**3, {"rule": rule}).letter == "B"
    money = y * RNG.gamma(2, 50, len(y))
    assert grade("clv", money, p * 2 * money.mean(), {"rule": rule}).letter == "A"
    assert grade("clv", money, p * 3 * money.mean(), {"rule": rule}).letter == "B"


def test_a_better_order_that_chance_may_explain_is_a_c():
    y, p, _ = leavers(400)
    nearly = p + RNG.normal(0, 0.01, len(p))
    better, worse = sorted((p, nearly), key=lambda scores: -metrics.auc(y, scores))
    given_ = grade("churn", y, better, {"rule": worse})
    assert given_.letter == "C"
    assert given_.low <= 0 < given_.skill


def test_what_does_not_beat_the_best_rule_is_a_d():
    y, p, worse = leavers(1_000)
    assert grade("churn", y, worse, {"rule": p, "other": worse}).letter == "D"
    assert grade("churn", y, p, {"rule": p}).skill == 0.0
    assert grade("churn", y, p, {"rule": p}).letter == "D"


@pytest.mark.parametrize("target", ["churn", "clv"])
def test_scores_without_any_bearing_on_what_happened_are_a_d(target):
    letters = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        y = (rng.uniform(size=400) < 0.3) * (1.0 if target == "churn" else rng.gamma(2, 50, 400))
        rules = {str(i): rng.uniform(size=400) for i in range(3)}
        letters.append(grade(target, y, rng.uniform(size=400), rules, seed).letter)
    assert letters.count("D") >= 9


def test_too_few_customers_or_too_few_of_one_outcome_are_an_n_that_says_so():
    y, p, rule = leavers(FEWEST_CUSTOMERS - 1)
    few = grade("churn", y, p, {"rule": rule})
    assert (few.letter, few.skill, few.low, few.high) == ("N", None, None, None)
    assert "99 customers to measure on, fewer than 100" in few.why.en
    rare = np.zeros(1_000)
    rare[: FEWEST_OF_EACH - 1] = 1.0
    for outcome in (rare, 1.0 - rare):
        graded = grade("churn", outcome, rare, {"r": rare})
        assert "19 customers of the rarer outcome" in graded.why.en
    assert grade("clv", rare * 10, rare, {"r": rare}).letter == "N"
    assert grade("churn", *leavers(1_000)[:2], {}).letter == "N"


def test_the_formula_states_every_threshold_that_the_code_uses():
    for language in ("zh", "en"):
        churn, clv = FORMULA["churn"][language], FORMULA["clv"][language]
        assert f"{SKILL_OF_AN_A:.0%}" in churn
        assert f"{SKILL_OF_AN_A:.0%}" in clv
        assert f"{CALIBRATION_OF_AN_A:.0%}" in churn
        assert f"{BIAS_OF_AN_A:.0%}" in clv


def drawn(n: int, seed: int) -> np.ndarray:
    """Return the customers of the first resample, as the resampling draws them."""
    return np.random.default_rng(seed).integers(0, n, (n, 1), dtype=np.int32)[:, 0]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), ties=st.sampled_from([3, 1_000_000]))
def test_a_resample_measures_what_the_same_customers_drawn_one_by_one_would(seed, ties):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, ties, 80).astype(float)
    y = (rng.uniform(size=80) < 0.4).astype(float)
    money = y * rng.gamma(2, 50, 80)
    rows = drawn(80, seed)
    if 0 < y[rows].sum() < 80:
        area = resampled_auc(y, [scores], 1, seed)[0, 0]
        assert area == pytest.approx(metrics.auc(y[rows], scores[rows]))
        if ties > 80:
            gini = resampled_gini(money, [scores], 1, seed)[0, 0]
            assert gini == pytest.approx(metrics.normalised_gini(money[rows], scores[rows]))


@pytest.mark.slow
def test_intervals_cover_the_true_skill_as_often_as_they_say():
    many = leavers(200_000, seed=1)
    truth = grade("churn", *many[:2], {"rule": many[2]}).skill
    samples = [leavers(150, seed=seed) for seed in range(2, 102)]
    intervals = [grade("churn", y, p, {"rule": rule}) for y, p, rule in samples]
    covered = sum(one.low <= truth <= one.high for one in intervals)
    assert 86 <= covered <= 100


@pytest.mark.slow
def test_a_million_customers_are_graded_by_a_sample_at_the_precision_of_all():
    few, many = leavers(MOST_CUSTOMERS), leavers(16 * MOST_CUSTOMERS)
    widths = []
    for y, p, rule in (few, many):
        graded = grade("churn", y, p, {"rule": rule})
        widths.append(graded.high - graded.low)
    assert widths[0] / widths[1] == pytest.approx(4.0, rel=0.2)


def test_a_right_order_at_a_wrong_level_says_so_beside_its_letter():
    rng = np.random.default_rng(3)
    value = rng.gamma(0.5, 100.0, 800)
    rules = {"spend_rate": value * rng.lognormal(0, 2.0, 800)}
    near = value * rng.lognormal(0, 0.3, 800)
    near *= value.sum() / near.sum()
    right, double = grade("clv", value, near, rules), grade("clv", value, 2 * near, rules)
    assert (right.letter, double.letter) == ("A", "B")
    assert "100% too high" in double.why.en
    assert "高100%" in double.why.zh
    assert "too" not in right.why.en
