"""Numbers as people read them, in Chinese and English; Babel knows the customs."""

from __future__ import annotations

import math
from functools import lru_cache

from babel import Locale
from babel.numbers import (
    format_compact_currency,
    format_currency,
    format_decimal,
    format_percent,
    get_currency_symbol,
)

from configs.section import Language

LOCALES: dict[Language, Locale] = {"zh": Locale.parse("zh_CN"), "en": Locale("en")}
EXACT_BELOW = 1e15
"""Binary numbers below are those of their decimals; both languages group by three, as Python."""
CACHED = 200_000
"""Fragments kept: rounding to what is shown leaves far fewer than there are customers."""


def money(amount: float, currency: str, language: Language) -> str:
    """Return an amount, in whole units from 100 on.

    >>> money(8419.6, "CNY", "zh"), money(8419.6, "CNY", "en"), money(12.5, "GBP", "en")
    ('¥8,420', 'CN¥8,420', '£12.50')
    """
    return _money(rounded(amount), currency, language)


@lru_cache(CACHED)
def _money(amount: float, currency: str, language: Language) -> str:
    digits = 0 if amount == int(amount) else 2
    if abs(amount) >= EXACT_BELOW:
        return _money_pattern(amount, currency, language, digits)
    sign, shown = "-" if amount < 0 else "", f"{abs(amount):,.{digits}f}"
    return sign + _money_pattern(0.0, currency, language, 0).replace("0", shown)


@lru_cache(CACHED)
def _money_pattern(amount: float, currency: str, language: Language, digits: int) -> str:
    pattern, locale = "¤#,##0" + ".00" * (digits > 0), LOCALES[language]
    return format_currency(amount, currency, pattern, locale, currency_digits=False)


def compact_money(amount: float, currency: str, language: Language) -> str:
    """Return a large amount in the language's own steps (万 and 亿; K, M and B).

    >>> compact_money(12_345_678, "CNY", "zh"), compact_money(12_345_678, "CNY", "en")
    ('¥1,234.6万', 'CN¥12.3M')
    """
    if abs(amount) < 10_000:
        return money(amount, currency, language)
    if language == "zh" and abs(amount) >= 1_000_000:
        step, word = (1e8, "亿") if abs(amount) >= 1e8 else (1e4, "万")
        locale = LOCALES[language]
        return format_currency(amount / step, currency, "¤#,##0.0", locale, False) + word
    return format_compact_currency(
        amount, currency, locale=LOCALES[language], fraction_digits=1
    ).replace("\xa0", "")


def symbol(currency: str, language: Language) -> str:
    """Return the currency's sign: ``¥`` for CNY in Chinese, ``CN¥`` in English."""
    return get_currency_symbol(currency, LOCALES[language])


def number(value: float, language: Language) -> str:
    """Return a plain number: whole from 100 on, to a tenth from 10 on, else to a hundredth.

    >>> number(1234.5, "en"), number(29.65, "zh"), number(4.256, "zh"), number(-0.001, "en")
    ('1,234', '29.6', '4.26', '0')
    """
    return _number(rounded(value, tenths_from=10.0), language)


@lru_cache(CACHED)
def _number(value: float, language: Language) -> str:
    if abs(value) >= EXACT_BELOW:
        return format_decimal(value, "#,##0.##", LOCALES[language])
    shown = f"{value:,.2f}"
    return shown.rstrip("0").rstrip(".")


@lru_cache(CACHED)
def percent(share: float, language: Language, digits: int = 0) -> str:
    """Return a share of one as a percentage.

    >>> percent(0.372, "zh"), percent(0.372, "en", 1)
    ('37%', '37.2%')
    """
    pattern = "#,##0" + ("." + "0" * digits if digits else "") + "%"
    return format_percent(share, pattern, LOCALES[language])


def signed(text: str, value: float) -> str:
    """Return ``text``, written for ``abs(value)``, with the sign of ``value``.

    >>> signed("¥120", -120.0), signed("9.4", 9.4), signed("0", 0.0)
    ('−¥120', '+9.4', '0')
    """
    if value == 0:
        return text
    return ("+" if value > 0 else "−") + text


def rounded(value: float, tenths_from: float = 100.0) -> float:
    """Return ``value`` as it is shown, half away from zero left to the binary value."""
    if value % 1 == 0:
        return float(value) + 0.0
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= tenths_from else 2
    shown = round(value, digits)
    return float(shown) if math.isfinite(shown) and shown != 0 else 0.0
