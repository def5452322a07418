"""Expressions over columns in memory, planned as data and computed in microseconds.

A program is a list of steps that can be written as JSON: an operation by its name, and the places
of what it is applied to. It is for the rows of a few customers, where a query engine spends nearly
all of its time on getting ready. Nulls and arithmetic are those of the engines (SQL's), to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Step = Sequence[Any]
NONE = np.False_
LARGEST_RESULT = 1e300
GIVEN, LITERAL = "given", "literal"


@dataclass(frozen=True, slots=True)
class Values:
    """A column, or a single value for all rows: data, and where it is missing."""

    data: npt.NDArray[Any]
    missing: npt.NDArray[np.bool_] | np.bool_ = NONE

    @property
    def holds(self) -> Flags:
        """Where a condition is true; a missing one is not."""
        return np.asarray(self.data & ~self.missing, dtype=bool)


Operation = Callable[..., Values]
Ready = Callable[[Mapping[str, Values], Sequence[Values]], Values]


class Program:
    """Steps that compute expressions, each from those before it.

    >>> program = Program([["given", "x"], ["literal", 1], ["Add", [0, 1]]])
    >>> program.run({"x": Values(np.array([1, 2]))})[2].data.tolist()
    [2, 3]
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = [_ready(step) for step in steps]
        self.columns = [step[1] for step in steps if step[0] == GIVEN]

    def run(self, given: Mapping[str, Values]) -> list[Values]:
        """Return the values of every step."""
        values: list[Values] = []
        for step in self._steps:
            values.append(step(given, values))
        return values


def _ready(step: Step) -> Ready:
    name, detail = step[0], step[1]
    if name == GIVEN:
        return lambda given, values: given[detail]
    if name == LITERAL:
        value = _literal(detail)
        return lambda given, values: value
    operation, places = OPERATIONS[name], detail
    return lambda given, values: operation(*(values[place] for place in places))


def _literal(value: Any) -> Values:
    if value is None:
        return Values(np.zeros(()), np.True_)
    return Values(np.array(value, dtype=object if isinstance(value, str) else None))


# ---- operations: null in, null out, unless said otherwise


def _strict(function: Callable[..., Any]) -> Operation:
    def operation(*args: Values) -> Values:
        missing: Any = NONE
        for arg in args:
            missing = missing | arg.missing
        return Values(function(*(arg.data for arg in args)), missing)

    return operation


def _per_value(function: Callable[[float], float], holds: Callable[[Any], Any]) -> Operation:
    """Return an operation of the C library's, whose last bit NumPy's own may not share."""

    def operation(arg: Values) -> Values:
        missing = arg.missing | ~holds(arg.data)
        safe = np.where(missing, 1.0, arg.data)
        return Values(np.vectorize(function, otypes=[np.float64])(safe), missing)

    return operation


def _divided(function: Callable[..., Any]) -> Operation:
    def operation(left: Values, right: Values) -> Values:
        missing = left.missing | right.missing | (right.data == 0)
        return Values(function(left.data, np.where(missing, 1, right.data)), missing)

    return operation


def _fraction(left: Any, right: Any) -> Any:
    return np.asarray(left, np.float64) / np.asarray(right, np.float64)


def _and(left: Values, right: Values) -> Values:
    is_false = _is_false(left) | _is_false(right)
    return Values(~is_false, (left.missing | right.missing) & ~is_false)


def _is_false(values: Values) -> Flags:
    return np.asarray(~values.missing & ~np.asarray(values.data, dtype=bool))


def _or(left: Values, right: Values) -> Values:
    is_true = left.holds | right.holds
    return Values(is_true, (left.missing | right.missing) & ~is_true)


def _is_missing(arg: Values) -> Values:
    return Values(np.broadcast_to(arg.missing, np.shape(arg.data)))


def _is_given(arg: Values) -> Values:
    return Values(~np.broadcast_to(arg.missing, np.shape(arg.data)))


def _if_else(condition: Values, yes: Values, no: Values) -> Values:
    holds = condition.holds
    return Values(np.where(holds, yes.data, no.data), np.where(holds, yes.missing, no.missing))


def or_else(first: Values, second: Values) -> Values:
    """Return ``first``, and ``second`` where it is missing."""
    data = np.where(first.missing, second.data, first.data)
    return Values(data, first.missing & second.missing)


def _coalesce(*args: Values) -> Values:
    value = args[-1]
    for arg in reversed(args[:-1]):
        value = or_else(arg, value)
    return value


def _null_if(arg: Values, other: Values) -> Values:
    return Values(arg.data, arg.missing | (~other.missing & _equal(arg.data, other.data)))


def _in_values(value: Values, *options: Values) -> Values:
    found: Any = np.zeros(np.shape(value.data), dtype=bool)
    for option in options:
        found = found | _equal(value.data, option.data)
    return Values(found, value.missing)


def _extreme(choose: Callable[[Any, Any], Any]) -> Operation:
    """Return the largest or smallest of those that are given."""

    def operation(*args: Values) -> Values:
        value = args[0]
        for arg in args[1:]:
            best = choose(value.data, arg.data)
            data = np.where(arg.missing, value.data, np.where(value.missing, arg.data, best))
            value = Values(data, value.missing & arg.missing)
        return value

    return operation


def _bounded(choose: Callable[[Any, Any], Any]) -> Operation:
    def operation(arg: Values, bound: Values) -> Values:
        return Values(np.where(bound.missing, arg.data, choose(arg.data, bound.data)), arg.missing)

    return operation


def _equal(left: Any, right: Any) -> Any:
    return np.asarray(left == right, dtype=bool)


OPERATIONS: dict[str, Operation] = {
    "Add": _strict(np.add),
    "Subtract": _strict(np.subtract),
    "Multiply": _strict(np.multiply),
    "Divide": _divided(_fraction),
    "Modulus": _divided(np.fmod),
    "Negate": _strict(np.negative),
    "Abs": _strict(np.abs),
    "Equals": _strict(_equal),
    "NotEquals": _strict(lambda left, right: ~_equal(left, right)),
    "Less": _strict(np.less),
    "LessEqual": _strict(np.less_equal),
    "Greater": _strict(np.greater),
    "GreaterEqual": _strict(np.greater_equal),
    "Not": _strict(np.logical_not),
    "And": _and,
    "Or": _or,
    "IsNull": _is_missing,
    "NotNull": _is_given,
    "IfElse": _if_else,
    "Coalesce": _coalesce,
    "NullIf": _null_if,
    "InValues": _in_values,
    "Greatest": _extreme(np.maximum),
    "Least": _extreme(np.minimum),
    "AtLeast": _bounded(np.maximum),
    "AtMost": _bounded(np.minimum),
    "Ln": _per_value(math.log, lambda data: data > 0),
    "Exp": _per_value(math.exp, lambda data: data < 700),
    "Sqrt": _per_value(math.sqrt, lambda data: data >= 0),
    "InRange": lambda arg: Values(arg.data, arg.missing | ~(np.abs(arg.data) < LARGEST_RESULT)),
    "ToFloat": _strict(lambda data: np.asarray(data, np.float64)),
    "ToInteger": _strict(lambda data: np.trunc(data).astype(np.int64)),
    "ToText": _strict(lambda data: np.asarray(data).astype(str).astype(object)),
}
"""By the names that Ibis gives them; ``AtLeast`` and ``AtMost`` are a clip,
``To…`` casts, ``InRange`` makes powers missing that have left the range."""
