"""The book of all customers: a row each, found by id, and the same as what is published."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.load import load
from serving.console.book import Coded, book
from serving.endpoint.served import open_served
from serving.scores.publication import open_live
from tests.books import made_up


@pytest.fixture(scope="module")
def served(returning_company):
    config = load(returning_company)
    return open_served(config, open_live(config.stores.publications).folder)


def test_it_says_of_everybody_what_is_published(served):
    found, scores = book(served), served.publication.scores()
    assert found.customer_ids.to_pylist() == scores["customer_id"].to_pylist()
    for row in range(0, len(found), 97):
        answer = served.publication.customer(found.id_of(row))
        assert found.churn[row] == answer["churn"]["probability"]
        assert found.value[row] == answer["clv"]["expected"]
        assert found.high[row] == answer["clv"]["interval"]["high"]
        assert found.tier.at(row) == answer["tier"]["code"]
        assert found.tier_before.at(row) == answer["tier"]["previous"]
        assert found.lifecycle.at(row) == answer["lifecycle"]
        assert found.segment.at(row) == answer["segment"]


def test_the_next_order_is_expected_a_usual_interval_after_the_last(served):
    found = book(served)
    features = served.publication.features()
    waited = features["tenure_days"].to_numpy() - features["recency_days"].to_numpy()
    row = int((found.usual_interval_days > 0).nonzero()[0][0])
    usual = features["usual_interval_days"][row].as_py()
    assert found.due_in_days[row] == pytest.approx(usual - waited[row])


@given(n=st.integers(0, 60), place=st.integers(0, 70))
def test_a_row_is_found_by_its_id_and_nobody_by_another(n, place):
    found = made_up(n)
    expected = place if place < n else None
    assert found.row_of(f"C{place:07d}") == expected
    assert found.row_of(f"C{place:07d}x") is None


@given(prefix=st.text("C0129", max_size=8))
def test_customers_are_found_by_how_their_ids_begin(prefix):
    found = made_up(130)
    first, after = found.starting_with(prefix)
    ids = found.customer_ids.to_pylist()
    assert ids[first:after] == [one for one in ids if one.startswith(prefix)]


def test_ids_that_are_not_english_are_found_too():
    ids = sorted(["客户10", "客户1", "客户2", "Ω", "\U0001f600", "a"])
    found = made_up(6)
    object.__setattr__(found, "customer_ids", pa.array(ids, pa.string()))
    assert [found.row_of(one) for one in ids] == list(range(6))
    first, after = found.starting_with("客户1")
    assert ids[first:after] == ["客户1", "客户10"]


def test_a_word_that_nobody_has_is_nobodys():
    tiers = Coded(made_up(20).tier.codes, ("vip", "low", "x", "y"))
    assert not tiers.are(["general"]).any()
    assert tiers.are(["vip", "general"]).sum() == (tiers.codes == 0).sum()
