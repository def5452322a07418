"""The customers that one customer is compared with: those of the publication.

Frozen with each publication, so that a customer scored alone, a minute or a month later, is
compared with the same others as in the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

EVERYBODY = ""
"""Key of the medians of all customers, beside those of each tier."""

Array = npt.NDArray[np.float64]


class Population(BaseModel):
    """What is remembered of a published population; JSON by ``model_dump_json``.

    Attributes:
        churn_percentiles: churn probabilities at the 1st to the 99th percentile, rising.
        medians: tier, or ``EVERYBODY`` → feature → median of its customers with a value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    churn_percentiles: tuple[float, ...] = ()
    medians: Mapping[str, Mapping[str, float]] = {}

    def percentile(self, probabilities: Array) -> Array:
        """Return how many of 100 customers are less likely to leave, 0 to 99; NaN if unknown.

        >>> Population(churn_percentiles=tuple(i / 100 for i in range(1, 100))).percentile(
        ...     np.array([0.005, 0.5, 0.999]))
        array([ 0., 50., 99.])
        """
        if not self.churn_percentiles:
            return np.full(len(probabilities), np.nan)
        found = np.searchsorted(self.churn_percentiles, probabilities, side="right")
        return np.where(np.isnan(probabilities), np.nan, found.astype(np.float64))

    def placed(self, scores: pa.Table) -> pa.Table:
        """Return ``scores`` with the percentiles of this population."""
        at = scores.column_names.index("churn_percentile")
        percentiles = self.percentile(column(scores, "churn_probability"))
        array = pa.array(percentiles, pa.float64(), from_pandas=True)
        return scores.set_column(at, "churn_percentile", array)


def population_of(scores: pa.Table, features: Path, names: Iterable[str]) -> Population:
    """Return the population of ``scores``, with medians read column by column.

    Args:
        scores: one row per customer, sorted as ``features`` is.
        features: Parquet file of the features.
        names: features whose medians sentences may quote.
    """
    probabilities = column(scores, "churn_probability")
    probabilities = probabilities[~np.isnan(probabilities)]
    grid = np.percentile(probabilities, range(1, 100)).tolist() if len(probabilities) else ()
    tiers = np.array(scores["tier"].fill_null("").to_pylist(), dtype=object)
    everybody = {EVERYBODY: np.arange(len(scores))}
    rows_of = everybody | {
        str(tier): np.flatnonzero(tiers == tier) for tier in sorted(set(tiers)) if tier
    }
    medians: dict[str, dict[str, float]] = {tier: {} for tier in rows_of}
    file = pq.ParquetFile(features)
    for name in names:
        values = column(file.read(columns=[name]), name)
        for tier, rows in rows_of.items():
            known = values[rows][~np.isnan(values[rows])]
            if len(known):
                medians[tier][name] = float(np.median(known))
    return Population(churn_percentiles=tuple(grid), medians=medians)


def column(table: pa.Table, name: str) -> Array:
    """Return a number column as contiguous float64, NaN where it is null."""
    values = table[name].cast(pa.float64()).to_numpy()
    return np.ascontiguousarray(values, dtype=np.float64)
