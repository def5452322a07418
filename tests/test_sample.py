"""Learning from a part of a large company's customers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import ConfigError
from configs.load import load
from features.build import feature_matrix
from features.sample import digest, drawn, sampled
from features.sources import Records, fetch, open_engine, records_from_arrow
from tests.test_fit import shop

IDS = st.lists(st.text(min_size=1, max_size=6), unique=True, min_size=1, max_size=60)
CUTOFFS = [200, 300, 450, 599]
TABLES = shop(40)


def records(tables) -> Records:
    return records_from_arrow(open_engine(load(None, {}).engine), tables)


RECORDS = records(TABLES)


@pytest.fixture(scope="module")
def whole() -> pa.Table:
    return feature_matrix(RECORDS, [], CUTOFFS)


def ids(records: Records, name: str = "transactions") -> list[str]:
    return sorted(set(fetch(records.backend, records.tables[name])["customer_id"].to_pylist()))


@given(ids=IDS, newcomers=IDS)
def test_who_is_drawn_stays_drawn_or_gives_way_to_a_newcomer(ids, newcomers):
    before, after = set(drawn(ids, 10)), set(drawn([*ids, *newcomers], 10))
    assert after - before <= set(newcomers)


@given(ids=IDS)
def test_the_order_of_customers_does_not_matter(ids):
    assert drawn(ids, 5) == drawn(list(reversed(ids)), 5)


@pytest.mark.parametrize(("max_rows", "seed"), [(1, 0), (60, 0), (100, 1)])
def test_rows_are_as_many_as_asked_for_and_no_further_customer_would_fit(whole, max_rows, seed):
    matrix = whole["customer_id"].to_pylist()
    sample = sampled(RECORDS, CUTOFFS, max_rows, seed)
    order = sorted(set(matrix), key=lambda one: digest(one, seed))
    rows = np.cumsum([matrix.count(one) for one in order])
    assert sample.of == len(order)
    assert sample.n == int((rows <= max_rows).sum())
    assert set(ids(sample.records)) & set(matrix) == set(order[: sample.n])


def test_a_customer_is_in_the_sample_at_all_cutoffs_or_at_none(whole):
    part = feature_matrix(sampled(RECORDS, CUTOFFS, 60).records, [], CUTOFFS)
    kept = set(part["customer_id"].to_pylist())
    expected = [row for row in whole.to_pylist() if row["customer_id"] in kept]
    assert part.to_pylist() == expected
    assert 0 < len(kept) < 40


def test_the_order_of_records_does_not_matter():
    turned = {
        name: table.take(pa.array(range(table.num_rows - 1, -1, -1)))
        for name, table in TABLES.items()
    }
    one, other = (sampled(records(tables), CUTOFFS, 60).records for tables in (TABLES, turned))
    assert ids(one) == ids(other)


def test_a_sample_keeps_every_record_of_whom_it_keeps():
    few = sampled(RECORDS, CUTOFFS, 60).records
    kept = set(ids(few))
    for name in ("transactions", "interactions"):
        own = fetch(few.backend, few.tables[name])["customer_id"].to_pylist()
        whole = [one for one in TABLES[name]["customer_id"].to_pylist() if one in kept]
        assert sorted(own) == sorted(whole)


def test_a_small_company_is_learnt_from_whole():
    sample = sampled(RECORDS, CUTOFFS, 10_000)
    assert sample.is_whole
    assert ids(sample.records) == ids(RECORDS)


def test_another_seed_draws_others():
    first, second = (set(ids(sampled(RECORDS, CUTOFFS, 60, s).records)) for s in (0, 1))
    assert first != second


def test_the_old_name_of_the_limit_says_what_replaced_it():
    with pytest.raises(ConfigError, match=r"customers_at_most is now max_rows and counts rows"):
        load(None, {"ECHELON_TRAINING__CUSTOMERS_AT_MOST": "5000"})
