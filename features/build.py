"""The feature matrix: every declared feature, for every customer known at every cutoff.

The build alone applies windows, so no feature can look past its cutoff: a row counts when its day
lies in the window and it was known by the cutoff (``known_day``). A customer is known at a cutoff
when any of their rows is. A row of ``customers`` without ``signed_up_on`` has no day of its own and
counts from the customer's first event on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.operations as ops
import pyarrow as pa
import pyarrow.compute as pc

from configs.errors import FeatureError
from configs.progress import Progress, silent
from configs.schema import Engine
from features.evaluation import LARGEST_RESULT
from features.grains import KEYS, Asked, Times, answers
from features.layout import in_layout
from features.matrix import StoredMatrix, store
from features.plan import (
    COUNTS,
    Declaration,
    Reading,
    Window,
    bind,
    combine,
    derive,
    in_order,
    parts,
    read,
)
from features.sources import Records, fetch, seen_sources
from features.spark_matrix import store_by_workers
from features.spec import Feature

ROWS_AT_ONCE = 500_000
FEWEST_CUTOFFS = 4
"""Cutoffs below which they are never split: each group reads the events again."""


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

    Many customers at many cutoffs are computed a group of cutoffs at a time, so that engine and
    sorting hold about ``ROWS_AT_ONCE`` rows besides the matrix.

    Returns:
        ``customer_id: string, cutoff: int32, <feature>: double …``; null is "missing".
    """
    parts = [
        in_layout(fetch(records.backend, build(records, features, group)))
        for group in _groups(records, sorted(set(cutoffs)))
    ]
    return pa.concat_tables(parts)


def write_matrix(
    records: Records,
    features: Sequence[Feature],
    cutoffs: Sequence[int],
    folder: Path,
    engine: Engine,
    customers: pa.Array | None = None,
    progress: Progress = silent,
) -> StoredMatrix:
    """Write the features of every customer known at each cutoff to ``folder``, and open it.

    Args:
        records: the canonical tables.
        features: aggregated and derived declarations.
        cutoffs: day numbers.
        folder: does not exist yet; it appears when all of it is written.
        engine: says within what memory.
        customers: ids of those to compute, as far as known; default: all.
        progress: told of the step ``features``.

    Raises:
        FileExistsError: ``folder`` exists already.
        FeatureError: a declaration names an unknown source, column or input.
    """
    if records.backend.name == "pyspark":
        table, known = build(records, features, cutoffs), first_known(records)
        return store_by_workers(records.backend, table, known, cutoffs, folder, customers)
    matrix = feature_matrix(records, features, cutoffs)
    if customers is not None:
        matrix = matrix.filter(pc.is_in(matrix["customer_id"], customers))
    return store([matrix], cutoffs, folder)


def _groups(records: Records, days: Sequence[int]) -> list[Sequence[int]]:
    """Return rising groups of cutoffs; a single one for as many as a small company needs."""
    if len(days) < FEWEST_CUTOFFS:
        return [days]
    known = _first_known(dated(records.tables))
    customers = fetch(records.backend, known.aggregate(n=known.count()))["n"][0].as_py()
    size = max(ROWS_AT_ONCE // max(customers, 1), 1)
    return [days[start : start + size] for start in range(0, len(days), size)]


def assemble(
    tables: Mapping[str, ibis.Table],
    features: Sequence[Feature],
    times: Times,
    customers: ibis.Table | None = None,
) -> ibis.Table:
    """Return the features over ``tables`` at ``times``; see :func:`build`."""
    tables = dated(tables)
    sources = seen_sources(tables)
    layers = in_order(features)
    schemas = {name: table.schema() for name, table in sources.items()}
    readings = [read(one, window_of(one), schemas) for one in features if not one.is_derived]
    population = known_at(tables, times) if customers is None else _everyone(customers, times)
    matrix = aggregated(population, sources, readings, times)
    for layer in layers:
        matrix = matrix.mutate(**{one.name: _derived(matrix, one) for one in layer})
    return matrix.select(*KEYS, *(feature.name for feature in features))


def window_of(feature: Feature) -> Window:
    """Return the window of a feature; only labels look ahead."""
    if feature.lag_days < 0 or (feature.window_days is not None and feature.window_days < 1):
        raise FeatureError(
            f"feature {feature.name} has window_days={feature.window_days} and "
            f"lag_days={feature.lag_days}; a window has at least one day, and a lag below 0 would "
            "look past the cutoff: what happens after it is a label"
        )
    return Window(feature.window_days, feature.lag_days)


def dated(tables: Mapping[str, ibis.Table]) -> dict[str, ibis.Table]:
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


def first_known(records: Records) -> ibis.Table:
    """Return ``customer_id, first_known``: the day from which each customer is known."""
    return _first_known(dated(records.tables))


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
    found = [table for name, asks in asked.items() for table in answers(sources[name], asks, times)]
    wide = _beside(population, found)
    return wide.select(*KEYS, **{one.declared.name: _value(one, asked, wide) for one in readings})


def _asked(readings: Sequence[Reading]) -> dict[str, Asked]:
    """Return what is asked of each source, each part once however many features share it."""
    asked: dict[str, Asked] = {}
    for reading in readings:
        asks = asked.setdefault(str(reading.declared.source), {})
        for part in _parts(reading):
            asks.setdefault((part, reading.window), f"{reading.declared.source}_{len(asks)}")
    return asked


def _parts(reading: Reading) -> list[ops.Reduction]:
    wanted = [part for one in reading.reductions for part in parts(one)]
    return [_all_rows(reading), *wanted] if _speaks_of_nothing(reading) else wanted


def _all_rows(reading: Reading) -> ops.Reduction:
    return ops.CountStar(reading.rows)


def _speaks_of_nothing(reading: Reading) -> bool:
    """Whether the expression may have a value where there are no rows: counts, unless as said."""
    counts = any(isinstance(one, COUNTS) for one in reading.reductions)
    is_zero = reading.expression in reading.reductions and reading.declared.when_empty == 0
    return counts and not is_zero


def _beside(population: ibis.Table, found: Sequence[ibis.Table]) -> ibis.Table:
    """Return ``population`` with every answer; customers without one have nulls.

    One flat chain of joins, for a nested one repeats every column at every level.
    """
    wide = population
    for number, answer in enumerate(found):
        customer, cutoff = f"answer_{number}_customer", f"answer_{number}_cutoff"
        right = answer.rename({customer: "customer_id", cutoff: "cutoff"})
        wide = wide.left_join(right, [("customer_id", customer), ("cutoff", cutoff)])
    return wide


def _value(reading: Reading, asked: Mapping[str, Asked], wide: ibis.Table) -> Any:
    asks = asked[str(reading.declared.source)]
    values: dict[ops.Value, ops.Value] = {}
    for one in reading.reductions:
        found = [wide[asks[part, reading.window]] for part in parts(one)]
        values[one] = combine(one, found).cast(one.dtype).op()
    value = _finite(reading.expression, bind(reading.expression, wide, values))
    if _speaks_of_nothing(reading):
        value = ibis.ifelse(wide[asks[_all_rows(reading), reading.window]] > 0, value, _missing())
    return _finished(value, reading.declared)


def _derived(matrix: ibis.Table, feature: Declaration) -> Any:
    expression = derive(feature, matrix.columns)
    return _finished(_finite(expression, bind(expression, matrix, {})), feature)


def _finite(expression: ops.Value, value: Any) -> Any:
    """Return ``value`` as float64, missing where powers have left its range."""
    number = value.cast("float64")
    if not expression.find((ops.Exp, ops.Power)):
        return number
    return ibis.ifelse(number.abs() < LARGEST_RESULT, number, _missing())


def _missing() -> Any:
    return ibis.null("float64")


def _finished(value: Any, declared: Declaration) -> Any:
    return value if declared.when_empty is None else value.fill_null(float(declared.when_empty))
