"""What stands around the reductions of a declaration, put back on their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.operations as ops

from features.evaluation import LARGEST_RESULT
from features.plan import Asked, Declaration, Reading, bind, combine, derive, parts


def asked_of(readings: Sequence[Reading]) -> dict[str, Asked]:
    """Return what is asked of each source, each part once however many features share it."""
    asked: dict[str, Asked] = {}
    for reading in readings:
        asks = asked.setdefault(str(reading.declared.source), {})
        for part in _parts(reading):
            asks.setdefault((part, reading.window), f"{reading.declared.source}_{len(asks)}")
    return asked


def valued(wide: ibis.Table, readings: Sequence[Reading], asked: Mapping[str, Asked]) -> ibis.Table:
    """Return ``customer_id, cutoff`` and a column for each aggregated declaration.

    Args:
        wide: a row for each customer and cutoff, with a column for each answer.
        readings: the declarations.
        asked: names of the answers, by source.
    """
    values = {one.declared.name: _value(one, asked, wide) for one in readings}
    return wide.select("customer_id", "cutoff", **values)


def derived(matrix: ibis.Table, feature: Declaration) -> Any:
    """Return a derived feature, over a table of those that it is derived from."""
    expression = derive(feature, matrix.columns)
    return _finished(_finite(expression, bind(expression, matrix, {})), feature)


def _parts(reading: Reading) -> list[ops.Reduction]:
    wanted = [part for one in reading.reductions for part in parts(one)]
    return [_all_rows(reading), *wanted] if reading.speaks_of_nothing else wanted


def _all_rows(reading: Reading) -> ops.Reduction:
    return ops.CountStar(reading.rows)


def _value(reading: Reading, asked: Mapping[str, Asked], wide: ibis.Table) -> Any:
    asks = asked[str(reading.declared.source)]
    values: dict[ops.Value, ops.Value] = {}
    for one in reading.reductions:
        found = [wide[asks[part, reading.window]] for part in parts(one)]
        values[one] = combine(one, found).cast(one.dtype).op()
    value = _finite(reading.expression, bind(reading.expression, wide, values))
    if reading.speaks_of_nothing:
        value = ibis.ifelse(wide[asks[_all_rows(reading), reading.window]] > 0, value, _missing())
    return _finished(value, reading.declared)


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
