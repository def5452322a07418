"""The oracle: the same declarations evaluated row by row in plain Python.

It knows nothing of the plan. It walks the Ibis expression of a declaration over lists of dicts,
one customer, cutoff and window at a time, as slowly and as plainly as the words of
``features/spec.py`` allow.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import ibis
import ibis.expr.operations as ops
from ibis.formats.pyarrow import PyArrowSchema

from features.contracts import LATER_SOURCES, TABLES
from features.sources import contract_schema

Row = dict[str, Any]
Tables = Mapping[str, Sequence[Row]]
EPOCH = dt.date(1970, 1, 1)


def reference_matrix(
    tables: Tables, features: Sequence[Any], cutoffs: Iterable[int]
) -> dict[tuple[str, int], dict[str, float | None]]:
    """Return the features of every customer known at each cutoff, by customer and cutoff."""
    complete = complete_rows(tables)
    sources = complete | {name: later_rows(complete, name) for name in LATER_SOURCES}
    known = first_known(complete)
    mine = {customer: rows_by_source(customer, sources) for customer in known}
    return {
        (customer, cutoff): features_of(cutoff, mine[customer], features)
        for cutoff in cutoffs
        for customer, since in known.items()
        if since <= cutoff
    }


def rows_by_source(customer: str, sources: Tables) -> dict[str, list[Row]]:
    """Return the rows of one customer."""
    return {
        name: [row for row in rows if row["customer_id"] == customer]
        for name, rows in sources.items()
    }


def features_of(cutoff: int, mine: Tables, features: Sequence[Any]) -> dict[str, float | None]:
    """Return the features of the customer with the rows ``mine``, derived ones after inputs."""
    values: dict[str, float | None] = {}
    waiting = list(features)
    while waiting:
        feature = next(f for f in waiting if all(name in values for name in f.inputs))
        waiting.remove(feature)
        if feature.is_derived:
            values[feature.name] = derived(feature, values, cutoff)
        else:
            window = feature.window_days, feature.lag_days
            rows = [row for row in mine[feature.source] if counts(row, cutoff, *window)]
            values[feature.name] = aggregated(feature, rows, cutoff)
    return values


def counts(row: Row, cutoff: int, window_days: int | None, lag_days: int) -> bool:
    """Return whether a row counts at the cutoff in the window."""
    if row["day"] is None or row["known_day"] > cutoff or row["day"] > cutoff - lag_days:
        return False
    return window_days is None or row["day"] > cutoff - lag_days - window_days


def aggregated(feature: Any, rows: Sequence[Row], cutoff: int) -> float | None:
    """Return the feature's value over ``rows``."""
    value = outer(expression_of(feature), rows, cutoff) if rows else None
    return finished(value, feature.when_empty)


def derived(feature: Any, values: Mapping[str, float | None], cutoff: int) -> float | None:
    """Return the derived feature's value."""
    value = evaluate(expression_of(feature), {**values, "cutoff": cutoff})
    return finished(value, feature.when_empty)


@functools.cache
def expression_of(feature: Any) -> Any:
    """Return what the declaration says, as an Ibis expression of unbound rows or inputs."""
    if not feature.is_derived:
        return feature.value(rows_table(feature.source)).op()
    columns = dict.fromkeys(feature.inputs, "float64") | {"cutoff": "int32"}
    return feature.value(ibis.table(columns, name="inputs")).op()


def finished(value: Any, when_empty: float | None) -> float | None:
    if value is None:
        value = when_empty
    return None if value is None else float(value)


# ---- records


def rows_table(source: str) -> ibis.Table:
    """Return the unbound table that a declaration on ``source`` sees."""
    name = LATER_SOURCES[source].table if source in LATER_SOURCES else source
    hidden = {c for later in LATER_SOURCES.values() if later.table == name for c in later.columns}
    own = set(LATER_SOURCES[source].columns) if source in LATER_SOURCES else set()
    schema = PyArrowSchema.to_ibis(contract_schema(name))
    columns = {k: v for k, v in schema.items() if k not in hidden - own and k != "known_day"}
    return ibis.table({**columns, "cutoff": "int32"}, name="rows")


def complete_rows(tables: Tables) -> dict[str, list[Row]]:
    """Return every table with every column, and customers without a day dated by their events."""
    complete = {name: [{**blank(name), **row} for row in tables.get(name, ())] for name in TABLES}
    events = first_known({name: rows for name, rows in complete.items() if name != "customers"})
    for row in complete["customers"]:
        if row["day"] is None:
            row["day"] = events.get(row["customer_id"])
        if row["known_day"] is None:
            row["known_day"] = row["day"]
    return complete


def blank(name: str) -> Row:
    defaults = {column.name: column.default for column in TABLES[name].columns}
    return {field.name: defaults.get(field.name) for field in contract_schema(name)}


def later_rows(tables: Tables, name: str) -> list[Row]:
    """Return the rows of a later source, dated by the day their fact came."""
    later = LATER_SOURCES[name]
    rows = []
    for row in tables[later.table]:
        moment = row[later.moment]
        if moment is not None:
            date = moment.date() if isinstance(moment, dt.datetime) else moment
            day = (date - EPOCH).days
            if later.day is not None and row[later.day] is not None:
                day = row[later.day]
            known = day if row["known_day"] is None else max(day, row["known_day"])
            rows.append({**row, "day": day, "known_day": known})
    return rows


def first_known(tables: Tables) -> dict[str, int]:
    """Return the first day on which each customer was known."""
    known: dict[str, int] = {}
    for rows in tables.values():
        for row in rows:
            if row["day"] is not None:
                day = max(row["day"], row["known_day"])
                known[row["customer_id"]] = min(day, known.get(row["customer_id"], day))
    return known


# ---- expressions


def outer(node: Any, rows: Sequence[Row], cutoff: int) -> Any:
    """Return the value of an expression with reductions over ``rows``."""
    if isinstance(node, ops.Reduction):
        return reduce_rows(node, rows)
    if isinstance(node, ops.Field):
        assert node.name == "cutoff"
        return cutoff
    return operate(node, lambda child: outer(child, rows, cutoff))


def evaluate(node: Any, row: Row) -> Any:
    """Return the value of an expression of one row."""
    if isinstance(node, ops.Field):
        return row[node.name]
    return operate(node, lambda child: evaluate(child, row))


def reduce_rows(node: Any, rows: Sequence[Row]) -> Any:
    if node.where is not None:
        rows = [row for row in rows if evaluate(node.where, row)]
    if isinstance(node, ops.CountStar):
        return len(rows)
    pairs = [(evaluate(node.arg, row), row) for row in rows]
    known = [(value, row) for value, row in pairs if value is not None]
    return REDUCTIONS[type(node)](node, known)


def total(values: Sequence[Any]) -> Any:
    """Return the exact sum: of millionths for fractions."""
    if all(isinstance(value, int) for value in values):
        return sum(values)
    millionths = (Decimal(value * 1e6).quantize(Decimal(1), ROUND_HALF_UP) for value in values)
    return float(sum(int(number) for number in millionths)) / 1e6


def mean(values: Sequence[Any]) -> float | None:
    return float(total(values)) / len(values) if values else None


def on_latest_day(node: Any, known: Sequence[tuple[Any, Row]]) -> float | None:
    last = max((row["day"] for _, row in known), default=None)
    return mean([value for value, row in known if row["day"] == last])


REDUCTIONS: dict[Any, Callable[[Any, Any], Any]] = {
    ops.Sum: lambda node, known: total([value for value, _ in known]) if known else None,
    ops.Mean: lambda node, known: mean([value for value, _ in known]),
    ops.Count: lambda node, known: len(known),
    ops.CountDistinct: lambda node, known: len({value for value, _ in known}),
    ops.Min: lambda node, known: min((value for value, _ in known), default=None),
    ops.Max: lambda node, known: max((value for value, _ in known), default=None),
    ops.ArgMax: on_latest_day,
}


def operate(node: Any, of: Callable[[Any], Any]) -> Any:
    """Return the value of ``node``, given how to value its children; null in, null out."""
    kind = type(node)
    if kind is ops.Literal:
        return node.value
    if kind in NULL_AWARE:
        return NULL_AWARE[kind](node, of)
    values = [of(child) for child in node.args if isinstance(child, ops.Value)]
    if any(value is None for value in values):
        return None
    return STRICT[kind](node, *values)


def both(node: Any, of: Callable[[Any], Any]) -> bool | None:
    left, right = of(node.left), of(node.right)
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def either(node: Any, of: Callable[[Any], Any]) -> bool | None:
    left, right = of(node.left), of(node.right)
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


def clipped(node: Any, of: Callable[[Any], Any]) -> Any:
    value = of(node.arg)
    if value is None:
        return None
    if node.lower is not None:
        value = max(value, of(node.lower))
    return value if node.upper is None else min(value, of(node.upper))


def cast(node: Any, value: Any) -> Any:
    if node.to.is_string():
        return str(value)
    return float(value) if node.to.is_floating() else int(value)


def first_of(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)


NULL_AWARE: dict[Any, Callable[[Any, Callable[[Any], Any]], Any]] = {
    ops.And: both,
    ops.Or: either,
    ops.Clip: clipped,
    ops.IsNull: lambda node, of: of(node.arg) is None,
    ops.NotNull: lambda node, of: of(node.arg) is not None,
    ops.Coalesce: lambda node, of: first_of(of(arg) for arg in node.arg),
    ops.IfElse: lambda node, of: of(node.true_expr if of(node.bool_expr) else node.false_null_expr),
    ops.Greatest: lambda node, of: max(
        (v for v in map(of, node.arg) if v is not None), default=None
    ),
    ops.Least: lambda node, of: min((v for v in map(of, node.arg) if v is not None), default=None),
    ops.NullIf: lambda node, of: None if of(node.arg) == of(node.null_if_expr) else of(node.arg),
    ops.InValues: lambda node, of: (
        None if of(node.value) is None else of(node.value) in [of(one) for one in node.options]
    ),
}

STRICT: dict[Any, Callable[..., Any]] = {
    ops.Add: lambda node, a, b: a + b,
    ops.Subtract: lambda node, a, b: a - b,
    ops.Multiply: lambda node, a, b: a * b,
    ops.Divide: lambda node, a, b: a / b if b else None,
    ops.Modulus: lambda node, a, b: a % b if b else None,
    ops.Equals: lambda node, a, b: a == b,
    ops.NotEquals: lambda node, a, b: a != b,
    ops.Less: lambda node, a, b: a < b,
    ops.LessEqual: lambda node, a, b: a <= b,
    ops.Greater: lambda node, a, b: a > b,
    ops.GreaterEqual: lambda node, a, b: a >= b,
    ops.Not: lambda node, a: not a,
    ops.Negate: lambda node, a: -a,
    ops.Abs: lambda node, a: abs(a),
    ops.Ln: lambda node, a: math.log(a) if a > 0 else None,
    ops.Exp: lambda node, a: math.exp(a),
    ops.Sqrt: lambda node, a: math.sqrt(a) if a >= 0 else None,
    ops.Cast: cast,
}
