"""What every declaration must say, and what a few well-chosen ones must compute."""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs.errors import ConfigError
from configs.learning import FeatureChoice
from features.build import feature_matrix
from features.catalogue import ANCHOR_INPUTS, FEATURES, by_name, fingerprint, select, with_inputs
from features.concepts import CONCEPTS
from features.contracts import LATER_SOURCES, TABLES
from features.definition import definition
from features.docs import PAGE, page
from features.records_page import RECORDS_PAGE, records_page
from features.sources import contract_schema, day_number, records_from_arrow
from features.units import UNITS

HAN = re.compile("[\u4e00-\u9fff]")
ALL_FAMILIES = ("behaviour", "interaction", "satisfaction", "profile")
Values = dict[str, float | None]
Compute = Callable[..., Values]


def table(name: str, text: str) -> pa.Table:
    """Return a record table written as text: columns apart by |, empty cells missing."""
    header, *lines = [
        [cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()
    ]
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    time = TABLES[name].time
    for row in rows:
        row["day"] = row[time]
        row["known_day"] = max(row[time], row.get("recorded_at", ""))
    schema = contract_schema(name)
    fields = [field for field in schema if field.name in rows[0]]
    return pa.table(
        {field.name: [cell(row[field.name], field) for row in rows] for field in fields},
        pa.schema(fields),
    )


def cell(text: str, field: pa.Field) -> object:
    if not text:
        return None
    if field.name in ("day", "known_day"):
        return day_number(dt.date.fromisoformat(text))
    if pa.types.is_floating(field.type):
        return float(text)
    if pa.types.is_timestamp(field.type):
        return dt.datetime.fromisoformat(text)
    return dt.date.fromisoformat(text) if pa.types.is_date(field.type) else text


@pytest.fixture(scope="module")
def backend() -> ibis.BaseBackend:
    return ibis.duckdb.connect(threads=2)


@pytest.fixture(scope="module")
def compute(backend: ibis.BaseBackend) -> Compute:
    def computed(name: str, cutoff: str, **tables: str) -> Values:
        records = records_from_arrow(
            backend, {key: table(key, text) for key, text in tables.items()}
        )
        day = day_number(dt.date.fromisoformat(cutoff))
        matrix = feature_matrix(records, with_inputs([name]), [day])
        return dict(zip(matrix["customer_id"].to_pylist(), matrix[name].to_pylist(), strict=True))

    return computed


def test_every_declaration_is_complete():
    for feature in FEATURES:
        assert feature.concept in CONCEPTS, feature.name
        assert feature.unit in UNITS, feature.name
        assert HAN.search(feature.label["zh"]), feature.name
        assert feature.label["en"].isascii(), feature.name
        assert feature.label["en"][0].isupper(), feature.name
        assert definition(feature), feature.name


def test_there_are_more_than_sixty_features_in_four_families_with_names_of_their_own():
    assert len(FEATURES) >= 70
    assert len(by_name()) == len(FEATURES)
    assert {feature.family for feature in FEATURES} == set(ALL_FAMILIES)
    for language in ("zh", "en"):
        labels = [feature.label[language] for feature in FEATURES]
        assert sorted(labels) == sorted(set(labels))


def test_a_name_carries_its_window_and_says_when_the_window_lies_back():
    for feature in FEATURES:
        if feature.window_days is not None:
            assert f"_{feature.window_days}d" in feature.name
        if feature.lag_days:
            assert feature.name.endswith(("_before", "_ago"))


def test_every_concept_and_every_unit_but_those_of_snapshots_is_used():
    assert {feature.concept for feature in FEATURES} == set(CONCEPTS)
    assert {feature.unit for feature in FEATURES} | {"percent"} == set(UNITS)


@pytest.mark.slow
def test_the_terms_that_users_know_are_on_the_page():
    terms = (
        *("购买频率", "消费金额", "客单价", "产品种类", "购买类别", "消费习惯", "退款情况"),
        *("互动渠道", "咨询产品信息", "参加活动", "问题反馈", "推荐次数", "分享", "问题解决时间"),
        *("满意度评分", "客户推荐指数", "问卷调查", "投诉情况", "反馈意见"),
        *("会员等级", "积分", "粉丝数量", "社交影响力", "信用记录", "行业发展趋势"),
    )
    assert [term for term in terms if term not in page()] == []


def test_what_grows_with_the_history_is_no_input_of_trees():
    unbounded = {f.name for f in FEATURES if f.window_days is None and not f.is_derived}
    capped = {name for name in unbounded if "clip" in definition(by_name()[name])}
    attributes = {feature.name for feature in FEATURES if feature.source == "attributes"}
    grows = unbounded - capped - attributes
    assert grows >= set(ANCHOR_INPUTS)
    assert [name for name in sorted(grows) if by_name()[name].stationary] == []


def test_the_page_of_features_is_current():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m features.docs`"


def test_the_page_of_records_is_current_and_names_every_attribute_that_features_use():
    page = records_page()
    assert RECORDS_PAGE.read_text(encoding="utf-8") == page, "run `python -m features.docs`"
    texts = "".join(definition(feature) for feature in FEATURES if feature.source == "attributes")
    used = set(re.findall(r"name = '(\w+)'", texts))
    assert len(used) == 7, texts
    assert {name for name in used if f"`{name}`" not in page} == set()


def test_a_selection_has_the_chosen_families_the_anchor_and_all_inputs():
    choice = FeatureChoice(families=("satisfaction",), leave_out=("ces_mean_364d",), sensitive=())
    chosen = select(choice)
    names = {feature.name for feature in chosen}
    assert {"behaviour", "satisfaction"} == {feature.family for feature in chosen}
    assert names >= set(ANCHOR_INPUTS)
    assert "ces_mean_364d" not in names
    assert all(set(feature.inputs) <= names for feature in chosen)
    assert select(FeatureChoice(families=ALL_FAMILIES, sensitive=())) == FEATURES


@pytest.mark.parametrize(
    ("left_out", "complaint"),
    [
        ("order_count_48d", "did you mean 'order_count_84d'"),
        ("spend_84d", "spend_trend_84d is derived from it"),
        ("frequency", "the purchase models need"),
    ],
)
def test_leaving_out_what_is_unknown_or_needed_is_refused(left_out: str, complaint: str):
    with pytest.raises(ConfigError, match=complaint):
        select(FeatureChoice(families=ALL_FAMILIES, leave_out=(left_out,), sensitive=()))


@pytest.mark.slow
def test_the_fingerprint_is_the_same_in_every_process_and_importing_stays_light():
    program = (
        "import sys, features.catalogue as c\n"
        "assert not {'ibis', 'pandas', 'sklearn', 'duckdb'} & set(sys.modules)\n"
        "print(c.fingerprint(c.FEATURES))"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = [sys.executable, "-c", program]
        done = subprocess.run(run, capture_output=True, text=True, env=environment, check=True)
        assert done.stdout.strip() == fingerprint(FEATURES)


def test_the_fingerprint_follows_what_is_computed_and_not_how_it_is_called():
    spend = by_name()["spend_84d"]
    assert fingerprint([spend]) == fingerprint([replace(spend, label={"zh": "钱", "en": "Money"})])
    assert fingerprint([spend]) != fingerprint([replace(spend, window_days=85)])
    assert fingerprint([spend]) != fingerprint([replace(spend, when_empty=None)])
    assert fingerprint([spend]) != fingerprint([replace(spend, value=lambda t: t.margin.sum())])


HISTORY = """
    customer_id | occurred_at | amount | kind
    ada         | 2024-01-01  | 10     | purchase
    ada         | 2024-01-01  | 20     | purchase
    ada         | 2024-02-10  | 30     | purchase
    ada         | 2024-03-01  | 5      | refund
    bob         | 2024-03-01  | 7      | purchase
    cy          | 2024-03-01  | 7      | refund
"""


@pytest.mark.parametrize(
    ("name", "ada", "bob"),
    [
        ("frequency", 1, 0),
        ("recency_days", 40, 0),
        ("tenure_days", 90, 30),
        ("monetary_value", 30, 7),
    ],
)
def test_the_inputs_of_the_purchase_models_count_days_with_a_purchase(
    compute: Compute, name: str, ada: float, bob: float
):
    assert compute(name, "2024-03-31", transactions=HISTORY) == {"ada": ada, "bob": bob, "cy": None}


def test_an_order_on_the_cutoff_counts_and_the_next_day_does_not(compute: Compute):
    transactions = """
        customer_id | occurred_at | amount | order_id
        ada         | 2024-01-07  | 10     | o0
        ada         | 2024-01-08  | 10     | o1
        ada         | 2024-03-31  | 10     | o2
        ada         | 2024-03-31  | 10     | o2
        ada         | 2024-04-01  | 10     | o3
    """
    assert compute("order_count_84d", "2024-03-31", transactions=transactions) == {"ada": 2}


def test_where_orders_have_no_number_each_day_is_one(compute: Compute):
    transactions = """
        customer_id | occurred_at | amount
        ada         | 2024-03-30  | 10
        ada         | 2024-03-31  | 10
        ada         | 2024-03-31  | 10
    """
    assert compute("order_count_84d", "2024-03-31", transactions=transactions) == {"ada": 2}


def test_a_customer_is_overdue_by_their_own_rhythm(compute: Compute):
    transactions = """
        customer_id | occurred_at | amount
        ada         | 2024-01-01  | 1
        ada         | 2024-01-11  | 1
        ada         | 2024-01-21  | 1
        bob         | 2024-01-21  | 1
    """
    assert compute("overdue_ratio_364d", "2024-02-20", transactions=transactions) == {
        "ada": 3,  # 30 days in steps of 10
        "bob": None,
    }


def test_a_trend_compares_a_window_with_the_one_before(compute: Compute):
    transactions = """
        customer_id | occurred_at | amount
        ada         | 2024-01-07  | 75
        ada         | 2024-01-08  | 25
        bob         | 2024-03-31  | 25
        cy          | 2022-01-01  | 25
    """
    assert compute("spend_trend_84d", "2024-03-31", transactions=transactions) == {
        "ada": -0.5,
        "bob": 1,
        "cy": None,
    }


def test_the_season_is_the_coming_thirteen_weeks_a_year_ago_and_needs_a_year(compute: Compute):
    transactions = """
        customer_id | occurred_at | amount
        ada         | 2022-12-01  | 5
        ada         | 2023-04-03  | 30
        ada         | 2023-07-02  | 10
        ada         | 2023-07-03  | 60
        bob         | 2023-07-03  | 60
    """
    assert compute("season_share_364d", "2024-03-31", transactions=transactions) == {
        "ada": 0.4,  # 3 April to 2 July 2023
        "bob": None,
    }


def test_refunds_are_a_share_of_the_money_moved_and_none_is_zero(compute: Compute):
    assert compute("refund_share_364d", "2024-03-31", transactions=HISTORY) == {
        "ada": 5 / 65,
        "bob": 0,
        "cy": 1,
    }


def test_baskets_have_a_value_and_a_weekend(compute: Compute):
    transactions = """
        customer_id | occurred_at | amount | order_id | quantity | discount | margin | product_id
        ada         | 2024-03-30  | 30     | o1       | 3        | 10       | 6      | tea
        ada         | 2024-03-30  | 10     | o1       | 1        | 0        |        | cup
        ada         | 2024-04-01  | 20     | o2       | 2        |          | 4      | tea
    """
    facts = {
        "average_order_value_364d": 30,
        "items_per_order_364d": 3,
        "largest_purchase_364d": 30,
        "discount_share_364d": 10 / 50,
        "discounted_share_364d": 1 / 2,
        "margin_share_364d": 10 / 50,
        "product_variety_364d": 2,
        "repeat_product_share_364d": 1 - 2 / 3,
        "weekend_share_364d": 40 / 60,
    }
    found = {name: compute(name, "2024-04-02", transactions=transactions)["ada"] for name in facts}
    assert found == pytest.approx(facts, abs=1e-9)


def test_campaigns_are_sent_and_everything_else_is_an_interaction(compute: Compute):
    interactions = """
        customer_id | occurred_at | kind     | channel | direction
        ada         | 2024-03-01  | campaign | sms     | outbound
        ada         | 2024-03-02  | click    | sms     | inbound
        ada         | 2024-03-03  | visit    | app     | inbound
        ada         | 2024-03-04  | enquiry  | wechat  | inbound
        ada         | 2024-03-05  | support  | phone   | outbound
    """
    facts = {
        "interaction_count_84d": 4,
        "campaign_response_364d": 1,
        "message_share_364d": 0.5,
        "preferred_channel_share_364d": 0.5,
        "channel_count_364d": 4,
        "outbound_share_364d": 0.25,
        "days_since_last_interaction": 26,
    }
    found = {name: compute(name, "2024-03-31", interactions=interactions)["ada"] for name in facts}
    assert found == facts


COMPLAINTS = """
    customer_id | occurred_at | kind      | resolved_at | resolution_hours | recorded_at
    ada         | 2024-03-01  | complaint | 2024-03-11  | 240              | 2024-03-01
    ada         | 2024-03-02  | complaint |             |                  | 2024-03-02
    bob         | 2024-03-03  | complaint | 2024-03-04  | 24               | 2024-03-20
"""


@pytest.mark.parametrize(
    ("cutoff", "still_open", "hours"),
    [
        ("2024-03-10", {"ada": 2}, {"ada": None}),
        ("2024-03-11", {"ada": 1}, {"ada": 240}),
        ("2024-03-20", {"ada": 1, "bob": 0}, {"ada": 240, "bob": 24}),
    ],
)
def test_a_complaint_is_open_until_the_day_of_its_solution(
    compute: Compute, cutoff: str, still_open: Values, hours: Values
):
    assert compute("open_complaint_count", cutoff, interactions=COMPLAINTS) == still_open
    assert compute("complaint_resolution_hours_364d", cutoff, interactions=COMPLAINTS) == hours


def test_a_response_counts_from_the_day_it_came(compute: Compute):
    interactions = """
        customer_id | occurred_at | kind    | responded_at | response_hours
        ada         | 2024-03-01  | enquiry | 2024-03-02   | 24
    """
    before = compute("response_hours_364d", "2024-03-01", interactions=interactions)
    after = compute("response_hours_364d", "2024-03-02", interactions=interactions)
    assert (before, after) == ({"ada": None}, {"ada": 24})


def test_scores_of_any_scale_are_shown_out_of_five(compute: Compute):
    satisfaction = """
        customer_id | occurred_at | instrument | score | scale_min | scale_max
        ada         | 2024-03-01  | csat       | 4     |           |
        ada         | 2024-03-02  | csat       | 75    | 0         | 100
        ada         | 2024-03-03  | review     | 2     | 0         | 4
        ada         | 2024-03-03  | nps        | 9     |           |
        bob         | 2024-03-03  | csat       | 3     | 3         | 3
    """
    mean = compute("csat_mean_364d", "2024-03-31", satisfaction=satisfaction)
    latest = compute("csat_latest_364d", "2024-03-31", satisfaction=satisfaction)
    assert mean["ada"] == pytest.approx(1 + 4 * (0.75 + 0.75 + 0.5) / 3, abs=1e-5)
    assert latest == {"ada": 3, "bob": None}


def test_nine_is_a_promoter_and_six_a_detractor(compute: Compute):
    satisfaction = """
        customer_id | occurred_at | instrument | score
        ada         | 2024-03-01  | nps        | 9
        ada         | 2024-03-02  | nps        | 8
        ada         | 2024-03-03  | nps        | 7
        ada         | 2024-03-04  | nps        | 6
        bob         | 2024-03-04  | csat       | 1
    """
    promoter = compute("nps_promoter_share_364d", "2024-03-31", satisfaction=satisfaction)
    detractor = compute("nps_detractor_share_364d", "2024-03-31", satisfaction=satisfaction)
    assert promoter == detractor == {"ada": 0.25, "bob": None}


def test_the_latest_attribute_known_counts(compute: Compute):
    attributes = """
        customer_id | observed_at | name         | number | recorded_at
        ada         | 2023-06-01  | followers    | 100    |
        ada         | 2024-03-01  | followers    | 130    |
        ada         | 2024-03-02  | followers    | 999    | 2024-04-15
        ada         | 2024-03-01  | credit_limit | 200    |
        ada         | 2024-03-01  | credit_used  | 50     |
    """
    facts = {"followers": 130, "followers_gain_182d": 30, "credit_use": 0.25}
    found = {name: compute(name, "2024-03-31", attributes=attributes)["ada"] for name in facts}
    assert found == facts


KINDS = (
    *("visit", "enquiry", "support", "complaint", "event"),
    *("campaign", "click", "referral", "share"),
)
ATTRIBUTES = (
    *("membership_level", "points", "followers", "industry_growth"),
    *("credit_limit", "credit_used", "overdue_days"),
)


def full_company() -> dict[str, pa.Table]:
    """Return the records of one customer of whom everything is known."""
    days = [dt.date(2024, 3, 31) - dt.timedelta(days=23 * n) for n in range(20)]
    orders = [
        f"ada | {day} | {20 + n} | o{n} | 2 | 3 | p{n % 4} | c{n % 3} | {kind} | 5"
        for n, day in enumerate(days)
        for kind in ("purchase", "refund")
    ]
    contacts = [
        f"ada | {day} | phone | {kind} | inbound | 60 | {day} | 2 | {day} | 9 | 0.3"
        for day in days
        for kind in KINDS
    ]
    surveys = [
        f"ada | {day} | {instrument} | 4 | not bad | 0.7"
        for day in days
        for instrument in ("csat", "nps", "ces")
    ]
    facts = [f"ada | {day} | {name} | 3" for day in days for name in ATTRIBUTES]
    heads = {
        "customers": "customer_id | signed_up_on",
        "transactions": "customer_id | occurred_at | amount | order_id | quantity | margin"
        " | product_id | category | kind | discount",
        "interactions": "customer_id | occurred_at | channel | kind | direction | duration_seconds"
        " | responded_at | response_hours | resolved_at | resolution_hours | sentiment",
        "satisfaction": "customer_id | occurred_at | instrument | score | comment | sentiment",
        "attributes": "customer_id | observed_at | name | number",
    }
    rows = (["ada | 2022-01-01"], orders, contacts, surveys, facts)
    return {
        name: table(name, "\n".join([head, *lines]))
        for (name, head), lines in zip(heads.items(), rows, strict=True)
    }


def test_who_gave_no_day_of_signing_up_has_no_days_since(compute: Compute):
    customers = """
        customer_id | signed_up_on
        ada         | 2024-03-01
        bob         |
    """
    orders = """
        customer_id | occurred_at | amount
        ada         | 2024-03-21  | 10
        bob         | 2024-03-21  | 10
    """
    days = compute("days_since_sign_up", "2024-03-31", customers=customers, transactions=orders)
    assert days == {"ada": 30, "bob": None}


@pytest.mark.slow
def test_every_feature_has_a_value_for_a_customer_of_whom_everything_is_known(
    backend: ibis.BaseBackend,
):
    records = records_from_arrow(backend, full_company())
    matrix = feature_matrix(records, FEATURES, [day_number(dt.date(2024, 3, 31))])
    assert matrix.num_rows == 1
    assert [name for name in by_name() if matrix[name][0].as_py() is None] == []


@pytest.mark.slow
def test_every_feature_can_be_built_for_a_company_with_purchases_alone(backend: ibis.BaseBackend):
    records = records_from_arrow(backend, {"transactions": table("transactions", HISTORY)})
    matrix = feature_matrix(records, FEATURES, [day_number(dt.date(2024, 3, 31))])
    others = [f for f in FEATURES if f.source not in ("transactions", None) and not f.inputs]
    expected = [[f.when_empty] * 3 for f in others]
    assert [matrix[f.name].to_pylist() for f in others] == expected


def test_every_source_is_a_record_table_or_a_later_fact_of_one():
    assert {f.source for f in FEATURES} - {None} <= set(TABLES) | set(LATER_SOURCES)


def test_columns_that_are_never_missing_build_like_any_other(backend: ibis.BaseBackend):
    given = table("transactions", HISTORY)
    strict = pa.schema([field.with_nullable(False) for field in given.schema])
    records = records_from_arrow(backend, {"transactions": given.cast(strict)})
    matrix = feature_matrix(records, with_inputs(["frequency"]), [day_number(dt.date(2024, 3, 31))])
    assert matrix["frequency"].to_pylist() == [1, 0, None]


ACTS = {
    # resolve, answer, call, charge
    "open_complaint_count", "open_support_count", "response_hours_364d", "resolution_hours_364d",
    "days_since_last_interaction", "outbound_share_364d", "overdue_days",
    # come back to what the customer said last
    "csat_latest_364d", "nps_latest_364d", "comment_sentiment_latest_364d",
    # grant
    "discount_share_84d", "discount_share_364d", "discounted_share_364d", "membership_level",
    "points", "credit_limit", "campaign_count_182d",
}  # fmt: skip


def test_only_what_the_company_can_change_by_an_act_of_its_own_is_marked_actionable():
    marked = {feature.name for feature in FEATURES if feature.actionable}
    assert marked == ACTS
    assert not [f.name for f in FEATURES if f.actionable and f.source == "transactions"
                and f.concept != "discounts"]  # fmt: skip


FEATURES_IN_A_NEW_PROCESS = """
import sys
from pathlib import Path
from configs.load import load
from features.build import write_matrix
from features.catalogue import by_name
from features.sources import open_engine, open_records

folder, engine = Path(sys.argv[1]), load(None, {}).engine
some = [by_name()[name] for name in ("order_count_84d", "spend_84d", "recency_days")]
records = open_records(open_engine(engine), folder)
assert write_matrix(records, some, [19813], folder / "matrix", engine).count() == 1
assert "pandas" not in sys.modules
"""


@pytest.mark.slow
def test_computing_features_loads_no_pandas(tmp_path: Path):
    bought = {"customer_id": "ada", "kind": "purchase", "amount": 5.0, "day": 19800}
    rows = {"transactions": [{**bought, "known_day": 19800}]}
    for name in TABLES:
        table = pa.Table.from_pylist(rows.get(name, []), contract_schema(name))
        pq.write_table(table, tmp_path / f"{name}.parquet")
    run = [sys.executable, "-c", FEATURES_IN_A_NEW_PROCESS, str(tmp_path)]
    subprocess.run(run, check=True)
