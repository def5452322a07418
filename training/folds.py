"""Folds of contract customers: stratified by label, customers alike in everything kept together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

Rows = NDArray[np.bool_]
FEWEST_GROUPS = 10
"""Groups of the rarer label, by their first customer, that folds of whole groups need."""


def kept_together(X: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of each row's group; rows of a group never lie on both sides of a split.

    A group is equal in every feature. Where so few columns tell customers apart that there are
    hardly any groups, customers alike are the rule and no copies: each is a group of its own.
    """
    rows = np.nan_to_num(X, nan=np.inf)
    _, first, groups = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    of_group = y[first]
    if min(of_group.sum(), len(first) - of_group.sum()) < FEWEST_GROUPS:
        return np.arange(len(X))
    return np.asarray(groups, dtype=np.int64).reshape(-1)


def left_out(
    y: NDArray[np.float64], groups: NDArray[np.int64], most: int, seed: int
) -> Iterator[Rows]:
    """Yield which rows each fold holds out; at most ``most`` folds, none where fewer than two.

    Args:
        y: labels, 0 or 1.
        groups: of each row, as :func:`kept_together` says.
        most: folds; fewer where the rarer label has fewer groups.
        seed: of the shuffle.
    """
    numbers, first = np.unique(groups, return_index=True)
    of_group = y[first]
    folds = min(most, int(min(of_group.sum(), len(first) - of_group.sum())))
    if folds < 2:
        return
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for _, chosen in split.split(first, of_group):
        yield np.isin(groups, numbers[chosen])
