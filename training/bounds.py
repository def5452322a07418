"""Bounds of rules as people read them: per cent, whole numbers, few digits."""

from __future__ import annotations

import numpy as np

from configs.section import Text

WHOLE = frozenset({"orders", "times", "cases", "days", "levels", "products", "categories"})
"""Units of whole numbers, so that a rule can say "at least 3", not "above 2.46"."""


def above(edge: float, unit: str) -> Text:
    """Return the words of what lies above ``edge``: of whole numbers, from the next one on.

    >>> above(2.46, "times").en, above(0.0602, "share").en
    ('at least 3', 'above 6.0%')
    """
    if unit in WHOLE:
        least = shown(np.floor(edge) + 1.0, unit)
        return Text(zh=f"不低于{least}", en=f"at least {least}")
    return Text(zh=f"高于{shown(edge, unit)}", en=f"above {shown(edge, unit)}")


def at_most(edge: float, unit: str) -> Text:
    """Return the words of what does not lie above ``edge``.

    >>> at_most(2.46, "times").en, at_most(412.7, "currency").zh
    ('at most 2', '不高于413')
    """
    return Text(zh=f"不高于{shown(edge, unit)}", en=f"at most {shown(edge, unit)}")


def shown(edge: float, unit: str) -> str:
    """Return a bound as people read it; whole numbers end at the one below.

    >>> shown(2.46, "times"), shown(0.0602, "share"), shown(-0.134, "balance")
    ('2', '6.0%', '-0.134')
    """
    if unit == "share":
        return f"{edge:.1%}"
    if unit in WHOLE:
        return f"{np.floor(edge):,.0f}"
    return f"{edge:,.0f}" if abs(edge) >= 100 else f"{edge:.3g}"
