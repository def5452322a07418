"""Effects of several groups, each drawn to the others by as much as its own data leave open.

The normal hierarchical model: group effects are normal about a common one, and the spread between
them is averaged over, not guessed (Gelman et al. 2013, Bayesian Data Analysis, §5.4), under a
half-Cauchy prior of the scale of the groups' own standard errors (Gelman 2006).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]
STEPS = 400
REACH = 12.0
"""Spreads between groups looked at, in multiples of the prior's scale."""


def pooled(estimates: ArrayLike, standard_errors: ArrayLike) -> tuple[Vector, Vector]:
    """Return each group's effect given all of them, and its standard deviation.

    Args:
        estimates: of each group by itself, shape (n_groups,).
        standard_errors: of these; all above 0.

    >>> mean, spread = pooled([0.10, 0.02, 0.04], [0.08, 0.02, 0.02])
    >>> bool(0.02 < mean[0] < 0.10), bool(spread[0] < 0.08)
    (True, True)
    """
    y, v = np.asarray(estimates, float), np.asarray(standard_errors, float) ** 2
    scale = float(np.sqrt(np.median(v)))
    tau = scale * REACH * (np.arange(STEPS) + 0.5)[:, None] / STEPS
    precision = 1.0 / (v + tau**2)
    total = precision.sum(axis=1, keepdims=True)
    common = (precision * y).sum(axis=1, keepdims=True) / total
    likelihood = 0.5 * np.log(precision).sum(axis=1, keepdims=True) - 0.5 * np.log(total)
    likelihood -= 0.5 * (precision * (y - common) ** 2).sum(axis=1, keepdims=True)
    weight = np.exp(likelihood - likelihood.max()) / (1.0 + (tau / scale) ** 2)
    weight /= weight.sum()
    own = tau**2 / (tau**2 + v)
    mean = own * y + (1.0 - own) * common
    variance = own * v + (1.0 - own) ** 2 / total
    found = (weight * mean).sum(axis=0)
    spread = (weight * (variance + (mean - found) ** 2)).sum(axis=0)
    return found, np.sqrt(spread)
