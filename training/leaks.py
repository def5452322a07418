"""Stops training on a feature that knows the future, by name.

The build applies windows, so a declared feature cannot look past its cutoff; a column of a
contract snapshot can, and so can a date that a company writes back in time. What such a column
knows shows in the labels: it alone tells them almost perfectly. What only comes near that is named
in the notes, for a person to judge. A gate that cannot fire is none: a label that is planted among
the features must set it off, and noise must not; where too few customers speak, it says that it
did not look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import rankdata

from configs.errors import LeakageError
from configs.section import Text
from training import notes as words
from training.anchor import VALUE_INPUTS
from training.dataset import Dataset
from training.metrics import auc

Vector = NDArray[np.float64]
TELLS_ALL = 0.995
"""A feature that tells the label this well (AUC, or rank correlation with money) is suspect."""
OF_THE_PAST = 0.1
"""Suspicion falls unless the plain past leaves at least ten times the feature's error."""
TELLS_MUCH = 0.97
HALF_OF_THE_PAST = 0.5
"""A feature that tells this well, with half the error of the plain past, is named in the notes."""
FEWEST_CUSTOMERS = 10
"""Customers of the rarer outcome: among fewer, some feature tells them apart by chance."""
ROWS = 100_000


def check_no_feature_tells_all(
    data: Dataset, names: Sequence[str], remedy: str, seed: int = 0
) -> tuple[Text, ...]:
    """Check that no feature alone tells who leaves, or who spends how much.

    Some companies' future is plain from the past: where most customers left long ago, silence
    tells nearly all. A feature is refused only if it tells far more than silence and rate do.

    Args:
        data: rows with labels: 1 for churned, or money.
        names: features to look at.
        remedy: what to do with a column that is named in the error.
        seed: of the noise that must not set the alarm off.

    Returns:
        Notes: features that tell much, and whether the alarm could have fired at all.

    Raises:
        LeakageError: one does, so it knows the future; the message names it.
    """
    data, notes, can_fire = data.thinned(ROWS), [], False
    for outcome in _outcomes(data):
        past = max((_told(outcome, values) for values in plain_past(data)), default=0.5)
        can_fire |= _fires_as_it_should(outcome, past, seed)
        for name in names:
            told = _told(outcome, data.columns([name])[name])
            _refuse(name, told, past, len(data), remedy)
            if told > TELLS_MUCH and 1.0 - told < HALF_OF_THE_PAST * (1.0 - past):
                notes.append(words.tells_much(name, told, past))
    return tuple(dict.fromkeys(notes if can_fire else [*notes, words.ALARM_IS_DEAF]))


def _fires_as_it_should(outcome: Vector, past: float, seed: int) -> bool:
    """Return whether the outcome itself, planted as a feature, would be refused, and noise not."""
    noise = np.random.default_rng(seed).normal(size=len(outcome))
    planted, chance = (_told(outcome, values) for values in (outcome, noise))
    return is_more_than_the_past(planted, past) and not is_more_than_the_past(chance, past)


def check_no_category_tells_all(
    data: Dataset, levels: Mapping[str, Sequence[str]], remedy: str
) -> None:
    """Check the same of whole columns whose levels are features of their own.

    A reason for leaving, empty for everybody who stays, tells all though no single reason does.
    Each half of the customers is told by the rates per level of the other half.

    Args:
        data: rows with labels: 1 for churned.
        levels: column → its features, 1 where a row is at that level.
        remedy: what to do with a column that is named in the error.

    Raises:
        LeakageError: one does.
    """
    if not _outcomes(data):
        return
    for column, names in levels.items():
        X = np.nan_to_num(data.X(names))
        level = np.where(X.any(axis=1), X.argmax(axis=1) + 1, 0)
        _refuse(column, _told_by_rates(data.y, level), 0.5, len(data), remedy)


def _outcomes(data: Dataset) -> list[Vector]:
    """Return the labels that enough customers speak for: some or none, and how much."""
    some = data.y > 0
    rarer = min(_customers(data, some), _customers(data, ~some))
    outcomes = [some.astype(float)] if rarer >= FEWEST_CUSTOMERS else []
    is_money = len(np.unique(data.y)) > 2 and _customers(data, some) >= FEWEST_CUSTOMERS
    return [*outcomes, data.y] if is_money else outcomes


def _customers(data: Dataset, rows: NDArray[np.bool_]) -> int:
    return len(set(data.customer_ids.filter(pa.array(rows)).to_pylist()))


def is_more_than_the_past(told: float, past: float) -> bool:
    """Return whether a feature tells nearly all, and far more than silence and rate do."""
    return told > TELLS_ALL and 1.0 - told < OF_THE_PAST * (1.0 - past)


def _refuse(name: str, told: float, past: float, n: int, remedy: str) -> None:
    if is_more_than_the_past(told, past):
        raise LeakageError(
            f"feature {name!r} alone tells what customers do almost perfectly ({told:.4f} of 1 on "
            f"{n} rows), so it must contain what it should predict; {remedy}"
        )


def plain_past(data: Dataset) -> list[Vector]:
    """Return days of silence, and spend per day so far; nothing for contract customers."""
    if not set(VALUE_INPUTS) <= set(data.names):
        return []
    frequency, recency, tenure, spend = data.columns(VALUE_INPUTS).values()
    return [tenure - recency, spend * (frequency + 1.0) / np.maximum(tenure, 1.0)]


def _told(y: Vector, values: Vector) -> float:
    """Return how well ``values`` order the labels, missing ones at whichever end fits better."""
    ends = (-1e18, 1e18) if np.isnan(values).any() else (0.0,)
    return max(ordered(y, np.nan_to_num(values, nan=end)) for end in ends)


def ordered(y: Vector, values: Vector) -> float:
    """Return how well ``values`` order ``y``, either way: AUC of two outcomes, else rank
    correlation.
    """
    if (values == values[0]).all():
        return 0.5
    if len(np.unique(y)) > 2:
        return abs(float(np.corrcoef(rankdata(y), rankdata(values))[0, 1]))
    area = auc(y, values)
    return 0.5 if np.isnan(area) else max(area, 1.0 - area)


def _told_by_rates(y: Vector, level: NDArray[np.int64]) -> float:
    halves = np.arange(len(y)) % 2 == 0
    told = []
    for known in (halves, ~halves):
        sums = np.bincount(level[known], y[known], minlength=level.max() + 1)
        counts = np.bincount(level[known], minlength=level.max() + 1)
        rates = (sums + y[known].mean()) / (counts + 1.0)
        told.append(_told(y[~known], rates[level[~known]]))
    return min(told)
