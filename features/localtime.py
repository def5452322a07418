"""Local days and UTC moments, vectorised, from the zone rules that Python itself carries.

A zone's offset is asked once per quarter of an hour that occurs, since no zone of the last fifty
years has changed its clocks at any other minute.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from zoneinfo import ZoneInfo

import numpy as np

DAY = 86_400_000_000
HOUR = 3_600_000_000
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


def _offsets(microseconds: np.ndarray, placed: Callable[[dt.datetime], dt.datetime]) -> np.ndarray:
    quarters, where = np.unique(np.floor_divide(microseconds, _QUARTER), return_inverse=True)
    offsets = [_offset(int(quarter), placed) for quarter in quarters]
    return np.array(offsets, dtype=np.int64)[where] if len(offsets) else microseconds * 0


def _offset(quarter: int, placed: Callable[[dt.datetime], dt.datetime]) -> int:
    moment = _EPOCH + dt.timedelta(minutes=15 * quarter)
    offset = placed(moment).utcoffset() or dt.timedelta()
    return round(offset.total_seconds()) * 1_000_000
