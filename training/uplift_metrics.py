"""How well an order of customers finds those whom an action moves, judged on a random trial.

``y`` is the outcome (1 or 0), ``treated`` who got the action at random, ``effect`` the predicted
change of the outcome by the action. Equal predictions are taken together, or broken by a fixed
seeded random key, never by input order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.metrics import descending

Vector = NDArray[np.float64]


def qini(y: ArrayLike, effect: ArrayLike, treated: ArrayLike) -> float:
    """Return the area between the Qini curve and chance over that of a perfect order.

    0 is chance, 1 perfect: treated customers with the outcome first, untreated ones with it last
    (Radcliffe 2007; the normalisation of scikit-uplift's ``qini_auc_score``, negative effects
    counted). NaN where one of the two groups is empty or nobody has the outcome.

    >>> qini([1, 0, 0, 1], [.9, .5, .4, .1], [1, 0, 1, 0])
    1.0
    """
    y, t = np.asarray(y, dtype=float), np.asarray(treated, dtype=float)
    if t.all() or not t.any() or y.sum() == 0:
        return float("nan")
    effect = np.asarray(effect, dtype=float)
    chance = 0.5 * len(y) * _gains(y, effect, t)[1][-1]
    best = _area(y, y * (2.0 * t - 1.0), t) - chance
    return float((_area(y, effect, t) - chance) / best)


def uplift_at(y: ArrayLike, effect: ArrayLike, treated: ArrayLike, share: float) -> float:
    """Return the outcome's rate, treated less untreated, among the ⌊share · n⌋ highest effects.

    NaN where one of the two groups is empty there.
    """
    y, t = np.asarray(y, dtype=float), np.asarray(treated, dtype=bool)
    top = descending(effect)[: int(share * len(y))]
    inside = t[top]
    if inside.all() or not inside.any():
        return float("nan")
    return float(y[top][inside].mean() - y[top][~inside].mean())


def _area(y: Vector, effect: Vector, treated: Vector) -> float:
    reached, gained = _gains(y, effect, treated)
    return float(np.trapezoid(gained, reached))


def _gains(y: Vector, effect: Vector, treated: Vector) -> tuple[Vector, Vector]:
    """Return customers reached and outcomes gained, from none to all, equal effects together."""
    order = np.argsort(-effect, kind="stable")
    last = np.append(np.flatnonzero(np.diff(effect[order])), len(y) - 1)
    y, t = y[order], treated[order]
    of_treated, of_others = (np.cumsum(y * side)[last] for side in (t, 1.0 - t))
    n_treated = np.cumsum(t)[last]
    n_others = last + 1.0 - n_treated
    scale = np.divide(n_treated, n_others, out=np.zeros(len(last)), where=n_others > 0)
    gained = of_treated - of_others * scale
    return np.append(0.0, last + 1.0), np.append(0.0, gained)
