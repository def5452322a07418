"""Segments: real groups are found, named apart, and assigned the same way ever after."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from configs.section import Text
from features.catalogue import by_name
from features.spec import Feature
from training.carried_over import carried_over
from training.clusters import find_segments
from training.segment_names import WORDS, in_words
from training.segments import Axis, Segment, Segments

N = 900
FEATURES = tuple(by_name()[name] for name in ("frequency", *WORDS) if name in by_name())
TRUE = np.repeat([0, 1, 2], N // 3)


def shop():
    """Three kinds: frequent with big baskets, occasional with small ones, gone for long."""
    rng = np.random.default_rng(0)
    columns = {feature.name: np.full(N, np.nan) for feature in FEATURES}
    columns["frequency"] = np.ones(N)
    columns["order_count_364d"] = rng.poisson(np.array([30, 3, 1])[TRUE]).astype(float)
    columns["average_order_value_364d"] = rng.lognormal(np.log([300, 20, 60])[TRUE], 0.2)
    columns["days_since_last_purchase"] = rng.normal(np.array([10, 40, 300])[TRUE], 5).clip(0)
    return columns


VALUE = np.array([900.0, 90.0, 9.0])[TRUE]


@pytest.fixture(scope="module")
def found() -> Segments:
    return find_segments(shop(), FEATURES, VALUE, at_most=6, seed=0)


def test_planted_groups_are_found_and_the_most_valuable_comes_first(found):
    codes = found.assign(shop(), N)
    assert adjusted_rand_score(TRUE, codes) > 0.95
    assert codes[0] == found.codes[0]
    assert len(found.segments) == 3


def test_names_say_what_stands_out_in_both_languages(found):
    best = found.segments[0]
    assert best.code == "loyal_big_baskets"
    assert best.name.zh == "忠诚大单客户"
    assert best.name.en == "Loyal, big baskets"
    assert len({segment.name.zh for segment in found.segments}) == 3


def test_the_rules_in_words_agree_with_the_groups(found):
    assert found.agreement is not None
    assert found.agreement > 0.95
    assert found.stability is not None
    assert found.stability > 0.9
    assert found.segments[0].description.zh.startswith("距最近一次购买天数（一年封顶）不高于")
    assert found.segments[0].description.en.startswith(
        "Days since the last purchase (capped at a year) at most"
    )


def test_a_customer_alone_is_assigned_as_among_all(found):
    columns = shop()
    together = found.assign(columns, N)
    for i in (0, 400, 899):
        alone = {name: values[i : i + 1] for name, values in columns.items()}
        assert found.assign(alone, 1)[0] == together[i]


def test_segments_survive_json_and_a_second_fit_is_the_same(found):
    assert Segments.model_validate_json(found.model_dump_json()) == found
    assert find_segments(shop(), FEATURES, VALUE, at_most=6, seed=0) == found


def test_who_never_bought_is_a_group_of_its_own():
    columns = shop()
    columns["frequency"][:100] = np.nan
    split = find_segments(columns, FEATURES, VALUE, at_most=6, seed=0)
    codes = split.assign(columns, N)
    assert set(codes[:100]) == {"not_yet_bought"}
    assert "not_yet_bought" not in codes[100:]
    assert sum(segment.share for segment in split.all) == pytest.approx(1.0)


def test_thirty_customers_are_not_divided():
    few = {name: values[:30] for name, values in shop().items()}
    one = find_segments(few, FEATURES, VALUE[:30], at_most=6, seed=0)
    assert set(one.assign(few, 30)) == {"all_customers"}


def test_contract_customers_are_divided_by_their_own_numbers():
    def number(name: str) -> Feature:
        return Feature(
            name=name,
            value=lambda t: t,
            family="snapshot",
            concept=name,
            unit="number",
            label={"zh": "月费", "en": "Monthly fee"},
        )

    rng = np.random.default_rng(0)
    columns = {"Fee": rng.normal(np.repeat([20.0, 90.0], 300), 3), "Plan=A": np.ones(600)}
    split = find_segments(columns, [number("Fee"), number("Plan=A")], columns["Fee"], 4, 0)
    assert split.codes[:2] == ("high_fee", "low_fee")
    assert split.segments[0].name.zh == "月费高客户"


def moved(share: float) -> dict[str, np.ndarray]:
    """Return the shop a month on: everybody buys a little more, some were made anew."""
    columns = {name: values.copy() for name, values in shop().items()}
    columns["order_count_364d"] = columns["order_count_364d"] * (1.0 + share)
    return columns


def test_labels_and_their_order_outlive_a_refit_whatever_became_of_values(found):
    refit = find_segments(moved(0.1), FEATURES, -VALUE, at_most=6, seed=1, previous=found)
    assert refit.codes == found.codes
    assert [one.name for one in refit.segments] == [one.name for one in found.segments]
    same = refit.assign(moved(0.1), N) == found.assign(moved(0.1), N)
    assert same.mean() > 0.95


def test_a_segment_that_mostly_other_customers_fill_gets_a_code_of_its_own():
    text = {name: Text(zh=name, en=name) for name in ("old", "gone", "new")}
    previous = Segments(
        segments=tuple(
            Segment(code=c, name=text[c], description=text[c], centre=(), share=0.5)
            for c in ("old", "gone")
        )
    )
    before = np.array(["old"] * 6 + ["gone"] * 4)
    groups = np.array([1] * 6 + [0, 0, 2, 2])
    names = [("gone", text["new"]), ("x", text["new"]), ("old", text["new"])]
    carried, order = carried_over(previous, before, groups, names)
    assert [code for code, _ in carried] == ["gone", "old", "old_2"]
    assert order == [0, 1, 2]


def test_axes_that_can_no_longer_be_measured_start_segments_anew(found):
    columns = moved(0.0) | {"days_since_last_purchase": np.full(N, np.nan)}
    anew = find_segments(columns, FEATURES, VALUE, at_most=6, seed=0, previous=found)
    assert "days_since_last_purchase" not in {axis.feature for axis in anew.axes}


def test_rules_of_whole_numbers_and_shares_are_said_in_whole_numbers_and_per_cent():
    axes = (
        Axis(feature="visits", is_logged=False, middle=0.0, spread=1.0, low=0.0, high=9.0),
        Axis(feature="discount", is_logged=False, middle=0.0, spread=1.0, low=0.0, high=1.0),
    )
    points = np.array([[2.0, 0.1], [2.0, 0.3], [3.0, 0.1], [3.0, 0.3]] * 5)
    groups = np.array([0, 0, 1, 2] * 5)
    labels = {name: {"zh": name, "en": name} for name in ("visits", "discount")}
    units = {"visits": "times", "discount": "share"}
    said, _ = in_words(axes, points, groups, labels, units, seed=0)
    assert said[0].en == "visits at most 2"
    assert said[2].en == "visits at least 3; discount above 20.0%"
    assert said[2].zh == "visits不低于3，discount高于20.0%"
