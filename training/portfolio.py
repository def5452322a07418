"""What many customers bring together, and how sure that sum is: a bootstrap, never summed bounds.

Two things make a sum uncertain. Each customer strays from what was expected of them: pairs of
expected and actual value are drawn again within the tier, and what strays apart cancels out. And
all stray together, since a forecast's level is off: a common factor is drawn whose spread comes
from the totals of past cutoffs. In large companies the second is nearly all there is.

References: Efron (1979), Bootstrap methods: another look at the jackknife, Ann. Statist. 7.
Gelman et al. (2013), Bayesian data analysis, section 3.3: a spread known from few errors, with a
prior worth some, makes the next error Student-t.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from training.coverage import Errors
from training.intervals import tiers_of

Vector = NDArray[np.float64]
Rows = NDArray[np.int64]

DRAWS = 1_000
POOL = 1_000
"""Customers kept and drawn per tier; a larger tier's spread is scaled down from theirs."""
PRIOR_SPREAD = 0.1
"""A total is off by a tenth, before any past total is known."""
PRIOR_ERRORS = 2
"""How many past totals that belief is worth."""
FEWEST_IN_POOL = 20


class Sum(BaseModel):
    """What a group of customers is expected to bring together, with its interval.

    Attributes:
        customers: how many.
        expected, low, high: money.
        at_risk: the part of it that is lost if everybody leaves as likely as forecast.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    customers: int
    expected: float
    low: float
    high: float
    at_risk: float | None = None


class Totals(BaseModel):
    """Sums over the whole base and each tier.

    Attributes:
        level: share of such totals that lie inside, as far as the past tells.
        horizon_days: what is summed.
        past_errors: past forecasts of the total over what came, less 1, the latest last.
        total: everybody.
        tiers: by tier code, the highest first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float
    horizon_days: int
    past_errors: tuple[float, ...]
    total: Sum
    tiers: dict[str, Sum]


class Portfolio(BaseModel):
    """How sums stray; JSON by ``model_dump_json``.

    Attributes:
        level: of the intervals.
        pools: for each tier, the lowest first, pairs of expected and actual value.
        past_errors: Σ expected / Σ actual − 1 of each measured cutoff, the latest last.
        seed: of the draws.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float
    pools: tuple[tuple[tuple[float, float], ...], ...]
    past_errors: tuple[float, ...]
    seed: int = 0

    @classmethod
    def fit(
        cls,
        errors: Errors,
        thresholds: Sequence[float],
        level: float,
        past: Sequence[Errors] = (),
        seed: int = 0,
    ) -> Portfolio | None:
        """Return how sums stray; ``None`` where too few customers were measured.

        Args:
            errors: the latest cutoff, whose customers are drawn again.
            thresholds: of the tiers, money, rising.
            level: of the intervals.
            past: cutoffs whose totals tell how far the common level strays, the latest last.
            seed: of the draws.
        """
        if len(errors) < FEWEST_IN_POOL or errors.actual.sum() <= 0:
            return None
        tier = tiers_of(errors.expected, thresholds)
        rng = np.random.default_rng(seed)
        pairs = np.column_stack([errors.expected, np.maximum(errors.actual, 0.0)])
        return cls(
            level=level,
            pools=tuple(
                _pool(pairs, np.flatnonzero(tier == rank), rng)
                for rank in range(len(thresholds) + 1)
            ),
            past_errors=tuple(
                float(one.expected.sum() / one.actual.sum() - 1.0)
                for one in past
                if one.actual.sum() > 0 and one.expected.sum() > 0
            ),
            seed=seed,
        )

    def divided(self, before: Sequence[float], after: Sequence[float]) -> Portfolio:
        """Return the same customers, pooled by other thresholds than they were fitted with.

        Args:
            before: thresholds that the pools were made by, money, rising.
            after: thresholds to pool by.

        Of a tier of over ``POOL`` customers a sample was kept, so a pool that crosses an old
        boundary holds the sides in other shares than the company does.
        """
        kept = [
            np.array(pool)[tiers_of(np.array(pool)[:, 0], before) == rank]
            for rank, pool in enumerate(self.pools)
        ]
        pairs = np.concatenate(kept)
        tier, rng = tiers_of(pairs[:, 0], after), np.random.default_rng(self.seed)
        ranks = range(len(after) + 1)
        pools = tuple(_pool(pairs, np.flatnonzero(tier == rank), rng) for rank in ranks)
        return self.model_copy(update={"pools": pools})

    def draws(self, expected: Vector, rank: Rows) -> Vector:
        """Return draws × tiers: what each tier may bring together, the lowest tier first.

        Memory is bounded by ``DRAWS`` · ``POOL`` numbers, whatever the number of customers.

        Args:
            expected: expected value of each customer.
            rank: the tier of each, 0 the lowest.
        """
        rng = np.random.default_rng(self.seed)
        level = self._levels(rng)
        sums = np.empty((DRAWS, len(self.pools)))
        for place, pool in enumerate(self.pools):
            own = expected[rank == place]
            factors = _factors(np.array(pool), len(own), rng) if len(own) else np.ones(DRAWS)
            sums[:, place] = float(own.sum()) * factors * level
        return sums

    def totals(
        self,
        expected: Vector,
        rank: Rows,
        codes: Sequence[str],
        horizon_days: int,
        churn: Vector | None = None,
    ) -> Totals:
        """Return the sums of everybody and of each tier.

        Args:
            expected: expected value of each customer.
            rank: the tier of each, 0 the lowest.
            codes: of the tiers, the lowest first.
            horizon_days: what expected value covers.
            churn: probability to leave of each; ``None`` leaves ``at_risk`` out.
        """
        draws = self.draws(expected, rank)
        everybody = np.ones(len(expected), dtype=bool)
        return Totals(
            level=self.level,
            horizon_days=horizon_days,
            past_errors=self.past_errors,
            total=self._sum(draws.sum(axis=1), expected, churn, everybody),
            tiers={
                codes[place]: self._sum(draws[:, place], expected, churn, rank == place)
                for place in reversed(range(len(codes)))
            },
        )

    def _sum(
        self, draws: Vector, expected: Vector, churn: Vector | None, rows: NDArray[np.bool_]
    ) -> Sum:
        total, tail = float(expected[rows].sum()), (1.0 - self.level) / 2.0
        low, high = np.quantile(draws, [tail, 1.0 - tail])
        return Sum(
            customers=int(rows.sum()),
            expected=total,
            low=min(float(low), total),
            high=max(float(high), total),
            at_risk=None if churn is None else float((churn * expected)[rows].sum()),
        )

    def _levels(self, rng: np.random.Generator) -> Vector:
        """Return draws of the factor by which all stray together, with median 1."""
        logs = np.log1p(np.array(self.past_errors))
        worth = PRIOR_ERRORS + len(logs)
        spread = math.sqrt((PRIOR_ERRORS * PRIOR_SPREAD**2 + float((logs**2).sum())) / worth)
        return np.exp(spread * rng.standard_t(worth, DRAWS))


def _pool(pairs: Vector, rows: Rows, rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
    """Return the tier's pairs, or everybody's where it has too few; at most ``POOL``."""
    rows = rows if len(rows) >= FEWEST_IN_POOL else np.arange(len(pairs))
    if len(rows) > POOL:
        rows = rng.choice(rows, POOL, replace=False)
    return tuple((float(p), float(y)) for p, y in pairs[np.sort(rows)])


def _factors(pool: Vector, n: int, rng: np.random.Generator) -> Vector:
    """Return draws of Σ actual / Σ expected of ``n`` customers, relative to the pool's own."""
    drawn = min(n, POOL)
    p, y = pool.T
    if y.sum() <= 0.0:
        return np.ones(DRAWS)
    rows = rng.integers(0, len(pool), (DRAWS, drawn))
    ratios = y[rows].sum(axis=1) / np.maximum(p[rows].sum(axis=1), np.finfo(float).tiny)
    strays = ratios / (y.sum() / p.sum()) - 1.0
    return np.maximum(1.0 + strays * math.sqrt(drawn / n), 0.0)
