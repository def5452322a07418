"""Learns the churn model of contract customers: logistic regression and trees, blended.

Everything that is chosen is chosen on folds inside the customers given: the number of trees, and
what each part weighs. The parts are

* a ridge logistic regression of the raw columns;
* trees on the raw columns and totals of kindred ones;
* trees that may also ask for ratios of the columns that the first trees asked for most.

The boosters of the folds are kept and averaged (Breiman 1996, Bagging predictors), and weighted
by a logistic regression, with no negative weight, of the labels on the parts' held-out logits
(Wolpert 1992; Breiman 1996, Stacked regressions), which calibrates the sum as well. No row is
dropped, doubled or weighted to balance the classes, so probabilities stay what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from configs.section import Text
from training.additive import AdditiveModel
from training.anchor import Anchor
from training.contract_model import ContractChurn
from training.derived import Derived, ratios, totals, with_derived
from training.folds import kept_together, left_out
from training.linear import fitted_line
from training.tree_sum import weighted_sum

Vector = NDArray[np.float64]
Columns = Mapping[str, Vector]
Directions = Mapping[str, int]

FOLDS = 5
FEWEST_OUTCOMES = 2 * FOLDS
"""Customers of the rarer label that inner folds need: two in each."""
LEAVES = 8
LEARNING_RATE = 0.1
ROWS_PER_LEAF = 20
COLUMNS_PER_TREE = 0.5
MOST_TREES = 1_500
PATIENCE = 50
"""Trees without gain on the held-out rows after which no more are grown."""
SCREENED_COLUMNS = 14
"""Number columns, those with most gain first, whose ratios are looked at: 91 ratios."""
SCREENING_TREES = 60
MOST_RATIOS = 12


@dataclass(frozen=True)
class Learnt:
    """A churn model and what each part of it weighs."""

    model: ContractChurn
    note: Text


@dataclass(frozen=True)
class Bag:
    """Boosters of the folds, how many trees of each to use, and the held-out logits."""

    boosters: tuple[lgb.Booster, ...]
    count: int
    logits: Vector

    def weighted(self, weight: float) -> list[tuple[lgb.Booster, int, float]]:
        """Return the boosters with their shares of ``weight``."""
        return [(booster, self.count, weight / len(self.boosters)) for booster in self.boosters]

    def gains(self) -> Vector:
        """Return what each column gained in all boosters."""
        own = [booster.feature_importance("gain", self.count) for booster in self.boosters]
        return np.asarray(np.sum(own, axis=0), dtype=float)


def can_learn(y: Vector, minimum_customers: int) -> bool:
    """Return whether there are customers enough, of either label, for more than a base rate."""
    rarer = min(float(y.sum()), len(y) - float(y.sum()))
    return len(y) >= minimum_customers and rarer >= FEWEST_OUTCOMES


def learn_churn(
    columns: Columns,
    numbers: Sequence[str],
    y: Vector,
    horizon_days: int,
    directions: Directions,
    *,
    seed: int,
    threads: int,
) -> Learnt:
    """Return the churn model of contract customers.

    Args:
        columns: features by name; NaN is missing.
        numbers: those of them that are amounts or counts, not levels of a category.
        y: 1 for who left, 0 for who stayed, in the order of the columns' rows.
        horizon_days: what the label looks ahead.
        directions: +1 where churn only rises with a column, -1 where it only falls.
        seed: of the folds and of the columns each tree sees.
        threads: of LightGBM; changes no result.
    """
    names = list(columns)
    X = np.column_stack([columns[name] for name in names])
    masks = list(left_out(y, kept_together(X, y), FOLDS, seed))
    folds = [(np.flatnonzero(~mask), np.flatnonzero(mask)) for mask in masks]
    summed = _alike_in_direction(totals(_only(columns, numbers)), directions)
    grow = _Grower(y, folds, directions, seed, threads)
    line = fitted_line(columns, names, y, directions)
    of_lines = _lines_held_out(columns, names, y, folds, directions)
    plain = grow.bag(with_derived(columns, summed))
    divided = _chosen_ratios(columns, numbers, summed, plain, grow)
    derived = (*summed, *divided)
    bags = [plain, *([grow.bag(with_derived(columns, derived))] if divided else [])]
    level, weights = stacked(np.column_stack([of_lines, *(bag.logits for bag in bags)]), y)
    if not weights[2:].any():
        bags, derived = bags[:1], summed
    weighted = zip(bags, weights[1:].tolist(), strict=False)
    parts = [part for bag, weight in weighted for part in bag.weighted(weight)]
    boosted = AdditiveModel(
        "churn",
        horizon_days,
        Anchor(horizon_days, level=level),
        tree_inputs=(*names, *(one.name for one in derived)),
        trees=weighted_sum(parts),
        threads=threads,
    )
    model = ContractChurn(boosted, line.scaled(float(weights[0])), derived)
    return Learnt(model, _note(weights, derived))


@dataclass(frozen=True)
class _Grower:
    """Grows trees on the folds; every booster of a bag has as many."""

    y: Vector
    folds: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
    directions: Directions
    seed: int
    threads: int

    def bag(self, columns: Columns) -> Bag:
        """Return one booster per fold, stopped where the mean held-out loss is least."""
        X = np.column_stack(list(columns.values()))
        grown = lgb.cv(
            self._parameters(columns),
            lgb.Dataset(X, self.y, free_raw_data=False),
            MOST_TREES,
            folds=self.folds,
            callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
            return_cvbooster=True,
        )["cvbooster"]
        logits = np.empty(len(self.y))
        for (_, outside), booster in zip(self.folds, grown.boosters, strict=True):
            logits[outside] = booster.predict(
                X[outside],
                raw_score=True,
                num_iteration=grown.best_iteration,
                num_threads=self.threads,
            )
        return Bag(tuple(grown.boosters), grown.best_iteration, logits)

    def gains(self, columns: Columns) -> Vector:
        """Return what each column gains in a few trees on all rows."""
        data = lgb.Dataset(np.column_stack(list(columns.values())), self.y)
        booster = lgb.train(self._parameters(columns), data, SCREENING_TREES)
        return np.asarray(booster.feature_importance("gain"), dtype=float)

    def _parameters(self, columns: Columns) -> dict[str, object]:
        monotone = [self.directions.get(name.split(" + ")[0], 0) for name in columns]
        return {
            "objective": "binary",
            "num_leaves": LEAVES,
            "learning_rate": LEARNING_RATE,
            "feature_fraction": COLUMNS_PER_TREE,
            "min_data_in_leaf": ROWS_PER_LEAF,
            "lambda_l2": 1.0,
            "monotone_constraints": monotone if any(monotone) else None,
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }


def stacked(logits: Vector, y: Vector) -> tuple[float, Vector]:
    """Return level and weights, none negative, of a logistic regression on held-out logits.

    A normal prior (standard deviation 1) around equal weights settles what a few customers leave
    open.

    Args:
        logits: customers × parts, each by models that did not see the customer.
        y: 1 for churned.
    """
    parts = logits.shape[1]
    equal = np.concatenate([[0.0], np.full(parts, 1.0 / parts)])
    Z = np.column_stack([np.ones(len(y)), logits])
    precision = np.concatenate([[0.0], np.ones(parts)])

    def loss(w: Vector) -> tuple[float, Vector]:
        link, away = Z @ w, w - equal
        value = np.logaddexp(0.0, link).sum() - y @ link + 0.5 * (precision * away) @ away
        return float(value), Z.T @ (expit(link) - y) + precision * away

    bounds = [(None, None), *[(0.0, None)] * parts]
    found = minimize(loss, equal, jac=True, method="L-BFGS-B", bounds=bounds)
    return float(found.x[0]), found.x[1:]


def _lines_held_out(
    columns: Columns,
    names: Sequence[str],
    y: Vector,
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    directions: Directions,
) -> Vector:
    logits = np.empty(len(y))
    for inside, outside in folds:
        line = fitted_line(_rows(columns, inside), names, y[inside], directions)
        logits[outside] = line.link(_rows(columns, outside), len(outside))
    return logits


def _chosen_ratios(
    columns: Columns, numbers: Sequence[str], summed: Sequence[Derived], plain: Bag, grow: _Grower
) -> tuple[Derived, ...]:
    """Return the ratios that gain most in a few trees; none of a column with a declared direction.

    The candidates are the ratios of the number columns that gained most without them.
    """
    gains = dict(zip(columns, plain.gains(), strict=False))
    free = [name for name in numbers if name not in grow.directions]
    most = set(sorted(free, key=lambda name: -gains[name])[:SCREENED_COLUMNS])
    candidates = ratios(_only(columns, [name for name in free if name in most]))
    before = with_derived(columns, summed)
    gained = grow.gains(with_derived(before, candidates))[len(before) :]
    best = sorted(np.flatnonzero(gained > 0), key=lambda i: -gained[i])[:MOST_RATIOS]
    return tuple(candidates[i] for i in best)


def _alike_in_direction(found: Sequence[Derived], directions: Directions) -> tuple[Derived, ...]:
    """Return the totals whose parts all have the same declared direction, or all none."""
    return tuple(one for one in found if len({directions.get(p, 0) for p in one.parts}) == 1)


def _only(columns: Columns, names: Sequence[str]) -> dict[str, Vector]:
    return {name: columns[name] for name in names}


def _rows(columns: Columns, rows: NDArray[np.int64]) -> dict[str, Vector]:
    return {name: values[rows] for name, values in columns.items()}


def _note(weights: Vector, derived: Sequence[Derived]) -> Text:
    line, trees = float(weights[0]), float(weights[1:].sum())
    made_zh = f"；派生列{len(derived)}个" if derived else ""
    made_en = f"; {len(derived)} columns derived" if derived else ""
    return Text(
        zh=f"逻辑回归与树模型相加，内部交叉验证给出权重{line:.2f}与{trees:.2f}{made_zh}",
        en=f"logistic regression plus trees, weighted {line:.2f} and {trees:.2f} by inner "
        f"cross-validation{made_en}",
    )
