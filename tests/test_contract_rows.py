"""Raw rows of contract customers: typed by the bundle, and answered as they are published."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from configs.files import live_generation
from configs.load import load
from configs.schema import Config
from features.intake import take_in
from serving.access.customer_scope import EVERYBODY, CustomerScope
from serving.endpoint.contract_rows import contract_rows
from serving.endpoint.predictions import by_ids, by_records, explained_by_ids, explained_by_records
from serving.endpoint.problems import ProblemError, in_one
from serving.endpoint.requests import PredictionRequest, read
from serving.endpoint.served import Served, open_served
from serving.endpoint.supposing import PathsRequest, answer_paths
from serving.scores.publish import publish
from tests.test_contract import contracts
from training.bundle import read_bundle, write_bundle
from training.fit import fit
from training.signing import signing_key

OBSERVED = dt.date(2024, 1, 1)
CONFIG = """
timezone: Asia/Shanghai
currency: CNY
data: {data}
sources:
  snapshot:
    source: {{path: contracts.csv}}
    customer_id: number
    label: left
    positive: "1"
    value_per_month: 月费
    observed_on: {observed}
    numbers: [月费, copy months]
    categories: [plan, level]
    names: {{plan: {{zh: 套餐, en: Plan}}}}
training: {{threads: 1}}
stores: {{root: {root}}}
"""


def exported() -> pa.Table:
    """Return what a company would export: odd column names, categories that are numbers."""
    table = contracts(240)
    months = np.where(np.arange(240) % 9 == 0, np.nan, table["months"].to_numpy())
    return pa.table(
        {
            "number": table["customer_id"],
            "left": table["label"],
            "月费": table["fee"],
            "copy months": pa.array(months, from_pandas=True),
            "plan": pa.array([None if i % 11 == 0 else v for i, v in
                              enumerate(table["plan"].to_pylist())]),
            "level": pa.array(np.arange(240) % 3),
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def company(tmp_path_factory) -> Config:
    """Take in an export, fit, and publish."""
    root = tmp_path_factory.mktemp("contracts")
    pa.csv.write_csv(exported(), root / "contracts.csv")
    path = root / "company.yaml"
    path.write_text(CONFIG.format(data=root, root=root / "store", observed=OBSERVED), "utf-8")
    config = load(path, {})
    take_in(config, lambda step, share: None)
    records = live_generation(config.stores.records)
    assert records is not None
    fitted = fit(config, pq.read_table(records / "snapshot.parquet"))
    key = signing_key(config.stores.keys)
    write_bundle(fitted, config.stores.bundles / "1", key, {}, config)
    publish(config, read_bundle(config.stores.bundles / "1", key.public_key()), "1", records)
    return config


@pytest.fixture(scope="module")
def served(company) -> Served:
    folder = live_generation(company.stores.publications)
    assert folder is not None
    return open_served(company, folder)


def rows() -> list[dict[str, Any]]:
    """Return every row of the export as an application would send it."""
    sent = exported().drop_columns(["left"]).rename_columns({"number": "customer_id"}).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in sent]


def asked(document: dict[str, Any], rows_at_most: int = 1000) -> PredictionRequest:
    return read(json.loads(json.dumps(document)), rows_at_most)


def answers(served: Served, sent: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    request = asked({"records": {"snapshot": sent} | more})
    found = json.loads(by_records(served, request.records, OBSERVED, EVERYBODY))["predictions"]
    return list(found)


def refusal(served: Served, records: dict[str, Any]) -> ProblemError:
    with pytest.raises(ProblemError) as problem:
        by_records(served, asked({"records": records}).records, OBSERVED, EVERYBODY)
    return problem.value


@pytest.mark.slow
def test_rows_of_contract_customers_give_what_is_published_to_the_last_bit(served):
    sent = rows()
    request = asked({"records": {"snapshot": sent}})
    customer_ids = [row["customer_id"] for row in sent]
    assert by_records(served, request.records, OBSERVED, EVERYBODY) == by_ids(
        served, customer_ids, EVERYBODY
    )
    few = asked({"records": {"snapshot": sent[:5]}}).records
    by_id = explained_by_ids(served, customer_ids[:5], EVERYBODY)
    assert explained_by_records(served, few, OBSERVED, EVERYBODY) == by_id


@pytest.mark.slow
def test_a_category_may_come_as_number_or_text_with_blanks_as_in_a_file(served):
    one, *others = answers(
        served,
        [{"customer_id": f"n{i}", "plan": plan, "level": level}
         for i, (plan, level) in enumerate([("full", 1), (" full ", "1"), ("full", 1.0)])],
    )  # fmt: skip
    for other in others:
        assert other | {"customer_id": "n0"} == one


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "warning"),
    [
        ({"月费": 40, "copy months": 3, "level": 0}, "missing:plan"),
        ({"月费": 40, "copy months": 3, "level": 0, "plan": "gold"}, "missing:plan"),
        ({"月费": 40, "level": 0, "plan": "full"}, "missing:copy months"),
        ({"月费": 40, "copy months": 9e8, "level": 0, "plan": "full"}, "out_of_range:copy months"),
    ],
)
def test_what_is_missing_unseen_or_out_of_range_is_warned_of(served, row, warning):
    (answer,) = answers(served, [row | {"customer_id": "new"}])
    assert answer["warnings"] == [warning]
    assert answer["confidence"]["fallback"] is None


@pytest.mark.slow
def test_a_contract_customer_of_whom_nothing_is_known_is_answered_and_it_is_said(served):
    (answer,) = answers(served, [{"customer_id": "new"}])
    assert answer["confidence"]["fallback"] == "nothing_known"
    assert 0 < answer["churn"]["probability"] < 1
    assert answer["tier"]["code"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("records", "where", "detail"),
    [
        ({"snapshot": [{"customer_id": "a", "month": 3}]}, "/records/snapshot/0/month",
         "is, or holds, a field that is not known"),
        ({"snapshot": [{"customer_id": "a", "月费": "secret"}]}, "/records/snapshot/0",
         "is no number"),
        ({"snapshot": [{"customer_id": "a", "plan": ["secret"]}]}, "/records/snapshot/0/plan",
         "is neither text nor number"),
        ({"snapshot": [{"plan": "full"}]}, "/records/snapshot/0/customer_id", "is missing"),
        ({"snapshot": [{"customer_id": "a"}] * 2}, "/records/snapshot/1/customer_id",
         "stands twice"),
        ({"customers": [{"customer_id": "a"}]}, "/records/customers",
         "is no table of contract customers"),
        ({}, "/records/snapshot", "names no customer"),
        ({"snapshot": [{"customer_id": "a"}], "as_of": "2199-01-01"}, "/records/as_of",
         "is still to come"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_refused_where_it_is_wrong(served, records, where, detail):
    problem = refusal(served, records)
    assert [(e.pointer, in_one(e.detail, "en")) for e in problem.errors] == [(where, detail)]
    assert "secret" not in str(problem.detail)


@pytest.mark.slow
def test_unknown_columns_are_answered_with_those_that_the_model_reads(served):
    (error,) = refusal(served, {"snapshot": [{"customer_id": "a", "plam": 3}]}).errors
    assert in_one(error.remedy, "en").startswith("Did you mean 'plan'? Known: copy months")


@pytest.mark.slow
def test_nothing_can_be_supposed_of_contract_customers(served):
    for question in ({"customer_id": "C00001"}, {"records": {"snapshot": [{"customer_id": "a"}]}}):
        with pytest.raises(ProblemError) as problem:
            answer_paths(served, PathsRequest.model_validate(question), OBSERVED, EVERYBODY)
        assert problem.value.code == "raw-records-not-served"


@pytest.mark.slow
def test_the_schema_of_a_row_is_that_of_the_bundle(served):
    assert contract_rows(served.bundle.features).fields[1:] == [
        "月费", "copy months", "plan", "level"]  # fmt: skip
    schema = served.contract.row.model_json_schema()
    assert schema["required"] == ["customer_id"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["plan"]["title"] == "套餐 · Plan"
    assert "free, full" in schema["properties"]["plan"]["description"]


@pytest.mark.slow
def test_rows_of_customers_outside_a_keys_scope_are_refused(served):
    records = asked({"records": {"snapshot": [{"customer_id": "BJ-1"}]}}).records
    with pytest.raises(ProblemError) as problem:
        by_records(served, records, OBSERVED, CustomerScope(("SH-*",)))
    assert problem.value.code == "unknown-customer"
    assert problem.value.errors[0].pointer == "/records/snapshot/0/customer_id"


def test_the_console_leaves_out_of_a_customers_page_what_contracts_cannot_have(served, company):
    from tests.console import Office

    office = Office(company, served)
    browser, who = office.browser("manager"), served.publication.examples(1)[0]
    page = browser.get(f"/console/customers/{who}")
    assert page.status_code == 200
    assert "Contract customers come as ready columns" in page.text
    assert f"{who}/timeline" not in page.text
    assert browser.get(f"/console/customers/{who}/what-if?orders=1").status_code == 404
    assert browser.get(f"/console/customers/{who}/record").status_code == 200
    office.state.close()
