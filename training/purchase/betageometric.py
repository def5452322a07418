"""MBG/NBD and BG/NBD: buying at a rate, leaving for good right after a purchase.

The two differ in one thing, whether a customer may leave after the very first purchase. In
BG/NBD nobody does, so that every one-time buyer counts as alive for ever; in MBG/NBD they may.

References:
    Fader, Hardie, Lee (2005), "Counting your customers" the easy way: an alternative to the
    Pareto/NBD model, Marketing Science 24(2): BG/NBD, equations (6) and (10).
    Fader, Hardie, Lee (2008), Computing P(alive) using the BG/NBD model.
    Batislam, Denizel, Filiztekin (2007), Empirical validation and comparison of models for
    customer base analysis, IJRM 24(3): MBG/NBD, equations (6), (8) and (9).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import betaln, digamma, expit, gammaln

from training.purchase.posterior import (
    DAYS_PER_WEEK,
    USUAL,
    Histories,
    Objective,
    Search,
    Vector,
    distinct,
    in_weeks,
    minus_posterior,
    settled,
)
from training.purchase.quadrature import beta_quadrature

ROWS_AT_ONCE = 2**16


@dataclass(frozen=True)
class BetaGeometric:
    """What the two models share: λ ~ Gamma(``r``, ``alpha``) per week, p ~ Beta(``a``, ``b``).

    λ is the rate of buying, p the chance to leave after a purchase. ``frequency`` counts repeat
    purchase days, ``recency`` is the day of the last one and ``tenure`` the observed time, both
    in days since the first.
    """

    r: float
    alpha: float
    a: float
    b: float

    FIRST_SURVIVED: ClassVar[int]
    """Chances to leave that the first purchase brings: 1 or 0."""

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

        Equal customers are counted once. Two starts, tried on a part of the histories where there
        are many; ``start``, such as the model of a month ago, takes their place.
        """
        histories = Histories.of(frequency, recency, tenure)
        typical = histories.typical_log_tenure()
        centre = np.array([np.log(0.5), typical, np.log(0.5), np.log(2.0)])
        starts = [centre, np.array([0.0, typical - 1.0, 0.5, 1.5])]
        if start is not None:
            starts = [np.log([start.r, start.alpha, start.a, start.b])]

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
        """Return minus the mean log posterior, with gradient, of (log r, log α, log a, log b).

        Times in weeks. MBG/NBD: Batislam et al. 2007, eq. 6; BG/NBD: Fader et al. 2005, eq. 6.
        """
        x, t_x, T, counts = histories
        levels, level = np.unique(x, return_inverse=True)
        stayed = levels - 1.0 + cls.FIRST_SURVIVED
        """Chances to leave not taken before the last one; -1 where there was none at all."""

        def terms(log_parameters: Vector, rows: slice) -> tuple[Vector, Vector]:
            r, alpha, a, b = np.exp(log_parameters)
            at, purchases = level[rows], x[rows]
            since_last, since_first = alpha + t_x[rows], alpha + T[rows]
            log_last, log_first = np.log(since_last), np.log(since_first)
            left_at, stays_at, slope_b_at, shared_at = _beta_parts(a, b, stayed)
            left = left_at[at] - (r + purchases) * log_last
            stays = stays_at[at] - (r + purchases) * log_first
            both = np.logaddexp(left, stays)
            v, w = np.exp(left - both), np.exp(stays - both)
            rising = (gammaln(r + levels) - gammaln(r))[at]
            log_likelihood = rising + r * np.log(alpha) - betaln(a, b) + both
            slope_r = (digamma(r + levels) - digamma(r))[at] + np.log(alpha)
            slope_r = slope_r - v * log_last - w * log_first
            slope_alpha = r / alpha - (r + purchases) * (v / since_last + w / since_first)
            slope_a = v / a + shared_at[at]
            slope_b = np.where(
                stayed[at] < 0,
                0.0,
                slope_b_at[at] + w / (b + np.maximum(stayed, 0.0)[at]) - digamma(b) + shared_at[at],
            )
            slopes = np.stack([slope_r * r, slope_alpha * alpha, slope_a * a, slope_b * b])
            return log_likelihood, slopes

        return minus_posterior(terms, counts, centre, search.prior_spread)

    def probability_alive(self, frequency: Vector, recency: Vector, tenure: Vector) -> Vector:
        """Return P(still a customer), shape of the inputs; not one minus churn.

        MBG/NBD: Batislam et al. 2007, eq. 8. BG/NBD: Fader, Hardie & Lee 2008; 1 for x = 0.
        """
        x = np.asarray(frequency, dtype=float)
        t_x, T = in_weeks(recency, tenure)
        stayed = self.b + (x - 1.0 + self.FIRST_SURVIVED)
        log_ratio = np.log((self.alpha + T) / (self.alpha + t_x))
        could_leave = x + self.FIRST_SURVIVED > 0
        odds = np.log(np.where(could_leave, stayed, 1.0) / self.a) - (self.r + x) * log_ratio
        return np.where(could_leave, expit(odds), 1.0)

    def expected_purchases(
        self, horizon_days: float, frequency: Vector, recency: Vector, tenure: Vector
    ) -> Vector:
        """Return E[X(H)], the expected purchase days in the horizon.

        Batislam et al. 2007, eq. 9; Fader et al. 2005, eq. 10. The published forms hold a
        Gaussian hypergeometric function over (a - 1). Here its defining integral over
        p ~ Beta(a, b + x + 1), or Beta(a, b + x) in BG/NBD, ``E[(1 - (1 + pτ)^-(r+x)) / p]`` with
        τ = H / (α + T), is taken by Gauss-Jacobi quadrature: finite at a = 1 and at any x.
        """
        x = np.asarray(frequency, dtype=float)
        _, T = in_weeks(recency, tenure)
        (levels, tenures), _, where = distinct(x, T)
        if_alive = self._purchases_if_alive(horizon_days / DAYS_PER_WEEK, levels, tenures)
        return if_alive[where] * self.probability_alive(x, recency, tenure)

    def probability_of_none(
        self, horizon_days: float, frequency: Vector, recency: Vector, tenure: Vector
    ) -> Vector:
        """Return P(X(H) = 0), the chance of no purchase in the horizon.

        Someone who has left buys nothing. Someone who has not leaves only by buying, so buys
        nothing with probability E[exp(-λH)] under λ ~ Gamma(r + x, α + T)::

            P(X(H) = 0) = 1 - P(alive) · (1 - ((α + T) / (α + T + H))^(r + x))
        """
        x = np.asarray(frequency, dtype=float)
        _, T = in_weeks(recency, tenure)
        weeks = horizon_days / DAYS_PER_WEEK
        buys = -np.expm1(-(self.r + x) * np.log1p(weeks / (self.alpha + T)))
        return 1.0 - self.probability_alive(x, recency, tenure) * buys

    def to_dict(self) -> dict[str, float]:
        """Return the parameters, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, parameters: Mapping[str, float]) -> Self:
        """Return the model with ``parameters``."""
        return cls(**parameters)

    def _purchases_if_alive(self, weeks: float, x: Vector, T: Vector) -> Vector:
        levels, level = np.unique(x, return_inverse=True)
        purchases = np.empty(len(x))
        for i, value in enumerate(levels):
            p, weight = beta_quadrature(self.a, self.b + value + self.FIRST_SURVIVED)
            here = np.flatnonzero(level.reshape(-1) == i)
            for rows in np.split(here, range(ROWS_AT_ONCE, len(here), ROWS_AT_ONCE)):
                tau = (weeks / (self.alpha + T[rows]))[:, None]
                nodes = -np.expm1(-(self.r + value) * np.log1p(tau * p)) / p * weight
                purchases[rows] = nodes.sum(axis=1)  # BLAS would sum one row unlike many
        return purchases


@dataclass(frozen=True)
class MbgNbd(BetaGeometric):
    """The modified beta-geometric/NBD model: leaving after any purchase, the first included."""

    FIRST_SURVIVED: ClassVar[int] = 1


@dataclass(frozen=True)
class BgNbd(BetaGeometric):
    """The beta-geometric/NBD model: leaving after repeat purchases only."""

    FIRST_SURVIVED: ClassVar[int] = 0


def _beta_parts(a: float, b: float, stayed: Vector) -> tuple[Vector, Vector, Vector, Vector]:
    """Return, by number of chances not taken: log B of left and of stays, slope b, shared slope."""
    n = np.maximum(stayed, 0.0)
    left = np.where(stayed < 0, -np.inf, betaln(a + 1.0, b + n))
    shared = np.where(stayed < 0, 0.0, digamma(a + b) - digamma(a + b + n + 1.0))
    return left, betaln(a, b + stayed + 1.0), digamma(b + n), shared
