"""From expected value to a tier: frozen thresholds, hysteresis, minimum stay, guard rules.

Inside, a tier is its *rank*: 0 is the lowest. ``thresholds[r]`` is the money that divides rank
``r`` from ``r + 1``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from configs.errors import ConfigError, TrainingError, did_you_mean
from configs.tiers import ChurnBands, Guard, Thresholds, Tier, TierPolicy

Vector = NDArray[np.float64]
Ranks = NDArray[np.int64]
Objective = Literal["revenue", "margin", "retention"]
Way = Literal["quantile", "amount", "revenue_share", "natural_breaks"]


@dataclass(frozen=True)
class TierAssignment:
    """The tiers of ``n`` customers and what led to them; all arrays have length ``n``.

    Attributes:
        codes: tier codes.
        ranks: 0 for the lowest tier.
        plain_ranks: the tier by value alone, without hysteresis, stay and guards.
        held: whether hysteresis or the minimum stay keeps the tier from what value alone gives.
        guard: index into ``Policy.guards`` of the rule that set the tier; −1 for none.
        falls_below: money under which the tier would be lost; 0 in the lowest tier.
        rises_at: money at which the next tier is reached; infinite in the highest.
    """

    codes: NDArray[np.str_]
    ranks: Ranks
    plain_ranks: Ranks
    held: NDArray[np.bool_]
    guard: NDArray[np.int64]
    falls_below: Vector
    rises_at: Vector


class Policy(BaseModel):
    """A tier policy with its amounts frozen; JSON by ``model_dump_json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    objective: Objective
    tiers: tuple[Tier, ...]
    """From the highest to the lowest, as in the configuration."""
    thresholds: tuple[float, ...]
    """Money, from the lowest boundary to the highest."""
    thresholds_by: Way
    hysteresis: float
    minimum_stay_days: int
    guards: tuple[Guard, ...]
    churn_bands: ChurnBands

    @classmethod
    def freeze(cls, policy: TierPolicy, expected_values: ArrayLike) -> Policy:
        """Return the policy with thresholds in money, found on ``expected_values``.

        Raises:
            TrainingError: there are no expected values to find thresholds on.
        """
        values = np.asarray(expected_values, dtype=float)
        return cls(
            name=policy.name,
            objective=policy.objective,
            tiers=policy.tiers,
            thresholds=frozen_thresholds(policy, values),
            thresholds_by=policy.thresholds.by,
            hysteresis=policy.hysteresis,
            minimum_stay_days=policy.minimum_stay_days,
            guards=policy.guards,
            churn_bands=policy.churn_bands,
        )

    @property
    def settings(self) -> TierPolicy:
        """The policy as it is configured, with its amounts: to train for the tiers in force."""
        return TierPolicy.model_construct(
            name=self.name,
            objective=self.objective,
            tiers=self.tiers,
            thresholds=Thresholds.model_construct(by="amount", at=self.thresholds),
            hysteresis=self.hysteresis,
            minimum_stay_days=self.minimum_stay_days,
            guards=self.guards,
            churn_bands=self.churn_bands,
        )

    @property
    def codes(self) -> tuple[str, ...]:
        """Tier codes by rank: the lowest first."""
        return tuple(tier.code for tier in reversed(self.tiers))

    @property
    def guard_inputs(self) -> tuple[str, ...]:
        """Features that guard rules read."""
        return tuple(dict.fromkeys(guard.feature for guard in self.guards))

    def tells_tiers_like(self, other: Policy) -> bool:
        """Return whether both give anybody without a past the same tier."""

        def told(policy: Policy) -> tuple[object, ...]:
            guards = [guard.model_dump(exclude={"name"}) for guard in policy.guards]
            return policy.codes, policy.thresholds, guards

        return told(self) == told(other)

    def assign(
        self,
        values: ArrayLike,
        previous: ArrayLike | pa.Array | pa.ChunkedArray | None = None,
        days_in_tier: ArrayLike | None = None,
        guard_columns: Mapping[str, Vector] | None = None,
    ) -> TierAssignment:
        """Return the tiers of customers with expected ``values``.

        Args:
            values: money.
            previous: tier codes of last time; ``None`` or ``""`` where there is none.
            days_in_tier: days since ``previous`` began; NaN where unknown, then no minimum stay.
            guard_columns: features that guard rules read; a missing value triggers no rule.
        """
        values = np.asarray(values, dtype=float)
        before = self._ranks_of(previous, len(values))
        plain, up, down = (self._rank_by(values, f) for f in self._factors)
        kept = np.clip(before, up, down)
        if days_in_tier is not None:
            stays = np.asarray(days_in_tier, dtype=float) < self.minimum_stay_days
            kept = np.where(stays, before, kept)
        by_value = np.where(before >= 0, kept, plain)
        ranks, guard = self._guarded(by_value, guard_columns or {})
        falls_below, rises_at = self._distances(by_value, before >= 0)
        return TierAssignment(
            codes=np.array(self.codes)[ranks],
            ranks=ranks,
            plain_ranks=plain,
            held=by_value != plain,
            guard=guard,
            falls_below=falls_below,
            rises_at=rises_at,
        )

    def churn_band(self, probabilities: ArrayLike) -> NDArray[np.str_]:
        """Return ``low``, ``medium`` or ``high``; a boundary belongs to the higher band."""
        edges = [self.churn_bands.medium, self.churn_bands.high]
        return np.array(["low", "medium", "high"])[
            np.digitize(np.asarray(probabilities, dtype=float), edges)
        ]

    @property
    def _factors(self) -> tuple[float, float, float]:
        return 1.0, 1.0 + self.hysteresis, 1.0 - self.hysteresis

    def _rank_by(self, values: Vector, factor: float) -> Ranks:
        edges = np.asarray(self.thresholds) * factor
        return np.searchsorted(edges, values, side="right").astype(np.int64)

    def _ranks_of(self, previous: ArrayLike | pa.Array | pa.ChunkedArray | None, n: int) -> Ranks:
        if previous is None:
            return np.full(n, -1, dtype=np.int64)
        if not isinstance(previous, pa.Array | pa.ChunkedArray):
            previous = pa.array(np.asarray(previous, dtype=object), pa.string())
        ranks = pc.fill_null(pc.index_in(previous, pa.array(self.codes)), -1)
        return np.asarray(ranks).astype(np.int64)

    def _guarded(self, ranks: Ranks, columns: Mapping[str, Vector]) -> tuple[Ranks, Ranks]:
        applied = np.full(len(ranks), -1, dtype=np.int64)
        for i, guard in enumerate(self.guards):
            bounded = np.where(_triggered(guard, columns), self._bounded(guard, ranks), ranks)
            applied = np.where(bounded != ranks, i, applied)
            ranks = bounded
        return ranks, applied

    def _bounded(self, guard: Guard, ranks: Ranks) -> Ranks:
        lowest = 0 if guard.lift is None else self.codes.index(guard.lift)
        highest = len(self.codes) - 1 if guard.cap is None else self.codes.index(guard.cap)
        return np.minimum(np.maximum(ranks, lowest), highest)

    def _distances(self, ranks: Ranks, known: NDArray[np.bool_]) -> tuple[Vector, Vector]:
        edges = np.array([0.0, *self.thresholds, np.inf])
        _, up, down = self._factors
        falls = edges[ranks] * np.where(known, down, 1.0)
        rises = edges[ranks + 1] * np.where(known, up, 1.0)
        return falls, rises


def frozen_thresholds(policy: TierPolicy, values: Vector) -> tuple[float, ...]:
    """Return the thresholds in money, from the lowest to the highest.

    ``quantile`` .95: 95 % of customers lie below. ``revenue_share`` .95: the customers below hold
    95 % of expected value. ``natural_breaks``: midpoints between the K-means centres of log value.
    Thresholds found on values lie above the least of them: customers all alike are in the lowest
    tier, not all in the highest.
    """
    way, at = policy.thresholds.by, policy.thresholds.at
    if way == "amount":
        return tuple(at)
    values = np.sort(values[np.isfinite(values)])
    if len(values) == 0:
        raise TrainingError(
            f"policy {policy.name!r} divides tiers by {way}, which needs customers with an "
            "expected value, and there are none; set policy.thresholds.by to amount"
        )
    if way == "quantile":
        edges = np.quantile(values, at)
    elif way == "revenue_share":
        share = np.cumsum(values) / max(float(values.sum()), np.finfo(float).tiny)
        edges = values[np.minimum(np.searchsorted(share, at), len(values) - 1)]
    else:
        edges = _natural_breaks(values, len(policy.tiers))
    above_the_least = np.nextafter(values[0], np.inf)
    return tuple(float(edge) for edge in np.maximum(np.maximum.accumulate(edges), above_the_least))


def _natural_breaks(values: Vector, tiers: int) -> Vector:
    """Return midpoints, as geometric means, between the centres of the best groups of log value.

    Of fewer different values than tiers, each has a tier of its own from the lowest up; the tiers
    above stand empty, starting at twice the highest value and twice that again.
    """
    from training.breaks import centres_of

    logs = np.log(np.maximum(values, 1e-6))
    groups = min(tiers, len(np.unique(logs)))
    centres = centres_of(logs, groups)
    doubled = logs.max() + np.log(2.0) * np.arange(1, tiers - groups + 1)
    return np.exp(np.concatenate([(centres[1:] + centres[:-1]) / 2.0, doubled]))


def check_guards(policy: TierPolicy, features: Sequence[str]) -> None:
    """Check that every guard reads one of ``features``.

    Raises:
        ConfigError: one does not.
    """
    for guard in policy.guards:
        if guard.feature not in features:
            raise ConfigError(
                f"policy.guards: {guard.name.en!r} reads feature {guard.feature!r}, which is not "
                f"among the chosen ones; {did_you_mean(guard.feature, features)}"
            )


def _triggered(guard: Guard, columns: Mapping[str, Vector]) -> NDArray[np.bool_]:
    if guard.feature not in columns:
        raise ConfigError(
            f"guard {guard.name.en!r} reads feature {guard.feature!r}, which is not built; "
            "add its family to features.families or correct policy.guards"
        )
    value = np.asarray(columns[guard.feature], dtype=float)
    holds = ~np.isnan(value)
    if guard.at_least is not None:
        holds &= value >= guard.at_least
    if guard.at_most is not None:
        holds &= value <= guard.at_most
    return holds
