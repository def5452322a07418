"""Trains on shuffled labels: what then predicts anything has seen the answers.

Labels are shuffled among the customers of each cutoff, the same way wherever a cutoff is used.
Whatever training does with them, the forecast cannot order the shuffled outcomes of the evaluation
cutoff, unless these outcomes, or rows of that cutoff, have found their way into training. It is a
test of the training itself; what a column knows is the business of the other looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from configs.errors import LeakageError
from configs.learning import Training
from training.anchor import PurchaseModels, TargetName
from training.boosting import fit_target
from training.dataset import Dataset

Vector = NDArray[np.float64]
TREES = 20
ROWS = 5_000
SIGMAS = 5.0
"""Chance reaches this far once in two million trainings."""


def check_shuffled_labels_teach_nothing(
    target: TargetName,
    horizon_days: int,
    train: Dataset,
    test: Dataset,
    purchases: Mapping[int, PurchaseModels],
    inputs: Sequence[str],
    settings: Training,
) -> None:
    """Check that a model taught shuffled labels cannot tell the shuffled outcomes of ``test``.

    The arguments are those of :func:`training.boosting.fit_target`; few trees and at most 5,000
    rows suffice.

    Raises:
        LeakageError: it can.
    """
    few = settings.trees.model_copy(update={"count": min(TREES, settings.trees.count)})
    settings = settings.model_copy(update={"trees": few})
    train, test = (shuffled(data, settings.seed).thinned(ROWS) for data in (train, test))
    model = fit_target(target, horizon_days, train, test, purchases, inputs, settings).model
    sigmas = beyond_chance(test.y, test.each(model.inputs, model.predict))
    if abs(sigmas) > SIGMAS:
        raise LeakageError(
            f"trained on shuffled labels, {target} still tells the outcomes of {len(test)} "
            f"customers ({sigmas:+.1f} standard errors from chance), so outcomes that should be "
            "unknown reach the training; this is a defect of Echelon, not of your records"
        )


def shuffled(data: Dataset, seed: int) -> Dataset:
    """Return the rows with the labels of each cutoff shuffled among them, by cutoff and seed."""
    y, cutoff = data.y.copy(), data.cutoff
    for day in data.cutoffs:
        rows = np.flatnonzero(cutoff == day)
        y[rows] = y[np.random.default_rng([seed, day]).permutation(rows)]
    return Dataset(data.matrix, y)


def beyond_chance(y: Vector, predicted: Vector) -> float:
    """Return the rank correlation in standard errors of what it is by chance; 0 if constant."""
    ranks = [rankdata(values) for values in (y, predicted)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1] * np.sqrt(len(y) - 1.0))
