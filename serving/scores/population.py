"""The customers that one customer is compared with: those of the publication.

Frozen with each publication, so that a customer scored alone, a minute or a month later, is
compared with the same others as in the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
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


def population_of(
    scores: pa.Table, names: Iterable[str], feature: Callable[[str], Array]
) -> Population:
    """Return the population of ``scores``, with medians found feature by feature.

    Args:
        scores: ``churn_probability`` and ``tier``, one row per customer.
        names: features whose medians sentences may quote.
        feature: returns a feature of all customers in the order of ``scores``, NaN where missing.
    """
    probabilities = column(scores, "churn_probability")
    probabilities = probabilities[~np.isnan(probabilities)]
    grid = np.percentile(probabilities, range(1, 100)).tolist() if len(probabilities) else ()
    rows_of = _rows_of_tiers(scores["tier"])
    medians: dict[str, dict[str, float]] = {tier: {} for tier in (EVERYBODY, *rows_of)}
    for name in names:
        values = feature(name)
        groups = {EVERYBODY: values} | {tier: values[rows] for tier, rows in rows_of.items()}
        for tier, group in groups.items():
            known = group[~np.isnan(group)]
            if len(known):
                medians[tier][name] = float(np.median(known, overwrite_input=True))
    return Population(churn_percentiles=tuple(grid), medians=medians)


def _rows_of_tiers(tiers: pa.ChunkedArray) -> dict[str, npt.NDArray[np.int64]]:
    """Return the rows of each tier that somebody is in."""
    codes = sorted(tiers.drop_null().unique().to_pylist())
    at = pc.index_in(tiers, pa.array(codes, pa.string())).fill_null(-1).to_numpy()
    return {code: np.flatnonzero(at == place) for place, code in enumerate(codes)}


def column(table: pa.Table, name: str) -> Array:
    """Return a number column as contiguous float64, NaN where it is null."""
    values = table[name].cast(pa.float64()).to_numpy()
    return np.ascontiguousarray(values, dtype=np.float64)
