"""Shapley values of trees for many rows: exact, looked up in tables made once per model.

A row is one bit per distinct split, one index per table and one addition per table and feature,
always in the same order: alone or among a million, its values are equal to the bit. The tables are
those of ``training/tree_tables.py``. LightGBM's ``pred_contrib`` gives the same values to rounding
and walks every path of every tree anew for every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from training.tree_tables import Table, tables
from training.tree_text import MISSING_NONE, MISSING_ZERO, Floats, Integers, Tree, read_trees

TABLES_AT_ONCE = 64
ROWS_AT_ONCE = 512
"""Small enough for a core's cache, large enough to make little of NumPy's calls."""
NEARLY_ZERO = float(np.float32(1e-35))
"""LightGBM takes numbers up to this, above and below zero, for zero."""


@dataclass(frozen=True)
class Split:
    """A question: is the feature at most the threshold, or missing and missing goes left?"""

    feature: int
    threshold: float
    nan_goes_left: bool
    zero_is_missing: bool


@dataclass(frozen=True)
class Splits:
    """Distinct splits, those where NaN goes left first.

    Attributes:
        feature, threshold: of each split.
        n_nan_left: how many send NaN left.
        zero_missing: indices of those where zero goes where NaN goes.
    """

    feature: Integers
    threshold: Floats
    n_nan_left: int
    zero_missing: Integers

    def go_left(self, X: Floats) -> NDArray[np.bool_]:
        """Return which rows go left, shape (n_splits, n_rows)."""
        values = X.T[self.feature]
        threshold = self.threshold[:, None]
        left = np.empty(values.shape, dtype=np.bool_)
        first, rest = slice(0, self.n_nan_left), slice(self.n_nan_left, None)
        np.logical_not(values[first] > threshold[first], out=left[first])
        np.less_equal(values[rest], threshold[rest], out=left[rest])
        if len(self.zero_missing):
            is_zero = np.abs(values[self.zero_missing]) <= NEARLY_ZERO
            default = (self.zero_missing < self.n_nan_left)[:, None]
            left[self.zero_missing] = np.where(is_zero, default, left[self.zero_missing])
        return left


@dataclass(frozen=True)
class Batch:
    """Tables that are looked up together, few enough to stay in a core's cache.

    Attributes:
        asked: by bit, the split of every table that has such a bit; largest tables first.
        table, start: of each value looked up, its table and where its column begins.
        columns: all columns, one after the other.
        features: that the values belong to.
        total: adds each feature's values in their order; shape (n_features, n_values).
    """

    asked: tuple[Integers, ...]
    table: Integers
    start: Integers
    columns: Floats
    features: Integers
    total: csr_array

    @classmethod
    def of(cls, made: Sequence[Table], asked: Sequence[Sequence[int]]) -> Batch:
        """Return the batch of tables ``made``, largest first, that ask the splits ``asked``."""
        values = sorted((feature, i) for i, one in enumerate(made) for feature in one.columns)
        columns = [made[i].columns[feature] for feature, i in values]
        features, counts = np.unique([feature for feature, _ in values], return_counts=True)
        return cls(
            asked=tuple(
                np.array([splits[bit] for splits in asked if len(splits) > bit])
                for bit in range(len(asked[0]))
            ),
            table=np.array([i for _, i in values]),
            start=np.cumsum([0, *(len(column) for column in columns[:-1])])[:, None],
            columns=np.concatenate(columns),
            features=features,
            total=_sums(counts),
        )

    def summed(self, groups: Integers) -> Batch:
        """Return the batch whose features are the ``groups`` of these."""
        own = groups[np.repeat(self.features, np.diff(self.total.indptr))]
        found, counts = np.unique(own, return_counts=True)
        total = _sums(counts)
        total.indices = np.argsort(own, kind="stable").astype(total.indices.dtype)
        return replace(self, features=found, total=total)

    def values(self, go_left: NDArray[np.bool_]) -> Floats:
        """Return the sums of ``features``, one column per row of data."""
        index = np.zeros((len(self.asked[0]), go_left.shape[1]), dtype=np.uint16)
        for bit, splits in enumerate(self.asked):
            index[: len(splits)] |= np.left_shift(go_left[splits], bit, dtype=np.uint16)
        where = index.astype(np.int64)[self.table]
        where += self.start
        summed: Floats = self.total @ self.columns.take(where)
        return summed


@dataclass(frozen=True)
class TreeShap:
    """The tables of one model, laid out for looking up.

    Attributes:
        expected: mean output of the trees over the training rows.
        n_features: of the model.
        splits: all distinct ones.
        batches: of tables.
    """

    expected: float
    n_features: int
    splits: Splits
    batches: tuple[Batch, ...]

    @classmethod
    def from_text(cls, text: str) -> TreeShap:
        """Return the tables of a LightGBM model text.

        Raises:
            UnreadableTreesError: the trees are of another kind, or too deep for tables.
        """
        model = read_trees(text)
        made = sorted(tables(model.trees), key=lambda one: -len(one[1].splits))
        asked = [[_split(tree, split) for split in table.splits] for tree, table in made]
        splits, place = _distinct(asked)
        places = [[place[split] for split in questions] for questions in asked]
        starts = range(0, len(made), TABLES_AT_ONCE)
        parts = (slice(start, start + TABLES_AT_ONCE) for start in starts)
        return cls(
            expected=float(sum(tree.expected for tree in model.trees)),
            n_features=model.n_features,
            splits=splits,
            batches=tuple(Batch.of([one for _, one in made[i]], places[i]) for i in parts),
        )

    def summed(self, groups: Integers) -> TreeShap:
        """Return the tables of the sums over features of each group, numbered from 0.

        Args:
            groups: of each feature.
        """
        batches = tuple(batch.summed(groups) for batch in self.batches)
        return replace(self, n_features=int(groups.max()) + 1, batches=batches)

    def contributions(self, X: Floats, threads: int = 1) -> Floats:
        """Return each row's Shapley values, one column a feature; NaN is missing.

        With ``expected`` they add up to the raw score. The number of threads changes no bit.
        """
        shap = np.empty((self.n_features, len(X)))
        starts = range(0, len(X), ROWS_AT_ONCE)

        def fill(start: int) -> None:
            rows = slice(start, start + ROWS_AT_ONCE)
            shap[:, rows] = self._block(X[rows])

        if threads == 1 or len(starts) < 2:
            for start in starts:
                fill(start)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(fill, starts))
        return shap.T

    def _block(self, X: Floats) -> Floats:
        go_left = self.splits.go_left(X)
        shap = np.zeros((self.n_features, len(X)))
        for batch in self.batches:
            shap[batch.features] += batch.values(go_left)
        return shap


def _split(tree: Tree, split: int) -> Split:
    threshold, missing = float(tree.threshold[split]), int(tree.missing[split])
    # Where nothing is missing, LightGBM reads NaN as zero.
    nan_left = threshold >= 0 if missing == MISSING_NONE else bool(tree.default_left[split])
    feature, is_zero_missing = int(tree.feature[split]), missing == MISSING_ZERO
    return Split(feature, _clear_of_zero(threshold), nan_left, is_zero_missing)


def _clear_of_zero(threshold: float) -> float:
    """Return the threshold that sends the nearly zero where LightGBM sends them, as zeros."""
    if abs(threshold) > NEARLY_ZERO:
        return threshold
    return NEARLY_ZERO if threshold >= 0 else float(np.nextafter(-NEARLY_ZERO, -np.inf))


def _distinct(asked: Sequence[Sequence[Split]]) -> tuple[Splits, dict[Split, int]]:
    found = dict.fromkeys(split for questions in asked for split in questions)
    ordered = sorted(found, key=lambda split: not split.nan_goes_left)
    splits = Splits(
        feature=np.array([split.feature for split in ordered], dtype=np.int64),
        threshold=np.array([split.threshold for split in ordered], dtype=np.float64),
        n_nan_left=sum(split.nan_goes_left for split in ordered),
        zero_missing=np.flatnonzero([split.zero_is_missing for split in ordered]),
    )
    return splits, {split: place for place, split in enumerate(ordered)}


def _sums(counts: Integers) -> csr_array:
    """Return the matrix that adds the first ``counts[0]`` values, then the next, in their order."""
    n = int(counts.sum())
    ends = np.concatenate([[0], np.cumsum(counts)])
    return csr_array((np.ones(n), np.arange(n), ends), shape=(len(counts), n))
