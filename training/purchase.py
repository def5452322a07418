"""How often customers buy again, and for how much: MBG/NBD and Gamma-Gamma.

Both are fitted by maximum a posteriori in log space: weak priors keep every parameter finite for
every input (one-time buyers only, a hundred purchases, thirty customers). Times go in and out in
days; inside, a week is the unit.

References:
    Batislam, Denizel, Filiztekin (2007), Empirical validation and comparison of models for
    customer base analysis, IJRM 24(3): MBG/NBD.
    Fader, Hardie (2013), The Gamma-Gamma model of monetary value: equations (1a) and (5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import minimize
from scipy.special import betaln, digamma, expit, gammaln

Vector = NDArray[np.float64]
Objective = Callable[[Vector], tuple[float, Vector]]

DAYS_PER_WEEK = 7.0
NODES = 48
"""Quadrature nodes: E[X(H)] then agrees with adaptive integration to about 1e-9."""
PRIOR_SPREAD = 2.0
"""Standard deviation of every log parameter a priori: a factor of 55 either way within 95 %."""
LOG_BOUND = 9.0


@dataclass(frozen=True)
class MbgNbd:
    """The modified beta-geometric/NBD model: buying at rate λ, leaving after any purchase.

    λ ~ Gamma(``r``, ``alpha``) per week; the chance to leave after each purchase, the first
    included, p ~ Beta(``a``, ``b``). ``frequency`` counts repeat purchase days, ``recency`` is
    the day of the last one and ``tenure`` the observed time, both in days since the first.
    """

    r: float
    alpha: float
    a: float
    b: float

    @classmethod
    def fit(cls, frequency: Vector, recency: Vector, tenure: Vector) -> MbgNbd:
        """Return the model with the highest posterior density given the customers.

        Equal customers are counted once. Two starts; the better one is kept.
        """
        rows, counts = np.unique(
            np.column_stack([frequency, *_weeks(recency, tenure)]), axis=0, return_counts=True
        )
        x, t_x, T = rows.T
        typical = float(np.log(max(np.average(T, weights=counts), 1.0))) if len(T) else 2.0
        centre = np.array([np.log(0.5), typical, np.log(0.5), np.log(2.0)])
        starts = (centre, np.array([0.0, typical - 1.0, 0.5, 1.5]))
        log_parameters = _highest(_mbg_nbd_objective(x, t_x, T, counts, centre), starts)
        return cls(*map(float, np.exp(log_parameters)))

    def probability_alive(self, frequency: Vector, recency: Vector, tenure: Vector) -> Vector:
        """Return P(still a customer), shape of the inputs (Batislam et al. 2007, eq. 8)."""
        x = np.asarray(frequency, dtype=float)
        t_x, T = _weeks(recency, tenure)
        log_ratio = np.log((self.alpha + T) / (self.alpha + t_x))
        return expit(np.log((self.b + x) / self.a) - (self.r + x) * log_ratio)

    def expected_purchases(
        self, horizon_days: float, frequency: Vector, recency: Vector, tenure: Vector
    ) -> Vector:
        """Return E[X(H)], the expected purchase days in the horizon (Batislam et al., eq. 9).

        The published form holds a Gaussian hypergeometric function over (a - 1). Here its
        defining integral over p ~ Beta(a, b + x + 1), ``E[(1 - (1 + pτ)^-(r+x)) / p]`` with
        τ = H / (α + T), is taken by Gauss-Jacobi quadrature: finite at a = 1 and at any x.
        """
        x = np.asarray(frequency, dtype=float)
        _, T = _weeks(recency, tenure)
        pairs, where = np.unique(np.column_stack([x, T]), axis=0, return_inverse=True)
        if_alive = self._purchases_if_alive(horizon_days / DAYS_PER_WEEK, pairs[:, 0], pairs[:, 1])
        return if_alive[where.reshape(-1)] * self.probability_alive(x, recency, tenure)

    def probability_of_none(
        self, horizon_days: float, frequency: Vector, recency: Vector, tenure: Vector
    ) -> Vector:
        """Return P(X(H) = 0), the chance of no purchase in the horizon.

        Someone who has left buys nothing. Someone who has not leaves only by buying, so buys
        nothing with probability E[exp(-λH)] under λ ~ Gamma(r + x, α + T)::

            P(X(H) = 0) = 1 - P(alive) · (1 - ((α + T) / (α + T + H))^(r + x))
        """
        x = np.asarray(frequency, dtype=float)
        _, T = _weeks(recency, tenure)
        weeks = horizon_days / DAYS_PER_WEEK
        buys = -np.expm1(-(self.r + x) * np.log1p(weeks / (self.alpha + T)))
        return 1.0 - self.probability_alive(x, recency, tenure) * buys

    def to_dict(self) -> dict[str, float]:
        """Return the parameters, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, parameters: Mapping[str, float]) -> MbgNbd:
        """Return the model with ``parameters``."""
        return cls(**parameters)

    def _purchases_if_alive(self, weeks: float, x: Vector, T: Vector) -> Vector:
        levels, level = np.unique(x, return_inverse=True)
        purchases = np.empty(len(x))
        for i, value in enumerate(levels):
            here = level.reshape(-1) == i
            p, weight = beta_quadrature(self.a, self.b + value + 1.0)
            tau = (weeks / (self.alpha + T[here]))[:, None]
            nodes = -np.expm1(-(self.r + value) * np.log1p(tau * p)) / p * weight
            purchases[here] = nodes.sum(axis=1)  # BLAS would sum one row unlike many
        return purchases


@dataclass(frozen=True)
class GammaGamma:
    """Spend per purchase day: z ~ Gamma(``p``, ν) with ν ~ Gamma(``q``, ``gamma``), q > 1."""

    p: float
    q: float
    gamma: float

    @classmethod
    def fit(cls, purchases: Vector, mean_spend: Vector) -> GammaGamma:
        """Return the model with the highest posterior density.

        Args:
            purchases: purchase days of each customer, the first included; at least 1.
            mean_spend: mean spend per purchase day; customers at or below 0 are left out.
        """
        x, z = np.asarray(purchases, dtype=float), np.asarray(mean_spend, dtype=float)
        usable = np.isfinite(x) & np.isfinite(z) & (x > 0) & (z > 0)
        if not usable.any():
            return cls(p=1.0, q=2.0, gamma=1e-9)
        x, z = x[usable], z[usable]
        unit = float(np.exp(np.mean(np.log(z))))
        centre = np.log(np.array([2.0, 2.0, 1.0]))
        starts = (centre, np.array([1.5, 0.5, 1.5]))
        p, q_less_1, gamma = np.exp(_highest(_gamma_gamma_objective(x, z / unit, centre), starts))
        return cls(p=float(p), q=float(1.0 + q_less_1), gamma=float(gamma * unit))

    def expected_spend(self, purchases: Vector, mean_spend: Vector) -> Vector:
        """Return E[M], expected spend per purchase day (Fader & Hardie 2013, eq. 5)."""
        x = np.asarray(purchases, dtype=float)
        z = np.maximum(np.asarray(mean_spend, dtype=float), 0.0)
        return self.p * (self.gamma + x * z) / (self.p * x + self.q - 1.0)

    def to_dict(self) -> dict[str, float]:
        """Return the parameters, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, parameters: Mapping[str, float]) -> GammaGamma:
        """Return the model with ``parameters``."""
        return cls(**parameters)


@lru_cache(maxsize=10_000)
def beta_quadrature(a: float, b: float, nodes: int = NODES) -> tuple[Vector, Vector]:
    """Return nodes in (0, 1) and weights, sum 1, of Gauss quadrature under Beta(a, b).

    Golub & Welsch (1969): eigenvalues of the Jacobi matrix of the shifted Jacobi polynomials.
    """
    k = np.arange(nodes, dtype=float)
    s = 2.0 * k + a + b
    with np.errstate(invalid="ignore", divide="ignore"):
        diagonal = 0.5 + (a - b) * (a + b - 2.0) / (2.0 * (s - 2.0) * s)
    diagonal[0] = a / (a + b)
    j = k[1:]
    s = 2.0 * j + a + b
    square = np.empty(nodes - 1)
    square[0] = a * b / ((a + b) ** 2 * (a + b + 1.0))
    j, s = j[1:], s[1:]
    square[1:] = (
        j * (j + a - 1.0) * (j + b - 1.0) * (j + a + b - 2.0)
        / ((s - 1.0) * (s - 2.0) ** 2 * (s - 3.0))
    )  # fmt: skip
    points, vectors = eigh_tridiagonal(diagonal, np.sqrt(square))
    return np.maximum(points, np.finfo(float).tiny), vectors[0] ** 2


def _weeks(recency: Vector, tenure: Vector) -> tuple[Vector, Vector]:
    T = np.maximum(np.asarray(tenure, dtype=float), 0.0)
    t_x = np.clip(np.asarray(recency, dtype=float), 0.0, T)
    return t_x / DAYS_PER_WEEK, T / DAYS_PER_WEEK


def _highest(objective: Objective, starts: Sequence[Vector]) -> Vector:
    bounds = [(-LOG_BOUND, LOG_BOUND)] * len(starts[0])
    fits = [
        minimize(objective, np.clip(s, *bounds[0]), jac=True, method="L-BFGS-B", bounds=bounds)
        for s in starts
    ]
    best: Vector = min(fits, key=lambda fit: float(fit.fun)).x
    return best


def _mbg_nbd_objective(
    x: Vector, t_x: Vector, T: Vector, counts: NDArray[np.int64], centre: Vector
) -> Objective:
    levels, level = np.unique(x, return_inverse=True)
    total = max(float(counts.sum()), 1.0)

    def objective(log_parameters: Vector) -> tuple[float, Vector]:
        """Return minus the mean log posterior (Batislam et al., eq. 6) and its gradient."""
        r, alpha, a, b = np.exp(log_parameters)
        left = betaln(a + 1.0, b + levels)[level] - (r + x) * np.log(alpha + t_x)
        stays = betaln(a, b + levels + 1.0)[level] - (r + x) * np.log(alpha + T)
        both = np.logaddexp(left, stays)
        v, w = np.exp(left - both), np.exp(stays - both)
        rising = (gammaln(r + levels) - gammaln(r))[level]
        log_likelihood = rising + r * np.log(alpha) - betaln(a, b) + both
        slope_r = (digamma(r + levels) - digamma(r))[level] + np.log(alpha)
        slope_r = slope_r - v * np.log(alpha + t_x) - w * np.log(alpha + T)
        slope_alpha = r / alpha - (r + x) * (v / (alpha + t_x) + w / (alpha + T))
        shared = digamma(a + b) - digamma(a + b + levels + 1.0)[level]
        slope_a = v / a + shared
        slope_b = digamma(b + levels)[level] + w / (b + x) - digamma(b) + shared
        slopes = np.stack([slope_r * r, slope_alpha * alpha, slope_a * a, slope_b * b])
        return _minus_posterior(log_parameters, centre, log_likelihood, slopes, counts, total)

    return objective


def _gamma_gamma_objective(x: Vector, z: Vector, centre: Vector) -> Objective:
    counts = np.ones(len(x))

    def objective(log_parameters: Vector) -> tuple[float, Vector]:
        """Return minus the mean log posterior (Fader & Hardie, eq. 1a) and its gradient."""
        p, q_less_1, gamma = np.exp(log_parameters)
        q = 1.0 + q_less_1
        px, total = p * x, gamma + x * z
        log_likelihood = (
            gammaln(px + q) - gammaln(px) - gammaln(q)
            + q * np.log(gamma) + (px - 1.0) * np.log(z) + px * np.log(x)
            - (px + q) * np.log(total)
        )  # fmt: skip
        joint = digamma(px + q) - np.log(total)
        slope_p = x * (joint - digamma(px) + np.log(x * z))
        slope_q = joint - digamma(q) + np.log(gamma)
        slope_gamma = q / gamma - (px + q) / total
        slopes = np.stack([slope_p * p, slope_q * q_less_1, slope_gamma * gamma])
        return _minus_posterior(
            log_parameters, centre, log_likelihood, slopes, counts, float(len(x))
        )

    return objective


def _minus_posterior(
    log_parameters: Vector,
    centre: Vector,
    log_likelihood: Vector,
    slopes: Vector,
    counts: NDArray[np.float64] | NDArray[np.int64],
    total: float,
) -> tuple[float, Vector]:
    away = (log_parameters - centre) / PRIOR_SPREAD
    value = float(counts @ log_likelihood) - 0.5 * float(away @ away)
    return -value / total, -(slopes @ counts - away / PRIOR_SPREAD) / total
