"""Why a number is what it is: contributions on the scale that people see, grouped by concept.

A model is additive in its link: ``shown = g(base + Σ c_i)`` with ``g`` the inverse link. The points
of input ``i`` are its Aumann–Shapley value along the straight way from the base to the customer,
which for a function of a sum is the proportional split ``(g(base + Σc) - g(base)) · c_i / Σc``
(Aumann and Shapley 1974, ch. 1; Sundararajan et al. 2017, eq. 1). Points add up to the number
shown minus the base.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
InverseLink = Callable[[Array], Array]

SCALE: dict[str, float] = {"churn": 100.0, "clv": 1.0}
"""Points are percentage points of probability for churn and money for CLV."""
SMALLEST_SHOWN: dict[str, float] = {"churn": 0.05, "clv": 0.5}
"""A concept of fewer points than this would be shown as zero, so it is left to the rest."""
LEADS: dict[str, float] = {"churn": 1.0}
"""Who asks about churn asks what speaks for leaving: concepts that raise it by so many points, as
much as a whole per cent shows, are told before stronger ones that lower it."""
KEEPS_ITS_PLACE = 0.8
"""Share of the models learnt anew in which a stable reason has its place and its direction."""
STEP = 1e-3
"""Link steps smaller than this are taken at the derivative."""


@dataclass(frozen=True)
class Breakdown:
    """The points of every input for every customer.

    Attributes:
        base: the number shown for a customer with no contributions, in points.
        shown: the numbers shown, in points, shape (n_customers,).
        inputs: the inputs' names.
        points: shape (n_inputs, n_customers); column sums are ``shown - base``.
    """

    base: float
    shown: Array
    inputs: tuple[str, ...]
    points: Array


def break_down(
    target: str,
    base: float,
    contributions: Mapping[str, Array],
    shown: Array,
    inverse_link: InverseLink,
) -> Breakdown:
    """Return the points of every input, adding up to ``shown`` minus the base.

    Args:
        target: ``churn`` or ``clv``; sets the scale.
        base: link score of no contributions.
        contributions: by input, in link units, each of shape (n_customers,).
        shown: the numbers served (probabilities or money).
        inverse_link: from link scores to numbers, smooth and rising.

    >>> parts = {"a": np.array([1.0, 0.0]), "b": np.array([-0.5, 0.0])}
    >>> sigmoid = lambda score: 1 / (1 + np.exp(-score))
    >>> shown = sigmoid(np.array([-0.5, -1.0]))
    >>> split = break_down("churn", -1.0, parts, shown, sigmoid)
    >>> bool(np.allclose(split.base + split.points.sum(axis=0), 100 * shown))
    True
    """
    inputs = tuple(contributions)
    links = np.stack([contributions[name] for name in inputs])
    scale = SCALE[target]
    base_shown = scale * float(inverse_link(np.array([base]))[0])
    points = scale * _mean_slope(inverse_link, base, _column_sum(links)) * links
    unexplained = scale * shown - base_shown - _column_sum(points)
    shares = np.abs(links, out=links)
    total = _column_sum(shares)
    np.divide(shares, total, out=shares, where=total > 0)
    shares *= unexplained
    points += shares
    return Breakdown(base_shown, scale * shown, inputs, points)


def _mean_slope(inverse_link: InverseLink, base: float, step: Array) -> Array:
    """Return ``(g(base + step) - g(base)) / step``; near zero, of a step of 0.001 around.

    The central difference is then within 1e-7 of the derivative, relatively; what the slope
    leaves unexplained is rounding, and ``break_down`` spreads it.
    """
    is_tiny = np.abs(step) < STEP
    low = np.where(is_tiny, base + (step - STEP) / 2.0, base)
    high = np.where(is_tiny, base + (step + STEP) / 2.0, base + step)
    return (inverse_link(high) - inverse_link(low)) / np.where(is_tiny, STEP, step)


def _column_sum(rows: Array) -> Array:
    """Return the sum of ``rows`` in their order, the same to the bit for any number of columns."""
    total = np.zeros(rows.shape[1])
    for row in rows:
        total += row
    return total


@dataclass(frozen=True)
class Ranked:
    """The strongest concepts of every customer; arrays of shape (n_reasons, n_customers).

    Attributes:
        concepts: names that ``concept`` indexes.
        concept: index of the concept, -1 where nothing more is worth showing.
        points: the concept's points, 0 where there is no concept.
        strongest: index into the breakdown's inputs of the concept's strongest feature.
        rest: points of everything not among the strongest, shape (n_customers,).
    """

    concepts: tuple[str, ...]
    concept: npt.NDArray[np.int64]
    points: Array
    strongest: npt.NDArray[np.int64]
    rest: Array


def rank(breakdown: Breakdown, concept_of: Mapping[str, str], target: str, n: int) -> Ranked:
    """Return the ``n`` concepts to tell of every customer, in the order to tell them.

    Of value, those of most points, up or down. Of churn, first those that raise it (``LEADS``), the
    strongest first, as reason codes of refused credit name what spoke against (US Regulation B, 12
    CFR 1002.9); the last place is left to the strongest of all others, mostly one that lowers it.
    """
    concepts = tuple(sorted({concept_of[name] for name in breakdown.inputs}))
    members = [_members(breakdown.inputs, concept_of, concept) for concept in concepts]
    totals = np.stack([_total(breakdown.points, rows) for rows in members])
    order = _told_first(totals, target, n)
    points = np.take_along_axis(totals, order, axis=0)
    is_shown = np.abs(points) >= SMALLEST_SHOWN[target]
    points = np.where(is_shown, points, 0.0)
    return Ranked(
        concepts,
        np.where(is_shown, order, -1),
        points,
        _strongest(breakdown.points, members, order),
        breakdown.shown - breakdown.base - _column_sum(points),
    )


def keeps_its_place(ranked: Ranked, again: Sequence[Ranked]) -> npt.NDArray[np.bool_]:
    """Return which reasons hold by the models learnt anew, shape (n_reasons, n_customers).

    A reason holds by a model that gives the same concept the same place and direction.
    """
    same = [
        (one.concept == ranked.concept) & (np.sign(one.points) == np.sign(ranked.points))
        for one in again
    ]
    return np.asarray(np.mean(same, axis=0) >= KEEPS_ITS_PLACE)


def _told_first(totals: Array, target: str, n: int) -> npt.NDArray[np.int64]:
    """Return the indices of the concepts to tell, shape (n_reasons, n_customers).

    Place by place the strongest that is left, of equal ones the first; by customer, so that a
    customer's concepts lie side by side.
    """
    strength = np.ascontiguousarray(np.abs(totals).T)
    raising = np.where(totals >= LEADS.get(target, np.inf), totals, 0.0).T.copy()
    everybody = np.arange(len(strength))
    told = np.empty((min(n, len(totals)), len(strength)), dtype=np.int64)
    for place in range(len(told)):
        told[place] = strength.argmax(axis=1)
        if place < n - 1 and target in LEADS:
            leading = raising.argmax(axis=1)
            leads = raising[everybody, leading] > 0
            told[place, leads] = leading[leads]
            raising[everybody, told[place]] = 0.0
        strength[everybody, told[place]] = -1.0
    return told


def _members(inputs: Sequence[str], concept_of: Mapping[str, str], concept: str) -> list[int]:
    return [i for i, name in enumerate(inputs) if concept_of[name] == concept]


def _total(points: Array, rows: list[int]) -> Array:
    return points[rows[0]] if len(rows) == 1 else _column_sum(points[rows])


def _strongest(
    points: Array, members: Sequence[list[int]], order: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the input of most points of each concept in ``order``."""
    strongest = np.array([rows[0] for rows in members])[order]
    for concept, rows in enumerate(members):
        if len(rows) > 1:
            place, customer = np.nonzero(order == concept)
            own = np.array(rows)
            at = np.abs(points[own[:, None], customer]).argmax(axis=0)
            strongest[place, customer] = own[at]
    return strongest
