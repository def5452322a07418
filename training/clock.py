"""Purchase models whose time runs with the seasons, apart for those who were there from the start.

In the busy season a week holds more purchases than in the quiet one, so times are counted on a
clock that runs faster then: a silence in January says less than one in November. And whoever is
first seen when records begin is not new: a model of their own keeps old customers from passing
for newcomers who came to stay.

References:
    Fader, Hardie (2001), Forecasting repeat sales at CDNOW, Interfaces 31(3), on time-varying
    rates in models of this family: covariates change the speed of time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.purchase import KINDS, GammaGamma, PurchaseModel
from training.purchase_days import Days, Histories, PurchaseDays
from training.season import PERIOD_DAYS, PERIODS

Vector = NDArray[np.float64]
Asked = Literal["expected_purchases", "probability_of_none"]

YEAR_DAYS = PERIOD_DAYS * PERIODS
BURN_IN_DAYS = 91
"""First seen within so many days of the first record, a customer may be an old one."""
FEWEST_OF_A_KIND = 100


@dataclass(frozen=True)
class Clock:
    """Days as the season counts them, 0 at the cutoff; a year of the clock is a year."""

    cutoff: int
    effects: Vector
    """Log speed by period of the year, the first one that after the cutoff; shape (13,)."""

    @property
    def speed(self) -> Vector:
        """Return how fast the clock runs in each period of the year, 1 on average; shape (13,)."""
        speed = np.exp(self.effects)
        return speed / speed.mean()

    def __call__(self, day: Days) -> Vector:
        """Return the reading on the evening of each ``day``."""
        read = np.concatenate([[0.0], np.cumsum(self.speed)]) * PERIOD_DAYS
        years, rest = np.divmod(day - self.cutoff, YEAR_DAYS)
        return years * float(YEAR_DAYS) + np.interp(
            rest, np.arange(PERIODS + 1) * PERIOD_DAYS, read
        )


@dataclass(frozen=True)
class ClockedModels:
    """Purchase models on a clock: of customers first seen early, and of the others.

    Attributes:
        clock: turns days into the models' time.
        early_until: who was first seen before this day counts as early.
        models: by whether a customer is early.
        spend: expected spend per purchase day, of all.
    """

    clock: Clock
    early_until: int
    models: Mapping[bool, PurchaseModel]
    spend: GammaGamma

    @classmethod
    def fit(
        cls, days: PurchaseDays, clock: Clock, kind: str, start: ClockedModels | None = None
    ) -> ClockedModels:
        """Return the models of customers as they stand at the clock's cutoff.

        The search begins at ``start``, models of the same days on another clock, if there are any.
        """
        cutoff, begin = clock.cutoff, days.first_day
        known = days.at(cutoff)
        until = begin + min(BURN_IN_DAYS, (cutoff - begin) // 4)
        early, times = known.first < until, _times(clock, known, cutoff)
        models: dict[bool, PurchaseModel] = {}
        for group in (False, True):
            mine = early == group
            if min(mine.sum(), (~mine).sum()) < FEWEST_OF_A_KIND:
                mine = np.ones(len(known.who), dtype=bool)
            search = None if start is None else start.models[group]
            own = (known.x[mine], *(t[mine] for t in times))
            models[group] = KINDS[kind].fit(*own, start=search)
        return cls(clock, until, models, GammaGamma.fit(known.x + 1.0, known.spend))

    def ask(self, what: Asked, known: Histories, cutoff: int, horizon_days: int) -> Vector:
        """Return expected purchase days, or the chance of none, in ``(cutoff, + horizon]``."""
        early, times = known.first < self.early_until, _times(self.clock, known, cutoff)
        ends = self.clock(np.array([cutoff, cutoff + horizon_days]))
        answer = np.empty(len(known.who))
        for group, model in self.models.items():
            mine = early == group
            if mine.any():
                own = (known.x[mine], *(t[mine] for t in times))
                answer[mine] = getattr(model, what)(float(ends[1] - ends[0]), *own)
        return answer


def _times(clock: Clock, known: Histories, cutoff: int) -> tuple[Vector, Vector]:
    """Return recency and tenure by the clock."""
    first = clock(known.first)
    return clock(known.last) - first, clock(np.full(len(first), cutoff)) - first
