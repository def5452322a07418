"""Tables of Shapley values: for every leaf, and for groups of leaves that share their questions.

A leaf of value ``v`` whose path asks about ``d`` features gives feature ``i`` of them

    v · (o_i - z_i) · ∫₀¹ Π_{j≠i} (t·o_j + (1-t)·z_j) dt,

with ``o_j`` 1 where a row answers on feature ``j`` as the path does and 0 elsewhere, and ``z_j``
the share of training rows that did, at the splits on ``j``. These are the path-dependent values of
Lundberg et al. (2020, algorithm 2): the integral is their sum over subsets, because
∫ tᵏ(1-t)ᵐ dt = k!·m!/(k+m+1)!. The integrand is a polynomial of degree d-1, so Gauss–Legendre
quadrature on ⌈d/2⌉ points is exact. The value depends on the row by ``d`` bits alone, so it is
tabulated over all of them, as in FastTreeSHAP v2 (Yang 2021).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.tree_text import Floats, Integers, Tree, UnreadableTreesError

SPLITS_OF_A_GROUP = 10
"""Leaves share a table while they ask at most so many questions together."""
LONGEST_PATH = 14
LARGEST_TABLES = 2**24
"""Numbers in all tables of a model: 128 MiB."""
NUMBERS_AT_ONCE = 2**20
"""Of a quadrature, so that tables of deep leaves are made in little memory."""

Path = tuple[tuple[int, bool], ...]
"""The splits on the way to a leaf, and whether the way goes left there."""


@dataclass(frozen=True)
class Leaf:
    """A leaf and the features that its path asks about, each once.

    Attributes:
        value: what the leaf adds to the score.
        answers: by feature, the splits on it and whether the path goes left there.
        shares: by feature, the product of the shares of training rows that went along.
    """

    value: float
    answers: dict[int, Path]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Table:
    """The sum over some leaves of one tree, by what a row answers.

    Attributes:
        splits: of the tree; bit ``k`` of a row's index is 1 where it goes left at the ``k``-th.
        columns: by feature, its values over all 2ᵏ indices.
    """

    splits: tuple[int, ...]
    columns: dict[int, Floats]


def tables(trees: Sequence[Tree]) -> list[tuple[Tree, Table]]:
    """Return the tables of every tree; over all tables of a tree, a feature's values add up.

    Raises:
        UnreadableTreesError: a path is too long, or the tables would be too large.
    """
    groups = [(tree, paths) for tree in trees for paths in _groups(tree)]
    _check_size(groups)
    leaves = [[_leaf(tree, path, leaf) for path, leaf in paths] for tree, paths in groups]
    by_leaf = iter(leaf_tables([leaf for group in leaves for leaf in group]))
    return [
        (tree, _sum_of(paths, group, [next(by_leaf) for _ in group]))
        for (tree, paths), group in zip(groups, leaves, strict=True)
    ]


def leaf_tables(leaves: Sequence[Leaf]) -> list[Floats]:
    """Return each leaf's values: shape (2ᵈ, d), row ``p`` where bit ``i`` of ``p`` is ``o_i``."""
    found: list[Floats] = [np.zeros((1, 0))] * len(leaves)
    by_depth: dict[int, list[int]] = {}
    for place, leaf in enumerate(leaves):
        by_depth.setdefault(len(leaf.shares), []).append(place)
    for depth, places in by_depth.items():
        at_once = max(1, NUMBERS_AT_ONCE // (2**depth * depth))
        for first in range(0, len(places), at_once):
            some = places[first : first + at_once]
            shares = np.array([leaves[place].shares for place in some])
            values = np.array([leaves[place].value for place in some])
            for place, table in zip(some, _quadrature(shares, values), strict=True):
                found[place] = table
    return found


def _quadrature(shares: Floats, values: Floats) -> Floats:
    """Return the tables, shape (n, 2ᵈ, d), of leaves with ``shares`` of shape (n, d)."""
    depth = shares.shape[1]
    agrees, shares = _bits(depth), shares[:, None, :]
    integral = np.zeros((len(shares), 2**depth, depth))
    # No matrix product: its bits may differ with the threads of the process.
    for node, weight in zip(*np.polynomial.legendre.leggauss((depth + 1) // 2), strict=True):
        t = (node + 1) / 2
        integral += weight / 2 * _products_of_others(t * agrees + (1 - t) * shares)
    table: Floats = values[:, None, None] * (agrees - shares) * integral
    return table


def _products_of_others(factors: Floats) -> Floats:
    """Return along the last axis the product of all other factors, without dividing."""
    before, after = np.ones_like(factors), np.ones_like(factors)
    before[..., 1:] = np.cumprod(factors[..., :-1], axis=-1)
    after[..., :-1] = np.cumprod(factors[..., :0:-1], axis=-1)[..., ::-1]
    return before * after


def _bits(n: int) -> Floats:
    """Return the ``n`` bits of 0, 1, … 2ⁿ-1, the lowest first."""
    return ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(np.float64)


def _sum_of(paths: Sequence[tuple[Path, int]], leaves: list[Leaf], values: list[Floats]) -> Table:
    splits = tuple(sorted({split for path, _ in paths for split, _ in path}))
    place = {split: k for k, split in enumerate(splits)}
    index = np.arange(2 ** len(splits))
    goes_left = {split: (index >> place[split]) & 1 == 1 for split in splits}
    columns: dict[int, Floats] = {}
    for leaf, table in zip(leaves, values, strict=True):
        code = _agreement(leaf, goes_left)
        for i, feature in enumerate(leaf.answers):
            column = columns.setdefault(feature, np.zeros(len(index)))
            column += table[code, i]
    return Table(splits, columns)


def _agreement(leaf: Leaf, goes_left: dict[int, NDArray[np.bool_]]) -> Integers:
    """Return by index of the group the index of the leaf's own table."""
    code: Integers = np.zeros(1, dtype=np.int64)
    for i, answers in enumerate(leaf.answers.values()):
        agrees = np.logical_and.reduce([goes_left[split] == is_left for split, is_left in answers])
        code = code | agrees.astype(np.int64) << i
    return code


def _leaf(tree: Tree, path: Path, leaf: int) -> Leaf:
    answers: dict[int, Path] = {}
    shares: dict[int, float] = {}
    for split, is_left in path:
        feature = int(tree.feature[split])
        child = int((tree.left if is_left else tree.right)[split])
        answers[feature] = (*answers.get(feature, ()), (split, is_left))
        shares[feature] = shares.get(feature, 1.0) * (tree.rows(child) / tree.rows(split))
    return Leaf(float(tree.leaf_value[leaf]), answers, tuple(shares.values()))


def _groups(tree: Tree) -> Iterator[list[tuple[Path, int]]]:
    """Yield the leaves of ``tree`` with their paths, together while they ask few questions."""
    if len(tree.leaf_value) < 2:
        return
    below = _splits_below(tree)
    waiting: list[tuple[int, Path]] = [(0, ())]
    while waiting:
        node, path = waiting.pop()
        asked = len(path) + (below[node] if node >= 0 else 0)
        if node < 0 or asked <= SPLITS_OF_A_GROUP:
            yield list(_leaves(tree, node, path))
        else:
            waiting += _children(tree, node, path)


def _splits_below(tree: Tree) -> list[int]:
    """Return for every split how many there are from it downwards, itself included."""
    below = [1] * len(tree.feature)
    for split in reversed(range(len(below))):
        below[split] += sum(below[i] for i in (tree.left[split], tree.right[split]) if i >= 0)
    return below


def _leaves(tree: Tree, node: int, path: Path) -> Iterator[tuple[Path, int]]:
    waiting = [(node, path)]
    while waiting:
        node, path = waiting.pop()
        if node < 0:
            yield path, ~node
        else:
            waiting += _children(tree, node, path)


def _children(tree: Tree, node: int, path: Path) -> list[tuple[int, Path]]:
    return [
        (int(tree.right[node]), (*path, (node, False))),
        (int(tree.left[node]), (*path, (node, True))),
    ]


def _check_size(groups: Sequence[tuple[Tree, list[tuple[Path, int]]]]) -> None:
    longest = max((len(path) for _, paths in groups for path, _ in paths), default=0)
    if longest > LONGEST_PATH:
        raise UnreadableTreesError(
            f"a tree asks {longest} questions on the way to a leaf, more than {LONGEST_PATH}: "
            "tables would be too large. Train with fewer training.trees.leaves"
        )
    size = 0
    for tree, paths in groups:
        splits = {split for path, _ in paths for split, _ in path}
        size += len({int(tree.feature[split]) for split in splits}) << len(splits)
    if size > LARGEST_TABLES:
        raise UnreadableTreesError(
            f"the tables of the trees would hold {size:,} numbers, more than {LARGEST_TABLES:,}. "
            "Train with fewer training.trees.leaves"
        )
