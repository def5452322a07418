from __future__ import annotations

from babel.numbers import format_currency, format_decimal
from hypothesis import given
from hypothesis import strategies as st

from configs.section import Language
from serving.scores.numbers import LOCALES, money, number

AMOUNTS = st.floats(-1e17, 1e17, allow_nan=False) | st.integers(-200_000, 200_000).map(
    lambda cents: cents / 100
)
LANGUAGES: tuple[Language, ...] = ("zh", "en")


@given(AMOUNTS, st.sampled_from(["CNY", "GBP", "USD", "JPY"]), st.sampled_from(LANGUAGES))
def test_money_is_written_as_babel_writes_it(amount: float, currency: str, to: Language) -> None:
    shown = round(amount, 0 if abs(amount) >= 100 else 2) + 0.0
    pattern = "¤#,##0" if shown == int(shown) else "¤#,##0.00"
    assert money(amount, currency, to) == format_currency(
        shown, currency, pattern, LOCALES[to], currency_digits=False
    )


@given(AMOUNTS, st.sampled_from(LANGUAGES))
def test_a_number_is_written_as_babel_writes_it(value: float, language: Language) -> None:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    shown = round(value, digits) + 0.0
    assert number(value, language) == format_decimal(shown, "#,##0.##", LOCALES[language])
