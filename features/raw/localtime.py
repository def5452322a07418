"""Local days and UTC moments, vectorised, from the zone rules that Python itself carries.

A zone's offset is asked once per day that occurs, and once per quarter of an hour on the days on
which the clocks change, since no zone of the last fifty years has changed them at another minute.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

DAY = 86_400_000_000
HOUR = 3_600_000_000
UTC = ZoneInfo("UTC")
_QUARTER = 900_000_000
_EPOCH = dt.datetime(1970, 1, 1)

Placed = Callable[[dt.datetime, ZoneInfo], dt.datetime]


def utc_from_local(microseconds: np.ndarray, zone: ZoneInfo) -> np.ndarray:
    """Return UTC microseconds of local ones; the earlier of two, and past a skipped hour.

    >>> utc_from_local(np.array([DAY]), ZoneInfo("Asia/Shanghai")) == DAY - 8 * HOUR
    array([ True])
    """
    return microseconds - _offsets(microseconds, zone, _local)


def local_from_utc(microseconds: np.ndarray, zone: ZoneInfo) -> np.ndarray:
    """Return local microseconds of UTC ones.

    >>> local_from_utc(np.array([DAY]), ZoneInfo("Asia/Shanghai")) == DAY + 8 * HOUR
    array([ True])
    """
    return microseconds + _offsets(microseconds, zone, _from_utc)


def days_of(local_microseconds: np.ndarray) -> np.ndarray:
    """Return days since 1970-01-01 as int32."""
    return np.floor_divide(local_microseconds, DAY).astype(np.int32)


def _local(moment: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    return moment.replace(tzinfo=zone)


def _from_utc(moment: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    return moment.replace(tzinfo=dt.UTC).astimezone(zone)


def _offsets(microseconds: np.ndarray, zone: ZoneInfo, placed: Placed) -> np.ndarray:
    """Return each moment's offset: one for a whole day unless the clocks change on it."""
    if not len(microseconds):
        return np.zeros(0, dtype=np.int64)
    days = np.floor_divide(microseconds, DAY)
    earliest = int(days.min())
    since = days - earliest
    first = np.zeros(int(since.max()) + 1, dtype=np.int64)
    changes = np.zeros(len(first), dtype=bool)
    for day in np.flatnonzero(np.bincount(since)):
        first[day], last = _day_offsets(earliest + int(day), zone, placed)
        changes[day] = first[day] != last
    offsets = first[since]
    changing = changes[since]
    if changing.any():
        quarters, where = np.unique(
            np.floor_divide(microseconds[changing], _QUARTER), return_inverse=True
        )
        finer = [_offset(int(quarter) * _QUARTER, zone, placed) for quarter in quarters]
        offsets[changing] = np.array(finer, dtype=np.int64)[where]
    return offsets


@lru_cache(maxsize=65_536)
def _day_offsets(day: int, zone: ZoneInfo, placed: Placed) -> tuple[int, int]:
    """Return the offsets at the begin and at the end of a day."""
    return _offset(day * DAY, zone, placed), _offset(day * DAY + DAY, zone, placed)


def _offset(microseconds: int, zone: ZoneInfo, placed: Placed) -> int:
    moment = _EPOCH + dt.timedelta(microseconds=microseconds)
    offset = placed(moment, zone).utcoffset() or dt.timedelta()
    return round(offset.total_seconds()) * 1_000_000
