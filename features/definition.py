"""What a declaration says, as text and as nested lists: the same in every process.

Both are read off the Ibis expression itself, so that neither the documentation nor the
fingerprint can say one thing and the engine do another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.spec import Feature

INFIX = {
    "Add": "+",
    "Subtract": "-",
    "Multiply": "×",
    "Divide": "÷",
    "Modulus": "mod",
    "Equals": "=",
    "NotEquals": "≠",
    "Less": "<",
    "LessEqual": "≤",
    "Greater": ">",
    "GreaterEqual": "≥",
    "And": "and",
    "Or": "or",
}
NAMES = {
    "CountDistinct": "distinct",
    "CountStar": "rows",
    "ArgMax": "latest",
    "Coalesce": "first known of",
    "IfElse": "if",
}


def definition(feature: Feature) -> str:
    """Return the reduction or derivation of ``feature`` in a readable notation.

    >>> from features.declared.behaviour import SPENDS
    >>> definition(SPENDS[0])
    "sum(amount where kind = 'purchase')"
    """
    if feature.family == "snapshot":
        return str(feature.value)
    return _text(_expression(feature))


def structure(feature: Feature) -> list[Any]:
    """Return the whole expression of ``feature`` as nested lists: nothing shortened, for digests.

    >>> from features.declared.behaviour import SPENDS
    >>> structure(SPENDS[0])
    ['Sum', ['Field', 'amount'], ['Equals', ['Field', 'kind'], ['Literal', 'purchase']]]
    """
    if feature.family == "snapshot":
        return [str(feature.value)]
    return _nested(_expression(feature))


def _expression(feature: Feature) -> Any:
    import ibis

    return feature.value(ibis.table(_columns(feature), name="rows")).op()


def _nested(node: Any) -> list[Any]:
    kind = type(node).__name__
    if kind == "Field":
        return [kind, node.name]
    if kind == "Literal":
        return [kind, node.value]
    return [kind, *(_nested_argument(value) for value in node.args if _told(value))]


def _nested_argument(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_nested_argument(part) for part in value]
    return _nested(value) if _is_value(value) else str(value)


def _columns(feature: Feature) -> Mapping[str, str]:
    if feature.is_derived:
        return {**dict.fromkeys(feature.inputs, "float64"), "cutoff": "int32"}
    from ibis.formats.pyarrow import PyArrowSchema

    from features.contracts import LATER_SOURCES, TABLES

    source = str(feature.source)
    later = LATER_SOURCES.get(source)
    schema = TABLES[later.table if later else source].arrow_schema()
    columns = {name: str(kind) for name, kind in PyArrowSchema.to_ibis(schema).items()}
    return {**columns, "sentiment": "float64", "cutoff": "int32"}


def _text(node: Any) -> str:
    kind = type(node).__name__
    if kind == "Field":
        return str(node.name)
    if kind == "Literal":
        return "missing" if node.value is None else repr(node.value)
    if kind in INFIX:
        return f"{_operand(node.left)} {INFIX[kind]} {_operand(node.right)}"
    if kind in SPECIAL:
        return SPECIAL[kind](node)
    return _call(node)


def _operand(node: Any) -> str:
    node = _uncast(node)
    kind = type(node).__name__
    is_compound = kind in INFIX or (kind == "IfElse" and _is_ratio(node))
    return f"({_text(node)})" if is_compound else _text(node)


def _uncast(node: Any) -> Any:
    return _uncast(node.arg) if type(node).__name__ == "Cast" else node


def _choice(node: Any) -> str:
    """Return ``a ÷ b`` for :func:`features.spec.ratio`, whose other branch is "missing"."""
    if _is_ratio(node):
        quotient = _uncast(node.true_expr)
        return f"{_operand(quotient.left)} ÷ {_operand(_divisor(quotient.right))}"
    return _call(node)


def _divisor(node: Any) -> Any:
    """Return the divisor itself: that it may not be zero goes without saying."""
    node = _uncast(node)
    return _divisor(node.arg) if type(node).__name__ == "NullIf" else node


def _nonzero(node: Any) -> str:
    is_zero = getattr(node.null_if_expr, "value", None) == 0
    return f"nonzero({_text(node.arg)})" if is_zero else _call(node)


def _is_ratio(node: Any) -> bool:
    quotient = _uncast(node.true_expr)
    return (
        type(node.bool_expr).__name__ == "And"
        and type(quotient).__name__ == "Divide"
        and type(_uncast(quotient.right)).__name__ == "NullIf"
        and getattr(_uncast(node.false_null_expr), "value", 0) is None
    )


def _known(node: Any) -> str:
    """Return ``0 if there is none`` shorter than the general ``first known of``."""
    values = [_text(value) for value in node.arg]
    is_sum = type(node.arg[0]).__name__ == "Sum"
    return values[0] if is_sum and values[1:] in (["0"], ["0.0"]) else _call(node)


SPECIAL = {
    "Coalesce": _known,
    "Cast": lambda node: _text(node.arg),
    "IfElse": _choice,
    "NullIf": _nonzero,
    "NotNull": lambda node: f"{_operand(node.arg)} is known",
    "InValues": lambda node: (
        f"{_operand(node.value)} in {{{', '.join(_text(option) for option in node.options)}}}"
    ),
}


def _call(node: Any) -> str:
    """Return ``name(arguments where condition)`` for reductions and every other operation."""
    kind = type(node).__name__
    arguments = dict(zip(node.argnames, node.args, strict=True))
    condition = arguments.pop("where", None)
    inside = ", ".join(_argument(name, value) for name, value in arguments.items() if _told(value))
    where = "" if condition is None else f" where {_text(condition)}"
    return f"{NAMES.get(kind, kind.lower())}({inside}{where})".replace("( where", "(where")


def _told(value: Any) -> bool:
    from ibis.expr.operations import Relation

    return value is not None and not isinstance(value, Relation)


def _is_value(node: Any) -> bool:
    from ibis.expr.operations import Value

    return isinstance(node, Value)


def _argument(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_text(part) for part in value)
    text = _text(value) if _is_value(value) else str(value)
    return f"{name} {text}" if name in ("lower", "upper") else text
