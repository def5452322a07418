"""What one action does about churn probabilities that are far apart: the same to everybody's odds.

Who has all but left is hardly kept by anything, and who stays anyway needs nothing: an action
moves most those who are undecided. The least that says so is a constant change of the odds of
leaving, churn / (1 - churn), as in a logistic model without interactions (Harrell 2019,
https://www.fharrell.com/post/varyor/). A constant share of the probability saves most among those
who are lost already, against what field experiments find (Ascarza 2018, doi:10.1509/jmr.16.0163).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def share_taken(churn: npt.ArrayLike, effect: npt.ArrayLike) -> Floats:
    """Return the share of each churn probability that an action takes away.

    Args:
        churn: probabilities, any shape.
        effect: the share that it takes from a probability of one half, -1 to 1; below 0 it adds
            to the probability. The odds of leaving become (1 - effect) / (1 + effect) of what
            they were, for everybody.

    >>> share_taken([0.1, 0.5, 0.9], 0.2).round(3).tolist()
    [0.31, 0.2, 0.048]
    """
    p, e = np.asarray(churn, dtype=float), np.asarray(effect, dtype=float)
    left = 1.0 + e - 2.0 * e * p
    is_sure = left <= 0.0
    return np.where(is_sure, 1.0, 2.0 * e * (1.0 - p) / np.where(is_sure, 1.0, left))


def effect_between(before: float, after: float) -> float:
    """Return the effect, as in :func:`share_taken`, that takes one probability to another.

    Args:
        before: strictly between 0 and 1.
        after: from 0 to 1.

    >>> round(effect_between(0.5, 0.4), 3)
    0.2
    """
    return (before - after) / (before + after - 2.0 * before * after)
