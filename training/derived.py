"""Columns that trees get beside the raw ones, made of them by rules: totals and ratios.

Trees ask about one column at a time, so a bill spread over four columns or a price behind an
amount and a count costs them many questions. A derived column is computed inside the model; what
it contributes is credited to the raw columns that it is made of.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Columns = Mapping[str, Vector]
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]")
FEWEST_PARTS = 3
"""Columns of a total; of two that share all words but one, the units may well differ."""
FEWEST_VALUES = 3
"""Distinct values of a column in a ratio: flags divide nothing."""


@dataclass(frozen=True)
class Derived:
    """A column made of raw ones: the sum of all, or the first divided by the second.

    Attributes:
        kind: ``total`` or ``ratio``.
        parts: the raw columns.
        typical: a usual value of each part, the start of what is credited to it.
    """

    kind: str
    parts: tuple[str, ...]
    typical: tuple[float, ...]

    @property
    def name(self) -> str:
        """The column's name: no raw column's own, for it is not one word."""
        return (" + " if self.kind == "total" else " / ").join(self.parts)

    def values(self, columns: Columns) -> Vector:
        """Return the column; missing where a part is, or where the divisor is not positive."""
        parts = [columns[name] for name in self.parts]
        if self.kind == "total":
            return np.asarray(np.sum(parts, axis=0))
        return _quotient(parts[0], parts[1])

    def credit(self, columns: Columns, contribution: Vector) -> dict[str, Vector]:
        """Return ``contribution`` dealt out among the parts; the shares add up to it.

        Credit goes to the parts that moved the column away from its usual value, by how far they
        did: those that moved it the other way get none. Where nothing tells, each gets the same.
        """
        moved = self._moved(columns)
        direction = np.sign(moved.sum(axis=0))
        along = np.maximum(moved * direction, 0.0)
        total = along.sum(axis=0)
        told = total > 0
        even = 1.0 / len(self.parts)
        shares = np.where(told, along / np.where(told, total, 1.0), even)
        return dict(zip(self.parts, contribution * shares, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {"kind": self.kind, "parts": list(self.parts), "typical": list(self.typical)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Derived:
        """Return the column that ``to_dict`` described."""
        return cls(value["kind"], tuple(value["parts"]), tuple(value["typical"]))

    def _moved(self, columns: Columns) -> Vector:
        """Return how far each part moved the column from usual, parts × customers."""
        typical = np.array(self.typical)[:, None]
        own = np.stack([columns[name] for name in self.parts])
        if self.kind == "total":
            return np.nan_to_num(own - typical)
        steps = np.log(np.maximum(own, 0.0) + 1.0) - np.log(typical + 1.0)
        return np.nan_to_num(steps) * np.array([[1.0], [-1.0]])


def totals(columns: Columns) -> tuple[Derived, ...]:
    """Return a total for every three or more columns whose names differ in one word, not the last.

    ``total_day_charge``, ``total_night_charge`` and ``total_intl_charge`` are one bill in parts.
    The last word is the unit, as a rule: minutes and calls are not added.
    """
    families: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for name in columns:
        words = tuple(word.lower() for word in WORD.findall(name))
        for i in range(len(words) - 1):
            families.setdefault((words[:i], words[i + 1 :]), []).append(name)
    return tuple(
        _derived("total", tuple(names), columns)
        for names in families.values()
        if len(names) >= FEWEST_PARTS
    )


def ratios(columns: Columns) -> tuple[Derived, ...]:
    """Return the ratio of every two columns that are never negative and more than flags."""
    fit = [name for name, values in columns.items() if _divides(values)]
    return tuple(_derived("ratio", pair, columns) for pair in itertools.combinations(fit, 2))


def with_derived(columns: Columns, derived: Sequence[Derived]) -> dict[str, Vector]:
    """Return the raw columns and the derived ones."""
    return {**columns, **{one.name: one.values(columns) for one in derived}}


def _derived(kind: str, parts: tuple[str, ...], columns: Columns) -> Derived:
    return Derived(kind, parts, tuple(_median(columns[name]) for name in parts))


def _divides(values: Vector) -> bool:
    known = values[~np.isnan(values)]
    return len(known) > 0 and bool(known.min() >= 0) and len(np.unique(known)) >= FEWEST_VALUES


def _median(values: Vector) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0


def _quotient(over: Vector, under: Vector) -> Vector:
    usable = under > 0
    return np.where(usable, over / np.where(usable, under, 1.0), np.nan)
