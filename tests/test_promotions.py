"""The record of promotions: its order, what was in force when, what a rollback undoes."""

from __future__ import annotations

import datetime as dt
import json

from hypothesis import given
from hypothesis import strategies as st

from training.promotions import Promotion, in_force, later_than, promotions_in, standing

MOMENT = st.datetimes(min_value=dt.datetime(2024, 1, 1), max_value=dt.datetime(2034, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=dt.UTC)
)


def a_promotion(version, at, way="promote"):
    return Promotion(version=version, at=at, reason="因为", way=way, run_id="r")


@given(moments=st.lists(MOMENT, unique=True), at=MOMENT)
def test_the_promotion_in_force_is_the_last_one_before(moments, at):
    made = [a_promotion(str(i), moment) for i, moment in enumerate(moments)]
    past = promotions_in({p.key: p.model_dump_json() for p in made} | {"team": "crm"})
    assert [p.at for p in past] == sorted(moments, reverse=True)
    earlier = [moment for moment in moments if moment <= at]
    assert [p.at for p in in_force(past, at)] == ([max(earlier)] if earlier else [])


@given(st.lists(st.integers(1, 5)))
def test_a_rollback_undoes_exactly_one_promotion(versions):
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    past: list[Promotion] = []
    for i, version in enumerate(versions):
        past.insert(0, a_promotion(str(version), start + dt.timedelta(seconds=i)))
    before = standing(past)
    later = a_promotion("9", later_than(past))
    back = a_promotion(before[-1] if before else "0", later_than([later, *past]), "rollback")
    assert standing([back, later, *past]) == before == [str(v) for v in versions]


def test_a_clock_that_went_back_does_not_reorder_the_record():
    future = a_promotion("1", dt.datetime(2999, 1, 1, tzinfo=dt.UTC))
    assert later_than([future]) > future.at


def test_a_promotion_fits_the_registry_and_reads_back():
    made = a_promotion("1", dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
    assert len(made.key) < 250
    assert json.loads(made.model_dump_json())["reason"] == "因为"
    assert Promotion.model_validate_json(made.model_dump_json()) == made
