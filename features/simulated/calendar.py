"""When a Chinese retailer's customers buy: weekdays, 618, 双11, 双12, year-end, Spring Festival."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

EPOCH = dt.date(1970, 1, 1)
PERIOD_DAYS = 28
WEEKDAY_WEIGHTS = (0.92, 0.9, 0.92, 0.96, 1.05, 1.15, 1.1)
NEW_YEARS = {
    2016: (2, 8), 2017: (1, 28), 2018: (2, 16), 2019: (2, 5), 2020: (1, 25), 2021: (2, 12),
    2022: (2, 1), 2023: (1, 22), 2024: (2, 10), 2025: (1, 29), 2026: (2, 17), 2027: (2, 6),
    2028: (1, 26), 2029: (2, 13), 2030: (2, 3), 2031: (1, 23), 2032: (2, 11), 2033: (1, 31),
    2034: (2, 19),
}  # fmt: skip
"""Month and day of the lunar new year; a Metonic cycle of 19 years repeats it within a day."""


def spring_festival(year: int) -> dt.date:
    """Return the lunar new year's day of ``year``, within a day outside 2016 to 2034.

    >>> spring_festival(2025)
    datetime.date(2025, 1, 29)
    """
    return dt.date(year, *NEW_YEARS[2016 + (year - 2016) % 19])


def shopping_weight(day: dt.date) -> float:
    """Return how much more is bought on ``day`` than on a plain day (1.0).

    >>> shopping_weight(dt.date(2024, 11, 11)) > 3 * shopping_weight(dt.date(2024, 11, 18))
    True
    >>> shopping_weight(dt.date(2024, 2, 11)) < 0.5 * shopping_weight(dt.date(2024, 3, 10))
    True
    """
    return WEEKDAY_WEIGHTS[day.weekday()] * _festival_weight(day) * _spring_weight(day)


def _festival_weight(day: dt.date) -> float:
    today = (day.month, day.day)
    if today == (11, 11):
        return 4.5
    if today in {(11, 1), (11, 2), (11, 10)} or today == (6, 18):
        return 2.4
    if today in {(12, 11), (12, 12)} or (6, 15) <= today <= (6, 19):
        return 1.7
    if (11, 3) <= today <= (11, 12) or (12, 20) <= today <= (12, 31):
        return 1.35
    return 0.85 if day.month in (7, 8) else 1.0


def _spring_weight(day: dt.date) -> float:
    days_after = (day - spring_festival(day.year)).days
    if -24 <= days_after <= -4:
        return 1.45
    if -2 <= days_after <= 6:
        return 0.35
    return 1.0


@dataclass(frozen=True)
class Calendar:
    """Intensity of events by day, constant-rate periods of 28 days on top of it.

    Attributes:
        first_day: day number of the first day.
        weights: one weight per day, whole periods long, mean 1.
    """

    first_day: int
    weights: Floats

    @property
    def n_periods(self) -> int:
        """Number of 28-day periods."""
        return len(self.weights) // PERIOD_DAYS

    @property
    def period_weights(self) -> Floats:
        """Expected events per period at one event a day."""
        return self.weights.reshape(-1, PERIOD_DAYS).sum(axis=1)

    def period_of(self, day: Ints | int) -> Ints:
        """Return the index of the period that holds each day number, clipped to the calendar."""
        return np.clip((np.asarray(day) - self.first_day) // PERIOD_DAYS, 0, self.n_periods - 1)

    def flattened(self, power: float) -> Calendar:
        """Return the calendar with ``weights ** power``, mean 1: 0 knows no season."""
        return calendar_of(self.first_day, self.weights**power)

    def until(self, day: int) -> Calendar:
        """Return the calendar up to the end of the period that holds ``day``."""
        n_periods = int(self.period_of(day)) + 1
        return Calendar(self.first_day, self.weights[: n_periods * PERIOD_DAYS])

    def draw(self, rng: np.random.Generator, rates: Floats) -> tuple[Ints, Ints]:
        """Return (customer, day) of Poisson events, unsorted.

        Args:
            rng: the source of chance.
            rates: events per day, shape (n_customers, n_periods).
        """
        counts = rng.poisson(rates * self.period_weights)
        cells = np.repeat(np.arange(counts.size), counts.ravel())
        customer, period = np.divmod(cells, self.n_periods)
        ends = np.cumsum(self.weights)
        starts = np.concatenate([[0.0], ends[PERIOD_DAYS - 1 :: PERIOD_DAYS]])[period]
        place = starts + rng.random(len(cells)) * self.period_weights[period]
        offset = np.minimum(np.searchsorted(ends, place, side="right"), len(ends) - 1)
        return customer, self.first_day + offset


def calendar_of(first_day: int, weights: Floats) -> Calendar:
    """Return the calendar whose weights are ``weights`` scaled to mean 1."""
    return Calendar(first_day, weights / weights.mean())


def shopping_calendar(first_day: int, days: int) -> Calendar:
    """Return the shopping calendar of at least ``days`` days, in whole periods."""
    length = -(-days // PERIOD_DAYS) * PERIOD_DAYS
    dates = [EPOCH + dt.timedelta(first_day + offset) for offset in range(length)]
    return calendar_of(first_day, np.array([shopping_weight(date) for date in dates]))
