"""Coverage of intervals is counted on customers who taught them nothing."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from configs.load import load
from training.coverage import Errors, coverage, covered, in_words

TIERS = load(None, environment={}).policy
DAY, LATER = dt.date(2025, 1, 1), dt.date(2026, 1, 1)


def errors(n: int, seed: int, day: dt.date = DAY, factor: float = 1.0) -> Errors:
    rng = np.random.default_rng(seed)
    expected = rng.lognormal(5, 1, n)
    comes = rng.uniform(size=n) < 0.7
    return Errors(day, expected, factor * comes * expected / 0.7 * rng.lognormal(-0.32, 0.8, n))


def test_a_later_period_is_counted_with_what_the_earlier_taught():
    found = coverage(errors(6_000, 0), errors(6_000, 1, LATER), TIERS, 0.8)
    assert found is not None
    assert (found.how, found.learnt_on, found.counted_on) == ("later_period", DAY, LATER)
    assert found.overall.share == pytest.approx(0.8, abs=0.02)
    assert list(found.tiers) == [tier.code for tier in TIERS.tiers]
    for one in found.tiers.values():
        assert one.share == pytest.approx(0.8, abs=0.06)
        assert one.low < one.share < one.high
    assert sum(one.n for one in found.tiers.values()) == found.overall.n == 6_000


def test_coverage_shows_that_the_later_period_is_another_world():
    found = coverage(errors(4_000, 0), errors(4_000, 1, LATER, factor=4.0), TIERS, 0.8)
    assert found is not None
    assert found.overall.high < 0.7


def test_without_an_earlier_period_halves_of_one_take_turns():
    found = coverage(None, errors(4_000, 2), TIERS, 0.8)
    assert found is not None
    assert (found.how, found.learnt_on, found.counted_on) == ("halves", DAY, DAY)
    assert found.overall.share == pytest.approx(0.8, abs=0.03)


def test_halves_that_are_different_worlds_do_not_cover_each_other():
    odd = np.arange(4_000) % 2
    two = Errors(DAY, np.full(4_000, 100.0), np.where(odd, 500.0, 50.0) + np.arange(4_000) / 1e3)
    found = coverage(None, two, TIERS, 0.8)
    assert found is not None
    assert found.overall.share < 0.6


def test_too_few_customers_are_not_counted():
    assert coverage(None, errors(39, 0), TIERS, 0.8) is None


def test_coverage_is_told_in_both_languages_with_every_tier():
    said = in_words(coverage(errors(2_000, 0), errors(2_000, 1, LATER), TIERS, 0.8))
    for tier in TIERS.tiers:
        assert tier.name.zh in said.zh
        assert tier.name.en in said.en
    assert "2025-01-01" in said.en
    assert "2026-01-01" in said.en
    assert "（" in said.zh


def test_a_share_of_few_customers_is_less_sure_than_the_same_of_many():
    few, many = covered(np.arange(50) < 40), covered(np.arange(5_000) < 4_000)
    assert few.low < many.low < 0.8 < many.high < few.high
