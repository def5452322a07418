"""Groups of customers who behave alike: K-means, named and stated in words.

This module assigns with numpy alone; ``training/clusters.py`` finds the groups.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from configs.section import Text
from training.anchor import FREQUENCY, Columns

Vector = NDArray[np.float64]


class Axis(BaseModel):
    """One direction that customers are compared along: a feature, log-scaled, standardised."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    is_logged: bool
    middle: float
    """Mean after the logarithm; also stands in for a missing value."""
    spread: float
    low: float
    high: float
    """Values are held within these (raw units), so no outlier owns a segment."""


class Segment(BaseModel):
    """One group: its code, names, description in words, centre and size at the fit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    name: Text
    description: Text
    centre: tuple[float, ...]
    share: float


class Segments(BaseModel):
    """Frozen segments, the largest expected value first; JSON by ``model_dump_json``.

    Attributes:
        axes: what customers are compared along; empty where everybody is one segment.
        segments: the groups of customers who have bought.
        prospects: the group of those who have not, where there were any.
        stability: mean adjusted Rand index over bootstraps; 1 is perfectly repeatable.
        agreement: share of customers whom the rules in words place in their segment.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    axes: tuple[Axis, ...] = ()
    segments: tuple[Segment, ...]
    prospects: Segment | None = None
    stability: float | None = None
    agreement: float | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """Features that the assignment reads."""
        known = () if self.prospects is None else (FREQUENCY,)
        return (*(axis.feature for axis in self.axes), *known)

    @property
    def all(self) -> tuple[Segment, ...]:
        """Every group, the one of prospects last."""
        return self.segments if self.prospects is None else (*self.segments, self.prospects)

    @property
    def codes(self) -> tuple[str, ...]:
        """Segment codes, in order."""
        return tuple(segment.code for segment in self.all)

    def assign(self, columns: Columns, n: int) -> NDArray[np.str_]:
        """Return the code of the nearest centre for each of ``n`` customers; ties go first."""
        codes = np.array(self.codes)
        place = np.zeros(n, dtype=np.int64)
        if self.axes:
            centres = np.array([segment.centre for segment in self.segments])
            place = nearest(standardised(self.axes, columns), centres)
        if self.prospects is not None:
            place = np.where(np.isnan(columns[FREQUENCY]), len(codes) - 1, place)
        return codes[place]


def standardised(axes: tuple[Axis, ...], columns: Columns) -> Vector:
    """Return customers × axes, each with mean 0 and deviation 1 at the fit."""
    return np.column_stack([_along(axis, columns[axis.feature]) for axis in axes])


def nearest(points: Vector, centres: Vector) -> NDArray[np.int64]:
    """Return the index of the nearest centre (Euclid) of each point."""
    distances = np.stack([((points - centre) ** 2).sum(axis=1) for centre in centres])
    return distances.argmin(axis=0)


def scaled(axis_is_logged: bool, values: Vector) -> Vector:
    """Return the values, or sign · log(1 + |value|) where the axis is logged."""
    return np.sign(values) * np.log1p(np.abs(values)) if axis_is_logged else values


def _along(axis: Axis, values: Vector) -> Vector:
    values = np.clip(np.asarray(values, dtype=float), axis.low, axis.high)
    place = (scaled(axis.is_logged, values) - axis.middle) / axis.spread
    return np.where(np.isnan(place), 0.0, place)
