"""What people write for numbers, moments, ids and kinds, understood or refused."""

from __future__ import annotations

import datetime as dt
import math
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.raw.cleaning import AmbiguousDateError, parse_id, parse_moment, parse_number
from features.raw.columns import (
    clean_ids,
    clean_moments,
    clean_numbers,
    clean_texts,
    clean_words,
    order_in,
)
from features.raw.localtime import DAY, HOUR, days_of, local_from_utc, utc_from_local
from features.raw.vocabulary import CHANNELS, INTERACTION_KINDS, TRANSACTION_KINDS, WORDS

SHANGHAI = ZoneInfo("Asia/Shanghai")


def moment(text: str, day_first: bool | None = None) -> dt.datetime | None:
    parsed = parse_moment(text, day_first)
    if parsed is None:
        return None
    return dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=parsed.microseconds)


@pytest.mark.parametrize(
    ("text", "value", "repair"),
    [
        ("12.50", 12.5, None),
        (" 12.50 ", 12.5, "whitespace"),
        ("１２．５０", 12.5, "full_width"),
        ("¥12.5", 12.5, "currency_sign"),
        ("￥1,234.5", 1234.5, "thousands_separator"),
        ("-$5", -5.0, "currency_sign"),
        ("12.5元", 12.5, "currency_sign"),
        ("RMB 12.5", 12.5, "currency_sign"),
        ("1.2万", 12_000.0, "unit"),
        ("1.2万元", 12_000.0, "unit"),
        ("3亿", 300_000_000.0, "unit"),
        ("5k", 5_000.0, "unit"),
        ("1,234,567.8", 1_234_567.8, "thousands_separator"),
        ("1 234 567", 1_234_567.0, "thousands_separator"),
        ("15%", 0.15, "percent"),
        ("(12.50)", -12.5, "parentheses"),
        ("12.5-", -12.5, "trailing_minus"),
        ("4分", 4.0, "counting_word"),
        ("1.5e3", 1500.0, None),
    ],
)
def test_a_number_is_understood_and_its_repair_named(text, value, repair):
    number = parse_number(text)
    assert number is not None
    assert number.value == value
    assert repair in number.repairs if repair else number.repairs == ()


@pytest.mark.parametrize(
    "text",
    ["12,5O", "1,23", "abc", "1.2.3", "--5", "12 5", "¥", "万", "0x1F", "inf", "12$5", "1,2345"],
)
def test_what_is_no_number_is_refused(text):
    assert parse_number(text) is None


def test_a_decimal_comma_is_read_only_where_it_is_set():
    assert parse_number("12,5", decimal=",").value == 12.5
    assert parse_number("1.234,56", decimal=",").value == 1234.56
    assert parse_number("12,5") is None


@settings(deadline=None)
@given(st.floats(-1e9, 1e9, allow_subnormal=False))
def test_every_written_float_is_read_back_whether_plain_or_odd(value):
    text = repr(value)
    both = clean_numbers(pa.array([text, f" {text} "])).values.to_pylist()
    assert all(math.isclose(found, value, rel_tol=1e-15) for found in both)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-01 15:20",
        "2024-03-01T15:20:00",
        "2024/3/1 15:20",
        "2024.03.01 15:20:00",
        "2024年3月1日 15:20",
        "2024年3月1日15时20分",
        "2024年3月1日 下午3:20",
        "２０２４－０３－０１ 15:20",
        "2024-03-01 3:20 PM",
        "20240301152000",
        "1 March 2024 15:20",
        "01-Mar-2024 15:20",
        "March 1, 2024 3:20pm",
        "45352.638888888",
        "13/3/2024 15:20".replace("13/3", "01/03"),
    ],
)
def test_every_notation_of_a_moment_means_the_same(text):
    assert moment(text, day_first=True) == dt.datetime(2024, 3, 1, 15, 20)


def test_zones_become_utc():
    for text in ("2024-03-01T15:20:00+08:00", "2024-03-01 07:20Z", "1709277600", "1709277600000"):
        parsed = parse_moment(text)
        assert parsed.is_utc
        assert moment(text) == dt.datetime(2024, 3, 1, 7, 20)


@pytest.mark.parametrize(
    "text",
    [
        *("2024-02-30", "2023-02-29", "2024-13-01", "2024-00-10", "31/02/2024", "2024-03-01 25:00"),
        *("yesterday", "0000-00-00", "2024", "20241301", "32-Jan-2024", "2024-03-01 13:00 PM"),
    ],
)
def test_what_is_no_date_is_refused(text):
    assert parse_moment(text) is None


def test_day_and_month_are_told_apart_by_the_column_or_not_at_all():
    with pytest.raises(AmbiguousDateError):
        parse_moment("03/04/2024")
    assert moment("25/12/2024") == dt.datetime(2024, 12, 25)
    assert moment("12/25/2024") == dt.datetime(2024, 12, 25)
    assert order_in(pa.array(["03/04/2024", "25/12/2024"])) is True
    assert order_in(pa.array(["03/04/2024", "12/25/2024"])) is False
    cleaned = clean_moments(pa.array(["03/04/2024"]), SHANGHAI)
    assert cleaned.refused["ambiguous_date"].tolist() == [True]


@settings(deadline=None)
@given(st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2099, 1, 1)))
def test_plain_and_odd_notations_give_the_same_instant_and_day(when):
    when = when.replace(microsecond=0)
    texts = pa.array(
        [when.isoformat(), when.isoformat(" "), when.strftime("%Y年%m月%d日 %H:%M:%S")]
    )
    typed = pa.array([when] * 3, pa.timestamp("us"))
    cleaned, expected = clean_moments(texts, SHANGHAI), clean_moments(typed, SHANGHAI)
    assert cleaned.values.equals(expected.values)
    assert cleaned.days.tolist() == [(when.date() - dt.date(1970, 1, 1)).days] * 3


def test_a_format_is_followed_to_the_letter():
    cleaned = clean_moments(pa.array(["01/02/24", "2024-02-01"]), ZoneInfo("UTC"), "%d/%m/%y")
    assert cleaned.values.to_pylist() == [dt.datetime(2024, 2, 1), None]
    assert cleaned.refused["bad_date"].tolist() == [False, True]


@settings(deadline=None)
@given(
    st.datetimes(dt.datetime(1975, 1, 1), dt.datetime(2037, 1, 1)),
    st.sampled_from(["Europe/London", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe"]),
)
def test_local_times_agree_with_python_around_every_change_of_clocks(when, name):
    zone = ZoneInfo(name)
    local = np.array([(when - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)])
    utc = when.replace(tzinfo=zone).astimezone(dt.UTC).replace(tzinfo=None)
    expected = (utc - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
    assert utc_from_local(local, zone).tolist() == [expected]
    back = utc.replace(tzinfo=dt.UTC).astimezone(zone).replace(tzinfo=None)
    expected = (back - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
    assert local_from_utc(utc_from_local(local, zone), zone).tolist() == [expected]


def test_a_day_begins_at_local_midnight():
    utc = np.array([16 * HOUR - 1, 16 * HOUR])
    assert days_of(local_from_utc(utc, SHANGHAI)).tolist() == [0, 1]
    assert days_of(np.array([-1, 0, DAY])).tolist() == [-1, 0, 1]


def test_ids_lose_what_spreadsheets_add():
    cleaned = clean_ids(pa.array(["17850.0", " A1 ", "NULL", '="007"', "A.10"]))
    assert cleaned.values.to_pylist() == ["17850", "A1", None, "007", "A.10"]
    assert cleaned.repaired["id_decimals"].tolist() == [True, False, False, True, False]
    assert clean_ids(pa.array([17850.0, None])).values.to_pylist() == ["17850", None]
    assert clean_ids(pa.array([17850])).values.to_pylist() == ["17850"]
    assert parse_id("10.50") == ("10.50", ())


def test_missing_texts_are_null_but_words_that_look_like_it_stay():
    assert clean_texts(pa.array([" a ", "", "NULL", "NA", None])).values.to_pylist() == [
        *("a", None, None, "NA", None)
    ]
    assert clean_numbers(pa.array(["N/A", "-", "1"])).values.to_pylist() == [None, None, 1.0]


def test_kinds_are_understood_in_both_languages_and_unknown_ones_refused():
    texts = pa.array(["退款", "Purchase", "refund", "gift", None])
    cleaned = clean_words(texts, TRANSACTION_KINDS, is_open=False)
    assert cleaned.values.to_pylist() == ["refund", "purchase", "refund", None, None]
    assert cleaned.refused["unknown_kind"].tolist() == [False, False, False, True, False]
    open_words = clean_words(pa.array(["微信", "Fax"]), CHANNELS, is_open=True)
    assert open_words.values.to_pylist() == ["wechat", "fax"]
    complaint = clean_words(pa.array(["投诉"]), INTERACTION_KINDS, is_open=False)
    assert complaint.values.to_pylist() == ["complaint"]


def test_no_word_stands_for_two_kinds():
    for words in WORDS.values():
        said = [word for kind, synonyms in words.items() for word in (kind, *synonyms)]
        assert sorted(said) == sorted(set(said))


def test_typed_columns_need_no_text():
    assert clean_numbers(pa.array([1, None])).values.to_pylist() == [1.0, None]
    assert clean_numbers(pa.array([float("nan"), 2.5])).values.to_pylist() == [None, 2.5]
    day = clean_moments(pa.array([dt.date(2024, 3, 1)]), SHANGHAI)
    assert day.values.to_pylist() == [dt.datetime(2024, 2, 29, 16)]
    zoned = pa.array([dt.datetime(2024, 2, 29, 16)], pa.timestamp("s", "UTC"))
    assert clean_moments(zoned, SHANGHAI).days.tolist() == day.days.tolist()
