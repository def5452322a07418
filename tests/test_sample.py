"""Learning from a part of a large company's customers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from configs.load import load
from features.sample import drawn, sampled
from features.sources import fetch, open_engine, records_from_arrow
from tests.test_fit import shop

IDS = st.lists(st.text(min_size=1, max_size=6), unique=True, min_size=1, max_size=60)


@given(ids=IDS, newcomers=IDS)
def test_who_is_drawn_stays_drawn_or_gives_way_to_a_newcomer(ids, newcomers):
    before, after = set(drawn(ids, 10)), set(drawn([*ids, *newcomers], 10))
    assert after - before <= set(newcomers)


@given(ids=IDS)
def test_the_order_of_customers_does_not_matter(ids):
    assert drawn(ids, 5) == drawn(list(reversed(ids)), 5)


def test_a_sample_keeps_every_record_of_whom_it_keeps():
    tables = shop(40)
    records = records_from_arrow(open_engine(load(None, {}).engine), tables)
    few, n = sampled(records, 15)
    kept = set(drawn(tables["transactions"]["customer_id"].to_pylist(), 15))
    assert n == 40
    for name in ("transactions", "interactions"):
        own = fetch(few.backend, few.tables[name])["customer_id"].to_pylist()
        whole = [one for one in tables[name]["customer_id"].to_pylist() if one in kept]
        assert sorted(own) == sorted(whole)


def test_a_small_company_is_learnt_from_whole():
    records = records_from_arrow(open_engine(load(None, {}).engine), shop(40))
    assert sampled(records, 40) == (records, 40)
