"""Labels that outlive a refit: a segment with mostly the same customers stays the same segment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from configs.section import Text
from training.segments import Segments

Codes = NDArray[np.int64]
Names = list[tuple[str, Text]]
SAME = 0.5
"""Share of the customers of either segment who must be in both."""


def carried_over(
    previous: Segments, before: NDArray[np.str_], groups: Codes, names: Names
) -> tuple[Names, list[int]]:
    """Return the names of the new groups, and their order.

    Old and new segments are paired so that the most customers stay (Kuhn 1955, the Hungarian
    method); a pair that shares half of all its customers is the same segment. If every group is,
    the order stays as it was, else it is that of ``groups``.

    Args:
        previous: the segments in use.
        before: each customer's code by them.
        groups: each customer's group now.
        names: code and name that the new groups would have.
    """
    kept = _pairs(previous.codes, before, groups, len(names))
    old = {segment.code: (segment.code, segment.name) for segment in previous.segments}
    taken = set(kept.values())
    carried = [
        old[kept[i]] if i in kept else _other_than(taken, names[i]) for i in range(len(names))
    ]
    order = list(range(len(names)))
    if len(kept) == len(names):
        order.sort(key=lambda i: previous.codes.index(kept[i]))
    return carried, order


def _pairs(
    codes: Sequence[str], before: NDArray[np.str_], groups: Codes, count: int
) -> dict[int, str]:
    """Return new group → the code of the old segment that it is."""
    shared = np.array(
        [[((groups == i) & (before == code)).sum() for code in codes] for i in range(count)]
    )
    either = (
        np.bincount(groups, minlength=count)[:, None]
        + np.array([(before == code).sum() for code in codes])[None, :]
        - shared
    )
    pairs = zip(*linear_sum_assignment(-shared), strict=True)
    return {int(i): codes[j] for i, j in pairs if shared[i, j] > SAME * either[i, j]}


def _other_than(taken: set[str], name: tuple[str, Text]) -> tuple[str, Text]:
    """Return the name, its code numbered where an older segment has it."""
    code, place = name[0], 2
    while code in taken:
        code, place = f"{name[0]}_{place}", place + 1
    return code, name[1]
