"""Learns the tier outlook from what customers brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from configs.learning import Training
from training.anchor import VALUE_INPUTS, PurchaseModels
from training.binned import bin_seed, binned
from training.dataset import Dataset
from training.outlook import Outlook, Reach, line, signals

Vector = NDArray[np.float64]
TREES = 80
LEARNING_RATE = 0.05
FEWEST_OF_EACH = 50
"""Rows on either side of a threshold that trees need."""


def fit_outlook(
    train: Dataset,
    present: Dataset,
    purchases: Mapping[int, PurchaseModels],
    thresholds: Sequence[float],
    tree_inputs: Sequence[str],
    horizon_days: int,
    settings: Training,
) -> Outlook:
    """Return the outlook with the purchase models of the customers ``present``.

    Args:
        train: rows at the training cutoffs with the money that came, never-buyers included.
        present: the customers at the cutoff that forecasts will be made for.
        purchases: purchase models by cutoff.
        thresholds: money, rising.
        tree_inputs: the features that the value model's trees read.
        horizon_days: what labels look ahead.
        settings: seed, threads, rows per leaf.
    """
    buyers = train.buyers()
    of_purchases, of_spend = _signals(buyers, purchases, horizon_days)
    others = train.where(~train.has_bought)
    grown = _Trees(buyers, tree_inputs, settings) if tree_inputs else None
    reaches = []
    for threshold in thresholds:
        reached = buyers.y >= threshold
        own = replace(
            _line(of_purchases, of_spend, reached),
            without_purchases=_base_rate(others.y if len(others) else train.y, threshold),
        )
        if grown is not None and min(reached.sum(), (~reached).sum()) >= FEWEST_OF_EACH:
            own = replace(own, trees=grown.on(reached, line(own, of_purchases, of_spend)))
        reaches.append(own)
    models = purchases[present.cutoffs[0]]
    return Outlook(horizon_days, models.purchase, models.spend, tuple(tree_inputs), tuple(reaches))


class _Trees:
    """Grows small trees on one feature matrix, binned once for every threshold."""

    def __init__(self, buyers: Dataset, tree_inputs: Sequence[str], settings: Training) -> None:
        self._parameters = {
            "objective": "binary",
            "num_leaves": settings.trees.leaves,
            "learning_rate": LEARNING_RATE,
            "min_data_in_leaf": max(
                min(settings.trees.minimum_rows_per_leaf, len(buyers) // FEWEST_OF_EACH), 1
            ),
            "seed": settings.seed,
            **bin_seed(settings.seed),
            "num_threads": settings.threads,
            "deterministic": True,
            "force_row_wise": True,
            "feature_pre_filter": False,
            "verbosity": -1,
        }
        self._data = binned(buyers, tree_inputs, np.zeros(len(buyers)), self._parameters)

    def on(self, reached: NDArray[np.bool_], links: Vector) -> str:
        """Return LightGBM text of trees that correct ``links``."""
        self._data.set_label(reached.astype(float))
        self._data.set_init_score(links)
        return str(lgb.train(self._parameters, self._data, TREES).model_to_string())


def _signals(
    buyers: Dataset, purchases: Mapping[int, PurchaseModels], horizon_days: int
) -> tuple[Vector, Vector]:
    """Return both signals of every row, by the purchase models of its own cutoff."""
    found = np.empty((2, len(buyers)))
    narrow, cutoff = buyers.only(VALUE_INPUTS), buyers.cutoff
    for day in buyers.cutoffs:
        models, rows = purchases[day], cutoff == day
        columns = narrow.where(rows).columns(VALUE_INPUTS)
        found[:, rows] = signals(models.purchase, models.spend, horizon_days, columns)
    return found[0], found[1]


def _line(of_purchases: Vector, of_spend: Vector, reached: NDArray[np.bool_]) -> Reach:
    """Return the logistic line in both signals; a constant where all or none reached."""
    if reached.all() or not reached.any():
        return Reach(_base_rate(reached, 1.0), 0.0, 0.0, 0.0)
    X = np.column_stack([of_purchases, of_spend])
    middle, spread = X.mean(axis=0), np.maximum(X.std(axis=0), 1e-9)
    fitted = LogisticRegression(max_iter=500).fit((X - middle) / spread, reached)
    slopes = fitted.coef_[0] / spread
    level = float(fitted.intercept_[0] - slopes @ middle)
    return Reach(level, float(slopes[0]), float(slopes[1]), 0.0)


def _base_rate(values: Vector | NDArray[np.bool_], threshold: float) -> float:
    """Return the logit of the share that reached ``threshold``, half a customer added to each."""
    return float(logit((np.sum(values >= threshold) + 0.5) / (len(values) + 1.0)))
