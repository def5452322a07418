"""The windows that features count in, their names in both languages, and change between two.

Whole weeks, so that every window holds each weekday equally often: 4, 12 and 26 weeks, and 52,
which people call 12 months.
"""

from __future__ import annotations

from typing import Any

from configs.section import Text

MONTH, QUARTER, HALF_YEAR, YEAR = WINDOWS = (28, 84, 182, 364)

PERIODS: dict[int, Text] = {
    MONTH: Text(zh="4周", en="4 weeks"),
    QUARTER: Text(zh="12周", en="12 weeks"),
    HALF_YEAR: Text(zh="26周", en="26 weeks"),
    YEAR: Text(zh="12个月", en="12 months"),
}


def over(days: int, zh: str, en: str) -> dict[str, str]:
    """Return the label of a figure over the last ``days``.

    >>> over(84, "订单数", "Orders")
    {'zh': '近12周订单数', 'en': 'Orders in 12 weeks'}
    """
    return {"zh": f"近{PERIODS[days].zh}{zh}", "en": f"{en} in {PERIODS[days].en}"}


def before(days: int, zh: str, en: str) -> dict[str, str]:
    """Return the label of the same figure over the window just before that.

    >>> before(84, "订单数", "Orders")
    {'zh': '此前12周订单数', 'en': 'Orders in the 12 weeks before'}
    """
    return {"zh": f"此前{PERIODS[days].zh}{zh}", "en": f"{en} in the {PERIODS[days].en} before"}


def changed(days: int, zh: str, en: str) -> dict[str, str]:
    """Return the label of the change from the window before to the window.

    >>> changed(84, "订单数", "orders")
    {'zh': '近12周订单数变化', 'en': 'Change in orders over 12 weeks'}
    """
    return {"zh": f"近{PERIODS[days].zh}{zh}变化", "en": f"Change in {en} over {PERIODS[days].en}"}


def change(now: Any, earlier: Any) -> Any:
    """Return ``(now - earlier) / (now + earlier)`` in Ibis, missing where both are zero.

    For figures that are never negative it lies in [-1, 1]: -1 stopped, 0 unchanged, 1 began. A
    plain quotient would be missing for every customer who began, and have no upper end.
    """
    from features.spec import ratio

    return ratio(now - earlier, now + earlier)
