"""From declarations to a plan: which aggregates, of which source, over which windows.

A declaration such as ``t.amount.sum() / t.order_id.nunique()`` is an Ibis expression. Its
*reductions* (the sum, the distinct count) are cut out, broken into *parts* that running totals can
answer (a mean is a sum and a count), and answered by ``features/totals/``. What remains around
them, the outer arithmetic, is put back on the answers.

Sums of fractions are fixed point: ``sum(int64(round(x * 1e6))) / 1e6``. They are exact and the
same in any order, on any engine, for one customer or for all; numbers beyond
``contracts.LARGEST_NUMBER`` are quarantined, so that 9,000 of them fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import ibis
import ibis.expr.operations as ops
from ibis.common.annotations import ValidationError
from ibis.common.exceptions import IbisError
from ibis.expr.schema import Schema

from configs.errors import FeatureError, did_you_mean

SCALE = 1_000_000
SUPPORTED = (
    ops.Sum,
    ops.Mean,
    ops.Count,
    ops.CountStar,
    ops.Min,
    ops.Max,
    ops.CountDistinct,
    ops.ArgMax,
)
COUNTS = (ops.Count, ops.CountStar, ops.CountDistinct)
"""Reductions that are 0, not missing, where there are no rows."""
FALLBACKS = (
    ops.Coalesce,
    ops.IfElse,
    ops.SearchedCase,
    ops.SimpleCase,
    ops.IsNull,
    ops.NotNull,
    ops.IdenticalTo,
    ops.Greatest,
    ops.Least,
    ops.And,
    ops.Or,
)
"""Operations that may make a value of what is missing."""
HIDDEN = {"known_day"}
"""Columns of a source that declarations cannot see: the build's own."""


class Declaration(Protocol):
    """What the plan needs to know of a feature or a label."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str | None: ...  # noqa: D102
    @property
    def value(self) -> Callable[[Any], Any]: ...  # noqa: D102
    @property
    def inputs(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def when_empty(self) -> float | None: ...  # noqa: D102


@dataclass(frozen=True)
class Window:
    """The days ``(cutoff - lag_days - days, cutoff - lag_days]``; all before when ``days=None``."""

    days: int | None
    lag_days: int = 0

    def start(self, cutoff: Any) -> Any:
        """Return the day before the first one that counts, for a number or an Ibis column."""
        return cutoff - (self.lag_days + (self.days or 0))

    def end(self, cutoff: Any) -> Any:
        """Return the last day that counts, for a number or an Ibis column."""
        return cutoff - self.lag_days


Asked = dict[tuple[ops.Reduction, Window], str]
"""What is asked of a source: the column that answers each part over each window."""


@dataclass(frozen=True)
class Reading:
    """A declaration with its expression and the reductions inside it."""

    declared: Declaration
    window: Window
    rows: ops.Relation
    expression: ops.Value
    reductions: tuple[ops.Reduction, ...]

    @property
    def speaks_of_nothing(self) -> bool:
        """Whether the expression may have a value where there are no rows, unless as said.

        Counts have one, and so have fallbacks such as ``fill_null`` around other reductions.
        """
        counts = any(isinstance(one, COUNTS) for one in self.reductions)
        if self.expression in self.reductions:
            return counts and self.declared.when_empty != 0
        outside = _outside(self.expression, set(self.reductions))
        return counts or any(isinstance(node, FALLBACKS) for node in outside)


def read(declared: Declaration, window: Window, schemas: Mapping[str, Schema]) -> Reading:
    """Return the declaration with its reductions found.

    Raises:
        FeatureError: the source or a column is unknown, a reduction is not supported, a column
            stands outside every reduction, or nothing is reduced.
    """
    rows = _rows(declared, schemas)
    expression = _evaluate(declared, rows)
    reductions = tuple(expression.find_topmost(ops.Reduction))
    for reduction in reductions:
        _check_reduction(declared, reduction)
    _check_outside(declared, expression, reductions)
    if not reductions:
        raise FeatureError(
            f"feature {declared.name} reduces no column; reduce one (sum, count, max …), or say "
            "source=None to derive it from other features"
        )
    return Reading(declared, window, rows.op(), expression, reductions)


def derive(declared: Declaration, known: Iterable[str]) -> ops.Value:
    """Return the expression of a derived feature, over a table of its inputs and ``cutoff``.

    Raises:
        FeatureError: an input is not among the ``known`` features.
    """
    known = set(known)
    for name in declared.inputs:
        if name not in known:
            raise FeatureError(
                f"feature {declared.name} derives from {name!r}, which is not being built; "
                + did_you_mean(name, known)
            )
    columns = dict.fromkeys(declared.inputs, "float64") | {"cutoff": "int32"}
    return _evaluate(declared, ibis.table(columns, name="inputs"))


def in_order(features: Sequence[Declaration]) -> list[list[Declaration]]:
    """Return derived features in layers, each needing only those before it.

    Raises:
        FeatureError: features derive from each other in a circle, or a name is taken twice.
    """
    names = [feature.name for feature in features]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise FeatureError(f"feature names repeat: {', '.join(repeated)}")
    waiting = [feature for feature in features if feature.source is None]
    ready = {feature.name for feature in features if feature.source is not None}
    layers: list[list[Declaration]] = []
    while waiting:
        layer = [one for one in waiting if ready.issuperset(one.inputs)] or waiting
        for feature in layer:
            derive(feature, names)
        if not all(ready.issuperset(one.inputs) for one in layer):
            circle = ", ".join(sorted(one.name for one in waiting))
            raise FeatureError(f"features derive from each other in a circle: {circle}")
        layers.append(layer)
        ready |= {feature.name for feature in layer}
        waiting = [feature for feature in waiting if feature.name not in ready]
    return layers


def parts(reduction: ops.Reduction) -> tuple[ops.Reduction, ...]:
    """Return the mergeable aggregates that ``reduction`` is made of."""
    if isinstance(reduction, ops.Sum):
        return (ops.Sum(_whole_number(reduction.arg), where=reduction.where),)
    if isinstance(reduction, ops.Mean):
        total = ops.Sum(_whole_number(reduction.arg), where=reduction.where)
        return (total, ops.Count(reduction.arg, where=reduction.where))
    if isinstance(reduction, ops.Min | ops.Max) and reduction.arg.dtype.is_boolean():
        flag = reduction.arg.to_expr().cast("int8").op()
        return (type(reduction)(flag, where=reduction.where),)
    return (reduction,)


def combine(reduction: ops.Reduction, answers: Sequence[Any]) -> Any:
    """Return the value of ``reduction`` as an Ibis expression of the answers to its parts."""
    if isinstance(reduction, ops.Sum):
        return unscaled(answers[0], reduction.arg)
    if isinstance(reduction, ops.Mean):
        return unscaled(answers[0], reduction.arg).cast("float64") / answers[1]
    if isinstance(reduction, COUNTS):
        return answers[0].fill_null(0)
    return answers[0]


def unscaled(total: Any, arg: ops.Value) -> Any:
    """Return a fixed-point ``total`` of ``arg`` in the units of ``arg``."""
    return total if is_whole(arg) else total.cast("float64") / SCALE


def _whole_number(arg: ops.Value) -> ops.Value:
    value = arg.to_expr()
    if is_whole(arg):
        return value.cast("int64").op()
    return (value.cast("float64") * SCALE).round().cast("int64").op()


def is_whole(arg: ops.Value) -> bool:
    """Return whether sums of ``arg`` are of whole numbers, not of fractions."""
    return arg.dtype.is_integer() or arg.dtype.is_boolean()


def bind(expression: ops.Value, table: ibis.Table, values: Mapping[ops.Value, ops.Value]) -> Any:
    """Return ``expression`` over the columns of ``table``, with ``values`` in place of nodes."""
    fields = {field: table[field.name].op() for field in _fields(expression, set(values))}
    return expression.replace({**fields, **values}).to_expr()


def _fields(expression: ops.Value, outside: set[ops.Value]) -> list[ops.Field]:
    if expression in outside:
        return []
    return expression.find(ops.Field, filter=lambda node: node not in outside)


def _outside(expression: ops.Value, reductions: set[ops.Reduction]) -> list[ops.Value]:
    if expression in reductions:
        return []
    return expression.find(ops.Value, filter=lambda node: node not in reductions)


def guarded(expression: ops.Value) -> ops.Value:
    """Return ``expression`` with x / 0, log of 0 and roots of negatives missing on every engine."""

    def guard(node: Any, changed: Mapping[str, Any] | None) -> Any:
        node = node.__recreate__(changed) if changed else node
        if isinstance(node, ops.Divide | ops.Modulus):
            return type(node)(node.left, node.right.to_expr().nullif(0).op())
        if isinstance(node, ops.Logarithm):
            return node.copy(arg=_where(node.arg, lambda x: x > 0))
        if isinstance(node, ops.Sqrt):
            return node.copy(arg=_where(node.arg, lambda x: x >= 0))
        return node

    return expression.replace(guard)


def _where(arg: ops.Value, holds: Callable[[Any], Any]) -> ops.Value:
    value = arg.to_expr()
    return ibis.ifelse(holds(value), value, ibis.null(value.type())).op()


def _rows(declared: Declaration, schemas: Mapping[str, Schema]) -> ibis.Table:
    source = str(declared.source)
    if source not in schemas:
        raise FeatureError(
            f"feature {declared.name} reads source {source!r}; " + did_you_mean(source, schemas)
        )
    columns = {name: kind for name, kind in schemas[source].items() if name not in HIDDEN}
    return ibis.table({**columns, "cutoff": "int32"}, name=source)


def _evaluate(declared: Declaration, rows: ibis.Table) -> ops.Value:
    try:
        value = declared.value(rows)
    except AttributeError as error:
        wrong = str(error).rpartition("attribute ")[2].strip("'")
        raise FeatureError(
            f"feature {declared.name} cannot be read: no column or method {wrong!r}; "
            + did_you_mean(wrong, rows.columns)
        ) from error
    except (TypeError, ValueError, IbisError, ValidationError) as error:
        raise FeatureError(f"feature {declared.name} cannot be read: {error}") from error
    if not isinstance(value, ibis.Value):
        raise FeatureError(
            f"feature {declared.name} must give an Ibis expression of its rows, got {value!r}"
        )
    return guarded(value.op())


def _check_reduction(declared: Declaration, reduction: ops.Reduction) -> None:
    kind = type(reduction).__name__
    if type(reduction) not in SUPPORTED:
        right = ", ".join(one.__name__ for one in SUPPORTED)
        raise FeatureError(f"feature {declared.name} uses {kind}; supported: {right}")
    if reduction.find_below((ops.Reduction, ops.Analytic, ops.WindowFunction)):
        raise FeatureError(f"feature {declared.name} puts a reduction inside {kind}")
    if any(field.name == "cutoff" for field in reduction.find(ops.Field)):
        raise FeatureError(
            f"feature {declared.name} uses t.cutoff inside {kind}. Windows are applied by the "
            "build: say window_days and lag_days, and use t.cutoff outside"
        )
    if isinstance(reduction, ops.ArgMax) and not is_day(reduction.key):
        raise FeatureError(f"feature {declared.name}: argmax takes t.day only, for the latest day")


def is_day(key: ops.Value) -> bool:
    """Return whether ``key`` is the day of a row."""
    return isinstance(key, ops.Field) and key.name == "day"


def _check_outside(
    declared: Declaration, expression: ops.Value, reductions: Sequence[ops.Reduction]
) -> None:
    for field in _fields(expression, set(reductions)):
        if field.name != "cutoff":
            raise FeatureError(
                f"feature {declared.name} uses column {field.name!r} outside a reduction; "
                "reduce it (sum, mean, max …): a feature is one number per customer"
            )
