"""Whole columns at once: plain values in one vectorised step, odd ones once per distinct text.

Every function takes an Arrow array as it was read, text or typed, and returns :class:`Cleaned`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.raw.cleaning import (
    MISSING,
    AmbiguousDateError,
    day_month_order,
    moment_by_format,
    parse_id,
    parse_moment,
    parse_number,
)
from features.raw.localtime import days_of, local_from_utc, utc_from_local
from features.raw.vocabulary import canonical_word

_PLAIN_NUMBER = r"^-?\d{1,15}(\.\d{1,15})?$"
_PLAIN_MOMENT = (
    r"^[12]\d{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    r"|(?:0[13578]|1[02])-31)(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?)?$"
)
_PLAIN_ID = r"^[!-<>-~]*$"
"""Ids of printable ASCII that start with no `=` formula; those that end in .0 are looked at."""
_MISSING_TEXT = MISSING - {"-", "--", "na", "n/a", "无"}
"""In free text the shorter ones may be words: NA is Namibia, 无 an answer."""
_MICROSECONDS = pa.timestamp("us")
EARLIEST = dt.date(1900, 1, 2)


@dataclass
class Cleaned:
    """A column's values; for each reason and each repair, the rows (as a mask) that it concerns.

    ``days`` are local days since 1970-01-01 where the column holds moments, 0 where it is null.
    """

    values: pa.Array
    refused: dict[str, np.ndarray] = field(default_factory=dict)
    repaired: dict[str, np.ndarray] = field(default_factory=dict)
    days: np.ndarray | None = None

    @property
    def is_null(self) -> np.ndarray:
        """Mask of the rows without a value."""
        return as_mask(self.values.is_null())


def as_mask(array: pa.Array) -> np.ndarray:
    """Return a boolean array as a NumPy mask, null as false."""
    return pc.fill_null(array, False).to_numpy(zero_copy_only=False)


def as_text(array: pa.Array) -> pa.Array:
    """Return any array as text: whole floats without `.0`, moments in ISO form."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_string(array.type):
        return array
    if pa.types.is_nested(array.type):
        return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())
    return array.cast(pa.string())


def clean_texts(array: pa.Array) -> Cleaned:
    """Return text without outer blanks; an empty text, or a written NULL, is null."""
    text = as_text(array)
    trimmed = pc.utf8_trim(text, characters=" \t\r\n\v\f\u00a0\u3000\ufeff\u200b")
    says_nothing = _says_nothing(trimmed, _MISSING_TEXT)
    values = pc.if_else(says_nothing, pa.scalar(None, pa.string()), trimmed)
    changed = as_mask(pc.and_(pc.not_equal(text, trimmed), pc.is_valid(values)))
    return Cleaned(values, repaired={"whitespace": changed})


def clean_ids(array: pa.Array) -> Cleaned:
    """Return ids as text: 17850.0 as 17850, full-width characters as plain ones."""
    text = as_text(array)
    plain = pc.and_(pc.match_substring_regex(text, _PLAIN_ID), pc.invert(pc.ends_with(text, ".0")))
    cleaned = _by_distinct(text, plain, pa.string(), _id)
    cleaned.values = pc.if_else(_says_nothing(cleaned.values), None, cleaned.values)
    if pa.types.is_floating(array.type):
        cleaned.repaired["id_decimals"] = as_mask(pc.is_valid(cleaned.values))
    return cleaned


def clean_numbers(array: pa.Array, decimal: str = ".") -> Cleaned:
    """Return numbers as float64; text that is no number is refused as ``bad_number``."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if _is_numeric(array.type):
        numbers = array.cast(pa.float64())
        return Cleaned(pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers))
    text = as_text(array)
    text = pc.if_else(_says_nothing(text), pa.scalar(None, pa.string()), text)
    pattern = _PLAIN_NUMBER if decimal == "." else r"^-?\d{1,15}$"
    plain = pc.match_substring_regex(text, pattern)
    return _by_distinct(text, plain, pa.float64(), lambda value: _number(value, decimal))


def clean_moments(
    array: pa.Array, zone: ZoneInfo, pattern: str | None = None, day_first: bool | None = None
) -> Cleaned:
    """Return UTC moments without a zone, with local days; ``bad_date`` or ``ambiguous_date``."""
    if pa.types.is_temporal(array.type) and not pa.types.is_time(array.type):
        is_utc = np.full(len(array), getattr(array.type, "tz", None) is not None)
        typed = array.cast(_MICROSECONDS, safe=False) if not is_utc.any() else _naive(array)
        return _placed(Cleaned(typed), is_utc, zone)
    text = as_text(array)
    text = pc.if_else(_says_nothing(text), pa.scalar(None, pa.string()), text)
    plain = pc.match_substring_regex(text, _PLAIN_MOMENT)
    if pattern is not None:
        plain = pc.if_else(pc.is_valid(text), False, None)
    in_utc: set[str] = set()
    cleaned = _by_distinct(
        text, plain, _MICROSECONDS, lambda value: _instant(value, pattern, day_first, in_utc)
    )
    is_utc = as_mask(pc.is_in(text, value_set=pa.array(sorted(in_utc), pa.string())))
    return _placed(cleaned, is_utc, zone)


def clean_words(array: pa.Array, words: Mapping[str, tuple[str, ...]], is_open: bool) -> Cleaned:
    """Return canonical words; an unknown one is kept if ``is_open``, else ``unknown_kind``."""
    trimmed = clean_texts(array)
    known = pc.is_in(trimmed.values, value_set=pa.array(list(words), pa.string()))
    plain = pc.if_else(pc.is_valid(trimmed.values), known, None)
    cleaned = _by_distinct(
        trimmed.values, plain, pa.string(), lambda value: _word(value, words, is_open)
    )
    cleaned.repaired.update(trimmed.repaired)
    return cleaned


def order_in(array: pa.Array) -> bool | None:
    """Return whether the dates of a text column put the day first, by majority, or ``None``."""
    if not pa.types.is_string(array.type):
        return None
    shapes = pc.drop_null(array).filter(
        pc.match_substring_regex(pc.drop_null(array), r"^\s*\d{1,2}[-/.]\d{1,2}[-/.]\d{4}")
    )
    votes = [day_month_order(value) for value in pc.unique(shapes).to_pylist()]
    for_day, for_month = votes.count(True), votes.count(False)
    return None if for_day == for_month else for_day > for_month


Parsed = tuple[Any, tuple[str, ...], str | None]
"""A value, the repairs it took, and the reason it is refused for."""


def _by_distinct(
    text: pa.Array, plain: pa.Array, kind: pa.DataType, parse: Callable[[str], Parsed]
) -> Cleaned:
    """Cast the plain values at once and parse the others once per distinct text."""
    simple = pc.if_else(plain, text, pa.scalar(None, pa.string())).cast(kind)
    odd = pc.if_else(plain, pa.scalar(None, pa.string()), text)
    if odd.null_count == len(odd):
        return Cleaned(simple)
    encoded = odd.dictionary_encode()
    parsed = [parse(value) for value in encoded.dictionary.to_pylist()]
    values = pa.array([value for value, _, _ in parsed], kind).take(encoded.indices)
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    return Cleaned(
        pc.coalesce(simple, values),
        _masks(codes, [(reason,) if reason else () for _, _, reason in parsed]),
        _masks(codes, [repairs for _, repairs, _ in parsed]),
    )


def _masks(codes: np.ndarray, names: list[tuple[str, ...]]) -> dict[str, np.ndarray]:
    masks = {}
    for name in dict.fromkeys(name for some in names for name in some):
        has = np.array([name in some for some in names] + [False])
        masks[name] = has[codes]
    return masks


def _says_nothing(text: pa.Array, tokens: frozenset[str] = MISSING) -> pa.Array:
    short = pc.less(pc.utf8_length(text), 12)
    if not pc.any(short).as_py():
        return pc.and_(short, False)
    bare = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    return pc.is_in(bare, value_set=pa.array(sorted(tokens)))


def _is_numeric(kind: pa.DataType) -> bool:
    return (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    )


def _naive(array: pa.Array) -> pa.Array:
    return array.cast(pa.timestamp("us", "UTC"), safe=False).cast(_MICROSECONDS)


def _placed(cleaned: Cleaned, is_utc: np.ndarray, zone: ZoneInfo) -> Cleaned:
    """Turn local moments into UTC ones and add the local days."""
    moments = cleaned.values
    missing = as_mask(moments.is_null())
    local = pc.fill_null(moments.cast(pa.int64()), 0).to_numpy(zero_copy_only=False).copy()
    unlikely = ~missing & ((local < _EARLIEST_US) | (local > _LATEST_US))
    local[unlikely] = 0
    utc = local.copy()
    utc[~is_utc] = utc_from_local(local[~is_utc], zone)
    local[is_utc] = local_from_utc(local[is_utc], zone)
    cleaned.values = pa.array(utc, mask=missing | unlikely).cast(_MICROSECONDS)
    cleaned.days = np.where(missing, 0, days_of(local)).astype(np.int32)
    if unlikely.any():
        cleaned.refused["date_out_of_range"] = unlikely
    return cleaned


_EPOCH_DAY = dt.date(1970, 1, 1)
_EARLIEST_US = (EARLIEST - _EPOCH_DAY).days * 86_400_000_000
_LATEST_US = (dt.date(9999, 12, 30) - _EPOCH_DAY).days * 86_400_000_000


def _number(text: str, decimal: str) -> Parsed:
    number = parse_number(text, decimal)
    return (None, (), "bad_number") if number is None else (number.value, number.repairs, None)


def _id(text: str) -> Parsed:
    value, repairs = parse_id(text)
    return value, repairs, None


def _word(text: str, words: Mapping[str, tuple[str, ...]], is_open: bool) -> Parsed:
    found = canonical_word(text, words)
    if found is None:
        return (text.lower(), (), None) if is_open else (None, (), "unknown_kind")
    return found[0], (found[1],) if found[1] else (), None


def _instant(text: str, pattern: str | None, day_first: bool | None, in_utc: set[str]) -> Parsed:
    try:
        moment = moment_by_format(text, pattern) if pattern else parse_moment(text, day_first)
    except AmbiguousDateError:
        return None, (), "ambiguous_date"
    if moment is None:
        return None, (), "bad_date"
    if moment.is_utc:
        in_utc.add(text)
    return moment.microseconds, moment.repairs, None
