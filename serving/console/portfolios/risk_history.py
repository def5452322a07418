"""Value and value at risk of every publication that is kept, and what came of each."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from serving.scores.population import column
from serving.scores.publication import SCORES_FILE, Manifest, manifests

if TYPE_CHECKING:
    from pathlib import Path

    from serving.endpoint.served import Served


@dataclass(frozen=True)
class RiskThen:
    """What one publication said of everybody.

    Attributes:
        as_of: its day.
        model: version of the model.
        customers: how many.
        value: expected value, the sum; ``None`` where nothing forecast it.
        low, high: its interval; ``None`` where it was not learnt.
        at_risk: sum of probability to leave times expected value.
    """

    as_of: dt.date
    model: str
    customers: int
    value: float | None
    low: float | None
    high: float | None
    at_risk: float | None

    @property
    def risk_low(self) -> float | None:
        """The lower end of value at risk: that of value, in proportion."""
        return self._in_proportion(self.low)

    @property
    def risk_high(self) -> float | None:
        """The upper end."""
        return self._in_proportion(self.high)

    def _in_proportion(self, bound: float | None) -> float | None:
        if bound is None or not self.value or self.at_risk is None:
            return None
        return self.at_risk * bound / self.value


def published_until(served: Served) -> list[Manifest]:
    """Return the manifests up to what is served, the newest first; of each day the last."""
    present = served.publication.manifest
    kept: dict[dt.date, Manifest] = {present.as_of: present}
    for one in manifests(served.publication.folder.parent):
        if one.as_of < present.as_of:
            kept.setdefault(one.as_of, one)
    return sorted(kept.values(), key=lambda one: one.as_of, reverse=True)


def risk_history(served: Served) -> tuple[RiskThen, ...]:
    """Return what each publication said, the oldest first."""
    store = served.publication.folder.parent
    return tuple(_then(one, store) for one in reversed(published_until(served)))


def _then(manifest: Manifest, store: Path) -> RiskThen:
    totals = manifest.totals
    value, at_risk = (
        (None, None) if totals is None else (totals.total.expected, totals.total.at_risk)
    )
    if value is None or at_risk is None:
        value, at_risk = _summed(store / manifest.id / SCORES_FILE)
    return RiskThen(
        as_of=manifest.as_of,
        model=manifest.terms.model,
        customers=manifest.counts["customers"],
        value=value,
        low=None if totals is None else totals.total.low,
        high=None if totals is None else totals.total.high,
        at_risk=at_risk,
    )


def _summed(scores: Path) -> tuple[float | None, float | None]:
    """Return the sums from the scores themselves, where the manifest has none."""
    table = pq.read_table(scores, columns=["clv_expected", "churn_probability"])
    value, churn = column(table, "clv_expected"), column(table, "churn_probability")
    if np.isnan(value).all():
        return None, None
    at_risk = None if np.isnan(churn).all() else float(np.nansum(value * churn))
    return float(np.nansum(value)), at_risk
