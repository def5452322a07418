"""One written value at a time: what people write for a number, a moment or an id, understood.

Each function returns the value with the names of the repairs it took, or ``None`` where the text
cannot be understood. ``features/raw/columns.py`` runs them over whole columns.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass

MISSING = frozenset({"", "null", "none", "nan", "nat", "na", "n/a", "#n/a", "\\n", "-", "--", "无"})
"""Texts, in lower case, that say "nothing here" in a number, a time or an id."""

_NUMBER = re.compile(r"[+-]?(?:\d{1,18}(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:([, '\u00a0\u2009])\d{3})(?:\1\d{3})*(?:\.\d*)?")
_SIGNS = r"(?:[¥$€£]|RMB|CNY|USD|EUR|GBP|HKD|人民币)"
_CURRENCY = re.compile(rf"(?<![^+-])\s*{_SIGNS}\s*|\s*{_SIGNS}$", re.IGNORECASE)
_YUAN = re.compile(r"(?<=[\d万亿千])\s*[元圆块]$")
_UNITS = {"万": 1e4, "亿": 1e8, "千": 1e3, "k": 1e3, "w": 1e4}
_COUNTERS = re.compile(r"(?<=\d)\s*[分星次件个秒岁]$")

EPOCH = dt.datetime(1970, 1, 1)
_EXCEL_EPOCH = dt.datetime(1899, 12, 30)
_MICROSECOND = dt.timedelta(microseconds=1)

_CLOCK = (
    r"(?:[T\s]*(?P<half>上午|下午)?\s*(?P<hour>\d{1,2})[:时点](?P<minute>\d{1,2})?"
    r"(?:[:分](?:(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?)?)?[秒分]?"
    r"\s*(?P<meridiem>[AaPp]\.?[Mm]\.?)?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
)
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})\s*(?P<mark>[-/.年])\s*(?P<month>\d{1,2})\s*[-/.月]\s*(?P<day>\d{1,2})日?"
    + _CLOCK
)
_YEAR_LAST = re.compile(r"(?P<first>\d{1,2})[-/.](?P<then>\d{1,2})[-/.](?P<year>\d{4})" + _CLOCK)
_DAY_NAMED_MONTH = re.compile(
    r"(?P<day>\d{1,2})(?:st|nd|rd|th)?[-\s]+(?P<name>[A-Za-z]{3,9})\.?[-,\s]+(?P<year>\d{4})"
    + _CLOCK
)
_NAMED_MONTH_DAY = re.compile(
    r"(?P<name>[A-Za-z]{3,9})\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<year>\d{4})" + _CLOCK
)
_COMPACT = re.compile(r"(?P<year>(?:19|20)\d{2})(?P<month>\d{2})(?P<day>\d{2})(?P<clock>\d{6})?")
_SERIAL = re.compile(r"[2-7]\d{4}(?:\.\d+)?")
_EPOCH_SECONDS = re.compile(r"\d{10}(?:\.\d{1,6})?|\d{13}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True)
class Number:
    """A number and the repairs that it took."""

    value: float
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Moment:
    """Microseconds since 1970 in local time, or in UTC where the text names its zone."""

    microseconds: int
    is_utc: bool = False
    repairs: tuple[str, ...] = ()


class AmbiguousDateError(ValueError):
    """A date such as 03/04/2024 whose day and month nothing tells apart."""


def is_missing(text: str) -> bool:
    """Return whether ``text`` says "nothing here".

    >>> [is_missing(text) for text in ("", " NULL ", "无", "0")]
    [True, True, True, False]
    """
    return text.strip().lower() in MISSING


def parse_number(text: str, decimal: str = ".") -> Number | None:
    """Return the number that ``text`` means, or ``None``.

    >>> parse_number("12.5")
    Number(value=12.5, repairs=())
    >>> parse_number(" ¥1,234.50 ")
    Number(value=1234.5, repairs=('whitespace', 'currency_sign', 'thousands_separator'))
    >>> parse_number("１.２万元").value, parse_number("(12.50)").value, parse_number("15%").value
    (12000.0, -12.5, 0.15)
    >>> parse_number("1.234,5", decimal=",").value, parse_number("12,5O")
    (1234.5, None)
    """
    body, repairs = _folded(text)
    body, negative = _unwrapped(body, repairs)
    body = _without(_CURRENCY, body, "currency_sign", repairs)
    body = _without(_YUAN, body, "currency_sign", repairs)
    body = _without(_COUNTERS, body, "counting_word", repairs)
    body, factor = _scaled(body, repairs)
    body = _point_decimal(body, decimal)
    if _THOUSANDS.fullmatch(body):
        body = re.sub(r"[, '\u00a0\u2009]", "", body)
        repairs.append("thousands_separator")
    if not _NUMBER.fullmatch(body):
        return None
    value = round(float(body) * factor, 9) if factor != 1 else float(body)
    return Number(-value if negative else value, tuple(dict.fromkeys(repairs)))


def parse_moment(text: str, day_first: bool | None = None) -> Moment | None:
    """Return the moment that ``text`` names, or ``None``.

    ``day_first`` settles 03/04/2024 for a whole column; ``None`` means that nothing did.

    Raises:
        AmbiguousDateError: day and month cannot be told apart.

    >>> parse_moment("2024-03-01") == parse_moment("2024年3月1日").__class__(1709251200000000)
    True
    >>> parse_moment("2024年3月1日 下午3:20").repairs
    ('chinese_date',)
    >>> parse_moment("45352").repairs, parse_moment("2024-03-01T08:00:00+08:00").is_utc
    (('excel_date',), True)
    >>> parse_moment("2024-02-30") is None
    True
    """
    body, repairs = _folded(text)
    for read in (_year_first, _compact, _serial, _since_epoch, _named_month):
        moment = read(body, repairs)
        if moment is not None:
            return moment
    return _year_last(body, day_first, repairs)


def moment_by_format(text: str, pattern: str) -> Moment | None:
    """Return the moment that ``text`` names in strptime's ``pattern``, or ``None``.

    >>> moment_by_format("24/03/01", "%y/%m/%d") == parse_moment("2024-03-01")
    True
    """
    body, repairs = _folded(text)
    try:
        return _moment(dt.datetime.strptime(body, pattern), None, repairs)
    except ValueError:
        return None


def day_month_order(text: str) -> bool | None:
    """Return whether ``text`` shows that days come first: 25/12/2024 does, 12/25/2024 shows not.

    >>> day_month_order("25/12/2024"), day_month_order("12/25/2024"), day_month_order("1/2/2024")
    (True, False, None)
    """
    match = _YEAR_LAST.fullmatch(_folded(text)[0])
    if match is None:
        return None
    first, then = int(match["first"]), int(match["then"])
    if (first > 12) == (then > 12):
        return None
    return first > 12


def parse_id(text: str) -> tuple[str, tuple[str, ...]]:
    """Return an id without what spreadsheets add to it.

    >>> parse_id(" 17850.0 ")
    ('17850', ('whitespace', 'id_decimals'))
    >>> parse_id('="00123"'), parse_id("Ｃ001")
    (('00123', ('id_decimals',)), ('C001', ('full_width',)))
    """
    body, repairs = _folded(text)
    for pattern in (r"(\d+)\.0+", r'="([^"]*)"'):
        match = re.fullmatch(pattern, body)
        if match:
            body = match[1]
            repairs.append("id_decimals")
    return body, tuple(repairs)


def _folded(text: str) -> tuple[str, list[str]]:
    """Return ``text`` in plain characters and without outer blanks, with the repairs."""
    repairs = []
    body = text.strip().strip("\ufeff\u200b").strip()
    if body != text:
        repairs.append("whitespace")
    plain = body if body.isascii() else unicodedata.normalize("NFKC", body).replace("−", "-")
    if any("\uff01" <= letter <= "\uff5e" for letter in body):
        repairs.append("full_width")
    return plain.strip(), repairs


def _unwrapped(body: str, repairs: list[str]) -> tuple[str, bool]:
    if len(body) > 2 and body[0] == "(" and body[-1] == ")":
        repairs.append("parentheses")
        return body[1:-1].strip(), True
    if len(body) > 1 and body[-1] == "-" and body[0] not in "+-":
        repairs.append("trailing_minus")
        return body[:-1].strip(), True
    return body, False


def _without(pattern: re.Pattern[str], body: str, repair: str, repairs: list[str]) -> str:
    shorter, count = pattern.subn("", body, count=1)
    if not count:
        return body
    repairs.append(repair)
    return re.sub(r"^([+-])\s+", r"\1", shorter.strip())


def _scaled(body: str, repairs: list[str]) -> tuple[str, float]:
    if body.endswith("%"):
        repairs.append("percent")
        return body[:-1].strip(), 0.01
    factor = _UNITS.get(body[-1:].lower())
    if factor is None:
        return body, 1.0
    repairs.append("unit")
    return body[:-1].strip(), factor


def _point_decimal(body: str, decimal: str) -> str:
    if decimal == ".":
        return body
    return body.translate(str.maketrans(".,", ",."))


def _clock(match: re.Match[str]) -> dt.timedelta:
    """Return the time of day, a ValueError where there is no such one."""
    if match["hour"] is None:
        return dt.timedelta()
    hour = int(match["hour"])
    half = (match["meridiem"] or "").lower()[:1] or {"上午": "a", "下午": "p"}.get(
        match["half"], ""
    )
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + (12 if half == "p" else 0)
    fraction = int(((match["fraction"] or "") + "000000")[:6])
    time = dt.time(hour, int(match["minute"] or 0), int(match["second"] or 0), fraction)
    return dt.datetime.combine(EPOCH.date(), time) - EPOCH


def _moment(local: dt.datetime, zone: str | None, repairs: list[str]) -> Moment:
    if local.tzinfo is not None:
        local = local.astimezone(dt.UTC).replace(tzinfo=None)
        zone = "Z"
    elif zone is not None and zone[0] in "+-":
        offset = dt.timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        local = local - offset if zone[0] == "+" else local + offset
    if zone is not None:
        repairs = [*repairs, "time_zone"]
    return Moment((local - EPOCH) // _MICROSECOND, zone is not None, tuple(repairs))


def _dated(match: re.Match[str], month: int, day: int, repairs: list[str]) -> Moment | None:
    try:
        local = dt.datetime(int(match["year"]), month, day) + _clock(match)
        return _moment(local, match["zone"], repairs)
    except (ValueError, OverflowError):
        return None


def _year_first(body: str, repairs: list[str]) -> Moment | None:
    match = _YEAR_FIRST.fullmatch(body)
    if match is None:
        return None
    if match["mark"] == "年" or match["half"]:
        repairs = [*repairs, "chinese_date"]
    elif match["mark"] != "-":
        repairs = [*repairs, "date_order"]
    return _dated(match, int(match["month"]), int(match["day"]), repairs)


def _year_last(body: str, day_first: bool | None, repairs: list[str]) -> Moment | None:
    match = _YEAR_LAST.fullmatch(body)
    if match is None:
        return None
    first, then = int(match["first"]), int(match["then"])
    if day_first is None and first != then and max(first, then) <= 12:
        raise AmbiguousDateError(body)
    if day_first is None:
        day_first = first > 12
    day, month = (first, then) if day_first else (then, first)
    return _dated(match, month, day, [*repairs, "date_order"])


def _named_month(body: str, repairs: list[str]) -> Moment | None:
    match = _DAY_NAMED_MONTH.fullmatch(body) or _NAMED_MONTH_DAY.fullmatch(body)
    if match is None or match["name"][:3].lower() not in _MONTHS:
        return None
    month = _MONTHS.index(match["name"][:3].lower()) + 1
    return _dated(match, month, int(match["day"]), [*repairs, "date_order"])


def _compact(body: str, repairs: list[str]) -> Moment | None:
    match = _COMPACT.fullmatch(body)
    if match is None:
        return None
    try:
        day = dt.datetime(int(match["year"]), int(match["month"]), int(match["day"]))
        clock = dt.datetime.strptime(match["clock"] or "000000", "%H%M%S")
    except ValueError:
        return None
    local = dt.datetime.combine(day.date(), clock.time())
    return _moment(local, None, [*repairs, "date_order"])


def _serial(body: str, repairs: list[str]) -> Moment | None:
    """Return the moment of an Excel serial day: 45352.5 is noon of 2024-03-01."""
    if not _SERIAL.fullmatch(body):
        return None
    seconds = round(float(body) * 86400)
    local = _EXCEL_EPOCH + dt.timedelta(seconds=seconds)
    return _moment(local, None, [*repairs, "excel_date"])


def _since_epoch(body: str, repairs: list[str]) -> Moment | None:
    if not _EPOCH_SECONDS.fullmatch(body):
        return None
    scale = 1_000 if len(body) == 13 and "." not in body else 1_000_000
    return Moment(round(float(body) * scale), True, (*repairs, "epoch"))
