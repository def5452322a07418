"""How much a purchase day brings: the Gamma-Gamma model of spend.

Reference:
    Fader, Hardie (2013), The Gamma-Gamma model of monetary value: equations (1a) and (5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from training.purchase.posterior import (
    USUAL,
    Objective,
    Search,
    Vector,
    distinct,
    minus_posterior,
    settled,
)

CENTRE = np.log(np.array([2.0, 2.0, 1.0]))


@dataclass(frozen=True)
class GammaGamma:
    """Spend per purchase day: z ~ Gamma(``p``, ν) with ν ~ Gamma(``q``, ``gamma``), q > 1."""

    p: float
    q: float
    gamma: float

    @classmethod
    def fit(
        cls,
        purchases: Vector,
        mean_spend: Vector,
        *,
        start: Self | None = None,
        search: Search = USUAL,
    ) -> Self:
        """Return the model with the highest posterior density.

        Equal customers are counted once; starts are tried on a part where there are many.

        Args:
            purchases: purchase days of each customer, the first included; at least 1.
            mean_spend: mean spend per purchase day; customers at or below 0 are left out.
            start: searched from instead of the two usual starts.
            search: priors and tolerance.
        """
        x, z = np.asarray(purchases, dtype=float), np.asarray(mean_spend, dtype=float)
        usable = np.isfinite(x) & np.isfinite(z) & (x > 0) & (z > 0)
        if not usable.any():
            return cls(p=1.0, q=2.0, gamma=1e-9)
        x, z = x[usable], z[usable]
        unit = float(np.exp(np.mean(np.log(z))))
        starts = [CENTRE, np.array([1.5, 0.5, 1.5])]
        if start is not None:
            starts = [np.log([start.p, start.q - 1.0, start.gamma / unit])]
        (days, spend), counts, _ = distinct(x, z / unit)

        def of_part(step: int) -> Objective:
            part = slice(None, None, step)
            return cls.objective(days[part], spend[part], search, counts[part])

        p, q_less_1, gamma = np.exp(settled(of_part, len(days), starts, search.tolerance))
        return cls(p=float(p), q=float(1.0 + q_less_1), gamma=float(gamma * unit))

    @classmethod
    def objective(
        cls,
        x: Vector,
        z: Vector,
        search: Search = USUAL,
        counts: NDArray[np.int64] | None = None,
    ) -> Objective:
        """Return minus the mean log posterior, with gradient, of (log p, log (q - 1), log γ).

        Fader & Hardie 2013, eq. 1a; ``z`` in units of its geometric mean, ``counts`` customers
        of each row, one where it is not given.
        """
        each = np.ones(len(x), dtype=np.int64) if counts is None else counts
        levels, level = np.unique(x, return_inverse=True)
        paid = x * z
        log_x, log_z, log_paid = np.log(x), np.log(z), np.log(paid)

        def terms(log_parameters: Vector, rows: slice) -> tuple[Vector, Vector]:
            p, q_less_1, gamma = np.exp(log_parameters)
            q = 1.0 + q_less_1
            n, at, total = x[rows], level[rows], gamma + paid[rows]
            pn, log_total = p * n, np.log(total)
            log_likelihood = (
                gammaln(p * levels + q)[at] - gammaln(p * levels)[at] - gammaln(q)
                + q * np.log(gamma) + (pn - 1.0) * log_z[rows] + pn * log_x[rows]
                - (pn + q) * log_total
            )  # fmt: skip
            joint = digamma(p * levels + q)[at] - log_total
            slope_p = n * (joint - digamma(p * levels)[at] + log_paid[rows])
            slope_q = joint - digamma(q) + np.log(gamma)
            slope_gamma = q / gamma - (pn + q) / total
            return log_likelihood, np.stack([slope_p * p, slope_q * q_less_1, slope_gamma * gamma])

        return minus_posterior(terms, each, CENTRE, search.prior_spread)

    def expected_spend(self, purchases: Vector, mean_spend: Vector) -> Vector:
        """Return E[M], expected spend per purchase day (Fader & Hardie 2013, eq. 5)."""
        x = np.asarray(purchases, dtype=float)
        z = np.maximum(np.asarray(mean_spend, dtype=float), 0.0)
        return self.p * (self.gamma + x * z) / (self.p * x + self.q - 1.0)

    def to_dict(self) -> dict[str, float]:
        """Return the parameters, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, parameters: Mapping[str, float]) -> Self:
        """Return the model with ``parameters``."""
        return cls(**parameters)
