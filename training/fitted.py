"""What training ends in: everything that a bundle holds, before it is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from features.spec import Feature
from training.columns import column_values
from training.drift import Distribution, distribution_of
from training.evaluate import Evaluation
from training.held_out import HeldOut
from training.intervals import Intervals
from training.models import Model
from training.outlook import TierOutlook
from training.policy import Policy
from training.portfolio import Portfolio
from training.segments import Segments

Vector = NDArray[np.float64]
__all__ = ["Fitted", "Reference", "column_values", "golden_rows", "summarise"]

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
GOLDEN_ROWS = 2_000
SCORES = {"churn": "churn_probability", "clv": "clv_expected"}
"""Target → the column that its predictions are published in."""


class Reference(BaseModel):
    """What the customers scored at the fit looked like, for warnings and comparisons.

    Attributes:
        n_customers: customers summarised.
        quantiles: feature → its 1, 5, 25, 50, 75, 95 and 99 % quantiles; empty if all missing.
        missing: feature → share of customers without a value.
        tier_medians: tier code → feature → median.
        distributions: feature → its bins and level.
        scores: ``churn_probability`` and ``clv_expected`` → bins and level.
        tiers: tier code → share of customers.
        mixes: column of the records → category → share of its rows in the year before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_customers: int
    quantiles: dict[str, tuple[float, ...]]
    missing: dict[str, float]
    tier_medians: dict[str, dict[str, float]]
    distributions: dict[str, Distribution] = {}
    scores: dict[str, Distribution] = {}
    tiers: dict[str, float] = {}
    mixes: dict[str, dict[str, float]] = {}


@dataclass(frozen=True)
class Fitted:
    """The models and all that is served with them.

    Attributes:
        models: ``churn`` and ``clv``.
        policy: tiers with frozen amounts.
        segments: groups of customers who behave alike.
        intervals: bounds of CLV.
        sentiment: the comment model; ``None`` where no comments taught one.
        features: every feature to build for scoring.
        evaluation: figures of the models and of the simple rules.
        reference: summary of the customers at the as-of day.
        golden: features, ``churn_link`` and ``clv_link`` of up to 2,000 customers in random order:
            the first few go with the bundle to check a copy by, all of them into pictures.
        as_of: the last day of the records the models know.
        cutoffs: target → the cutoffs that the served model learnt from.
        outlook: how likely each tier is in the next horizon; ``None`` where too few customers
            taught one.
        portfolio: how sums over customers stray; ``None`` where nothing was measured.
        drawn: how many customers were learnt from, and of how many; ``None`` where from all.
        held_out: what the measured models predicted of customers they never saw.
    """

    models: Mapping[str, Model]
    policy: Policy
    segments: Segments
    intervals: Intervals
    sentiment: Any
    features: tuple[Feature, ...]
    evaluation: Evaluation
    reference: Reference
    golden: pa.Table
    as_of: dt.date
    cutoffs: Mapping[str, tuple[dt.date, ...]]
    outlook: TierOutlook | None = None
    portfolio: Portfolio | None = None
    drawn: tuple[int, int] | None = None
    held_out: HeldOut = field(default_factory=HeldOut)

    def with_mixes(self, mixes: Mapping[str, dict[str, float]]) -> Fitted:
        """Return the same with the shares of categories in the records it was fitted on."""
        return replace(self, reference=self.reference.model_copy(update={"mixes": dict(mixes)}))


def served_scores(models: Mapping[str, Model], columns: Mapping[str, Vector]) -> dict[str, Vector]:
    """Return what is served of ``columns``, by the name that it is published under."""
    return {SCORES[target]: model.predict(columns) for target, model in models.items()}


def summarise(
    columns: Mapping[str, Vector],
    tiers: NDArray[np.str_],
    scores: Mapping[str, Vector] | None = None,
) -> Reference:
    """Return the summary of ``columns`` for customers in ``tiers``.

    Args:
        columns: features.
        tiers: each customer's tier.
        scores: ``churn_probability`` and ``clv_expected``.
    """
    return Reference(
        n_customers=len(tiers),
        quantiles={name: _quantiles(values) for name, values in columns.items()},
        missing={name: _missing_share(values) for name, values in columns.items()},
        tier_medians={
            str(code): {
                name: float(np.nanmedian(values[tiers == code]))
                for name, values in columns.items()
                if not np.isnan(values[tiers == code]).all()
            }
            for code in np.unique(tiers)
        },
        distributions={name: distribution_of(values) for name, values in columns.items()},
        scores={name: distribution_of(values) for name, values in (scores or {}).items()},
        tiers=shares_of(tiers),
    )


def shares_of(codes: NDArray[np.str_]) -> dict[str, float]:
    """Return code → its share, in alphabetical order."""
    found, counts = np.unique(codes, return_counts=True)
    return {str(code): int(n) / len(codes) for code, n in zip(found, counts, strict=True)}


def golden_rows(matrix: pa.Table, models: Mapping[str, Model], seed: int) -> pa.Table:
    """Return up to 2,000 random rows of ``matrix``, the link score of every model beside them."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(matrix.num_rows)[:GOLDEN_ROWS]
    golden = matrix.take(pa.array(rows))
    columns = {name: column_values(golden, name) for name in matrix.column_names[2:]}
    for target, model in models.items():
        golden = golden.append_column(f"{target}_link", pa.array(model.link_score(columns)))
    return golden


def _quantiles(values: Vector) -> tuple[float, ...]:
    known = values[~np.isnan(values)]
    return tuple(float(q) for q in np.quantile(known, QUANTILES)) if len(known) else ()


def _missing_share(values: Vector) -> float:
    return float(np.isnan(values).mean()) if len(values) else 0.0
