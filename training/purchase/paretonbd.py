"""Pareto/NBD: buying at a rate, leaving at a rate, at any moment.

References:
    Schmittlein, Morrison, Colombo (1987), Counting your customers: who are they and what will
    they do next?, Management Science 33(1): the model.
    Fader, Hardie (2005), A note on deriving the Pareto/NBD model and related expressions: the
    likelihood (18)-(20), P(alive) (36)-(37) and the expected purchases (41).

That likelihood is a difference of two Gaussian hypergeometric functions, which cancels to
nothing for frequent buyers and has two forms, α ≥ β and α < β. Both are one integral over the
moment of leaving, positive and smooth, and here it is taken as such (:func:`log_comes_first`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple, Self

import numpy as np
from scipy.special import digamma, expit, gammaln

from training.purchase.posterior import (
    DAYS_PER_WEEK,
    USUAL,
    Histories,
    Objective,
    Search,
    Vector,
    in_weeks,
    minus_posterior,
    settled,
)
from training.purchase.quadrature import legendre_quadrature

NODES = 32
"""Nodes per customer: logs exact to 1e-12 for parameters as they occur, 1e-5 at the bounds."""
ROWS_AT_ONCE = 2**11
"""Customers whose nodes are in memory together: half a megabyte an array, inside the cache."""


@dataclass(frozen=True)
class ParetoNbd:
    """λ ~ Gamma(``r``, ``alpha``), the rate of buying; μ ~ Gamma(``s``, ``beta``), of leaving.

    Both per week. ``frequency`` counts repeat purchase days, ``recency`` is the day of the last
    one and ``tenure`` the observed time, both in days since the first.
    """

    r: float
    alpha: float
    s: float
    beta: float

    @classmethod
    def fit(
        cls,
        frequency: Vector,
        recency: Vector,
        tenure: Vector,
        *,
        start: Self | None = None,
        search: Search = USUAL,
    ) -> Self:
        """Return the model with the highest posterior density given the customers.

        Equal customers are counted once. Three starts, tried on a part of the histories where
        there are many; ``start``, such as the model of a month ago, takes their place.
        """
        histories = Histories.of(frequency, recency, tenure)
        typical = histories.typical_log_tenure()
        centre = np.array([np.log(0.5), typical, np.log(0.5), typical])
        starts = [
            centre,
            np.array([0.0, typical - 1.0, -1.0, typical - 1.0]),
            np.array([0.5, typical, 0.5, typical + 2.0]),
        ]
        if start is not None:
            starts = [np.log([start.r, start.alpha, start.s, start.beta])]

        def of_part(step: int) -> Objective:
            return cls.objective(histories.every(step), centre, search)

        found = settled(of_part, len(histories.x), starts, search.tolerance)
        return cls(*map(float, np.exp(found)))

    @classmethod
    def objective(
        cls,
        histories: Histories,
        centre: Vector,
        search: Search = USUAL,
    ) -> Objective:
        """Return minus the mean log posterior, with gradient, of (log r, log α, log s, log β).

        Times in weeks. Fader & Hardie 2005, eq. 18, before its integral is solved::

            L = Γ(r+x) α^r β^s / Γ(r) · [ (α+T)^-(r+x) (β+T)^-s
                                          + ∫ s (α+t)^-(r+x) (β+t)^-(s+1) dt over t_x … T ]
        """
        x, t_x, T, counts = histories
        levels, level = np.unique(x, return_inverse=True)

        def terms(log_parameters: Vector, rows: slice) -> tuple[Vector, Vector]:
            r, alpha, s, beta = np.exp(log_parameters)
            bought = r + x[rows]
            silence, last = T[rows] - t_x[rows], (beta + t_x[rows], alpha + t_x[rows])
            log_last = np.log(last[0]), np.log(last[1])
            log_end = np.log(beta + T[rows]), np.log(alpha + T[rows])
            log_leaves, means = _with_means(s, last[0], bought, last[1], silence)
            left = log_leaves - s * log_last[0] - bought * log_last[1]
            stays = -s * log_end[0] - bought * log_end[1]
            both = np.logaddexp(left, stays)
            v, w = np.exp(left - both), np.exp(stays - both)
            rising = (gammaln(r + levels) - gammaln(r))[level[rows]]
            log_likelihood = rising + r * np.log(alpha) + s * np.log(beta) + both
            slope_r = (digamma(r + levels) - digamma(r))[level[rows]] + np.log(alpha)
            slope_r = slope_r - v * (log_last[1] + means[2]) - w * log_end[1]
            slope_alpha = r / alpha - bought * (v * means[3] + w / (alpha + T[rows]))
            slope_s = np.log(beta) + v * (1.0 / s - log_last[0] - means[0]) - w * log_end[0]
            slope_beta = s / beta - v * (s + 1.0) * means[1] - w * s / (beta + T[rows])
            return log_likelihood, np.stack(
                [slope_r * r, slope_alpha * alpha, slope_s * s, slope_beta * beta]
            )

        return minus_posterior(terms, counts, centre, search.prior_spread)

    def probability_alive(self, frequency: Vector, recency: Vector, tenure: Vector) -> Vector:
        """Return P(still a customer), shape of the inputs; not one minus churn.

        Fader & Hardie 2005, eqs. 36 and 37: the share of "stays" in :meth:`objective`.
        """
        x = np.asarray(frequency, dtype=float)
        t_x, T = in_weeks(recency, tenure)
        A, B = self.alpha + t_x, self.beta + t_x
        log_leaves = log_comes_first(self.s, B, self.r + x, A, T - t_x)
        stays = -(self.r + x) * np.log1p((T - t_x) / A) - self.s * np.log1p((T - t_x) / B)
        return expit(stays - log_leaves)

    def expected_purchases(
        self, horizon_days: float, frequency: Vector, recency: Vector, tenure: Vector
    ) -> Vector:
        """Return E[X(H)], the expected purchase days in the horizon (Fader & Hardie 2005, eq. 41).

        The published form divides by s - 1; its limit is taken where s is 1 or near.
        """
        x = np.asarray(frequency, dtype=float)
        _, T = in_weeks(recency, tenure)
        log_growth = np.log1p(horizon_days / DAYS_PER_WEEK / (self.beta + T))
        power = (1.0 - self.s) * log_growth
        small = np.abs(power) < 1e-8
        mean = np.where(small, 1.0, np.expm1(power) / np.where(small, 1.0, power))
        weeks_alive = (self.beta + T) * log_growth * mean
        rate = (self.r + x) / (self.alpha + T)
        return self.probability_alive(x, recency, tenure) * rate * weeks_alive

    def probability_of_none(
        self, horizon_days: float, frequency: Vector, recency: Vector, tenure: Vector
    ) -> Vector:
        """Return P(X(H) = 0), the chance of no purchase in the horizon.

        Someone alive buys if a purchase comes within the horizon and before they leave, under
        λ ~ Gamma(r + x, α + T) and μ ~ Gamma(s, β + T). No closed form without hypergeometric
        functions: Gauss-Legendre quadrature.
        """
        x = np.asarray(frequency, dtype=float)
        _, T = in_weeks(recency, tenure)
        weeks = horizon_days / DAYS_PER_WEEK
        buys = log_comes_first(self.r + x, self.alpha + T, self.s, self.beta + T, weeks)
        chance = np.exp(np.minimum(buys, 0.0))
        return 1.0 - self.probability_alive(x, recency, tenure) * chance

    def to_dict(self) -> dict[str, float]:
        """Return the parameters, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, parameters: Mapping[str, float]) -> Self:
        """Return the model with ``parameters``."""
        return cls(**parameters)


def log_comes_first(
    shape: Vector | float,
    scale: Vector,
    rival_shape: Vector | float,
    rival_scale: Vector,
    weeks: Vector | float,
) -> Vector:
    """Return the log chance that an event comes within ``weeks`` and before its rival.

    Under rates Gamma(``shape``, ``scale``) and Gamma(``rival_shape``, ``rival_scale``), written
    s, B and p, A, the chance is::

        ∫ s/B · (1 + d/B)^-(s+1) · (1 + d/A)^-p dd   over d in 0 … weeks

    With d = c (e^y - 1) and 1/c the slope of the logarithm at 0, the integrand is smooth in y at
    every scale, and Gauss-Legendre quadrature converges geometrically. In logs throughout; -inf
    where ``weeks`` is 0.
    """
    columns = np.broadcast_arrays(shape, scale, rival_shape, rival_scale, weeks)
    log_chance = np.empty(len(columns[0]))
    for rows in _cut(len(log_chance)):
        log_chance[rows] = _integrated(*(column[rows, None] for column in columns)).log_chance
    return log_chance


def _with_means(s: float, B: Vector, p: Vector, A: Vector, weeks: Vector) -> tuple[Vector, Vector]:
    """Return what :func:`log_comes_first` does, and four rows of means over the moment d.

    Given that the event comes first: log(1 + d/B), 1/(B + d), log(1 + d/A), 1/(A + d).
    """
    columns = np.broadcast_arrays(s, B, p, A, weeks)
    n = len(columns[0])
    log_chance, means = np.empty(n), np.empty((4, n))
    for rows in _cut(n):
        parts = _integrated(*(column[rows, None] for column in columns))
        log_chance[rows] = parts.log_chance
        values = [parts.log_b, 1.0 / (B[rows, None] + parts.d)]
        values += [parts.log_a, 1.0 / (A[rows, None] + parts.d)]
        summed = [(parts.density * value).sum(axis=1) for value in values]
        means[:, rows] = np.stack(summed) / parts.total
    return log_chance, means


def _cut(n: int) -> Iterator[slice]:
    return (slice(at, at + ROWS_AT_ONCE) for at in range(0, n, ROWS_AT_ONCE))


class _Integrated(NamedTuple):
    """An integral over the moment ``d``, and what means over that moment are made of."""

    log_chance: Vector
    density: Vector
    total: Vector
    d: Vector
    log_b: Vector
    log_a: Vector


def _integrated(s: Vector, B: Vector, p: Vector, A: Vector, weeks: Vector) -> _Integrated:
    nodes, weights = legendre_quadrature(NODES)
    scale = 1.0 / (p / A + (s + 1.0) / B)
    furthest = np.log1p(weeks / scale)
    y = furthest * nodes
    d = scale * np.expm1(y)
    log_b, log_a = np.log1p(d / B), np.log1p(d / A)
    log_density = y - (s + 1.0) * log_b - p * log_a
    peak = log_density.max(axis=1, keepdims=True)
    density = np.exp(log_density - peak) * weights
    total = density.sum(axis=1)
    with np.errstate(divide="ignore"):  # no time for it to come in: log 0
        log_chance = np.log(s * scale / B * furthest)[:, 0] + peak[:, 0] + np.log(total)
    return _Integrated(log_chance, density, total, d, log_b, log_a)
