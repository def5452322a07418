"""Whether a model of whom an action moves may be used: by its Qini on customers held back.

Every customer is predicted by a model that learnt from others; a fold's Qini is that of its own
predictions, and the figure is the mean over folds. Its interval is a bootstrap of the held-back
customers, all rows of a customer together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.uplift import FEWEST_A_SIDE, UpliftModel
from training.uplift_metrics import qini

Vector = NDArray[np.float64]
FOLDS = 3
RESAMPLES = 200
LEVEL = 0.95


@dataclass(frozen=True)
class Judged:
    """A model fitted to a trial, and how it orders customers it never saw.

    Attributes:
        model: fitted to everybody.
        qini: mean over folds; 0 is chance.
        low, high: interval at :data:`LEVEL`.
        n: rows learnt from.
    """

    model: UpliftModel
    qini: float
    low: float
    high: float
    n: int

    @property
    def is_better_than_chance(self) -> bool:
        """Whether the interval leaves out chance."""
        return self.low > 0


def judged(
    X: Vector, treated: Vector, y: Vector, customers: NDArray[np.str_], seed: int, threads: int
) -> Judged | None:
    """Return the model of a trial; ``None`` where a fold would have too few without the action.

    Args:
        X: customers × features before the action.
        treated: 1 for whom it was meant, 0 for who was left out at random.
        y: 1 for who had the outcome.
        customers: whose row each is; one customer may have several.
        seed: of folds and resamples.
        threads: of LightGBM.
    """
    rows = _by_fold(customers, seed)
    smallest = min(
        min(treated[rows != fold].sum(), (1 - treated[rows != fold]).sum()) for fold in range(FOLDS)
    )
    if smallest < FEWEST_A_SIDE:
        return None
    effects = np.empty(len(y))
    for fold in range(FOLDS):
        learn, rest = rows != fold, rows == fold
        model = UpliftModel(seed, threads).fit(X[learn], treated[learn], y[learn])
        effects[rest] = model.predict(X[rest])
    held_back = [(y[rows == f], effects[rows == f], treated[rows == f]) for f in range(FOLDS)]
    found = float(np.mean([qini(*one) for one in held_back]))
    drawn = _resampled(effects, treated, y, rows, customers, seed)
    low, high = np.quantile(drawn, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    whole = UpliftModel(seed, threads).fit(X, treated, y)
    return Judged(whole, found, float(low), float(high), len(y))


def _by_fold(customers: NDArray[np.str_], seed: int) -> NDArray[np.int64]:
    """Return a fold for each row, the same for all rows of a customer."""
    own, at = np.unique(customers, return_inverse=True)
    folds = np.random.default_rng(seed).permutation(np.arange(len(own)) % FOLDS)
    return np.asarray(folds[at])


def _resampled(
    effects: Vector,
    treated: Vector,
    y: Vector,
    folds: NDArray[np.int64],
    customers: NDArray[np.str_],
    seed: int,
) -> Vector:
    rng = np.random.default_rng([seed, 1])
    own, at = np.unique(customers, return_inverse=True)
    found = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        times = np.bincount(rng.integers(0, len(own), len(own)), minlength=len(own))[at]
        chosen = np.repeat(np.arange(len(y)), times)
        parts = [chosen[folds[chosen] == fold] for fold in range(FOLDS)]
        found[number] = np.mean([qini(y[part], effects[part], treated[part]) for part in parts])
    return found
