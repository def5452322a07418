"""The feature matrix: every declared feature, for every customer known at every cutoff.

The build alone applies windows, so no feature can look past its cutoff: a row counts when its day
lies in the window and it was known by the cutoff (``known_day``). A customer is known at a cutoff
when any of their rows is. A row of ``customers`` without ``signed_up_on`` has no day of its own and
counts from the customer's first event on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.operations as ops
import pyarrow as pa

from features.grains import KEYS, Asked, Times, answers
from features.plan import Declaration, Reading, Window, bind, combine, derive, in_order, parts, read
from features.sources import Records, fetch, seen_sources
from features.spec import Feature


def build(
    records: Records,
    features: Sequence[Feature],
    cutoffs: Sequence[int],
    customers: ibis.Table | None = None,
) -> ibis.Table:
    """Return ``customer_id, cutoff, <feature>…`` as an Ibis table, not yet computed.

    Args:
        records: the canonical tables.
        features: aggregated and derived declarations; inputs of derived ones must be among them.
        cutoffs: day numbers.
        customers: table with ``customer_id``: these, known or not, instead of all who are known.

    Raises:
        FeatureError: a declaration names an unknown source, column or input.
    """
    days = tuple(sorted(set(cutoffs)))
    table = ibis.memtable(pa.table({"cutoff": pa.array(days, pa.int32())}))
    return assemble(records.tables, features, Times(table, days), customers)


def feature_matrix(
    records: Records, features: Sequence[Feature], cutoffs: Sequence[int]
) -> pa.Table:
    """Return the features of every customer known at each cutoff, sorted by cutoff and customer.

    Returns:
        ``customer_id: string, cutoff: int32, <feature>: double …``; null is "missing".
    """
    return in_layout(fetch(records.backend, build(records, features, cutoffs)))


def in_layout(matrix: pa.Table) -> pa.Table:
    """Return ``matrix`` with the types and the order of rows that all matrices have."""
    kinds = {"customer_id": pa.string(), "cutoff": pa.int32()}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in matrix.column_names])
    return matrix.cast(schema).sort_by([("cutoff", "ascending"), ("customer_id", "ascending")])


def assemble(
    tables: Mapping[str, ibis.Table],
    features: Sequence[Feature],
    times: Times,
    customers: ibis.Table | None = None,
) -> ibis.Table:
    """Return the features over ``tables`` at ``times``; see :func:`build`."""
    tables = with_customer_days(tables)
    sources = seen_sources(tables)
    layers = in_order(features)
    schemas = {name: table.schema() for name, table in sources.items()}
    readings = [
        read(one, Window(one.window_days, one.lag_days), schemas)
        for one in features
        if not one.is_derived
    ]
    population = known_at(tables, times) if customers is None else _everyone(customers, times)
    matrix = aggregated(population, sources, readings, times)
    for layer in layers:
        matrix = matrix.mutate(**{one.name: _derived(matrix, one) for one in layer})
    return matrix.select(*KEYS, *(feature.name for feature in features))


def with_customer_days(tables: Mapping[str, ibis.Table]) -> dict[str, ibis.Table]:
    """Return ``tables`` with undated customers dated by their first known event."""
    events = _first_known({name: table for name, table in tables.items() if name != "customers"})
    customers = tables["customers"]
    first = events.rename(first_customer="customer_id")
    joined = customers.left_join(first, customers.customer_id == first.first_customer)
    dated = joined.mutate(
        day=ibis.coalesce(joined.day, joined.first_known),
        known_day=ibis.coalesce(joined.known_day, joined.day, joined.first_known),
    )
    return {**tables, "customers": dated.select(*customers.columns)}


def _first_known(tables: Mapping[str, ibis.Table]) -> ibis.Table:
    """Return ``customer_id, first_known``: when any row of theirs was first known."""
    seen = ibis.union(
        *(
            table.select(
                "customer_id",
                first_known=ibis.ifelse(table.known_day > table.day, table.known_day, table.day),
            )
            .group_by("customer_id")
            .aggregate(first_known=ibis._.first_known.min())
            for table in tables.values()
        )
    )
    return seen.group_by("customer_id").aggregate(first_known=seen.first_known.min())


def known_at(tables: Mapping[str, ibis.Table], times: Times) -> ibis.Table:
    """Return ``customer_id, cutoff`` for every customer known at each cutoff."""
    crossed = _first_known(tables).cross_join(times.table)
    return crossed.filter(crossed.first_known <= crossed.cutoff).select(*KEYS)


def _everyone(customers: ibis.Table, times: Times) -> ibis.Table:
    return customers.select("customer_id").distinct().cross_join(times.table).select(*KEYS)


def aggregated(
    population: ibis.Table,
    sources: Mapping[str, ibis.Table],
    readings: Sequence[Reading],
    times: Times,
) -> ibis.Table:
    """Return ``population`` with a column for each aggregated declaration."""
    asked = _asked(readings)
    wide = population
    for source, asks in asked.items():
        for answer in answers(sources[source], asks, times):
            wide = _beside(wide, answer)
    return wide.select(*KEYS, **{one.declared.name: _value(one, asked, wide) for one in readings})


def _asked(readings: Sequence[Reading]) -> dict[str, Asked]:
    """Return what is asked of each source, each part once however many features share it."""
    asked: dict[str, Asked] = {}
    for reading in readings:
        asks = asked.setdefault(str(reading.declared.source), {})
        wanted = [part for one in reading.reductions for part in parts(one)]
        for part in [rows_of(reading), *wanted]:
            asks.setdefault((part, reading.window), f"{reading.declared.source}_{len(asks)}")
    return asked


def rows_of(reading: Reading) -> ops.Reduction:
    """Return the part that counts all rows of the reading's source."""
    return ops.CountStar(reading.rows)


def _beside(wide: ibis.Table, answer: ibis.Table) -> ibis.Table:
    """Return ``wide`` with the columns of ``answer``; customers without an answer have nulls."""
    right = answer.rename(answer_customer="customer_id", answer_cutoff="cutoff")
    same = (wide.customer_id == right.answer_customer, wide.cutoff == right.answer_cutoff)
    return wide.left_join(right, same).drop("answer_customer", "answer_cutoff")


def _value(reading: Reading, asked: Mapping[str, Asked], wide: ibis.Table) -> Any:
    asks = asked[str(reading.declared.source)]
    values: dict[ops.Value, ops.Value] = {}
    for one in reading.reductions:
        found = [wide[asks[part, reading.window]] for part in parts(one)]
        values[one] = combine(one, found).cast(one.dtype).op()
    value = bind(reading.expression, wide, values)
    some = wide[asks[rows_of(reading), reading.window]] > 0
    return _finished(ibis.ifelse(some, _finite(value), _missing()), reading.declared)


def _derived(matrix: ibis.Table, feature: Declaration) -> Any:
    expression = derive(feature, matrix.columns)
    return _finished(_finite(bind(expression, matrix, {})), feature)


def _finite(value: Any) -> Any:
    number = value.cast("float64")
    return ibis.ifelse(number.abs() < 1e300, number, _missing())


def _missing() -> Any:
    return ibis.null("float64")


def _finished(value: Any, declared: Declaration) -> Any:
    return value if declared.when_empty is None else value.fill_null(float(declared.when_empty))
