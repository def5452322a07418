"""Raw records of a request become the same record tables that intake makes of files."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from features.contracts import TABLES
from serving.endpoint.examples import of_customers
from serving.endpoint.live import customers_of, in_order, record_tables
from serving.endpoint.problems import ProblemError, in_one
from serving.endpoint.requests import count_rows, read, read_as
from serving.endpoint.rules import check_rows
from serving.endpoint.supposing import PathsRequest

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = 20_000
NEITHER_OR_BOTH = "gives neither or both of customer_ids and records"
ON_DAY = (dt.date(1970, 1, 1) + dt.timedelta(days=DAY)).isoformat()


def asked(**records: Any) -> Any:
    return read({"records": records}, 1000).records


def tables(**records: Any) -> dict[str, pa.Table]:
    return record_tables(asked(**records), SHANGHAI)


def order(**more: Any) -> dict[str, Any]:
    return {"customer_id": "zoe", "occurred_at": f"{ON_DAY}T10:00:00", "amount": 12.5} | more


def refused(document: Any, rows_at_most: int = 1000) -> list[tuple[str, str]]:
    """Return pointer and detail of every field error."""
    with pytest.raises(ProblemError) as problem:
        read(document, rows_at_most)
    assert problem.value.code == "invalid-request"
    assert problem.value.kind.status == 422
    assert all(error.remedy for error in problem.value.errors)
    return [(error.pointer, in_one(error.detail, "en")) for error in problem.value.errors]


def test_a_bound_of_a_goal_that_is_not_asked_for_is_refused_and_not_passed_over():
    with pytest.raises(ProblemError) as problem:
        read_as(PathsRequest, {"customer_id": "zoe", "below": 0.3}, 10)
    (error,) = problem.value.errors
    assert "below_churn" in in_one(error.remedy, "en")
    given = {"customer_id": "zoe", "below": 0.3, "goal": "below_churn"}
    assert read_as(PathsRequest, given, 10).below == 0.3


def test_an_empty_text_asks_for_a_character_and_an_empty_list_for_an_entry():
    with pytest.raises(ProblemError) as text:
        read({"customer_ids": [""]}, 10)
    with pytest.raises(ProblemError) as entries:
        read({"customer_ids": []}, 10)
    said = [in_one(one.value.errors[0].remedy, "en") for one in (text, entries)]
    assert said == ["Send at least one character.", "Send at least one."]


def test_every_table_has_its_contract_layout_even_when_nothing_is_sent():
    empty = tables()
    assert list(empty) == list(TABLES)
    for name, table in empty.items():
        assert table.schema == TABLES[name].arrow_schema()


def test_a_row_gets_its_local_day_and_the_day_it_was_known():
    made = tables(transactions=[order(), order(recorded_at="2024-10-06")])["transactions"]
    assert made["day"].to_pylist() == [DAY, DAY]
    assert made["known_day"].to_pylist() == [DAY, 20_002]


def test_a_moment_with_an_offset_counts_on_its_local_day():
    late = order(occurred_at=f"{ON_DAY}T20:00:00Z")
    made = tables(transactions=[late])["transactions"]
    assert made["day"].to_pylist() == [DAY + 1]


def test_moments_are_kept_in_utc_whether_sent_with_an_offset_or_local():
    same = [order(occurred_at=f"{ON_DAY}T{text}") for text in ("02:00:00Z", "10:00:00")]
    made = tables(transactions=same)["transactions"]
    assert made["occurred_at"][0] == made["occurred_at"][1]
    assert made["occurred_at"][0].as_py().hour == 2
    assert made["day"].to_pylist() == [DAY, DAY]


def test_a_column_left_out_or_null_has_its_default():
    made = tables(transactions=[order(), order(kind=None)])["transactions"]
    assert made["kind"].to_pylist() == ["purchase", "purchase"]


def test_an_answered_ticket_knows_its_hours_and_an_open_one_does_not():
    ticket = {"customer_id": "zoe", "occurred_at": f"{ON_DAY}T10:00:00", "kind": "support"}
    answered = ticket | {"responded_at": f"{ON_DAY}T10:45:00", "resolved_at": "2024-10-05T10:00:00"}
    made = tables(interactions=[answered, ticket])["interactions"]
    assert made["response_hours"].to_pylist() == [0.75, None]
    assert made["resolution_hours"].to_pylist() == [24.0, None]
    assert made["resolved_day"].to_pylist() == [DAY + 1, None]


def test_a_score_without_a_scale_has_the_scale_of_its_instrument():
    survey = {"customer_id": "zoe", "occurred_at": ON_DAY, "instrument": "nps", "score": 7}
    made = tables(satisfaction=[survey, survey | {"scale_max": 5}])["satisfaction"]
    assert made["scale_min"].to_pylist() == [0, 0]
    assert made["scale_max"].to_pylist() == [10, 5]


def test_an_attribute_is_a_number_however_it_is_written():
    fact = {"customer_id": "zoe", "observed_at": ON_DAY, "name": "followers"}
    values = [1200, 3.5, "1.2万", "gold"]
    made = tables(attributes=[fact | {"value": value} for value in values])["attributes"]
    assert made["number"].to_pylist() == [1200.0, 3.5, 12_000.0, None]


def test_an_undated_customer_has_no_day():
    made = tables(customers=[{"customer_id": "zoe"}])["customers"]
    assert made["day"].to_pylist() == [None]
    assert made["known_day"].to_pylist() == [None]


def test_customers_come_in_the_order_first_named():
    made = tables(
        transactions=[order(customer_id="bob"), order(customer_id="zoe")],
        customers=[{"customer_id": "cy"}, {"customer_id": "zoe"}],
    )
    assert customers_of(made)["customer_id"].to_pylist() == ["cy", "zoe", "bob"]


def test_rows_follow_the_order_asked():
    matrix = pa.table({"customer_id": ["a", "b", "c"], "x": [1.0, 2.0, 3.0]})
    assert in_order(matrix, ["c", "a", "b"])["x"].to_pylist() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("example", of_customers(dt.date(2026, 6, 30), None).values())
def test_every_example_of_the_document_is_a_good_request(example):
    asked = read(example["value"], 1000)
    if asked.records is not None:
        check_rows(asked.records, dt.date(2026, 6, 30), SHANGHAI)


@pytest.mark.parametrize(
    ("document", "pointer", "detail"),
    [
        ({}, "", NEITHER_OR_BOTH),
        ({"customer_ids": ["a"], "records": {}}, "", NEITHER_OR_BOTH),
        ([], "", "is no JSON object"),
        (None, "", "is no JSON object"),
        ({"customer_ids": "a"}, "/customer_ids", "is no list"),
        ({"customer_ids": []}, "/customer_ids", "is empty"),
        ({"customer_ids": [7]}, "/customer_ids/0", "is no text"),
        ({"customer_ids": [""]}, "/customer_ids/0", "is empty"),
        ({"customer_ids": ["a\n"]}, "/customer_ids/0", "holds control characters"),
        ({"customer_ids": ["a" * 201]}, "/customer_ids/0", "is too long"),
        ({"records": []}, "/records", "is no JSON object"),
        ({"records": {"customers": {}}}, "/records/customers", "is no list"),
        ({"records": {"customers": ["a"]}}, "/records/customers/0", "is no JSON object"),
        ({"records": {"customers": [{}]}}, "/records/customers/0/customer_id", "is missing"),
        ({"records": {"as_of": "2024-13-01"}}, "/records/as_of", "is no date"),
        ({"records": {"as_of": 19_800}}, "/records/as_of", "is no date"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_pointed_at(document, pointer, detail):
    assert refused(document) == [(pointer, detail)]


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("amount", "12.5", "is no number"),
        ("amount", True, "is no number"),
        ("amount", None, "is no number"),
        ("amount", 1e10, "is too large"),
        ("amount", 10**400, "is no number"),
        ("occurred_at", "yesterday", "is no date and time"),
        ("occurred_at", 1_700_000_000, "is no date and time"),
        ("occurred_at", "1700000000", "is no date and time"),
        ("occurred_at", "2024-02-30", "is no date and time"),
        ("occurred_at", "1066-10-14", "lies outside the years 1900 to 2200"),
        ("occurred_at", "9999-12-31T23:59:59-23:59", "lies outside the years 1900 to 2200"),
        ("kind", "purchse", "is none of the known words"),
        ("category", 3, "is no text"),
    ],
)
def test_a_wrong_value_is_pointed_at_and_not_repeated(field, value, detail):
    document = {"records": {"transactions": [order(), order(**{field: value})]}}
    assert refused(document) == [(f"/records/transactions/1/{field}", detail)]


def test_an_unknown_field_is_refused_at_any_depth_with_the_right_ones_listed():
    document = {"records": {"transactions": [order(ammount=3)]}}
    with pytest.raises(ProblemError) as problem:
        read(document, 1000)
    (error,) = problem.value.errors
    assert error.pointer == "/records/transactions/0/ammount"
    assert in_one(error.remedy, "en").startswith("Did you mean 'amount'? Known: amount, category")
    assert refused({"records": {"orders": []}})[0][0] == "/records/orders"
    assert refused({"customer_ids": ["a"], "limit": 3})[0][0] == "/limit"


def test_a_field_whose_name_is_data_is_not_repeated():
    with pytest.raises(ProblemError) as problem:
        read({"customer_ids": ["a"], "zoe@example.org": 1}, 1000)
    assert "zoe" not in str(vars(problem.value))


def test_rows_are_counted_over_all_tables():
    document = {"records": {"customers": [{}] * 2, "transactions": [{}] * 3}}
    assert count_rows(document) == 5
    with pytest.raises(ProblemError) as problem:
        read(document, 4)
    assert problem.value.code == "too-many-rows"


def test_what_happened_after_as_of_is_refused_by_its_local_day():
    late = f"{ON_DAY}T20:00:00Z"
    records = asked(
        customers=[{"customer_id": "zoe", "signed_up_on": "2030-01-01"}],
        transactions=[order(), order(occurred_at=late), order(recorded_at=late)],
        attributes=[{"customer_id": "a", "observed_at": late, "name": "points", "value": 3}],
    )
    with pytest.raises(ProblemError) as problem:
        check_rows(records, dt.date.fromisoformat(ON_DAY), SHANGHAI)
    assert sorted(error.pointer for error in problem.value.errors) == [
        "/records/attributes/0/observed_at",
        "/records/customers/0/signed_up_on",
        "/records/transactions/1/occurred_at",
        "/records/transactions/2/recorded_at",
    ]
    check_rows(asked(transactions=[order()]), dt.date.fromisoformat(ON_DAY), SHANGHAI)


@pytest.mark.parametrize(
    ("table", "row", "column", "detail"),
    [
        ("transactions", {"amount": -5}, "amount", "is negative"),
        ("transactions", {"amount": 5, "quantity": -1}, "quantity", "is negative"),
        ("transactions", {"amount": 5, "occurred_at": "1969-12-31"}, "occurred_at",
         "lies before 1970"),
        ("interactions", {"duration_seconds": -1}, "duration_seconds", "is negative"),
        ("interactions", {"resolved_at": "2024-10-03"}, "resolved_at", "lies before occurred_at"),
        ("satisfaction", {"score": 9}, "score", "lies outside its scale"),
        ("satisfaction", {"score": 9, "instrument": "nps", "scale_max": 5}, "score",
         "lies outside its scale"),
        ("attributes", {"observed_at": ON_DAY, "name": "points", "value": 1e20}, "value",
         "is too large"),
    ],
)  # fmt: skip
def test_a_row_that_intake_would_quarantine_is_refused(table, row, column, detail):
    when = {} if table == "attributes" else {"occurred_at": ON_DAY}
    records = asked(**{table: [{"customer_id": "zoe"} | when | row]})
    with pytest.raises(ProblemError) as problem:
        check_rows(records, dt.date.fromisoformat(ON_DAY), SHANGHAI)
    (error,) = problem.value.errors
    assert (error.pointer, in_one(error.detail, "en")) == (f"/records/{table}/0/{column}", detail)


def test_money_returned_counts_as_positive_whichever_sign_it_has():
    made = tables(transactions=[order(amount=-5, kind="refund"), order(amount=5, kind="refund")])
    assert made["transactions"]["amount"].to_pylist() == [5.0, 5.0]
