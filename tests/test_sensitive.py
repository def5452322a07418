"""Who somebody is stays out of scoring unless a configuration says otherwise."""

from __future__ import annotations

import pytest

from configs.load import load, shipped
from features.sensitive import is_sensitive, sensitive_columns, without_sensitive

DEFAULT = load(None, {}).features.sensitive


@pytest.mark.parametrize(
    "column",
    ["gender", "SEX", "Customer_Age", "SeniorCitizen", "maritalStatus", "客户性别", "出生日期"],
)
def test_a_name_that_says_who_somebody_is_counts_as_sensitive(column):
    assert is_sensitive(column, DEFAULT)


@pytest.mark.parametrize(
    "column",
    ["average_spend", "Months_on_book", "tenure", "Contract", "usage", "page_views"],
)
def test_a_word_within_another_word_does_not(column):
    assert not is_sensitive(column, DEFAULT)


def test_a_contract_company_is_scored_without_them_by_default_and_with_them_on_request(tmp_path):
    given = {"ECHELON_DATA": str(tmp_path)}
    config = load(shipped("datasets/telco.yaml"), given)
    snapshot = config.sources.snapshot
    words = config.features.sensitive
    assert sensitive_columns(snapshot, words) == ("gender", "SeniorCitizen")
    kept = without_sensitive(snapshot, words)
    assert {"gender", "SeniorCitizen"} == {*snapshot.categories} - {*kept.categories}
    asked = load(shipped("datasets/telco.yaml"), given | {"ECHELON_FEATURES__SENSITIVE": "[]"})
    assert without_sensitive(snapshot, asked.features.sensitive) == snapshot
