"""Rows as a company's systems export them: local timestamps, times of day, late recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from features.simulated.calendar import Flags, Floats, Ints

DAY_SECONDS = 86_400
HOUR_WEIGHTS = (
    2, 1, 1, 1, 1, 2, 4, 6, 8, 10, 12, 12, 13, 11, 10, 10, 10, 10, 11, 14, 17, 18, 12, 6,
)  # fmt: skip
"""How many events fall into each hour of a day: lunch time and the evening are busy."""
HOUR_ENDS = np.cumsum(HOUR_WEIGHTS) / sum(HOUR_WEIGHTS)


def seconds_on(rng: np.random.Generator, day: Ints) -> Ints:
    """Return seconds since 1970-01-01 local at a believable time of each ``day``."""
    hour = np.searchsorted(HOUR_ENDS, rng.random(len(day)), side="right")
    return day * DAY_SECONDS + hour * 3600 + rng.integers(0, 3600, len(day))


def recorded(rng: np.random.Generator, occurred: Ints) -> Ints:
    """Return when rows reached the system: at once, some days late for 4 %, weeks for 0.5 %."""
    chance = rng.random(len(occurred))
    late = np.where(chance < 0.045, 3 * DAY_SECONDS, 0)
    late = np.where(chance < 0.005, 21 * DAY_SECONDS, late)
    late = np.where(chance > 0.6, 600, late)
    return occurred + (rng.random(len(occurred)) * late).astype(np.int64)


def exported(
    customer: Ints, occurred: Ints, recorded_at: Ints, last_day: int, first_day: int
) -> Ints:
    """Return indices of the rows an export made after ``last_day`` holds, by customer and time."""
    midnight = (last_day + 1) * DAY_SECONDS
    rows = np.flatnonzero((recorded_at < midnight) & (occurred >= first_day * DAY_SECONDS))
    key = customer[rows] * (midnight + 1) + occurred[rows]
    return rows[np.argsort(key, kind="stable")]


def stamps(seconds: Ints, missing: Flags | None = None) -> pa.Array:
    """Return local timestamps in microseconds, null where ``missing``."""
    return pa.array((seconds * 1_000_000).view("datetime64[us]"), mask=missing)


def dates(days: Ints, missing: Flags | None = None) -> pa.Array:
    """Return dates of day numbers, null where ``missing``."""
    return pa.array(days.astype("datetime64[D]"), pa.date32(), mask=missing)


def numbers(values: Floats, missing: Flags | None = None) -> pa.Array:
    """Return float64 numbers, null where ``missing``."""
    return pa.array(values, mask=missing)


def coded(indices: Ints, names: Sequence[str], missing: Flags | None = None) -> pa.Array:
    """Return text as a dictionary array: ``names[index]``, null where ``missing``."""
    codes = pa.array(indices.astype(np.int32), mask=missing)
    return pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.string()))


def as_table(columns: Mapping[str, pa.Array]) -> pa.Table:
    """Return the columns as a table whose dictionary columns are plain text."""
    return pa.table({name: _plain(column) for name, column in columns.items()})


def _plain(column: pa.Array) -> pa.Array:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
