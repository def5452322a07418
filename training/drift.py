"""How far a distribution has moved from the one a model learnt from, by size and not by p-value.

With three million customers every difference is significant; with three hundred a large one may be
chance. The measure here is the population stability index (PSI) over bins of the reference, less
what PSI would be expected to be by chance alone, and an alarm asks for a size that chance would
not reach: its lower bound, not its estimate. So more customers make an alarm surer, never likelier.

Reference: Yurdakul and Naranjo (2020), Statistical properties of the population stability index,
Journal of Risk Model Validation 14: with n and m customers in B bins and no change,
PSI · nm / (n + m) is chi-squared with B − 1 degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Vector = NDArray[np.float64]

BINS = 10
ATOM = 0.1
"""A value that this share of customers has gets a bin of its own: no orders, the top score."""
SMALLEST_BIN = 0.02
FEWEST = 50
"""Values on either side below which no level is compared."""
SURE = 4.5
"""Standard deviations that a change must be from none. A hundred features are looked at in one go:
with 2, which chance exceeds once in twenty, every look would end in false alarms."""


class Bins(BaseModel):
    """A distribution as counts: bin i holds values in (edges[i − 1], edges[i]].

    Attributes:
        edges: inner boundaries, rising; the outer bins are open.
        counts: customers in each bin; one more than edges.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def n(self) -> int:
        """Customers with a value."""
        return sum(self.counts)


class Level(BaseModel):
    """Mean and standard deviation of ``n`` numbers: values, or logarithms of magnitudes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    deviation: float
    n: int


class Distribution(BaseModel):
    """What is kept of a column of numbers to compare later ones with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bins: Bins
    level: Level
    """Of the logarithms of the magnitudes of all values but 0."""
    mean: Level
    """Of the values themselves."""


class Size(BaseModel):
    """How large a change is, and whether it is more than chance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: float
    is_sure: bool


NO_CHANGE = Size(size=0.0, is_sure=False)


def distribution_of(values: Vector) -> Distribution:
    """Return the distribution of ``values``; NaN is "missing"."""
    return Distribution(bins=bins_of(values), level=level_of(values), mean=mean_of(values))


def bins_of(values: Vector) -> Bins:
    """Return up to about ten bins of equal counts; frequent values have their own.

    >>> bins_of(np.array([0.0] * 50 + list(range(1, 51)))).counts[:3]
    (50, 6, 6)
    """
    edges = _edges(values[~np.isnan(values)])
    return Bins(edges=edges, counts=counted(values, edges))


def counted(values: Vector, edges: Sequence[float]) -> tuple[int, ...]:
    """Return how many of ``values`` lie in each bin; missing ones in none.

    One pass per edge beats a search per value where edges are few.
    """
    known = int(np.count_nonzero(~np.isnan(values)))
    up_to = [int(np.count_nonzero(values <= edge)) for edge in edges]
    return tuple(int(count) for count in np.diff([0, *up_to, known]))


def _edges(known: Vector) -> tuple[float, ...]:
    if len(known) == 0:
        return ()
    values, counts = np.unique(known, return_counts=True)
    is_atom = counts >= ATOM * len(known)
    below = np.append(is_atom[1:], False)
    edges = set(values[is_atom | below].tolist())
    rest, weights = values[~is_atom], counts[~is_atom]
    if len(rest):
        share = weights.sum() / len(known)
        parts = max(min(BINS - int(is_atom.sum()), int(share / SMALLEST_BIN)), 1)
        places = np.searchsorted(np.cumsum(weights), np.arange(1, parts) * weights.sum() / parts)
        edges |= set(rest[places].tolist())
    return tuple(sorted(edges - {float(values[-1])}))


def level_of(values: Vector) -> Level:
    """Return the level of ``values``; of none where all are 0 or missing."""
    return mean_of(np.log(np.abs(values[(values != 0) & np.isfinite(values)])))


def mean_of(values: Vector) -> Level:
    """Return mean and spread of ``values``; of none where all are missing."""
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return Level(mean=0.0, deviation=0.0, n=0)
    return Level(mean=float(known.mean()), deviation=float(known.std()), n=len(known))


def moved(reference: Sequence[float], now: Sequence[float]) -> Size:
    """Return the PSI of two sets of counts over the same bins, less what chance gives.

    It is sure where it exceeds its expectation without a change, (B − 1)(n + m) / nm, by
    ``SURE`` of its deviations, √(2 (B − 1)) (n + m) / nm.
    """
    before, after = (np.asarray(counts, dtype=float) for counts in (reference, now))
    if before.sum() == 0 or after.sum() == 0 or len(before) < 2:
        return NO_CHANGE
    customers = before.sum() * after.sum() / (before.sum() + after.sum())
    a, b = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (before, after))
    chance = (len(before) - 1) / customers
    size = float(((b - a) * np.log(b / a)).sum()) - chance
    spread = math.sqrt(2.0 * chance / customers)
    return Size(size=max(size, 0.0), is_sure=size > SURE * spread)


def factor(before: Level, now: Level) -> Size:
    """Return by what factor the geometric mean has changed; 1 where there is nothing to compare."""
    if min(before.n, now.n) < FEWEST:
        return Size(size=1.0, is_sure=False)
    change = now.mean - before.mean
    spread = math.sqrt(before.deviation**2 / before.n + now.deviation**2 / now.n)
    return Size(size=math.exp(change), is_sure=abs(change) > SURE * spread)


def ratio(before: Level, now: Level) -> Size:
    """Return by what factor a positive mean has changed, the totals' factor for as many customers.

    Scores near 0, of customers long gone, drown the geometric mean and weigh nothing in this one.
    The spread is that of the logarithm, by the delta method.
    """
    if min(before.n, now.n) < FEWEST or min(before.mean, now.mean) <= 0:
        return Size(size=1.0, is_sure=False)
    parts = [(one.deviation / one.mean) ** 2 / one.n for one in (before, now)]
    change = math.log(now.mean / before.mean)
    return Size(size=math.exp(change), is_sure=abs(change) > SURE * math.sqrt(sum(parts)))


def share_moved(before: float, n_before: int, now: float, n_now: int) -> Size:
    """Return the change of a share, in shares of one."""
    if n_before == 0 or n_now == 0:
        return NO_CHANGE
    pooled = (before * n_before + now * n_now) / (n_before + n_now)
    spread = math.sqrt(pooled * (1.0 - pooled) * (1.0 / n_before + 1.0 / n_now))
    return Size(size=now - before, is_sure=abs(now - before) > SURE * spread)


def mix_moved(
    before: Mapping[str, float], n_before: int, now: Mapping[str, float], n_now: int
) -> dict[str, Size]:
    """Return the change of every share of a mix, of categories that either has."""
    names = dict.fromkeys([*before, *now])
    return {
        name: share_moved(before.get(name, 0.0), n_before, now.get(name, 0.0), n_now)
        for name in names
    }
