"""From expected value to a tier."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import ConfigError, TrainingError
from configs.section import Text
from configs.tiers import ChurnBands, Guard, Thresholds, Tier, TierPolicy
from training.policy import Policy, check_guards

TIERS = tuple(Tier(code=c, name=Text(zh=c, en=c)) for c in ("vip", "potential", "general", "low"))
CODES = ("low", "general", "potential", "vip")


def policy(by="amount", at=(100.0, 200.0, 400.0), **other) -> TierPolicy:
    given_settings = {"hysteresis": 0.2, "minimum_stay_days": 28} | other
    return TierPolicy(
        name="test",
        objective="revenue",
        tiers=TIERS,
        thresholds=Thresholds(by=by, at=at),
        churn_bands=ChurnBands(medium=0.3, high=0.6),
        **given_settings,
    )


def frozen(values=(), **other) -> Policy:
    return Policy.freeze(policy(**other), np.asarray(values, dtype=float))


values = st.floats(0, 1_000)
previous = st.sampled_from(["", *CODES])
days = st.floats(0, 100)


@given(values, values, previous, days)
def test_raising_value_never_lowers_a_tier(one, other, before, stay):
    assigned = frozen().assign(sorted((one, other)), [before] * 2, [stay] * 2)
    assert assigned.ranks[0] <= assigned.ranks[1]


@given(values, previous)
def test_without_hysteresis_and_stay_the_past_plays_no_part(value, before):
    plain = frozen(hysteresis=0.0, minimum_stay_days=0)
    assigned = plain.assign([value], [before], [0.0])
    assert assigned.ranks[0] == np.searchsorted([100, 200, 400], value, side="right")
    assert not assigned.held[0]


@given(values, previous, days)
def test_assigning_twice_changes_nothing(value, before, stay):
    once = frozen().assign([value], [before], [stay]).codes
    assert frozen().assign([value], once, [stay]).codes == once


@given(values, previous)
def test_a_tier_is_kept_exactly_between_its_two_distances(value, before):
    assigned = frozen(minimum_stay_days=0).assign([value], [before])
    kept = assigned.ranks[0]
    again = [assigned.falls_below[0], np.nextafter(assigned.rises_at[0], 0)]
    if before:
        assert frozen().assign(again, [CODES[kept]] * 2).ranks.tolist() == [kept, kept]


def test_a_tier_is_left_a_fifth_past_its_boundary_and_not_before():
    assigned = frozen().assign([81, 79, 119, 121, 500], ["general", "general", "low", "low", "low"])
    assert assigned.codes.tolist() == ["general", "low", "low", "general", "vip"]
    assert assigned.held.tolist() == [True, False, True, False, False]


def test_a_tier_younger_than_the_minimum_stay_is_kept():
    assigned = frozen().assign([500, 500], ["low", "low"], [27, 28])
    assert assigned.codes.tolist() == ["low", "vip"]
    assert assigned.held.tolist() == [True, False]


def test_a_customer_without_a_past_gets_the_plain_tier():
    nobody = frozen().assign([99, 100, 199, 400], [None, "", "retired_tier", None])
    assert nobody.codes.tolist() == ["low", "general", "general", "vip"]
    assert frozen().assign([99, 100]).codes.tolist() == ["low", "general"]


def test_quantiles_divide_customers_and_revenue_shares_divide_money():
    money = np.arange(1, 101, dtype=float)
    by_count = frozen(money, by="quantile", at=(0.5, 0.8, 0.95))
    assert np.bincount(by_count.assign(money).ranks).tolist() == [50, 30, 15, 5]
    by_money = frozen(money, by="revenue_share", at=(0.25, 0.5, 0.75))
    ranks = by_money.assign(money).ranks
    shares = [money[ranks == rank].sum() / money.sum() for rank in range(4)]
    assert shares == pytest.approx([0.25] * 4, abs=0.02)


def test_natural_breaks_fall_into_the_gaps():
    rng = np.random.default_rng(0)
    groups = [rng.lognormal(np.log(m), 0.1, 200) for m in (10, 100, 1_000, 10_000)]
    found = frozen(np.concatenate(groups), by="natural_breaks", at=())
    for edge, low, high in zip(found.thresholds, groups, groups[1:], strict=False):
        assert low.max() < edge < high.min()


def test_fewer_values_than_tiers_fill_the_lowest_by_natural_breaks():
    same = frozen(np.full(50, 7.0), by="natural_breaks", at=())
    assert set(same.assign([7.0, 7.0]).codes) == {"low"}
    assert same.thresholds == pytest.approx((14.0, 28.0, 56.0))
    two = frozen([1.0, 1.0, 100.0], by="natural_breaks", at=())
    assert two.assign([1.0, 100.0]).codes.tolist() == ["low", "general"]


def test_quantiles_of_nobody_are_refused_and_equal_values_are_not():
    with pytest.raises(TrainingError, match="needs customers"):
        frozen([], by="quantile", at=(0.5, 0.8, 0.95))
    same = frozen(np.full(9, 7.0), by="quantile", at=(0.5, 0.8, 0.95))
    assert set(same.assign(np.full(9, 7.0)).codes) == {"low"}


OVERDUE = Guard(
    name=Text(zh="逾期", en="overdue"), feature="overdue_days", at_least=30, cap="general"
)
STAR = Guard(name=Text(zh="达人", en="star"), feature="followers", at_least=1e6, lift="potential")


def test_a_guard_caps_or_lifts_whatever_the_value_and_says_so():
    guarded = frozen(guards=(OVERDUE, STAR))
    columns = {
        "overdue_days": np.array([45.0, 0.0, np.nan, 45.0]),
        "followers": np.array([0.0, 2e6, 2e6, 2e6]),
    }
    assigned = guarded.assign([500.0, 5.0, 500.0, 500.0], guard_columns=columns)
    assert assigned.codes.tolist() == ["general", "potential", "vip", "potential"]
    assert assigned.guard.tolist() == [0, 1, -1, 1]


@given(values, values, previous, st.sampled_from([0.0, 50.0]))
def test_guards_keep_the_order_of_values(one, other, before, overdue):
    guarded = frozen(guards=(OVERDUE,))
    columns = {"overdue_days": np.full(2, overdue)}
    assigned = guarded.assign(sorted((one, other)), [before] * 2, guard_columns=columns)
    assert assigned.ranks[0] <= assigned.ranks[1]


def test_a_guard_on_a_feature_that_is_not_chosen_is_refused_by_name():
    with pytest.raises(ConfigError, match="did you mean 'overdue_day'"):
        check_guards(policy(guards=(OVERDUE,)), ["overdue_day", "frequency"])
    with pytest.raises(ConfigError, match="overdue_days"):
        frozen(guards=(OVERDUE,)).assign([1.0], guard_columns={})


def test_a_boundary_belongs_to_the_higher_churn_band():
    bands = frozen().churn_band([0.29, 0.3, 0.59, 0.6, 1.0])
    assert bands.tolist() == ["low", "medium", "medium", "high", "high"]


def test_a_policy_survives_json():
    policy_ = frozen(guards=(OVERDUE, STAR))
    assert Policy.model_validate_json(policy_.model_dump_json()) == policy_


@pytest.mark.parametrize("by", ["quantile", "revenue_share"])
@pytest.mark.parametrize("values", [[0.0] * 30, [120.0], [7.0] * 5])
def test_customers_who_are_all_alike_are_in_the_lowest_tier(by, values):
    spread = Policy.freeze(policy(by, (0.5, 0.8, 0.95)), values)
    assert set(spread.assign(values).codes) == {"low"}
