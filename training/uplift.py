"""What an action changes, customer by customer, learnt from one that was tried at random.

An R-learner: the outcome and the treatment, each less what was expected of it, are regressed on
each other, and trees let the slope differ between customers (Nie & Wager 2021, eq. 4). The trees
are stumps, so the effect is a sum of one curve a feature: effects are faint beside outcomes, and
deeper trees learnt the noise (`python -m benchmarks.scoreboard --only S4` measures the choice).
"""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import StratifiedKFold

from configs.errors import TrainingError

Vector = NDArray[np.float64]

FOLDS = 3
SHARED = {
    "learning_rate": 0.05,
    "min_data_in_leaf": 400,
    "lambda_l2": 10.0,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
OUTCOME = SHARED | {"objective": "cross_entropy", "num_leaves": 4}
EFFECT = SHARED | {"objective": "regression", "num_leaves": 2}
OUTCOME_TREES, EFFECT_TREES = 60, 150
FEWEST_A_SIDE = 200
"""Customers with the action, and without it, below which no differences can be told."""


class UpliftModel:
    """The effect of an action on the probability of an outcome.

    Args:
        seed: of folds and trees; the same records and seed give the same effects.
        threads: used by LightGBM; changes no result.

    Attributes:
        average_effect_: rate of the outcome, treated less untreated.
        share_treated_: the probability with which customers were treated.
        trees_: LightGBM text of the effect.

    >>> rng = np.random.default_rng(0)
    >>> X, treated = rng.normal(size=(4000, 1)), rng.integers(0, 2, 4000)
    >>> moved = (X[:, 0] > 0) & (treated == 1)
    >>> y = rng.uniform(size=4000) < 0.1 + 0.3 * moved
    >>> low, high = UpliftModel().fit(X, treated, y).predict([[-1.0], [1.0]])
    >>> bool(low < 0.1 < 0.2 < high)
    True
    """

    average_effect_: float
    share_treated_: float
    trees_: str

    def __init__(self, seed: int = 0, threads: int = 1) -> None:
        self.seed = seed
        self.threads = threads

    def fit(self, X: ArrayLike, treated: ArrayLike, y: ArrayLike) -> UpliftModel:
        """Learn from a trial and return the model.

        Args:
            X: customers × features as they were before the action, NaN for missing.
            treated: who got the action: 1 or 0, drawn at random, at one probability for all.
            y: who had the outcome after it: 1 or 0.

        Raises:
            TrainingError: a group is too small to compare.
        """
        X, t, y = np.asarray(X, dtype=float), np.asarray(treated, float), np.asarray(y, float)
        _check_sizes(t)
        self.share_treated_ = float(t.mean())
        self.average_effect_ = float(y[t == 1].mean() - y[t == 0].mean())
        surprise, moved = y - self._expected(X, y, t), t - self.share_treated_
        data = lgb.Dataset(X, surprise / moved, weight=moved**2)
        self.trees_ = lgb.train(self._own(EFFECT), data, EFFECT_TREES).model_to_string()
        return self

    def predict(self, X: ArrayLike) -> Vector:
        """Return each customer's effect: the change of the outcome's probability."""
        trees = lgb.Booster(model_str=self.trees_)
        effects = trees.predict(np.asarray(X, dtype=float), num_threads=self.threads)
        return np.clip(np.asarray(effects), -1.0, 1.0)

    def _expected(self, X: Vector, y: Vector, t: Vector) -> Vector:
        """Return each customer's probability of the outcome, from trees that never saw it."""
        expected = np.empty(len(y))
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=self.seed)
        for learn, rest in folds.split(X, 2 * y + t):
            trees = lgb.train(self._own(OUTCOME), lgb.Dataset(X[learn], y[learn]), OUTCOME_TREES)
            expected[rest] = trees.predict(X[rest], num_threads=self.threads)
        return expected

    def _own(self, parameters: dict[str, object]) -> dict[str, object]:
        return parameters | {"seed": self.seed, "num_threads": self.threads}


def _check_sizes(treated: Vector) -> None:
    sides = int((treated == 1).sum()), int((treated == 0).sum())
    if min(sides) < FEWEST_A_SIDE:
        raise TrainingError(
            f"{sides[0]:,} customers got the action and {sides[1]:,} did not; at least "
            f"{FEWEST_A_SIDE} of each are needed to tell whom it moves. Try the action on more "
            "customers, drawn at random, and keep as many without it"
        )
