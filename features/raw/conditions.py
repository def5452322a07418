"""Tests on raw columns: which rows a configuration's conditions are met by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from configs.records import Condition
from features.raw.columns import as_mask, clean_ids, clean_moments, clean_numbers, clean_texts
from features.raw.localtime import DAY, local_from_utc

Limit = float | dt.date
Compare = Callable[[np.ndarray, float], np.ndarray]


def meets(
    table: pa.Table, conditions: Iterable[Condition], zone: ZoneInfo, decimal: str
) -> np.ndarray:
    """Return a mask of the rows that meet every condition; all rows where there is none."""
    met = np.ones(len(table), dtype=bool)
    for condition in conditions:
        met &= _holds(table[condition.column].combine_chunks(), condition, zone, decimal)
    return met


def _holds(array: pa.Array, condition: Condition, zone: ZoneInfo, decimal: str) -> np.ndarray:
    """Return where every test of ``condition`` holds; a missing value meets only is_missing."""
    held = np.ones(len(array), dtype=bool)
    text = clean_texts(array).values
    if condition.is_missing is not None:
        held &= clean_ids(array).is_null == condition.is_missing
    if isinstance(condition.equals, str):
        held &= as_mask(pc.equal(text, condition.equals))
    if condition.is_in is not None:
        held &= as_mask(pc.is_in(text, value_set=pa.array(condition.is_in, pa.string())))
    if condition.not_in is not None:
        named = as_mask(pc.is_in(text, value_set=pa.array(condition.not_in, pa.string())))
        held &= ~named & as_mask(text.is_valid())
    if condition.starts_with is not None:
        held &= as_mask(pc.starts_with(text, condition.starts_with))
    for limit, compare in _limits(condition):
        if isinstance(limit, dt.date):
            held &= _compared_in_time(array, limit, compare, zone)
        else:
            held &= _compared(array, limit, compare, decimal)
    return held


def _limits(condition: Condition) -> list[tuple[Limit, Compare]]:
    equals = None if isinstance(condition.equals, str) else condition.equals
    pairs: list[tuple[Limit | None, Compare]] = [
        (condition.below, np.less),
        (condition.at_most, np.less_equal),
        (condition.at_least, np.greater_equal),
        (equals, np.equal),
    ]
    return [(limit, compare) for limit, compare in pairs if limit is not None]


def _compared(array: pa.Array, limit: float, compare: Compare, decimal: str) -> np.ndarray:
    numbers = clean_numbers(array, decimal)
    values = pc.fill_null(numbers.values, 0.0).to_numpy(zero_copy_only=False)
    return ~numbers.is_null & compare(values, limit)


def _compared_in_time(
    array: pa.Array, limit: dt.date, compare: Compare, zone: ZoneInfo
) -> np.ndarray:
    moments = clean_moments(array, zone)
    utc = pc.fill_null(moments.values.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    return ~moments.is_null & compare(local_from_utc(utc, zone), _local_microseconds(limit))


def _local_microseconds(moment: dt.date) -> int:
    if isinstance(moment, dt.datetime):
        return (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
    return (moment - dt.date(1970, 1, 1)).days * DAY
