"""What a declaration says, as text: the same on every machine, in every process.

The text is read off the Ibis expression itself, so that neither the fingerprint nor the
documentation can say one thing and the engine do another.
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
    "NullIf": "missing if equal",
    "IfElse": "if",
}


def definition(feature: Feature) -> str:
    """Return the reduction or derivation of ``feature`` in a readable notation.

    >>> from features.behaviour import SPENDS
    >>> definition(SPENDS[0])
    "sum(amount where kind = 'purchase')"
    """
    import ibis

    return _text(feature.value(ibis.table(_columns(feature), name="rows")).op())


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
        return f"{_operand(quotient.left)} ÷ {_operand(_uncast(quotient.right).arg)}"
    return _call(node)


def _is_ratio(node: Any) -> bool:
    quotient = _uncast(node.true_expr)
    return (
        type(node.bool_expr).__name__ == "And"
        and type(quotient).__name__ == "Divide"
        and type(_uncast(quotient.right)).__name__ == "NullIf"
        and getattr(_uncast(node.false_null_expr), "value", 0) is None
    )


SPECIAL = {
    "Cast": lambda node: _text(node.arg),
    "IfElse": _choice,
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


def _argument(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_text(part) for part in value)
    text = _text(value) if hasattr(value, "argnames") else str(value)
    return f"{name} {text}" if name in ("lower", "upper") else text
