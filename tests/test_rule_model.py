"""A rule served in a model's place: exact contributions, plain JSON, the same interface."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.pages.explain import render
from serving.scores.answers import answers
from serving.scores.reasons import Reasoner
from serving.scores.scorer import Scorer
from tests.small_bundle import UNITS, config_in, matrix_of, small_bundle, terms
from training.models import read_model
from training.rule_model import RuleModel
from training.rules import Inactivity, LastPeriod, LogitLine, Same, SpendRate

REFERENCE = {
    "frequency": 2.0,
    "recency_days": 40.0,
    "tenure_days": 200.0,
    "monetary_value": 30.0,
    "spend_84d": 25.0,
}
SLOPES = {"recency_days": 0.9, "frequency": -0.7, "monetary_value": -0.1}
RULES = {
    "inactivity": ("churn", Inactivity(limit_days=45, active_rate=0.2, silent_rate=0.7)),
    "recency": ("churn", LogitLine(intercept=-3.0, slopes={"recency_days": 0.9})),
    "rfm": ("churn", LogitLine(intercept=-3.0, slopes=SLOPES)),
    "base rate": ("churn", Same(value=0.4)),
    "spend rate": ("clv", SpendRate(horizon_days=90, share=0.6)),
    "last period": ("clv", LastPeriod(column="spend_84d", factor=90 / 84)),
}


def model(name: str) -> RuleModel:
    target, rule = RULES[name]
    return RuleModel(target, 90, rule, REFERENCE, without_purchases=1.5)


def buyer(tenure: float, silence: float, frequency: int, money: float, lately: float) -> tuple:
    return frequency, max(tenure - silence, 0.0), tenure, money, lately


NEVER = (np.nan, np.nan, np.nan, np.nan, 0.0)
BUYERS = st.builds(
    buyer,
    st.floats(0, 3_000),
    st.floats(0, 3_000),
    st.integers(0, 300),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
)


def columns(customers) -> dict[str, np.ndarray]:
    return dict(zip(REFERENCE, np.array(customers, dtype=float).T, strict=True))


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=20, deadline=None)
@given(customers=st.lists(st.one_of(BUYERS, st.just(NEVER)), min_size=1, max_size=8))
def test_contributions_add_up_to_what_is_served(name, customers):
    served, rows = model(name), columns(customers)
    base, parts = served.contributions(rows)
    assert np.abs(base + sum(parts.values()) - served.link_score(rows)).max() < 1e-9
    assert set(parts) <= set(served.inputs)
    predicted = served.predict(rows)
    assert np.isfinite(predicted).all()
    assert (predicted > 0).all()


@pytest.mark.parametrize("name", RULES)
def test_a_rule_comes_back_from_its_json_to_the_bit(name):
    served, rows = model(name), columns([buyer(300, 20, 4, 50, 10), NEVER])
    again = read_model(served.target, served.to_files())
    assert again == served
    assert np.array_equal(again.link_score(rows), served.link_score(rows))


def test_the_rule_serves_its_own_numbers_and_the_base_rate_to_who_never_bought():
    rows = columns([buyer(300, 45, 4, 50, 0), buyer(300, 44, 4, 50, 0), NEVER])
    served = model("inactivity")
    assert served.predict(rows) == pytest.approx([0.7, 0.2, 1 / (1 + np.exp(-1.5))])
    assert served.fallback(rows).tolist() == [False, False, True]
    worth = model("spend rate").predict(rows)[0]
    assert worth == pytest.approx(50 * 5 / 300 * 90 * 0.6)


def test_what_a_rule_does_not_read_gets_no_part_of_the_number():
    rows = columns([buyer(300, 45, 4, 50, 0)])
    _, parts = model("inactivity").contributions(rows)
    assert parts["recency_days"][0] > 0
    assert parts["frequency"][0] == 0.0
    assert set(parts) == {"recency_days", "frequency"}


def test_a_served_rule_is_answered_and_explained_like_any_model(tmp_path: Path):
    config = config_in(tmp_path)
    models = {"churn": model("rfm"), "clv": model("spend rate")}
    bundle = replace(small_bundle(), models=models)
    scorer = Scorer(bundle, config.lifecycle)
    matrix = matrix_of(60)
    scores = scorer.score(matrix)
    reasons = Reasoner(scorer, "CNY", UNITS).reasons(matrix, scores)
    for answer in answers(scores, reasons, terms(config, bundle)):
        points = {
            t: sum(r["points"] for r in answer["reasons"] if r["target"] == t) for t in models
        }
        shown = answer["churn"]["probability"] - answer["churn"]["base"]
        assert points["churn"] / 100 == pytest.approx(shown, abs=1e-9)
        shown = answer["clv"]["expected"] - answer["clv"]["base"]
        assert points["clv"] == pytest.approx(shown, abs=1e-6)
        assert answer["confidence"]["fallback"] in ("rules_only", "no_purchases")
        assert render(answer, "en")
