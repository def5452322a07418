"""The build for a few raw records gives the same, to the bit, as the build for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from configs.errors import FeatureError
from features.build import feature_matrix
from features.catalogue import FEATURES
from features.prepared import PreparedBuild
from features.spec import Feature
from features.statement import statement
from tests.engines import arrow_tables, records_of
from tests.histories import CUTOFFS, histories, together


@pytest.fixture(scope="module")
def build() -> PreparedBuild:
    return PreparedBuild(statement(FEATURES))


def only(matrix: pa.Table, cutoff: int) -> pa.Table:
    return matrix.filter(pc.field("cutoff") == cutoff)


@pytest.mark.slow
def test_one_request_after_the_other_is_bit_equal_to_the_whole_build(build: PreparedBuild) -> None:
    for seed in (11, 12, 13):
        tables = together(histories(20, seed))
        whole = feature_matrix(records_of(tables), FEATURES, CUTOFFS)
        for cutoff in CUTOFFS:
            expected = only(whole, cutoff)
            known = expected.select(["customer_id"])
            assert build(arrow_tables(tables), cutoff, known).equals(expected)


@pytest.mark.slow
def test_one_customer_alone_is_bit_equal_to_the_same_among_many(build: PreparedBuild) -> None:
    customers = histories(30, seed=14)
    tables = together(customers)
    whole = only(feature_matrix(records_of(tables), FEATURES, CUTOFFS), CUTOFFS[-1])
    for customer_id in whole["customer_id"].to_pylist()[:10]:
        alone = arrow_tables(together({customer_id: customers[customer_id]}))
        asked = pa.table({"customer_id": [customer_id]})
        expected = whole.filter(pc.field("customer_id") == customer_id)
        assert build(alone, CUTOFFS[-1], asked).equals(expected)


def test_a_customer_without_records_gets_what_features_are_for_none(build: PreparedBuild) -> None:
    [row] = build({}, CUTOFFS[0], pa.table({"customer_id": ["nobody"]})).to_pylist()
    aggregated = [one for one in FEATURES if not one.is_derived]
    assert {one.name: row[one.name] for one in aggregated} == {
        one.name: one.when_empty for one in aggregated
    }


def test_columns_left_out_hold_the_defaults_of_the_contract(build: PreparedBuild) -> None:
    day = pa.array([CUTOFFS[0]], pa.int32())
    bare = pa.table({"customer_id": ["ada"], "amount": [5.0], "day": day, "known_day": day})
    [row] = build({"transactions": bare}, CUTOFFS[0], bare.select(["customer_id"])).to_pylist()
    assert row["spend_84d"] == 5


def declared(name: str, value: Callable[[Any], Any]) -> Feature:
    label = {"zh": name, "en": name}
    return Feature(
        name=name,
        value=value,
        family="behaviour",
        concept="spend",
        unit="",
        label=label,
        source="transactions",
    )


ARITHMETIC = {
    "ln": lambda t: t.amount.max().ln(),
    "exp": lambda t: (t.amount.mean() / 100).exp(),
    "too_large": lambda t: (t.amount.sum() * 100).exp(),
    "sqrt": lambda t: (t.amount.min() - 50).sqrt(),
    "abs": lambda t: -(t.amount.min() - t.amount.mean()).abs(),
    "least": lambda t: ibis.least(t.amount.min(), t.margin.max(), 20.0),
    "neither": lambda t: t.amount.sum(where=~((t.kind == "refund") | (t.amount > 100))),
    "unknown": lambda t: t.amount.count(where=t.margin.isnull() | (t.quantity > 1)),
    "clipped": lambda t: t.amount.mean().clip(10, 60),
    "rest": lambda t: t.day.max() % 7 - t.day.min() % 5,
    "by_day": lambda t: t.day.cast("string").nunique(),
}


def test_every_operation_has_the_bits_of_the_engine() -> None:
    features = [declared(name, value) for name, value in ARITHMETIC.items()]
    tables = together(histories(25, seed=15))
    expected = only(feature_matrix(records_of(tables), features, CUTOFFS[-1:]), CUTOFFS[-1])
    found = PreparedBuild(statement(features))(
        arrow_tables(tables), CUTOFFS[-1], expected.select(["customer_id"])
    )
    assert found.equals(expected)


def test_an_operation_that_cannot_be_computed_is_refused_when_the_plan_is_written() -> None:
    with pytest.raises(FeatureError, match="uses Uppercase, which cannot be computed"):
        statement([declared("loud", lambda t: t.kind.upper().nunique())])
