"""What came of earlier publications, as ``echelon monitor`` kept it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.monitoring.found import Monitoring, last_found
from serving.monitoring.outcome import Outcome
from training.anchor import TargetName

if TYPE_CHECKING:
    from serving.console.page import Visit


@dataclass(frozen=True)
class WhatCame:
    """Closed forecasts, the oldest first.

    Attributes:
        found: the last look; ``None`` before the first.
        churn, clv: one outcome a day: of several models, the one published last.
        closes_on: when the first forecast of leavers closes that monitoring can follow; ``None``
            for contract customers, of whom no events tell who left.
    """

    found: Monitoring | None
    churn: tuple[Outcome, ...]
    clv: tuple[Outcome, ...]
    closes_on: dt.date | None

    @property
    def last_churn(self) -> Outcome | None:
        """The latest closed forecast of leavers."""
        return self.churn[-1] if self.churn else None

    @property
    def last_clv(self) -> Outcome | None:
        """The latest closed forecast of value."""
        return self.clv[-1] if self.clv else None


def what_came(visit: Visit) -> WhatCame:
    """Return what came of earlier publications, up to what is served."""
    found = last_found(visit.config.stores)
    manifest = visit.served.publication.manifest
    closed = () if found is None else found.outcomes
    churn, clv = _of(closed, "churn"), _of(closed, "clv")
    closes_on = None
    is_told_by_events = visit.config.sources.snapshot is None
    if is_told_by_events and "churn" in visit.served.bundle.models and not churn:
        closes_on = manifest.as_of + dt.timedelta(days=manifest.terms.churn_horizon_days)
    return WhatCame(found, churn, clv, closes_on)


def _of(outcomes: tuple[Outcome, ...], target: TargetName) -> tuple[Outcome, ...]:
    days: dict[dt.date, Outcome] = {}
    for one in sorted(outcomes, key=lambda one: one.publication):
        if one.target == target:
            days[one.as_of] = one
    return tuple(days[day] for day in sorted(days))
