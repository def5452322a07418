from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.section import Text
from configs.tiers import Lifecycle
from features.catalogue import FEATURES as DECLARED
from features.spec import Feature
from serving.scores.points import Breakdown, Ranked, break_down, keeps_its_place, rank
from serving.scores.population import Population
from serving.scores.reasons import REASONS, Reasoner, _Teller
from serving.scores.scorer import SCORES, Scorer
from serving.scores.tier_sentences import tier_sentences
from serving.scores.wording import Sentences, sibling_of
from tests.small_bundle import FEATURES, UNITS, matrix_of, small_bundle

LIFECYCLE = Lifecycle(new_within_days=90, lost_after_days=365)
MEDIANS = {
    "": {"csat_latest": 3.0, "tenure_days": 100.0, "visits_84d": 2.0},
    "vip": {"csat_latest": 4.0, "tenure_days": 300.0},
}
NOTHING = float("nan")
CAUSAL = re.compile(r"because|due to|cause|lead|drive|thanks|导致|因为|由于|使得|造成|所以")


@pytest.fixture
def reasoner() -> Reasoner:
    scorer = Scorer(small_bundle(), LIFECYCLE, Population(medians=MEDIANS))
    return Reasoner(scorer, "CNY", UNITS, 3)


@pytest.fixture
def sentences() -> Sentences:
    return Sentences(FEATURES, UNITS, "CNY", MEDIANS)


@pytest.mark.parametrize(
    ("target", "shown", "scale"), [("churn", "churn_probability", 100), ("clv", "clv_expected", 1)]
)
def test_points_add_up_to_the_number_shown_for_every_customer(
    reasoner: Reasoner, target: str, shown: str, scale: float
) -> None:
    matrix = matrix_of(3_000)
    scores = reasoner.scorer.score(matrix)
    reasons = reasoner.reasons(matrix, scores)
    sums: dict[str, float] = defaultdict(float)
    for row in reasons.to_pylist():
        sums[row["customer_id"]] += row["points"] * (row["target"] == target)
    for score in scores.to_pylist():
        base = score[f"{target}_base"]
        assert scale * base + sums[score["customer_id"]] == pytest.approx(
            scale * score[shown], abs=1e-6
        )


def test_the_tier_rebuilt_from_contributions_is_the_tier_served(reasoner: Reasoner) -> None:
    matrix = matrix_of(2_000)
    scores = reasoner.scorer.score(matrix)
    columns = reasoner.scorer.columns(matrix)
    breakdown = reasoner.breakdown("clv", columns, scores)
    value = breakdown.base + breakdown.points.sum(axis=0)
    rebuilt = reasoner.scorer.bundle.policy.assign(value, guard_columns=columns)
    assert rebuilt.codes.tolist() == scores["tier"].to_pylist()


@given(
    base=st.floats(-8, 8),
    parts=st.lists(st.floats(-6, 6) | st.floats(-1e-7, 1e-7), min_size=1, max_size=6),
)
def test_points_add_up_and_keep_the_sign_of_their_contribution(
    base: float, parts: list[float]
) -> None:
    def sigmoid(score: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-score))

    given_parts = {f"x{i}": np.array([part]) for i, part in enumerate(parts)}
    shown = sigmoid(np.array([base + sum(parts)]))
    split = break_down("churn", base, given_parts, shown, sigmoid)
    assert split.base + split.points.sum() == pytest.approx(100 * shown[0], abs=1e-9)
    signs = np.sign(np.round(split.points[:, 0], 9))
    assert np.all((signs == 0) | (signs == np.sign(parts)))


def test_points_are_proportional_to_contributions() -> None:
    parts = {"a": np.array([3.0]), "b": np.array([-1.0])}
    split = break_down("clv", 1.0, parts, np.exp(np.array([3.0])), np.exp)
    assert split.points[:, 0] == pytest.approx((np.exp(3) - np.exp(1)) * np.array([1.5, -0.5]))


def test_the_strongest_concepts_come_first_and_the_rest_is_their_complement() -> None:
    parts = {
        "a": np.array([1.0]),
        "b": np.array([-4.0]),
        "c": np.array([1.5]),
        "d": np.array([2.0]),
    }
    split = break_down("clv", 0.0, parts, np.array([0.5]), lambda s: s)
    ranked = rank(split, {"a": "one", "b": "two", "c": "one", "d": "three"}, "clv", 2)
    assert [ranked.concepts[i] for i in ranked.concept[:, 0]] == ["two", "one"]
    assert ranked.points[:, 0] == pytest.approx([-4.0, 2.5])
    assert split.inputs[ranked.strongest[1, 0]] == "c"
    assert ranked.rest == pytest.approx([2.0])


@pytest.mark.parametrize(
    ("value", "before", "weighs", "zh", "en"),
    [
        (1, 0, -1, "1次,全体客户中位数2次", "1 time; all customers' median is 2 times"),
        (3, 0, -1, "3次", "3 times"),
        (3, 5, 1, "3次,全体客户中位数2次", "3 times; all customers' median is 2 times"),
        (
            *(1, 4, -1),
            *("1次,此前12周为4次", "1 time, down from 4 times in the 12 weeks before"),
        ),
        (
            *(4, 1, 1),
            *("4次,此前12周为1次", "4 times, up from 1 time in the 12 weeks before"),
        ),
    ],
)
def test_no_rise_is_told_as_speaking_against_a_customer_and_no_fall_as_speaking_for_them(
    value: float, before: float, weighs: int, zh: str, en: str
) -> None:
    visits = next(one for one in FEATURES if one.name == "visits_84d")
    earlier = replace(visits, name="visits_84d_before", lag_days=84)
    sentences = Sentences((*FEATURES, earlier), UNITS, "CNY", MEDIANS)
    told = sentences.write("visits_84d", value, before, "vip", weighs)
    assert told == ("近12周到访\uff1a" + zh.replace(",", "\uff0c"), f"Visits in 12 weeks: {en}")


def test_of_every_figure_told_beside_its_window_before_more_speaks_for_the_customer() -> None:
    """Sentences drop a rise that speaks against a customer; of complaints one would be right."""
    told = {one.concept for one in DECLARED if sibling_of(one, DECLARED) is not None}
    assert told <= {
        *("purchase_frequency", "spend", "interaction_frequency"),
        *("satisfaction", "recommendation"),
    }


def test_a_long_silence_never_stands_for_points_that_speak_for_the_customer() -> None:
    rhythm = replace(FEATURES[2], name="usual_interval_days")
    columns = {
        "recency_days": np.array([900.0, 900.0]),
        "days_since_last_purchase": np.array([300.0, 300.0]),
        "usual_interval_days": np.array([40.0, 40.0]),
    }
    features = (*FEATURES, SILENCE, rhythm)
    sentences = Sentences(features, UNITS, "CNY", MEDIANS)
    teller = _Teller(features, sentences, columns, ["vip", "vip"])
    places = teller._written("recency_days", np.arange(2), np.array([-1, 1]))
    against, in_favour = (teller.texts[place][1] for place in places)
    assert against.endswith("the customer usually buys every 40 days")
    assert in_favour.startswith("First to last purchase: 900")


def told(points: dict[str, float], target: str, n: int = 3) -> list[str]:
    parts = {name: np.array([value]) for name, value in points.items()}
    split = Breakdown(
        0.0, np.array([sum(points.values())]), tuple(parts), np.stack([*parts.values()])
    )
    ranked = rank(split, {name: name for name in parts}, target, n)
    return [ranked.concepts[i] for i in ranked.concept[:, 0] if i >= 0]


@pytest.mark.parametrize(
    ("points", "order"),
    [
        ({"often": -27.0, "lately": -8.0, "complaint": 4.0, "visits": 2.0, "score": 1.5},
         ["complaint", "visits", "often"]),
        ({"often": -27.0, "lately": -8.0, "complaint": 4.0, "visits": 0.9},
         ["complaint", "often", "lately"]),
        ({"often": -27.0, "lately": -8.0, "visits": -3.0, "complaint": 0.9},
         ["often", "lately", "visits"]),
        ({"often": -2.0, "lately": 30.0, "complaint": 9.0, "visits": 4.0},
         ["lately", "complaint", "visits"]),
    ],
)  # fmt: skip
def test_what_speaks_for_leaving_is_told_first_and_the_strongest_other_last(
    points: dict[str, float], order: list[str]
) -> None:
    assert told(points, "churn") == order


def test_of_value_the_strongest_come_first_up_or_down() -> None:
    assert told({"a": -20.0, "b": 5.0, "c": 30.0, "d": 10.0}, "clv") == ["c", "a", "d"]


@given(points=st.lists(st.floats(-50, 50), min_size=1, max_size=6), n=st.integers(1, 4))
def test_every_order_of_reasons_tells_the_strongest_concept(points: list[float], n: int) -> None:
    named = {f"c{i}": value for i, value in enumerate(points)}
    strongest = max(named.values(), key=abs)
    shown = [abs(named[one]) for one in told(named, "churn", n)]
    if abs(strongest) >= 0.05:
        assert abs(strongest) in shown


def ranks(*orders: str) -> list[Ranked]:
    """One customer's reasons by several models: a letter a concept, upper case where it lowers."""
    return [
        Ranked(
            ("a", "b", "c"),
            np.array([["abc".index(one.lower())] for one in order]),
            np.array([[-5.0 if one.isupper() else 5.0] for one in order]),
            np.zeros((len(order), 1), dtype=np.int64),
            np.zeros(1),
        )
        for order in orders
    ]


@pytest.mark.parametrize(
    ("again", "stable"),
    [
        (["ab", "ab", "ab", "ab", "ab"], [True, True]),
        (["ab", "ab", "ab", "ab", "ba"], [True, True]),
        (["ab", "ba", "ab", "ba", "ab"], [False, False]),
        (["ac", "ac", "ac", "ab", "ab"], [True, False]),
        (["aB", "aB", "ab", "ab", "ab"], [True, False]),
    ],
)
def test_a_reason_is_stable_if_four_models_of_five_give_it_the_same_place_and_direction(
    again: list[str], stable: list[bool]
) -> None:
    assert keeps_its_place(*ranks("ab"), ranks(*again))[:, 0].tolist() == stable


def test_whether_reasons_are_stable_is_unknown_where_nothing_was_learnt_anew(
    reasoner: Reasoner,
) -> None:
    matrix = matrix_of(5)
    stable = reasoner.reasons(matrix, reasoner.scorer.score(matrix))["stable"]
    assert stable.null_count == len(stable) > 20


def test_only_what_speaks_against_a_customer_is_there_to_be_acted_on(reasoner: Reasoner) -> None:
    matrix = matrix_of(1_000)
    rows = reasoner.reasons(matrix, reasoner.scorer.score(matrix)).to_pylist()
    marked = [row for row in rows if row["actionable"]]
    assert {row["feature"] for row in marked} <= {
        "order_count_84d",
        "order_count_84d_before",  # told beside the window after it
        "csat_latest",
    }
    assert {row["target"] for row in marked} == {"churn", "clv"}
    assert all((row["points"] > 0) == (row["target"] == "churn") for row in marked)


def test_reasons_do_not_depend_on_who_is_explained_along(reasoner: Reasoner) -> None:
    matrix = matrix_of(40)
    whole = reasoner.reasons(matrix, reasoner.scorer.score(matrix))
    rows = [matrix.slice(i, 1) for i in range(40)]
    alone = [reasoner.reasons(row, reasoner.scorer.score(row)) for row in rows]
    assert pa.concat_tables(alone).combine_chunks().equals(whole.combine_chunks())


def test_each_number_has_its_strongest_reasons_and_the_rest_last(reasoner: Reasoner) -> None:
    matrix = matrix_of(1)
    reasons = reasoner.reasons(matrix, reasoner.scorer.score(matrix))
    assert reasons.schema == REASONS
    assert reasons["target"].to_pylist() == ["churn"] * 4 + ["clv"] * 4
    assert reasons["rank"].to_pylist() == [1, 2, 3, 4] * 2
    assert reasons["concept"].to_pylist()[3::4] == ["rest", "rest"]
    points = np.abs(reasons["points"].to_numpy())
    assert points[4] >= points[5] >= points[6]


def test_a_reason_of_no_weight_is_left_to_the_rest(reasoner: Reasoner) -> None:
    matrix = matrix_of(500)
    reasons = reasoner.reasons(matrix, reasoner.scorer.score(matrix)).to_pylist()
    given_reasons = [row for row in reasons if row["concept"] != "rest"]
    assert all(abs(row["points"]) >= 0.05 for row in given_reasons)
    never = set(matrix.filter(matrix["frequency"].is_null())["customer_id"].to_pylist())
    assert {row["concept"] for row in given_reasons if row["customer_id"] in never} == {"frequency"}


CAPPED_LABEL = {
    "zh": "距最近一次购买天数（一年封顶）",
    "en": "Days since the last purchase (capped at a year)",
}


@pytest.mark.parametrize(
    ("value", "zh", "en"),
    [
        (40.0, "距最近一次购买天数：40天", "Days since the last purchase: 40"),
        (365.0, "距最近一次购买天数：365天以上", "Days since the last purchase: 365 or more"),
    ],
)
def test_that_a_figure_is_capped_is_said_where_it_is(value: float, zh: str, en: str) -> None:
    wait = replace(FEATURES[1], name="wait", label=CAPPED_LABEL)
    assert Sentences([wait], UNITS, "CNY", {}).write("wait", value, NOTHING, "vip") == (zh, en)


def test_a_change_is_told_beside_the_peers_and_a_score_names_its_scale_once() -> None:
    medians = {"vip": {"order_count_84d": 5.0, "csat_latest": 4.0}, "": {"csat_latest": 4.5}}
    units = {**UNITS, "of_five": Text(zh="分（满分5分）", en="out of 5")}
    features = [replace(f, unit="of_five") if f.name == "csat_latest" else f for f in FEATURES]
    sentences = Sentences(features, units, "CNY", medians)
    assert sentences.write("order_count_84d", 2.0, 6.0, "vip") == (
        "近12周订单数：2单，此前12周为6单；同级客户中位数5单",
        "Orders in 12 weeks: 2, down from 6 in the 12 weeks before; the tier's median is 5",
    )
    assert sentences.write("csat_latest", 2.0, NOTHING, "vip") == (
        "最近满意度评分：2分（满分5分），全体客户中位数4.5分，同级客户中位数4分",
        "Latest satisfaction score: 2 out of 5; all customers' median is 4.5, the tier's 4",
    )


def test_a_sentence_does_not_depend_on_those_written_before_it() -> None:
    used, fresh = (Sentences(FEATURES, UNITS, "CNY", MEDIANS) for _ in range(2))
    used.write("spend_364d", 150.496, NOTHING, "vip")
    told = used.write("spend_364d", 150.504, NOTHING, "vip")
    assert told == fresh.write("spend_364d", 150.504, NOTHING, "vip")
    assert "151" in told[1]


def test_repeat_purchases_are_told_with_the_time_that_they_took() -> None:
    medians = {"vip": {"frequency": 13.0, "tenure_days": 1_130.0},
               "": {"frequency": 6.0, "tenure_days": 932.0}}  # fmt: skip
    sentences = Sentences(FEATURES, UNITS, "CNY", medians)
    assert sentences.sibling("frequency") == "tenure_days"
    assert sentences.write("frequency", 5.0, 181.0, "vip") == (
        "复购次数：181天内5次，全体客户中位数932天内6次，同级客户中位数1,130天内13次",
        "Repeat purchases: 5 times in 181 days; all customers' median is 6 times in 932 days, "
        "the tier's 13 times in 1,130 days",
    )


def test_no_sentence_claims_a_cause(reasoner: Reasoner) -> None:
    matrix = matrix_of(1_000)
    reasons = reasoner.reasons(matrix, reasoner.scorer.score(matrix))
    texts = set(reasons["text_zh"].to_pylist()) | set(reasons["text_en"].to_pylist())
    assert not [text for text in texts if CAUSAL.search(text)]
    assert len(texts) > 50


@pytest.mark.parametrize(
    ("name", "value", "before", "zh", "en"),
    [
        ("order_count_84d", 2, 6, "近12周订单数:2单,此前12周为6单",
         "Orders in 12 weeks: 2, down from 6 in the 12 weeks before"),
        ("order_count_84d", 3, 3, "近12周订单数:3单,与此前12周相同",
         "Orders in 12 weeks: 3, the same as in the 12 weeks before"),
        ("csat_latest", 2, NOTHING, "最近满意度评分:2,全体客户中位数3,同级客户中位数4",
         "Latest satisfaction score: 2; all customers' median is 3, the tier's 4"),
        ("visits_84d", 1, NOTHING, "近12周到访:1次,全体客户中位数2次",
         "Visits in 12 weeks: 1 time; all customers' median is 2 times"),
        ("csat_latest", NOTHING, NOTHING, "最近满意度评分:没有相应评价",
         "Latest satisfaction score: no such answer on record"),
        ("spend_364d", 12345.6, NOTHING, "近12个月消费:¥12,346", "Spend in 12 months: CN¥12,346"),
        ("tenure_days", 1, NOTHING, "首次购买至今:1天,全体客户中位数100天,同级客户中位数300天",
         "Since the first purchase: 1 day; all customers' median is 100 days, the tier's 300 days"),
    ],
)  # fmt: skip
def test_a_sentence_states_the_figure_beside_its_past_or_its_peers(
    sentences: Sentences, name: str, value: float, before: float, zh: str, en: str
) -> None:
    zh = re.sub(r",(?=\D)", "\uff0c", zh.replace(":", "\uff1a"))
    assert sentences.write(name, value, before, "vip") == (zh, en)


def test_a_trend_and_a_window_before_are_told_by_the_two_windows() -> None:
    trend = Feature(
        name="order_count_trend_84d",
        inputs=("order_count_84d", "order_count_84d_before"),
        value=lambda f: f,
        family="behaviour",
        concept="trend",
        unit="balance",
        label={"zh": "趋势", "en": "trend"},
    )
    sentences = Sentences((*FEATURES, trend), UNITS, "CNY", {})
    assert sentences.subject("order_count_trend_84d") == "order_count_84d"
    assert sentences.subject("order_count_84d_before") == "order_count_84d"
    assert sentences.subject("spend_364d") == "spend_364d"


SILENCE = Feature(
    name="days_since_last_purchase",
    source="transactions",
    value=lambda t: t,
    family="behaviour",
    concept="recency",
    unit="days",
    label={"zh": "距最近一次购买", "en": "Since the last purchase"},
)


def test_a_silence_is_told_beside_the_customers_own_rhythm() -> None:
    sentences = Sentences((*FEATURES, SILENCE), UNITS, "CNY", {})
    assert sentences.sibling(SILENCE.name) == "usual_interval_days"
    assert sentences.write(SILENCE.name, 231, 45.2, "vip") == (
        "距最近一次购买\uff1a231天\uff0c此前平均每45天购买一次",
        "Since the last purchase: 231 days; the customer usually buys every 45 days",
    )
    assert sentences.write(SILENCE.name, 231, NOTHING, "vip")[1] == (
        "Since the last purchase: 231 days"
    )


def test_a_models_own_input_is_told_by_what_people_know() -> None:
    silence = SILENCE
    assert Sentences((*FEATURES, silence), UNITS, "CNY", {}).subject("recency_days") == silence.name
    assert Sentences(FEATURES, UNITS, "CNY", {}).subject("recency_days") == "recency_days"


def test_of_a_category_the_level_that_the_customer_has_is_told() -> None:
    levels = [
        Feature(
            name=f"contract={level}",
            source="snapshot",
            value=lambda t: t,
            family="snapshot",
            concept="contract",
            unit="flag",
            label={"zh": f"合同={level}", "en": f"Contract={level}"},
        )
        for level in ("month", "year")
    ]
    sentences = Sentences(levels, UNITS, "CNY", {})
    assert sentences.write("contract=month", 1.0, NOTHING, "")[1] == "Contract: month"
    assert sentences.write("contract=year", 0.0, NOTHING, "")[0] == "合同\uff1a非year"


def test_the_tier_sentence_tells_the_distance_to_the_tiers_above_and_below() -> None:
    policy = small_bundle().policy
    score = {
        "clv_expected": 5_000.0,
        "tier_guard": None,
        "tier_held": False,
        "tier_rises_at": 6_200.0,
        "tier_falls_below": 4_000.0,
    }
    capped = score | {"tier_guard": 0, "tier_rises_at": None, "tier_held": True}
    schema = pa.schema([SCORES.field(name) for name in score])
    table = pa.Table.from_pylist([score, capped], schema)
    zh, en = tier_sentences(table, policy, "CNY")
    assert en[0] == "CN¥1,200 short of the next tier; CN¥1,000 above this tier's floor"
    assert zh[0] == "距上一等级还差¥1,200\uff1b高于本等级下限¥1,000"
    assert en[1].startswith("Set by the rule “Very dissatisfied”")


def test_without_models_there_are_no_reasons(reasoner: Reasoner) -> None:
    bundle = replace(small_bundle(), models={})
    scorer = Scorer(bundle, LIFECYCLE)
    empty = replace(reasoner, scorer=scorer)
    matrix = matrix_of(3)
    assert empty.reasons(matrix, scorer.score(matrix)).num_rows == 0
