from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.scores.answer_texts import FEW, as_list, written
from serving.scores.answers import Answer, answer_texts, answers
from serving.scores.population import Population
from serving.scores.reasons import Reasoner
from serving.scores.scorer import Scorer, previous_of
from tests.small_bundle import UNITS, config_in, matrix_of, small_bundle, terms

DOCUMENTED: dict[str, Any] = json.loads("""
{"customer_id": "C0001", "as_of": "2026-11-20",
 "versions": {"model": "12", "features": "9f2c", "policy": "vip4-2026q4"},
 "churn": {"probability": 0.37, "horizon_days": 90, "percentile": 91, "band": "high", "trend": "rising"},
 "clv": {"currency": "CNY", "horizon_days": 365, "expected": 8420.0, "median": 6900.0, "interval": {"level": 0.8, "low": 2100.0, "high": 15800.0}},
 "tier": {"code": "vip", "name": {"zh": "VIP客户", "en": "VIP"}, "held_by_hysteresis": true, "since": "2026-07-01", "outlook": {"vip": 0.62, "potential": 0.3, "general": 0.06, "low": 0.02}},
 "lifecycle": "mature", "segment": "loyal_big_baskets",
 "reasons": [{"concept": "purchase_frequency", "target": "churn", "points": 9.4, "text": {"zh": "近12周下单2次,此前12周6次", "en": "2 orders in 12 weeks, 6 in the 12 before"}, "actionable": true, "stable": true}],
 "confidence": {"grade": "B", "completeness": 0.86, "fallback": null}, "warnings": []}
""")  # noqa: E501
ADDED = {
    "churn": {"base"},
    "clv": {"base"},
    "tier": {"previous", "guard", "falls_below", "rises_at", "text"},
}


@pytest.fixture(scope="module")
def given_answers(tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    config = config_in(tmp_path_factory.mktemp("store"))
    population = Population(churn_percentiles=tuple(i / 100 for i in range(1, 100)))
    scorer = Scorer(small_bundle(), config.lifecycle, population)
    matrix = matrix_of(300)
    before = previous_of(scorer.score(matrix_of(250, day=19_950, seed=3)))
    scores = scorer.score(matrix, before)
    reasons = Reasoner(scorer, "CNY", UNITS).reasons(matrix, scores)
    return list(answers(scores, reasons, terms(config)))


def same_type(a: Any, b: Any) -> bool:
    return isinstance(b, type(a)) or a is None or b is None


def test_an_answer_has_the_documented_keys_in_the_documented_order(
    given_answers: list[Answer],
) -> None:
    for answer in given_answers:
        assert list(answer) == list(DOCUMENTED)
        for key, documented in DOCUMENTED.items():
            assert same_type(documented, answer[key]), key
            if isinstance(documented, dict):
                assert set(answer[key]) - ADDED.get(key, set()) == set(documented), key
        assert all(set(reason) == set(DOCUMENTED["reasons"][0]) for reason in answer["reasons"])
        assert set(answer["clv"]["interval"]) == set(DOCUMENTED["clv"]["interval"])


def test_an_answer_is_json_without_nan_and_survives_it_to_the_bit(
    given_answers: list[Answer],
) -> None:
    for answer in given_answers:
        assert json.loads(json.dumps(answer, allow_nan=False)) == answer


def test_the_points_of_an_answer_lead_from_the_base_to_the_number(
    given_answers: list[Answer],
) -> None:
    for answer in given_answers:
        churn, value = (
            sum(reason["points"] for reason in answer["reasons"] if reason["target"] == target)
            for target in ("churn", "clv")
        )
        shown = answer["churn"]["probability"] - answer["churn"]["base"]
        assert churn / 100 == pytest.approx(shown, abs=1e-6)
        shown = answer["clv"]["expected"] - answer["clv"]["base"]
        assert value == pytest.approx(shown, abs=1e-6)


def test_the_interval_holds_the_median_and_the_expected_value(given_answers: list[Answer]) -> None:
    for clv in (answer["clv"] for answer in given_answers):
        low, high = clv["interval"]["low"], clv["interval"]["high"]
        assert 0 <= low <= clv["median"] <= high
        assert low <= clv["expected"] <= high


def test_the_grade_of_an_answer_is_the_weaker_of_its_models(tmp_path: Path) -> None:
    given = terms(config_in(tmp_path))
    assert given.grade is None
    for churn, clv, weaker in (("A", "C", "C"), ("D", "B", "D"), ("N", "D", "N")):
        both = given.model_copy(update={"grades": {"churn": churn, "clv": clv}})
        assert both.grade == weaker


def test_what_no_model_tells_is_null(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    bundle = small_bundle()
    bundle = replace(bundle, models={"churn": bundle.models["churn"]}, segments=None)
    scorer = Scorer(bundle, config.lifecycle)
    matrix = matrix_of(1)
    scores = scorer.score(matrix)
    reasons = Reasoner(scorer, "CNY", UNITS).reasons(matrix, scores)
    (answer,) = answers(scores, reasons, terms(config, bundle))
    assert answer["clv"] is answer["tier"] is answer["segment"] is None
    assert answer["churn"]["percentile"] is answer["churn"]["trend"] is None
    assert {reason["target"] for reason in answer["reasons"]} == {"churn"}


def test_the_text_of_an_answer_is_what_json_makes_of_its_values(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    matrix = matrix_of(300)
    scorer = Scorer(small_bundle(), config.lifecycle)
    scores = scorer.score(matrix)
    reasons = Reasoner(scorer, "CNY", UNITS).reasons(matrix, scores)
    for text in as_list(answer_texts(scores, reasons, terms(config))):
        again = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
        assert text == again


@pytest.mark.parametrize("n", [1, FEW])
def test_a_number_that_json_does_not_know_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="not finite"):
        written(pa.chunked_array([[1.0, float("inf")] * n]))


def test_customers_are_told_of_alone_as_among_many(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    matrix = matrix_of(2 * FEW)
    scorer = Scorer(small_bundle(), config.lifecycle)
    scores = scorer.score(matrix)
    reasons = Reasoner(scorer, "CNY", UNITS).reasons(matrix, scores)
    alone = []
    for row in range(len(scores)):
        one = scores.slice(row, 1)
        own = pc.equal(reasons["customer_id"], one["customer_id"][0])
        alone += as_list(answer_texts(one, reasons.filter(own), terms(config)))
    assert alone == as_list(answer_texts(scores, reasons, terms(config)))


@pytest.mark.parametrize("n", [1, FEW])
@pytest.mark.parametrize("value", [1e-5, 0.1 + 0.2, 1e16, -0.0, 1 / 3, 'q"\\\n\x01', "小 é", True])
def test_a_value_is_written_as_json_writes_it(value: float | str, n: int) -> None:
    said = [json.dumps(value, ensure_ascii=False), "null"]
    assert as_list(written(pa.chunked_array([[value, None] * n]))) == said * n


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
@example([0.1 + 0.2, 1e-4, 9999999999.5, 1e10 + 0.5, 1e16, 5.0, -0.0, 5e-324])
def test_of_many_numbers_each_is_written_as_json_writes_it(values: list[float]) -> None:
    many = values * (FEW + 1)
    assert as_list(written(pa.chunked_array([many]))) == [json.dumps(one) for one in many]
