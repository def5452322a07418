"""Scores of customers from their features: the one way, for a batch and for one raw record.

Nothing here depends on which other customers are scored along, so a customer's numbers are equal
to the bit whether scored alone or among a million.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from configs.tiers import Lifecycle
from serving.scores.known import Known, Texts
from serving.scores.population import Array, Population, column
from serving.scores.wording import Described
from training.anchor import TargetName
from training.evaluate import Evaluation
from training.fitted import Reference
from training.intervals import Intervals
from training.lifecycle import stages
from training.models import Model
from training.outlook import TierOutlook, shares_of_tiers
from training.policy import Policy, TierAssignment
from training.portfolio import Portfolio
from training.segments import Segments

TREND_POINTS = 0.05
"""A churn probability that moved by less than this counts as steady."""

SCORES = pa.schema(
    [
        ("customer_id", pa.string()),
        ("cutoff", pa.int32()),
        ("churn_probability", pa.float64()),
        ("churn_percentile", pa.float64()),
        ("churn_band", pa.string()),
        ("churn_trend", pa.string()),
        ("churn_base", pa.float64()),
        ("clv_expected", pa.float64()),
        ("clv_median", pa.float64()),
        ("clv_low", pa.float64()),
        ("clv_high", pa.float64()),
        ("clv_base", pa.float64()),
        ("tier", pa.string()),
        ("tier_held", pa.bool_()),
        ("tier_guard", pa.int32()),
        ("tier_since", pa.date32()),
        ("tier_falls_below", pa.float64()),
        ("tier_rises_at", pa.float64()),
        ("tier_outlook", pa.list_(pa.float64())),
        ("previous_tier", pa.string()),
        ("previous_tier_since", pa.date32()),
        ("previous_churn_probability", pa.float64()),
        ("previous_clv_expected", pa.float64()),
        ("lifecycle", pa.string()),
        ("segment", pa.string()),
        ("completeness", pa.float64()),
        ("fallback", pa.string()),
        ("warnings", pa.list_(pa.string())),
    ]
)
"""One row per customer; null where a model is absent or there is no past.

``churn_base`` and ``clv_base`` are the numbers that contributions start from. ``tier_guard`` is
the index of the policy's guard rule that set the tier. ``tier_falls_below`` and ``tier_rises_at``
are the money at which the tier by value is lost and the next one reached. ``tier_outlook`` is the
probability of each tier by value in the next horizon, the highest tier first; it sums to 1.
"""
PREVIOUS = pa.schema(
    [
        ("customer_id", pa.string()),
        ("tier", pa.string()),
        ("tier_since", pa.date32()),
        ("churn_probability", pa.float64()),
        ("clv_expected", pa.float64()),
    ]
)
"""What the last publication before said of a customer; the input of hysteresis and trend."""


class BundleLike(Protocol):
    """What a scorer needs of a model bundle; ``training.bundle.Bundle`` has it."""

    @property
    def models(self) -> Mapping[TargetName, Model]: ...  # noqa: D102
    @property
    def policy(self) -> Policy: ...  # noqa: D102
    @property
    def segments(self) -> Segments | None: ...  # noqa: D102
    @property
    def intervals(self) -> Intervals | None: ...  # noqa: D102
    @property
    def outlook(self) -> TierOutlook | None: ...  # noqa: D102
    @property
    def portfolio(self) -> Portfolio | None: ...  # noqa: D102
    @property
    def features(self) -> Sequence[Described]: ...  # noqa: D102
    @property
    def reference(self) -> Reference: ...  # noqa: D102
    @property
    def evaluation(self) -> Evaluation | None: ...  # noqa: D102


@dataclass(frozen=True)
class Scorer:
    """Scores customers with one model bundle.

    Attributes:
        bundle: models, policy, segments and intervals.
        lifecycle: boundaries of the lifecycle stages.
        population: whom percentiles compare with; none gives null percentiles.
    """

    bundle: BundleLike
    lifecycle: Lifecycle
    population: Population = field(default_factory=Population)

    def columns(self, matrix: pa.Table) -> dict[str, Array]:
        """Return the feature columns of ``matrix`` as float64, NaN where missing."""
        return {name: column(matrix, name) for name in matrix.column_names[2:]}

    def score(self, matrix: pa.Table, previous: pa.Table | None = None) -> pa.Table:
        """Return a table of schema ``SCORES``, one row per row of ``matrix``, in its order.

        Args:
            matrix: ``customer_id``, ``cutoff`` and the features.
            previous: table of schema ``PREVIOUS``; customers it lacks have no past.
        """
        columns = self.columns(matrix)
        before = _aligned(previous, matrix["customer_id"])
        n = len(matrix)
        churn = self._predicted("churn", columns, n)
        value = self._predicted("clv", columns, n)
        known = Known(self.bundle, self.inputs)
        parts: dict[str, Any] = {"customer_id": matrix["customer_id"], "cutoff": matrix["cutoff"]}
        parts |= self._churn_parts(churn, before, columns)
        parts |= self._value_parts(value, churn, columns)
        parts |= self._tier_parts(value, columns, before, matrix)
        parts |= {
            "previous_tier": before["tier"],
            "previous_tier_since": before["tier_since"],
            "previous_churn_probability": before["churn_probability"],
            "previous_clv_expected": before["clv_expected"],
            "lifecycle": stages(columns, n, self.lifecycle),
            "segment": self._segments(columns, n),
            "completeness": known.completeness(columns, n),
            "fallback": known.fallback(columns, n),
            "warnings": known.warnings(columns, n),
        }
        return pa.table([_arrow(parts[f.name], f.type, n) for f in SCORES], schema=SCORES)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every feature that a model reads."""
        models = self.bundle.models.values()
        return tuple(dict.fromkeys(name for model in models for name in model.inputs))

    def _predicted(self, target: TargetName, columns: Mapping[str, Array], n: int) -> Array:
        model = self.bundle.models.get(target)
        return np.full(n, np.nan) if model is None else model.predict(columns)

    def base(self, target: TargetName, columns: Mapping[str, Array]) -> float:
        """Return the number that contributions of ``target`` start from, NaN without a model."""
        if target not in self._bases:
            self._bases[target] = self._base(target, columns)
        return self._bases[target]

    @cached_property
    def _bases(self) -> dict[TargetName, float]:
        """The bases found so far: a model's is the same for all customers."""
        return {}

    def _base(self, target: TargetName, columns: Mapping[str, Array]) -> float:
        model = self.bundle.models.get(target)
        if model is None:
            return float("nan")
        first = {name: columns[name][:1] for name in model.inputs}
        base, _ = model.contributions(first)
        return float(model.inverse_link(np.array([base]))[0])

    def _churn_parts(
        self, churn: Array, before: Mapping[str, Any], columns: Mapping[str, Array]
    ) -> dict[str, Any]:
        bands = self.bundle.policy.churn_band(churn).astype(object)
        bands[np.isnan(churn)] = None
        return {
            "churn_probability": churn,
            "churn_percentile": self.population.percentile(churn),
            "churn_band": bands,
            "churn_trend": _trend(churn, _numbers(before["churn_probability"])),
            "churn_base": np.full(len(churn), self.base("churn", columns)),
        }

    def _value_parts(
        self, value: Array, churn: Array, columns: Mapping[str, Array]
    ) -> dict[str, Any]:
        low = high = median = np.full(len(value), np.nan)
        intervals = self.bundle.intervals
        if intervals is not None and "clv" in self.bundle.models:
            low, high, median = intervals.bounds(value)
            high = np.where((high == 0.0) & self._stays(churn, intervals.level), value, high)
        base = np.full(len(value), self.base("clv", columns))
        return {
            "clv_expected": value,
            "clv_median": median,
            "clv_low": low,
            "clv_high": high,
            "clv_base": base,
        }

    def _stays(self, churn: Array, level: float) -> npt.NDArray[np.bool_]:
        """Return who is too likely to stay to be told that ``level`` of such bring nothing.

        Intervals know a customer by expected value alone, and where a tier is covered by nothing
        at all, they say nothing of all of it; churn knows its best customers better.
        """
        models = self.bundle.models
        if "churn" not in models or models["churn"].horizon_days > models["clv"].horizon_days:
            return np.zeros(len(churn), dtype=bool)
        return churn < level

    def _tier_parts(
        self,
        value: Array,
        columns: Mapping[str, Array],
        before: Mapping[str, Any],
        matrix: pa.Table,
    ) -> dict[str, Any]:
        if "clv" not in self.bundle.models:
            names = [name for name in SCORES.names if name.startswith("tier")]
            return dict.fromkeys(names, pa.nulls(len(value)))
        days, since = days_of(matrix["cutoff"]), days_of(before["tier_since"])
        given = tiers_by(self.bundle.policy, value, columns, before, days)
        stays = (given.codes == _codes_of(before["tier"])) & ~np.isnat(since)
        return {
            "tier": given.codes.astype(object),
            "tier_held": given.held,
            "tier_guard": pa.array(given.guard, mask=given.guard < 0),
            "tier_since": np.where(stays, since, days),
            "tier_outlook": self._outlook(columns),
            **_boundaries(given),
        }

    def _outlook(self, columns: Mapping[str, Array]) -> pa.Array | None:
        """Return the probability of each tier in the next horizon, the highest first."""
        if self.bundle.outlook is None:
            return None
        shares = shares_of_tiers(self.bundle.outlook.reach(columns))[:, ::-1]
        ends = pa.array(np.arange(len(shares) + 1) * shares.shape[1], pa.int32())
        return pa.ListArray.from_arrays(ends, pa.array(shares.ravel()))

    def _segments(self, columns: Mapping[str, Array], n: int) -> Texts:
        if self.bundle.segments is None:
            return np.full(n, None, dtype=object)
        return np.asarray(self.bundle.segments.assign(columns, n), dtype=object)


def tiers_by(
    policy: Policy,
    value: Array,
    columns: Mapping[str, Array],
    before: Mapping[str, Any] | pa.Table,
    days: npt.NDArray[np.datetime64],
) -> TierAssignment:
    """Return the tiers of customers by ``policy``: of a publication, of a preview, of a past one.

    Args:
        policy: with its amounts frozen.
        value: expected value of each customer.
        columns: features that guard rules read.
        before: ``tier`` and ``tier_since`` of the publication before; null without one.
        days: the day that each is scored on.
    """
    since = days_of(before["tier_since"])
    stayed = np.where(np.isnat(since), np.nan, (days - since).astype(np.float64))
    return policy.assign(value, before["tier"], stayed, columns)


def days_of(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.datetime64]:
    """Return days since 1970, or dates, as days; not a day where null."""
    days = column.cast(pa.date32()).to_numpy(zero_copy_only=False)
    return np.asarray(days).astype("datetime64[D]")


def _codes_of(column: pa.Array | pa.ChunkedArray) -> Texts:
    return np.asarray(column.fill_null("").to_numpy(zero_copy_only=False), dtype=object)


def previous_of(scores: pa.Table) -> pa.Table:
    """Return what the scores say of customers, as input of the next publication's scores."""
    return scores.select(PREVIOUS.names).cast(PREVIOUS)


def before_of(scores: pa.Table) -> pa.Table:
    """Return the ``previous`` that ``scores`` were made with, to make them again."""
    names = ["customer_id", *(f"previous_{name}" for name in PREVIOUS.names[1:])]
    return scores.select(names).rename_columns(PREVIOUS.names).cast(PREVIOUS)


def _aligned(previous: pa.Table | None, customer_ids: pa.ChunkedArray) -> dict[str, pa.Array]:
    """Return the columns of ``previous`` in the order of ``customer_ids``, null where unknown."""
    if previous is None:
        previous = PREVIOUS.empty_table()
    rows = pc.index_in(customer_ids, previous["customer_id"].combine_chunks())
    found = previous.select(PREVIOUS.names[1:]).take(rows)
    return {name: found[name].combine_chunks() for name in found.column_names}


def _numbers(values: pa.Array) -> Array:
    return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _trend(now: Array, before: Array) -> Texts:
    moved = now - before
    trend = np.full(len(now), None, dtype=object)
    trend[np.abs(moved) < TREND_POINTS] = "steady"
    trend[moved >= TREND_POINTS] = "rising"
    trend[moved <= -TREND_POINTS] = "falling"
    return trend


def _boundaries(given: TierAssignment) -> dict[str, Array]:
    """Return the money at the edges of the tier by value; NaN beyond the lowest and highest."""
    return {
        "tier_falls_below": np.where(given.falls_below > 0, given.falls_below, np.nan),
        "tier_rises_at": np.where(np.isfinite(given.rises_at), given.rises_at, np.nan),
    }


def _arrow(values: Any, type: pa.DataType, n: int) -> pa.Array:
    """Return ``values`` as Arrow; NaN becomes null, since JSON and people know no NaN."""
    if values is None:
        return pa.nulls(n, type)
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks().cast(type)
    if isinstance(values, pa.Array):
        return values.cast(type)
    return pa.array(values, type=type, from_pandas=True)
