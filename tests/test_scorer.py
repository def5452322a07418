from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from configs.tiers import Lifecycle
from serving.scores.population import Population
from serving.scores.scorer import PREVIOUS, SCORES, Scorer, before_of, previous_of
from tests.small_bundle import matrix_of, small_bundle
from training.intervals import Intervals

LIFECYCLE = Lifecycle(new_within_days=90, lost_after_days=365)
DAY = dt.date(2024, 10, 4)  # day 20,000


@pytest.fixture
def scorer() -> Scorer:
    return Scorer(small_bundle(), LIFECYCLE)


def past(**rows: tuple[str, dt.date]) -> pa.Table:
    columns = {
        "customer_id": list(rows),
        "tier": [tier for tier, _ in rows.values()],
        "tier_since": [since for _, since in rows.values()],
        "churn_probability": [0.0] * len(rows),
        "clv_expected": [100.0] * len(rows),
    }
    return pa.table(columns, schema=PREVIOUS)


def test_every_customer_is_scored_in_the_order_given(scorer: Scorer) -> None:
    matrix = matrix_of(500)
    scores = scorer.score(matrix)
    assert scores.schema == SCORES
    assert scores["customer_id"].equals(matrix["customer_id"])
    assert scores["churn_probability"].null_count == 0


@pytest.mark.parametrize("size", [1, 7, 60])
def test_scores_do_not_depend_on_who_is_scored_along(scorer: Scorer, size: int) -> None:
    matrix = matrix_of(60)
    before = previous_of(scorer.score(matrix_of(60, day=19_950, seed=9)))
    population = Population(churn_percentiles=tuple(np.linspace(0.01, 0.99, 99)))
    scorer = replace(scorer, population=population)
    whole = scorer.score(matrix, before)
    parts = [scorer.score(matrix.slice(i, size), before) for i in range(0, 60, size)]
    assert pa.concat_tables(parts).combine_chunks().equals(whole.combine_chunks())


def test_the_tier_follows_from_the_published_thresholds(scorer: Scorer) -> None:
    before = previous_of(scorer.score(matrix_of(2_000, day=19_950, seed=9)))
    policy = scorer.bundle.policy
    rebuilt, served = [], scorer.score(matrix_of(2_000), before).to_pylist()
    for row in served:
        rank = sum(row["clv_expected"] >= edge for edge in policy.thresholds)
        if row["previous_tier"] is not None:
            old = policy.codes.index(row["previous_tier"])
            up = sum(row["clv_expected"] >= edge * 1.2 for edge in policy.thresholds)
            down = sum(row["clv_expected"] >= edge * 0.8 for edge in policy.thresholds)
            stays = (DAY - row["previous_tier_since"]).days < policy.minimum_stay_days
            rank = old if stays else min(max(old, up), down)
        if row["tier_guard"] is not None:
            rank = min(rank, policy.codes.index("general"))
        rebuilt.append(policy.codes[rank])
    assert rebuilt == [row["tier"] for row in served]
    assert any(row["tier_held"] for row in served)
    assert any(row["tier_guard"] is not None for row in served)


def test_expected_value_lies_between_the_money_where_its_tier_begins_and_ends(
    scorer: Scorer,
) -> None:
    for row in scorer.score(matrix_of(500)).to_pylist():
        assert row["tier_falls_below"] is None or row["clv_expected"] >= row["tier_falls_below"]
        assert row["tier_rises_at"] is None or row["clv_expected"] < row["tier_rises_at"]


def test_a_kept_tier_keeps_its_first_day_and_a_new_one_begins_on_the_day_scored(
    scorer: Scorer,
) -> None:
    matrix = matrix_of(2)
    first = scorer.score(matrix)["tier"].to_pylist()
    long_ago = dt.date(2023, 1, 1)
    other = next(code for code in ("vip", "low") if code != first[1])
    scores = scorer.score(matrix, past(C000000=(first[0], long_ago), C000001=(other, DAY)))
    assert scores["tier_since"][0].as_py() == long_ago
    moved = scorer.score(matrix, past(C000001=("an_old_policys_tier", long_ago)))
    assert moved["tier_since"].to_pylist() == [DAY, DAY]


def test_the_trend_tells_how_the_probability_moved(scorer: Scorer) -> None:
    matrix = matrix_of(3)
    now = scorer.score(matrix)["churn_probability"].to_pylist()
    before = previous_of(scorer.score(matrix))
    was = pa.array([now[0] - 0.1, now[1] + 0.01, now[2] + 0.2])
    before = before.set_column(3, "churn_probability", was)
    assert scorer.score(matrix, before)["churn_trend"].to_pylist() == [
        "rising",
        "steady",
        "falling",
    ]
    assert scorer.score(matrix)["churn_trend"].to_pylist() == [None, None, None]


def test_scores_tell_the_past_they_were_made_with(scorer: Scorer) -> None:
    matrix = matrix_of(50)
    before = previous_of(scorer.score(matrix_of(50, day=19_900, seed=4)))
    scores = scorer.score(matrix, before)
    assert scorer.score(matrix, before_of(scores)).equals(scores)


def test_a_customer_without_purchases_is_scored_and_marked(scorer: Scorer) -> None:
    matrix = matrix_of(300)
    never = matrix["frequency"].is_null().to_pylist()
    scores = scorer.score(matrix)
    marked = [fallback == "no_purchases" for fallback in scores["fallback"].to_pylist()]
    assert marked == never
    assert any(never)
    prospects = [stage == "prospect" for stage in scores["lifecycle"].to_pylist()]
    assert prospects == never


def test_completeness_is_the_share_of_inputs_present(scorer: Scorer) -> None:
    row = scorer.score(matrix_of(300)).filter(matrix_of(300)["csat_latest"].is_null())
    complete = set(row["completeness"].to_pylist())
    assert 8 / 9 in {round(share, 12) for share in complete} | {8 / 9}
    assert max(complete) < 1.0


@pytest.mark.parametrize(("days", "warned"), [(364.0, False), (365.0, True), (None, False)])
def test_a_family_whose_last_record_no_window_sees_is_warned_of(
    scorer: Scorer, days: float | None, warned: bool
) -> None:
    matrix = matrix_of(1).append_column("days_since_last_survey", pa.array([days], pa.float64()))
    warnings = scorer.score(matrix)["warnings"][0].as_py()
    assert ("stale:satisfaction" in warnings) == warned


def test_a_value_far_from_any_in_training_and_a_missing_family_are_warned_of(
    scorer: Scorer,
) -> None:
    matrix = matrix_of(1)
    spent = matrix.column_names.index("spend_364d")
    surveyed = matrix.column_names.index("csat_latest")
    matrix = matrix.set_column(spent, "spend_364d", pa.array([1e8]))
    matrix = matrix.set_column(surveyed, "csat_latest", pa.array([None], pa.float64()))
    assert scorer.score(matrix)["warnings"][0].as_py() == [
        "out_of_range:spend_364d",
        "missing:satisfaction",
    ]
    ordinary = scorer.score(matrix_of(500))["warnings"].to_pylist()
    assert sum(any("range" in w for w in warnings) for warnings in ordinary) < 10


def test_without_a_value_model_there_is_no_tier_and_churn_is_scored_all_the_same() -> None:
    bundle = small_bundle()
    only_churn = replace(bundle, models={"churn": bundle.models["churn"]})
    scores = Scorer(only_churn, LIFECYCLE).score(matrix_of(5))
    assert scores["tier"].null_count == scores["clv_expected"].null_count == 5
    assert scores["churn_band"].null_count == 0


def test_who_is_likely_to_stay_is_not_told_that_nothing_comes(scorer: Scorer) -> None:
    nothing = Intervals.fit(np.full(50, 9.0), np.zeros(50), level=0.8)
    scores = replace(scorer, bundle=replace(scorer.bundle, intervals=nothing)).score(matrix_of(500))
    churn, value, high = (
        scores[name].to_numpy() for name in ("churn_probability", "clv_expected", "clv_high")
    )
    stays = churn < 0.8
    assert 0 < stays.sum() < 500
    assert (high[stays] == value[stays]).all()
    assert (high[~stays] == 0).all()


def test_nobody_gives_an_empty_table(scorer: Scorer) -> None:
    assert scorer.score(matrix_of(3).slice(0, 0)).equals(SCORES.empty_table())
