"""What a declared feature means, on a plain-Python reference and on DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ibis
import pyarrow as pa
import pytest

from configs.errors import FeatureError
from configs.load import load
from features.build import feature_matrix
from features.sources import Calculation, open_engine
from features.spec import Feature, ratio
from features.totals.population import population
from tests.engines import ENGINES, Row, day_of, matrix_on, records_of, table, typed

Compute = Callable[..., dict[str, float | None]]


def feature(name: str, value: Any, source: str | None = "transactions", **more: Any) -> Feature:
    label = {"zh": name, "en": name}
    return Feature(
        name=name,
        source=source,
        value=value,
        family="behaviour",
        concept="test",
        unit="times",
        label=label,
        **more,
    )


ORDER_COUNT_84D = feature(
    "order_count_84d", lambda t: t.order_id.nunique(), window_days=84, when_empty=0
)
SPEND_84D = feature("spend_84d", lambda t: t.amount.sum(), window_days=84, when_empty=0)
SPEND_84D_BEFORE = feature(
    "spend_84d_before", lambda t: t.amount.sum(), window_days=84, lag_days=84, when_empty=0
)


@pytest.fixture(params=ENGINES)
def compute(request: pytest.FixtureRequest) -> Compute:
    """Return what computes one feature (the last of those given) for every known customer."""

    def run(
        features: Feature | Sequence[Feature],
        transactions: Sequence[Row] = (),
        *,
        cutoff: str,
        **tables: Sequence[Row],
    ) -> dict[str, float | None]:
        several = (features,) if isinstance(features, Feature) else tuple(features)
        day = day_of(typed("occurred_at", cutoff))
        given = {"transactions": transactions, **tables}
        matrix = matrix_on(request.param, given, several, [day])
        return {customer: row[several[-1].name] for (customer, _), row in matrix.items()}

    return run


def test_an_order_on_the_cutoff_counts_and_the_next_day_does_not(compute: Compute) -> None:
    transactions = table("""
        customer_id | occurred_at | order_id | amount
        ada         | 2024-03-31  | 1        | 10
        ada         | 2024-04-01  | 2        | 10
    """)
    assert compute(ORDER_COUNT_84D, transactions, cutoff="2024-03-31") == {"ada": 1}


def test_the_last_minute_of_the_cutoff_counts(compute: Compute) -> None:
    transactions = table("""
        customer_id | occurred_at         | order_id | amount
        ada         | 2024-03-31T23:59:59 | 1        | 10
    """)
    assert compute(ORDER_COUNT_84D, transactions, cutoff="2024-03-31") == {"ada": 1}


def test_a_window_of_84_days_leaves_out_the_day_84_days_ago(compute: Compute) -> None:
    transactions = table("""
        customer_id | occurred_at | amount
        ada         | 2024-01-07  | 1
        ada         | 2024-01-08  | 10
        ada         | 2024-03-31  | 100
    """)
    assert compute(SPEND_84D, transactions, cutoff="2024-03-31") == {"ada": 110}


def test_windows_one_after_the_other_share_no_day_and_miss_none(compute: Compute) -> None:
    transactions = table("""
        customer_id | occurred_at | amount
        ada         | 2023-10-15  | 1
        ada         | 2023-10-16  | 10
        ada         | 2024-01-07  | 100
        ada         | 2024-01-08  | 1000
    """)
    assert compute(SPEND_84D_BEFORE, transactions, cutoff="2024-03-31") == {"ada": 110}


def test_a_row_counts_only_once_it_was_recorded(compute: Compute) -> None:
    transactions = table("""
        customer_id | occurred_at | recorded_at | order_id | amount
        ada         | 2024-03-01  | 2024-03-31  | 1        | 10
        ada         | 2024-03-01  | 2024-04-01  | 2        | 10
    """)
    assert compute(ORDER_COUNT_84D, transactions, cutoff="2024-03-31") == {"ada": 1}
    assert compute(ORDER_COUNT_84D, transactions, cutoff="2024-03-30") == {}


def test_a_customer_is_known_from_the_first_row_of_any_table_on(compute: Compute) -> None:
    tables: dict[str, Any] = {
        "customers": table("""
            customer_id | signed_up_on
            ada         | 2024-01-01
            eve         | 2024-05-01
        """),
        "satisfaction": table("""
            customer_id | occurred_at | score
            bob         | 2024-03-31  | 5
        """),
    }
    assert compute(ORDER_COUNT_84D, cutoff="2024-03-31", **tables) == {"ada": 0, "bob": 0}


def test_a_customer_without_a_sign_up_day_counts_from_the_first_event(compute: Compute) -> None:
    sign_up = feature("days_since_sign_up", lambda t: t.cutoff - t.day.min(), "customers")
    customers = table("""
        customer_id | signed_up_on
        ada         |
        bob         |
    """)
    transactions = table("""
        customer_id | occurred_at | amount
        ada         | 2024-03-21  | 10
    """)
    both = {"customers": customers, "transactions": transactions}
    assert compute(sign_up, cutoff="2024-03-31", **both) == {"ada": 10}
    assert compute(sign_up, cutoff="2024-03-20", **both) == {}


def test_the_same_order_on_two_days_is_one_order(compute: Compute) -> None:
    transactions = table("""
        customer_id | occurred_at | order_id | amount
        ada         | 2024-03-01  | 1        | 10
        ada         | 2024-03-02  | 1        | 10
        ada         | 2024-03-02  | 2        | 10
        ada         | 2024-03-03  |          | 10
    """)
    assert compute(ORDER_COUNT_84D, transactions, cutoff="2024-03-31") == {"ada": 2}


def test_an_order_of_both_windows_counts_in_both(compute: Compute) -> None:
    before = feature(
        "orders_before", lambda t: t.order_id.nunique(), window_days=84, lag_days=84, when_empty=0
    )
    transactions = table("""
        customer_id | occurred_at | order_id | amount
        ada         | 2024-01-01  | 1        | 10
        ada         | 2024-03-02  | 1        | 10
    """)
    sum_of_both = feature(
        "sum",
        lambda f: f.order_count_84d + f.orders_before,
        None,
        inputs=("order_count_84d", "orders_before"),
    )
    features = [ORDER_COUNT_84D, before, sum_of_both]
    assert compute(features, transactions, cutoff="2024-03-31") == {"ada": 2}


def test_refunds_can_be_told_from_purchases(compute: Compute) -> None:
    net = feature(
        "net_spend",
        lambda t: (
            t.amount.sum(where=t.kind == "purchase").fill_null(0)
            - t.amount.sum(where=t.kind == "refund").fill_null(0)
        ),
    )
    transactions = table("""
        customer_id | occurred_at | kind     | amount
        ada         | 2024-03-01  | purchase | 10
        ada         | 2024-03-05  | refund   | 4
        bob         | 2024-03-05  | refund   | 3
    """)
    assert compute(net, transactions, cutoff="2024-03-31") == {"ada": 6, "bob": -3}


def test_sums_of_cents_are_exact(compute: Compute) -> None:
    rows = "\n".join("ada | 2024-03-01 | 0.1" for _ in range(10))
    transactions = table(f"customer_id | occurred_at | amount\n{rows}")
    assert compute(SPEND_84D, transactions, cutoff="2024-03-31") == {"ada": 1.0}
    assert sum([0.1] * 10) != 1.0


def test_recency_may_use_the_cutoff_outside_reductions(compute: Compute) -> None:
    recency = feature("recency_days", lambda t: t.cutoff - t.day.max())
    transactions = table("""
        customer_id | occurred_at | amount
        ada         | 2024-03-01  | 10
        ada         | 2024-03-21  | 10
    """)
    assert compute(recency, transactions, cutoff="2024-03-31") == {"ada": 10}


def test_extremes_and_means_leave_missing_values_out(compute: Compute) -> None:
    spread = feature(
        "spread", lambda t: t.score.max() - t.score.min() + t.score.mean(), "satisfaction"
    )
    satisfaction = table("""
        customer_id | occurred_at | score
        ada         | 2024-03-01  | 1
        ada         | 2024-03-02  |
        ada         | 2024-03-03  | 5
    """)
    assert compute(spread, cutoff="2024-03-31", satisfaction=satisfaction) == {"ada": 7}


def test_extremes_of_what_holds_or_not_are_one_and_zero(compute: Compute) -> None:
    both = feature(
        "both",
        lambda t: 10 * (t.amount > 5).max().cast("float64") + (t.amount > 5).min().cast("float64"),
    )
    transactions = table("""
        customer_id | occurred_at | amount
        ada         | 2024-03-01  | 9
        bob         | 2024-03-01  | 9
        bob         | 2024-03-02  | 1
        eve         | 2024-03-02  | 1
    """)
    expected = {"ada": 11, "bob": 10, "eve": 0}
    assert compute(both, transactions, cutoff="2024-03-31") == expected


def test_a_contract_that_ended_makes_nobody_known(compute: Compute) -> None:
    ended = feature("ended", lambda t: t.count(), "endings", when_empty=0)
    customers = table("""
        customer_id | signed_up_on | ended_on
        ada         | 2024-01-01   | 2024-03-01
        nobody      |              | 2024-03-01
    """)
    assert compute(ended, cutoff="2024-03-31", customers=customers) == {"ada": 1}


def test_the_latest_score_is_the_mean_of_its_last_day(compute: Compute) -> None:
    latest = feature("latest_score", lambda t: t.score.argmax(t.day), "satisfaction")
    satisfaction = table("""
        customer_id | occurred_at | recorded_at | score
        ada         | 2024-03-01  |             | 1
        ada         | 2024-03-05  |             | 2
        ada         | 2024-03-05  | 2024-03-09  | 5
        ada         | 2024-03-06  |             |
    """)
    assert compute(latest, cutoff="2024-03-31", satisfaction=satisfaction) == {"ada": 3.5}
    assert compute(latest, cutoff="2024-03-08", satisfaction=satisfaction) == {"ada": 2}


def test_the_latest_of_a_window_before_looks_no_later(compute: Compute) -> None:
    latest = feature(
        "points_28d_ago",
        lambda t: t.number.argmax(t.day, where=t.name == "points"),
        "attributes",
        lag_days=28,
    )
    attributes = table("""
        customer_id | observed_at | name   | number
        ada         | 2024-03-02  | points | 5
        ada         | 2024-03-03  | level  | 1
        ada         | 2024-03-03  | points | 6
        ada         | 2024-03-04  | points | 7
    """)
    assert compute(latest, cutoff="2024-03-31", attributes=attributes) == {"ada": 6}


def test_no_rows_give_the_declared_value_and_no_values_too(compute: Compute) -> None:
    mean = feature("mean", lambda t: t.margin.mean(), window_days=28, when_empty=-1)
    count = feature("count", lambda t: t.margin.count(), window_days=28)
    transactions = table("""
        customer_id | occurred_at | amount | margin
        ada         | 2024-03-30  | 10     |
        bob         | 2024-01-01  | 10     | 1
    """)
    assert compute(mean, transactions, cutoff="2024-03-31") == {"ada": -1, "bob": -1}
    assert compute(count, transactions, cutoff="2024-03-31") == {"ada": 0, "bob": None}


def test_a_derived_feature_reads_its_inputs_whatever_the_order(compute: Compute) -> None:
    trend = feature(
        "trend",
        lambda f: ratio(f.spend_84d, f.spend_84d_before),
        None,
        inputs=("spend_84d", "spend_84d_before"),
    )
    growing = feature(
        "growing", lambda f: (f.trend > 1).cast("float64"), None, inputs=("trend",), when_empty=0
    )
    transactions = table("""
        customer_id | occurred_at | amount
        ada         | 2024-03-30  | 10
        ada         | 2024-01-01  | 5
        bob         | 2024-03-30  | 10
    """)
    features = [trend, SPEND_84D, SPEND_84D_BEFORE, growing]
    assert compute(features, transactions, cutoff="2024-03-31") == {"ada": 1, "bob": 0}
    features = [growing, SPEND_84D, SPEND_84D_BEFORE, trend]
    assert compute(features, transactions, cutoff="2024-03-31") == {"ada": 2, "bob": None}


def test_division_by_zero_and_logarithms_of_nothing_are_missing(compute: Compute) -> None:
    per_item = feature("per_item", lambda t: t.amount.sum() / t.quantity.sum())
    logged = feature("logged", lambda f: f.spend_84d.ln(), None, inputs=("spend_84d",))
    transactions = table("""
        customer_id | occurred_at | amount | quantity
        ada         | 2024-03-30  | 0      | 0
    """)
    assert compute(per_item, transactions, cutoff="2024-03-31") == {"ada": None}
    assert compute([SPEND_84D, logged], transactions, cutoff="2024-03-31") == {"ada": None}


def test_a_resolution_counts_from_the_day_it_came(compute: Compute) -> None:
    opened = feature("opened", lambda t: t.count(), "interactions", when_empty=0)
    resolved = feature("resolved", lambda t: t.count(), "resolutions", when_empty=0)
    open_cases = feature(
        "open_cases", lambda f: f.opened - f.resolved, None, inputs=("opened", "resolved")
    )
    features = [opened, resolved, open_cases]
    interactions = table("""
        customer_id | occurred_at | resolved_at
        ada         | 2024-03-01  | 2024-03-31
        ada         | 2024-03-01  | 2024-04-01
        ada         | 2024-03-01  |
    """)
    assert compute(features, cutoff="2024-03-30", interactions=interactions) == {"ada": 3}
    assert compute(features, cutoff="2024-03-31", interactions=interactions) == {"ada": 2}


@pytest.mark.slow
def test_every_cutoff_of_one_build_is_as_if_built_alone() -> None:
    transactions = table("""
        customer_id | occurred_at | order_id | amount
        ada         | 2024-01-05  | 1        | 1
        ada         | 2024-02-10  | 2        | 2
        ada         | 2024-03-20  | 2        | 4
        bob         | 2024-03-05  | 3        | 8
    """)
    features = [ORDER_COUNT_84D, SPEND_84D, SPEND_84D_BEFORE]
    cutoffs = range(19_700, 19_900, 29)
    together = matrix_on("duckdb", {"transactions": transactions}, features, cutoffs)
    apart = {
        key: row
        for cutoff in cutoffs
        for key, row in matrix_on(
            "duckdb", {"transactions": transactions}, features, [cutoff]
        ).items()
    }
    assert together == apart
    assert len(together) > 5


@pytest.mark.parametrize(
    "value",
    [
        lambda t: t.amount.sum().fill_null(0),
        lambda t: t.amount.max().isnull().cast("float64"),
        lambda t: ibis.least(t.amount.sum(), 1),
        lambda t: ibis.ifelse(t.amount.sum() > 3, 1, 0),
    ],
)
def test_what_stands_for_missing_values_is_not_the_value_of_a_customer_without_rows(
    value: Any, compute: Compute
) -> None:
    transactions = table("""
        customer_id | occurred_at | amount
        ada         | 2023-01-05  | 10
        bob         | 2024-03-05  | 8
    """)
    one = feature("x", value, window_days=84, when_empty=-1)
    found = compute(one, transactions=transactions, cutoff="2024-03-31")
    assert found["ada"] == -1
    assert found["bob"] != -1


def test_late_rows_count_twice_in_what_a_range_of_customers_costs() -> None:
    transactions = table("""
        customer_id | occurred_at | recorded_at | amount
        ada         | 2024-01-05  | 2024-02-05  | 1
        ada         | 2024-01-06  | 2024-01-06  | 1
        bob         | 2024-03-05  | 2024-03-05  | 8
    """)
    known = population(records_of({"transactions": transactions}))
    assert known.ids.to_pylist() == ["ada", "bob"]
    assert known.rows.tolist() == [4, 1]


@pytest.mark.slow
def test_late_rows_give_the_same_however_many_cutoffs_are_asked_at_once() -> None:
    transactions = table("""
        customer_id | occurred_at | recorded_at | order_id | amount
        ada         | 2024-01-05  | 2024-03-05  | 1        | 1
        ada         | 2024-01-06  | 2024-01-06  | 2        | 2
        bob         | 2024-02-05  | 2024-02-25  | 3        | 8
    """)
    records = records_of({"transactions": transactions})
    cutoffs = range(19_720, 19_800, 4)
    features = [ORDER_COUNT_84D, SPEND_84D, SPEND_84D_BEFORE]
    matrix = feature_matrix(records, features, cutoffs)
    apart = [feature_matrix(records, features, [cutoff]) for cutoff in cutoffs]
    assert matrix.to_pylist() == pa.concat_tables(apart).to_pylist()
    assert set(matrix["spend_84d"].to_pylist()) == {2, 3, 8}


def test_tables_held_for_a_matrix_go_with_it() -> None:
    tables = {
        "customers": table("""
            customer_id | signed_up_on
            ada         |
        """),
        "transactions": table("""
            customer_id | occurred_at | amount
            ada         | 2024-01-05  | 1
        """),
    }
    records = records_of(tables)
    assert len(feature_matrix(records, [SPEND_84D], [19_800])) == 1
    tables_left = records.backend.con.sql("SHOW TABLES").fetchall()
    assert [name for (name,) in tables_left if name.startswith("held_")] == []


def test_what_stands_around_reductions_is_computed_within_the_limits_of_the_engine() -> None:
    engine = load(None, {}).engine.model_copy(update={"threads": 1, "memory_limit_gib": 1.5})
    backend = open_engine(engine)

    @ibis.udf.scalar.builtin
    def current_setting(name: str) -> str: ...

    answers = ibis.table({"x": "int64"}, name="answers")
    names = ("threads", "memory_limit")
    limits = Calculation(
        backend, answers.select(**{name: current_setting(name) for name in names}), "answers"
    )
    found = limits(pa.table({"x": [1]})).to_pylist()
    assert [list(map(str, row.values())) for row in found] == [["1", "1.5 GiB"]]


def test_a_matrix_made_customer_by_customer_is_the_matrix_made_at_once(monkeypatch) -> None:
    transactions = table("""
        customer_id | occurred_at | order_id | amount
        ada         | 2024-01-05  | 1        | 1
        bob         | 2024-03-05  | 3        | 8
    """)
    records = records_of({"transactions": transactions})
    cutoffs = range(19_700, 19_900, 29)
    whole = feature_matrix(records, [ORDER_COUNT_84D, SPEND_84D], cutoffs)
    monkeypatch.setattr("features.build.BYTES_AT_ONCE", 1)
    parts = feature_matrix(records, [ORDER_COUNT_84D, SPEND_84D], cutoffs)
    assert parts.equals(whole)


def test_a_matrix_is_sorted_by_cutoff_and_customer() -> None:
    transactions = table("""
        customer_id | occurred_at | order_id | amount
        bob         | 2024-01-05  | 1        | 1
        ada         | 2024-02-10  | 2        | 2
        张三        | 2024-01-01  | 2        | 2
    """)
    records = records_of({"transactions": transactions})
    matrix = feature_matrix(records, [SPEND_84D], [19_800, 19_780, 19_800])
    keys = list(zip(matrix["cutoff"].to_pylist(), matrix["customer_id"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    assert len(keys) == 6
    assert [str(kind) for kind in matrix.schema.types] == ["string", "int32", "double"]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (feature("x", lambda t: t.amont.sum()), "did you mean 'amount'"),
        (feature("x", lambda t: t.amount.sum(), "transaction"), "did you mean 'transactions'"),
        (feature("x", lambda t: t.amount.std()), "supported: Sum, Mean"),
        (feature("x", lambda t: t.amount), "outside a reduction"),
        (feature("x", lambda t: t.amount.sum(where=t.day > t.cutoff - 7)), "t.cutoff inside Sum"),
        (feature("x", lambda t: t.amount.argmax(t.quantity)), "takes t.day only"),
        (feature("x", lambda t: t.known_day.max()), "no column or method 'known_day'"),
        (feature("x", lambda t: t.resolved_at.count(), "interactions"), "'resolved_at'"),
        (feature("x", lambda t: 1.0), "must give an Ibis expression"),
        (feature("x", lambda t: t.cutoff * 1.0), "reduces no column"),
        (feature("x", lambda f: f.y, None, inputs=("y",)), "derives from 'y'"),
        (feature("x", lambda f: f.x, None, inputs=("x",)), "in a circle: x"),
        (feature("x", lambda t: t.count(), lag_days=-28), "look past the cutoff"),
        (feature("x", lambda t: t.count(), window_days=0), "at least one day"),
    ],
)
def test_a_wrong_declaration_says_what_would_be_right(declared: Feature, message: str) -> None:
    records = records_of({})
    with pytest.raises(FeatureError, match=message):
        feature_matrix(records, [declared], [19_813])


def test_a_name_taken_twice_is_refused() -> None:
    with pytest.raises(FeatureError, match="feature names repeat: spend_84d"):
        feature_matrix(records_of({}), [SPEND_84D, SPEND_84D], [19_813])
