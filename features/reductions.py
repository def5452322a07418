"""Reductions of a few rows customer by customer, in NumPy, as the engines make them, to the bit.

Sums of fractions are of millionths, hence exact and free of order; see ``features/plan.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from features.evaluation import Values

Numbers = npt.NDArray[Any]
SCALE = 1_000_000
ANY_ROW = "AnyRow"


@dataclass(frozen=True)
class Group:
    """The values to reduce; none is missing.

    Attributes:
        codes: the customer's place from 0, row by row.
        data: what is reduced.
        days: the rows' days.
        n: how many customers there are.
        whole: claims that ``data`` are whole numbers.
    """

    codes: Numbers
    data: Numbers
    days: Numbers
    n: int
    whole: bool

    @property
    def count(self) -> Numbers:
        """How many values each customer has."""
        return np.bincount(self.codes, minlength=self.n)


def _sum(group: Group) -> Values:
    total = np.zeros(group.n, np.int64)
    millionths = group.data if group.whole else _rounded(group.data.astype(np.float64) * SCALE)
    np.add.at(total, group.codes, millionths.astype(np.int64))
    return Values(total if group.whole else total / SCALE, group.count == 0)


def _rounded(data: Numbers) -> Numbers:
    """Return the nearest whole numbers, halves away from zero, as the engines round."""
    whole = np.trunc(data)
    return np.where(np.abs(data - whole) >= 0.5, whole + np.sign(data), whole)


def _mean(group: Group) -> Values:
    total = _sum(group)
    return Values(total.data / np.maximum(group.count, 1), total.missing)


def _mean_of_latest(group: Group) -> Values:
    """Return the mean on the last day that has a value."""
    last = np.full(group.n, np.iinfo(np.int64).min)
    np.maximum.at(last, group.codes, group.days.astype(np.int64))
    is_last = group.days == last[group.codes]
    return _mean(replace(group, codes=group.codes[is_last], data=group.data[is_last]))


def _distinct(group: Group) -> Values:
    _, keys = np.unique(group.data, return_inverse=True)
    size = len(group.data) + 1
    pairs = np.unique(group.codes * size + keys)
    return Values(np.bincount(pairs // size, minlength=group.n))


def _extreme(choose: Any) -> Callable[[Group], Values]:
    def reduce(group: Group) -> Values:
        best = np.zeros(group.n, group.data.dtype)
        best[group.codes] = group.data
        choose.at(best, group.codes, group.data)
        return Values(best, group.count == 0)

    return reduce


REDUCTIONS: dict[str, Callable[[Group], Values]] = {
    "Sum": _sum,
    "Mean": _mean,
    "Count": lambda group: Values(group.count),
    "CountDistinct": _distinct,
    "Max": _extreme(np.maximum),
    "Min": _extreme(np.minimum),
    "ArgMax": _mean_of_latest,
}
"""By the names that Ibis gives them; ``ArgMax`` is the mean on the latest day."""
