"""The plan of ``features.prepared.PreparedBuild`` as text, so that it can stay in a bundle.

Declarations are Ibis expressions. Here they become steps of :class:`features.evaluation.Program`:
for each source the columns that are reduced, then what stands around the reductions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import ibis
import ibis.expr.operations as ops
from ibis.formats.pyarrow import PyArrowSchema

from configs.errors import FeatureError
from features.build import window_of
from features.contracts import TABLES
from features.evaluation import GIVEN, LITERAL, OPERATIONS
from features.plan import Declaration, Reading, derive, in_order, is_whole, read
from features.reductions import ANY_ROW
from features.sources import contract_schema, seen_sources
from features.spec import Feature

Known = Callable[[ops.Node], int | None]
JSON_LITERALS = (str, bool, int, float, type(None))
CUTOFF = "cutoff"


def statement(features: Sequence[Feature]) -> str:
    """Return the plan for ``features`` over records, a cutoff and customers left open, as JSON.

    Args:
        features: aggregated and derived declarations.

    Raises:
        FeatureError: a declaration cannot be built.
    """
    tables = {
        name: ibis.table(PyArrowSchema.to_ibis(contract_schema(name)), name=name) for name in TABLES
    }
    schemas = {name: table.schema() for name, table in seen_sources(tables).items()}
    plan = _Plan()
    for feature in features:
        if not feature.is_derived:
            plan.add(read(feature, window_of(feature), schemas))
    names = [feature.name for feature in features]
    for layer in in_order(features):
        for derived in layer:
            plan.derive(derived, names)
    sources = {name: one.told() for name, one in plan.sources.items()}
    places = {name: plan.places[name] for name in names}
    told = {"sources": sources, "steps": plan.outer.steps, "features": places}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


class _Steps:
    """Steps of a program; what several expressions have in common is one step."""

    def __init__(self) -> None:
        self.steps: list[list[Any]] = []
        self._places: dict[Hashable, int] = {}

    def given(self, name: str) -> int:
        return self._place((GIVEN, name), [GIVEN, name])

    def literal(self, value: Any) -> int:
        return self._place((LITERAL, type(value).__name__, value), [LITERAL, value])

    def add(self, node: ops.Node, known: Known) -> int:
        """Return the place of an expression.

        Args:
            node: the expression.
            known: the place of what is computed elsewhere, columns first of all; else ``None``.

        Raises:
            FeatureError: it cannot be computed in memory.
        """
        place = known(node)
        if place is not None:
            return place
        if isinstance(node, ops.Literal) and isinstance(node.value, JSON_LITERALS):
            return self.literal(node.value)
        if isinstance(node, ops.Clip):
            return self._clip(node, known)
        places = [self.add(child, known) for child in _children(node)]
        return self.operate(_name(node), places)

    def _clip(self, node: ops.Clip, known: Known) -> int:
        place = self.add(node.arg, known)
        for name, bound in (("AtLeast", node.lower), ("AtMost", node.upper)):
            if bound is not None:
                place = self.operate(name, [place, self.add(bound, known)])
        return place

    def operate(self, name: str, places: Sequence[int]) -> int:
        return self._place((name, *places), [name, list(places)])

    def _place(self, key: Hashable, step: list[Any]) -> int:
        if key not in self._places:
            self._places[key] = len(self.steps)
            self.steps.append(step)
        return self._places[key]


class _SourcePlan:
    """What is asked of one source: columns of its rows, reduced over windows."""

    def __init__(self) -> None:
        self.rows = _Steps()
        self._asked: list[list[Any]] = []

    def ask(self, answer: str, reading: Reading, reduction: ops.Reduction | None) -> None:
        """Plan a reduction; ``None`` asks whether there is any row."""
        arg = where = None
        if reduction is not None and reduction.where is not None:
            where = self.rows.add(reduction.where, self._column)
        if reduction is not None and not isinstance(reduction, ops.CountStar):
            arg = self.rows.add(reduction.arg, self._column)
        name = ANY_ROW if reduction is None else type(reduction).__name__
        whole = reduction is not None and arg is not None and is_whole(reduction.arg)
        window = [reading.window.days, reading.window.lag_days]
        self._asked.append([answer, name, arg, where, *window, whole])

    def _column(self, node: ops.Node) -> int | None:
        return self.rows.given(node.name) if isinstance(node, ops.Field) else None

    def told(self) -> dict[str, Any]:
        return {"steps": self.rows.steps, "asked": self._asked}


class _Plan:
    """Declarations as they are added: what is asked of sources, and how it is put together."""

    def __init__(self) -> None:
        self.sources: dict[str, _SourcePlan] = {}
        self.outer = _Steps()
        self.places: dict[str, int] = {}
        self._answers: dict[Hashable, str] = {}

    def add(self, reading: Reading) -> None:
        """Plan an aggregated feature: reductions of rows, then what stands around them."""
        asked = {one: self._ask(reading, one) for one in reading.reductions}

        def known(node: ops.Node) -> int | None:
            if isinstance(node, ops.Field):
                return self.outer.given(CUTOFF)
            return self.outer.given(asked[node]) if node in asked else None

        speaks = reading.speaks_of_nothing
        rows = self.outer.given(self._ask(reading, None)) if speaks else None
        self._finish(reading.declared, reading.expression, known, rows)

    def derive(self, derived: Declaration, names: Sequence[str]) -> None:
        """Plan a derived feature, after those that it is derived from."""

        def known(node: ops.Node) -> int | None:
            if not isinstance(node, ops.Field):
                return None
            return self.outer.given(CUTOFF) if node.name == CUTOFF else self.places[node.name]

        self._finish(derived, derive(derived, names), known, None)

    def _ask(self, reading: Reading, reduction: ops.Reduction | None) -> str:
        source = str(reading.declared.source)
        key = (source, reduction, reading.window)
        if key not in self._answers:
            self._answers[key] = f"{source} {len(self._answers)}"
            plan = self.sources.setdefault(source, _SourcePlan())
            plan.ask(self._answers[key], reading, reduction)
        return self._answers[key]

    def _finish(
        self, feature: Declaration, expression: ops.Value, known: Known, rows: int | None
    ) -> None:
        """Plan the finished number: in range, of rows there are, and never missing if so said."""
        place = self.outer.operate("ToFloat", [self.outer.add(expression, known)])
        if expression.find((ops.Exp, ops.Power)):
            place = self.outer.operate("InRange", [place])
        if rows is not None:
            place = self.outer.operate("IfElse", [rows, place, self.outer.literal(None)])
        if feature.when_empty is not None:
            empty = self.outer.literal(float(feature.when_empty))
            place = self.outer.operate("Coalesce", [place, empty])
        self.places[feature.name] = place


def _children(node: ops.Node) -> list[ops.Value]:
    flat = [one for arg in node.args for one in (arg if isinstance(arg, tuple) else (arg,))]
    return [one for one in flat if isinstance(one, ops.Value)]


def _name(node: ops.Node) -> str:
    """Return the operation of ``node``.

    Raises:
        FeatureError: there is none in memory.
    """
    name = type(node).__name__
    if isinstance(node, ops.Cast):
        name = _cast(node)
    if name not in OPERATIONS:
        raise FeatureError(
            f"a declaration uses {name}, which cannot be computed for customers sent to the "
            f"endpoint; these can: {', '.join(sorted(OPERATIONS))}"
        )
    return name


def _cast(node: ops.Cast) -> str:
    is_number = node.arg.dtype.is_numeric() or node.arg.dtype.is_boolean()
    if node.to.is_string() and node.arg.dtype.is_integer():
        return "ToText"
    if node.to.is_floating() and is_number:
        return "ToFloat"
    if node.to.is_integer() and is_number:
        return "ToInteger"
    return f"a cast of {node.arg.dtype} to {node.to}"
