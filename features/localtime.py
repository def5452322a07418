"""Local days and UTC moments, vectorised, from the zone rules that Python itself carries.

A zone's offset is asked once per day that occurs, and once per quarter of an hour on the days on
which the clocks change, since no zone of the last fifty years has changed them at another minute.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from zoneinfo import ZoneInfo

import numpy as np

DAY = 86_400_000_000
HOUR = 3_600_000_000
UTC = ZoneInfo("UTC")
_QUARTER = 900_000_000
_EPOCH = dt.datetime(1970, 1, 1)


def utc_from_local(microseconds: np.ndarray, zone: ZoneInfo) -> np.ndarray:
    """Return UTC microseconds of local ones; the earlier of two, and past a skipped hour.

    >>> utc_from_local(np.array([DAY]), ZoneInfo("Asia/Shanghai")) == DAY - 8 * HOUR
    array([ True])
    """
    return microseconds - _offsets(microseconds, lambda moment: moment.replace(tzinfo=zone))


def local_from_utc(microseconds: np.ndarray, zone: ZoneInfo) -> np.ndarray:
    """Return local microseconds of UTC ones.

    >>> local_from_utc(np.array([DAY]), ZoneInfo("Asia/Shanghai")) == DAY + 8 * HOUR
    array([ True])
    """
    utc = dt.UTC
    return microseconds + _offsets(
        microseconds, lambda moment: moment.replace(tzinfo=utc).astimezone(zone)
    )


def days_of(local_microseconds: np.ndarray) -> np.ndarray:
    """Return days since 1970-01-01 as int32."""
    return np.floor_divide(local_microseconds, DAY).astype(np.int32)


Placed = Callable[[dt.datetime], dt.datetime]


def _offsets(microseconds: np.ndarray, placed: Placed) -> np.ndarray:
    """Return each moment's offset: one for a whole day unless the clocks change on it."""
    days, day_of = np.unique(np.floor_divide(microseconds, DAY), return_inverse=True)
    first = np.array([_offset(int(day) * DAY, placed) for day in days], dtype=np.int64)
    last = np.array([_offset(int(day) * DAY + DAY, placed) for day in days], dtype=np.int64)
    offsets = first[day_of] if len(days) else microseconds * 0
    changing = (first != last)[day_of] if len(days) else offsets != 0
    if changing.any():
        quarters, where = np.unique(
            np.floor_divide(microseconds[changing], _QUARTER), return_inverse=True
        )
        finer = [_offset(int(quarter) * _QUARTER, placed) for quarter in quarters]
        offsets[changing] = np.array(finer, dtype=np.int64)[where]
    return offsets


def _offset(microseconds: int, placed: Placed) -> int:
    moment = _EPOCH + dt.timedelta(microseconds=microseconds)
    offset = placed(moment).utcoffset() or dt.timedelta()
    return round(offset.total_seconds()) * 1_000_000
