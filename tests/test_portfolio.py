"""What many bring together: narrower than what each may bring, as wide as past totals say."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.changes.totals_shown import show_totals
from serving.scores.publication import open_publication
from serving.scores.publish import publish_matrix
from tests.small_bundle import job_in, matrix_of, small_bundle
from training.coverage import Errors
from training.intervals import Intervals
from training.portfolio import Portfolio

DAY = dt.date(2025, 1, 1)
EDGES = (100.0, 300.0)
CODES = ("low", "middle", "high")


def errors(n: int, seed: int, level: float = 1.0) -> Errors:
    rng = np.random.default_rng(seed)
    expected = rng.lognormal(5, 1, n)
    return Errors(DAY, expected, expected * level * rng.gamma(0.5, 2.0, n))


def totals(past, n: int = 3_000, seed: int = 1):
    fitted = Portfolio.fit(errors(3_000, 0), EDGES, 0.8, past=past)
    expected = errors(n, seed).expected
    return fitted.totals(expected, np.searchsorted(EDGES, expected), CODES, 365)


def width(one) -> float:
    return (one.high - one.low) / one.expected


def test_a_sum_is_surer_than_the_sum_of_what_each_may_bring():
    one, sample = totals([errors(3_000, 0)]), errors(3_000, 1).expected
    low, high, _ = Intervals.fit(*(getattr(errors(3_000, 0), k) for k in ("expected", "actual")),
                                 level=0.8).bounds(sample)  # fmt: skip
    assert low.sum() < one.total.low < one.total.expected < one.total.high < high.sum()


def test_tiers_add_up_and_all_together_are_surer_than_tiers_that_stray_as_one():
    one = totals([errors(30_000, seed) for seed in range(2, 22)])
    assert list(one.tiers) == ["high", "middle", "low"]
    assert sum(t.expected for t in one.tiers.values()) == pytest.approx(one.total.expected)
    assert sum(t.customers for t in one.tiers.values()) == one.total.customers == 3_000
    assert sum(tier.high for tier in one.tiers.values()) > one.total.high
    assert sum(tier.low for tier in one.tiers.values()) < one.total.low


def test_totals_that_were_far_off_before_make_the_next_one_less_sure():
    steady = [errors(3_000, seed) for seed in (2, 3, 4, 5)]
    unsteady = [errors(3_000, 2, 0.6), errors(3_000, 3, 1.5), *steady[2:]]
    assert width(totals(unsteady).total) > 2 * width(totals(steady).total)
    assert totals(unsteady).past_errors[0] == pytest.approx(1 / 0.6 - 1, abs=0.15)


def test_few_customers_are_less_sure_than_many():
    past = [errors(30_000, seed) for seed in range(2, 12)]
    widths = [width(totals(past, n).total) for n in (30, 300, 30_000)]
    assert widths == sorted(widths, reverse=True)


def test_sums_of_other_customers_fall_inside_as_often_as_promised():
    past = [errors(400, seed) for seed in range(20, 40)]
    fitted = Portfolio.fit(errors(4_000, 0), EDGES, 0.8, past=past)
    hits = []
    for seed in range(100, 250):
        later = errors(400, seed)
        draws = fitted.draws(later.expected, np.searchsorted(EDGES, later.expected)).sum(axis=1)
        low, high = np.quantile(draws, [0.1, 0.9])
        hits.append(low <= later.actual.sum() <= high)
    assert 0.75 <= np.mean(hits) <= 0.95


@settings(max_examples=20)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_the_interval_holds_the_expected_sum_and_nothing_below_nothing(values):
    expected = np.array(values)
    one = Portfolio.fit(errors(200, 0), EDGES, 0.8).totals(
        expected, np.searchsorted(EDGES, expected), CODES, 90, churn=np.full(len(values), 0.25)
    )
    for part in (one.total, *one.tiers.values()):
        assert 0.0 <= part.low <= part.expected <= part.high
        assert part.at_risk == pytest.approx(part.expected / 4)


def test_the_same_seed_draws_the_same():
    assert totals([errors(500, 0)]) == totals([errors(500, 0)])


def test_where_hardly_anybody_was_measured_sums_have_no_interval():
    assert Portfolio.fit(errors(19, 0), EDGES, 0.8) is None
    nothing = errors(100, 0, level=0.0)
    assert Portfolio.fit(nothing, EDGES, 0.8) is None


def test_a_publication_carries_the_sums_of_its_tiers(tmp_path):
    folder = publish_matrix(job_in(tmp_path), matrix_of(300))
    publication = open_publication(folder)
    sums, scores = publication.manifest.totals, publication.scores()
    assert sums.total.expected == pytest.approx(np.sum(scores["clv_expected"].to_numpy()))
    counted = {code: one.customers for code, one in sums.tiers.items()}
    for code, n in counted.items():
        assert publication.manifest.counts.get(f"tier:{code}", 0) == n
    for language in ("zh", "en"):
        assert show_totals(publication.manifest, language).row_count == 4
    without = replace(small_bundle(), portfolio=None)
    other = open_publication(publish_matrix(job_in(tmp_path / "b", without), matrix_of(300)))
    assert other.manifest.totals is None
    assert show_totals(other.manifest, "en") is None
