"""The level of forecasts: seasons are found where there are any, and nothing is done elsewhere."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from features.sources import records_from_arrow
from tests.engines import duckdb
from tests.test_boosting import INPUTS, LATER, SETTINGS, TRAIN, churned, predicted
from training.anchor import VALUE_INPUTS, fitted_purchase
from training.boosting import fit_target
from training.clock import Clock, ClockedModels
from training.level import LARGEST_SHIFT, Level, clocked, levels, levels_of, shift
from training.purchase_days import PurchaseDays, purchase_days
from training.season import PERIODS, season
from training.winner import PURCHASE_MODEL, served_form

BEGIN, CUTOFF = 1_000, 1_000 + 463
PLANTED = np.log(np.array([1, 1, 1, 2.2, 2.2, 1, 1, 0.6, 0.6, 0.6, 1, 1, 1]))


def shop(effects, n: int = 2_500, seed: int = 0) -> PurchaseDays:
    """Return days of a shop that is older than its records; time runs by ``effects``."""
    rng = np.random.default_rng(seed)
    born = rng.integers(BEGIN - 500, CUTOFF, n)
    leaves = born + rng.exponential(500, n)
    days = np.arange(BEGIN - 500, CUTOFF + 183)
    speed = np.exp(effects)[((days - CUTOFF - 1) // 28) % PERIODS]
    rate = rng.gamma(1.2, 0.02, n)[:, None] * speed / speed.mean()
    bought = rng.random(rate.shape) < 1.0 - np.exp(-rate)
    bought &= (days > born[:, None]) & (days < leaves[:, None])
    bought[np.arange(n), born - days[0]] = True
    who, at = np.nonzero(bought & (days >= BEGIN))
    return PurchaseDays(np.unique(who, return_inverse=True)[1], days[at], rng.gamma(3, 20, len(at)))


def known(days: PurchaseDays) -> PurchaseDays:
    kept = days.day <= CUTOFF
    numbers = np.unique(days.customer[kept], return_inverse=True)[1]
    return PurchaseDays(numbers, days.day[kept], days.spend[kept])


def came(days: PurchaseDays) -> tuple[float, float]:
    """Return money and the share of non-buyers in the half year after the cutoff."""
    told = np.isin(days.customer, days.customer[days.day <= CUTOFF])
    later = told & (days.day > CUTOFF) & (days.day <= CUTOFF + 182)
    n = len(np.unique(days.customer[days.day <= CUTOFF]))
    return float(days.spend[later].sum()), 1.0 - len(np.unique(days.customer[later])) / n


@pytest.fixture(scope="module")
def seasonal():
    days = shop(PLANTED)
    return days, levels_of(known(days), CUTOFF, "pareto_nbd")


@pytest.fixture(scope="module")
def plain():
    return levels_of(known(shop(np.zeros(PERIODS))), CUTOFF, "pareto_nbd")


def test_a_planted_season_is_recovered_from_log_ratios():
    rng = np.random.default_rng(1)
    period = -np.repeat(np.arange(26), 4)
    truth = PLANTED - PLANTED.mean()
    ratio = truth[(period - 1) % PERIODS] + rng.normal(0, 0.05, len(period))

    found = season(period, np.tile(np.arange(1, 5), 26), ratio, np.full(len(period), 0.05**2))

    assert np.abs(found - truth).max() < 0.15


def test_ratios_without_a_season_give_hardly_any():
    rng = np.random.default_rng(2)
    period = -np.arange(26)

    found = season(period, np.ones(26, int), rng.normal(0.1, 0.05, 26), np.full(26, 0.05**2))

    assert np.abs(found).max() < 0.03


def test_no_ratios_give_no_season():
    nothing = np.empty(0)
    assert not season(nothing.astype(int), nothing.astype(int), nothing, nothing).any()


def test_a_year_on_the_clock_is_a_year_and_busy_days_are_longer():
    clock = Clock(CUTOFF, PLANTED)
    days = np.arange(CUTOFF - 800, CUTOFF + 800)

    assert clock(np.array([CUTOFF]))[0] == 0.0
    np.testing.assert_allclose(clock(days + 364) - clock(days), 364.0)
    lengths = np.diff(clock(CUTOFF + np.arange(0, 365)))
    assert lengths.argmax() // 28 in (3, 4)
    assert (lengths > 0).all()


@pytest.mark.slow
def test_the_season_brings_the_level_closer_to_what_came(seasonal):
    days, found = seasonal
    models = ClockedModels.fit(known(days), Clock(CUTOFF, np.zeros(PERIODS)), "pareto_nbd")
    none = np.zeros(PERIODS)
    deaf = replace(found, models=models, left_over=none, of_spend=none).ahead(182)
    level, (money, churn) = found.ahead(182), came(days)

    assert abs(np.log(level.value / money)) < 0.5 * abs(np.log(deaf.value / money))
    assert level.churn_rate == pytest.approx(churn, abs=0.08)
    assert level.weight > 0.9


@pytest.mark.slow
def test_a_second_pass_finds_more_of_a_strong_season_after_one_year():
    strong = 2.5 * PLANTED
    days = known(shop(strong, n=1_500))
    first = np.full(days.n_customers, CUTOFF)
    np.minimum.at(first, days.customer, days.day)
    new = first[days.customer] > CUTOFF - 372
    numbers = np.unique(days.customer[new], return_inverse=True)[1]
    young = PurchaseDays(numbers, days.day[new], days.spend[new])

    def far_off(passes: int) -> float:
        found = clocked(young, CUTOFF, "pareto_nbd", passes).clock
        return float(np.std(np.log(found.speed / Clock(CUTOFF, strong).speed)))

    assert far_off(2) < 0.7 * far_off(1)


def test_a_fit_that_starts_at_other_models_ends_where_it_would_have():
    days, plain_clock = known(shop(PLANTED, n=600)), Clock(CUTOFF, np.zeros(PERIODS))
    other = ClockedModels.fit(days, Clock(CUTOFF, PLANTED), "pareto_nbd")
    one, two = (
        ClockedModels.fit(days, plain_clock, "pareto_nbd", start).ask(
            "expected_purchases", days.at(CUTOFF), CUTOFF, 182
        )
        for start in (None, other)
    )

    assert two.sum() == pytest.approx(one.sum(), rel=1e-2)


@pytest.mark.slow
def test_without_a_season_forecasts_go_little_of_the_way(plain):
    assert plain.weight < 0.5


def test_within_the_first_year_and_without_newcomers_nothing_is_done():
    days = known(shop(PLANTED, n=400))
    young = PurchaseDays(days.customer, np.maximum(days.day, CUTOFF - 360), days.spend)
    first = np.full(days.n_customers, CUTOFF)
    np.minimum.at(first, days.customer, days.day)
    old = first[days.customer] < BEGIN + 150
    once = PurchaseDays(
        np.unique(days.customer[old], return_inverse=True)[1], days.day[old], days.spend[old]
    )

    assert levels_of(young, CUTOFF, "pareto_nbd") is None
    assert levels_of(once, CUTOFF, "pareto_nbd") is None


@pytest.mark.slow
def test_other_money_gives_the_same_level_in_that_money(seasonal):
    days, found = seasonal
    rich = known(replace(days, spend=days.spend * 1_000.0))
    other = levels_of(rich, CUTOFF, "pareto_nbd").ahead(182)

    assert other.value == pytest.approx(1_000.0 * found.ahead(182).value, rel=0.01)
    assert other.churn_rate == found.ahead(182).churn_rate


def test_who_is_there_when_records_begin_has_a_model_of_their_own():
    days = known(shop(np.zeros(PERIODS), n=800))
    models = ClockedModels.fit(days, Clock(CUTOFF, np.zeros(PERIODS)), "pareto_nbd")

    assert models.early_until == BEGIN + 91
    assert models.models[True] != models.models[False]


def records(days: PurchaseDays, recorded_after: int = 0, **columns):
    table = {
        "customer_id": [f"c{who:05}" for who in days.customer],
        "day": days.day.astype(np.int32),
        "known_day": (days.day + recorded_after).astype(np.int32),
        "amount": days.spend,
        "kind": ["purchase"] * len(days.day),
    }
    return records_from_arrow(duckdb(), {"transactions": pa.table(table | columns)})


def test_nothing_that_happened_or_was_recorded_after_the_cutoff_is_read():
    days = shop(PLANTED, n=300)
    now, all_of_them = known(days), purchase_days(records(days), CUTOFF)
    late = purchase_days(records(days, recorded_after=30), CUTOFF)

    assert (all_of_them.day == now.day).all()
    np.testing.assert_allclose(all_of_them.spend, now.spend)
    assert late.day.max() == CUTOFF - 30


def test_margins_are_a_share_of_spend_where_they_are_recorded():
    days = shop(PLANTED, n=50)
    with_margins = records(days, margin=0.25 * days.spend)
    assert purchase_days(with_margins, CUTOFF).margin_share == pytest.approx(0.25)
    assert purchase_days(records(days), CUTOFF).margin_share is None


@functools.cache
def purchases():
    return {
        cutoff: fitted_purchase(data.at([cutoff]).columns(VALUE_INPUTS))
        for data in (TRAIN, LATER)
        for cutoff in data.cutoffs
    }


@functools.cache
def fitted(target, level):
    train = churned(TRAIN) if target == "churn" else TRAIN
    return fit_target(target, 90, train, LATER, purchases(), INPUTS, SETTINGS, level)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["churn", "clv"])
def test_a_level_sets_the_whole_keeps_the_order_and_is_told(target):
    level = Level(value=0.5 * float(LATER.y.sum()), churn_rate=0.5, weight=1.0)
    before, after = (fitted(target, one) for one in (None, level))
    buyers = LATER.buyers()
    p, q = (predicted(one.model, buyers) for one in (before, after))

    whole = q.mean() if target == "churn" else q.sum()
    assert whole == pytest.approx(0.5 if target == "churn" else level.value)
    assert (np.argsort(p, kind="stable") == np.argsort(q, kind="stable")).all()
    assert len(after.notes) == len(before.notes) + 1
    assert "level of the season" in after.notes[-1].en
    assert "季节水平" in after.notes[-1].zh


@pytest.mark.parametrize("target", ["churn", "clv"])
def test_a_purchase_model_that_wins_is_served_at_the_level_of_the_season(target):
    level = Level(value=0.5 * float(LATER.y.sum()), churn_rate=0.5, weight=1.0)
    after = fitted(target, level)
    served = served_form(PURCHASE_MODEL, after, LATER, LATER)
    assert served.is_rules_only
    expected = served.predict(LATER.buyers().columns(served.inputs))
    whole = expected.mean() if target == "churn" else expected.sum()
    assert whole == pytest.approx(0.5 if target == "churn" else level.value)


def test_contributions_still_add_up_under_a_level():
    model = fitted("clv", Level(float(LATER.y.sum()) * 2, 0.5, 0.8)).model
    columns = LATER.columns(("frequency", *model.inputs))
    base, parts = model.contributions(columns)
    total = base + np.sum(list(parts.values()), axis=0)
    np.testing.assert_allclose(total, model.link_score(columns), atol=1e-9)


def test_no_level_moves_forecasts_beyond_six_times():
    model = fitted("clv", None).model
    scores = model.link_score(LATER.buyers().columns(model.inputs))
    assert shift(model, scores, Level(1e12, 0.5, 1.0)) == LARGEST_SHIFT
    assert shift(model, scores, Level(None, 0.5, 1.0)) == 0.0


@pytest.mark.slow
def test_the_same_data_twice_give_the_same_trees_and_level():
    level = Level(float(LATER.y.sum()), 0.5, 0.9)
    one, two = (fitted.__wrapped__("clv", level).model.to_files() for _ in range(2))
    assert one == two


@pytest.mark.slow
def test_levels_come_from_records(seasonal):
    days, found = seasonal
    read = levels(records(days), CUTOFF, "pareto_nbd")
    assert read.ahead(182).value == pytest.approx(found.ahead(182).value, rel=1e-6)
