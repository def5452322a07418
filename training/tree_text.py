"""Reads LightGBM's model text as arrays: where each tree splits, and how many rows went where.

Only what the trees of this product are made of is read: numerical splits and constant leaves. The
layout is that of LightGBM 4 (``Tree::ToString``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from configs.errors import ModelError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
IS_CATEGORICAL, IS_DEFAULT_LEFT = 1, 2
MISSING_SHIFT, MISSING_MASK = 2, 3
MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2


class UnreadableTreesError(ModelError):
    """Trees of a kind that is not read here; LightGBM itself may still explain them."""


@dataclass(frozen=True)
class Tree:
    """One tree; child ``i >= 0`` is split ``i``, child ``i < 0`` is leaf ``~i``.

    Attributes:
        feature, threshold: of each split; ``x <= threshold`` goes left.
        default_left: whether a missing value goes left.
        missing: what counts as missing: nothing (NaN is read as 0), zero and NaN, or NaN.
        left, right: children of each split; a parent comes before its children.
        split_rows, leaf_rows: training rows that came by, the cover of TreeSHAP.
        leaf_value: what each leaf adds to the score.
    """

    feature: Integers
    threshold: Floats
    default_left: NDArray[np.bool_]
    missing: Integers
    left: Integers
    right: Integers
    split_rows: Integers
    leaf_rows: Integers
    leaf_value: Floats

    @property
    def expected(self) -> float:
        """The mean output over the training rows."""
        if len(self.leaf_value) == 1:
            return float(self.leaf_value[0])
        shares = self.leaf_rows / self.split_rows[0]
        return float(
            sum(share * value for share, value in zip(shares, self.leaf_value, strict=True))
        )

    def rows(self, node: int) -> int:
        """Return how many training rows reached a split or a leaf."""
        return int(self.split_rows[node] if node >= 0 else self.leaf_rows[~node])


@dataclass(frozen=True)
class Trees:
    """The trees of a model, whose outputs add up to its raw score."""

    n_features: int
    trees: tuple[Tree, ...]


def read_trees(text: str) -> Trees:
    """Return the trees of a LightGBM model text.

    Raises:
        UnreadableTreesError: several classes, averaged outputs, linear leaves, categorical splits
            or a split that no training row reached.
    """
    head, *parts = text.split("\nend of trees", 1)[0].split("\nTree=")
    told = _pairs(head)
    if told.get("num_tree_per_iteration") != "1" or "average_output" in told:
        raise UnreadableTreesError(
            "the model's trees do not add up to one score: it has "
            f"{told.get('num_tree_per_iteration', 'an unknown number of')} trees an iteration"
            f"{' and averages them' if 'average_output' in told else ''}"
        )
    trees = tuple(_tree(number, _pairs(part)) for number, part in enumerate(parts))
    return Trees(int(told["max_feature_idx"]) + 1, trees)


def _pairs(part: str) -> dict[str, str]:
    lines = (line.partition("=") for line in part.splitlines())
    return {name: value for name, _, value in lines}


def _tree(number: int, told: dict[str, str]) -> Tree:
    decisions = _integers(told, "decision_type")
    tree = Tree(
        feature=_integers(told, "split_feature"),
        threshold=_floats(told, "threshold"),
        default_left=(decisions & IS_DEFAULT_LEFT) > 0,
        missing=(decisions >> MISSING_SHIFT) & MISSING_MASK,
        left=_integers(told, "left_child"),
        right=_integers(told, "right_child"),
        split_rows=_integers(told, "internal_count"),
        leaf_rows=_integers(told, "leaf_count"),
        leaf_value=_floats(told, "leaf_value"),
    )
    if told.get("is_linear", "0") != "0":
        raise UnreadableTreesError(f"tree {number} has linear leaves; only constant ones are read")
    if (decisions & IS_CATEGORICAL).any():
        first = int(np.argmax(decisions & IS_CATEGORICAL))
        raise UnreadableTreesError(
            f"tree {number} splits on categories (feature {tree.feature[first]}); only numerical "
            "splits are read"
        )
    if (tree.split_rows <= 0).any():
        raise UnreadableTreesError(f"tree {number} has a split that no training row reached")
    return tree


def _integers(told: dict[str, str], name: str) -> Integers:
    return np.array(told.get(name, "").split(), dtype=np.int64)


def _floats(told: dict[str, str], name: str) -> Floats:
    return np.array(told.get(name, "").split(), dtype=np.float64)
