"""Which language an answer is wanted in, and answers in one language of the two they hold.

Texts are objects with ``zh`` and ``en``. A request that prefers one of the two
(``Accept-Language``, RFC 9110, 12.5.4) gets that one alone; any other gets both.
"""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["zh", "en"]
VARY = {"Vary": "Accept-Language"}
RANGES_AT_MOST = 20

_RANGE = re.compile(
    r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]{1,64})?\s*(?:;\s*[qQ]\s*=\s*([01](?:\.\d{0,3})?)\s*)?"
)
_TEXT = r'"(?:[^"\\]|\\.)*"'
_BOTH = re.compile(rf'"zh":(?P<zh>{_TEXT}),"en":(?P<en>{_TEXT})')
_TURNED = re.compile(rf'"en":(?P<en>{_TEXT}),"zh":(?P<zh>{_TEXT})')
"""A text as ``replies.py`` writes it; within a string its quotes would be escaped."""


def preferred(header: str) -> Language | None:
    """Return the language that ``header`` prefers; ``None`` where it prefers neither.

    What cannot be read in the header is passed over: no request is refused for its language.

    >>> preferred("zh-CN,zh;q=0.9,en;q=0.8"), preferred("en;q=0.3, zh;q=0"), preferred("EN-gb")
    ('zh', 'en', 'en')
    >>> preferred(""), preferred("fr"), preferred("zh, en"), preferred("*"), preferred("q=;;,")
    (None, None, None, None, None)
    """
    qualities = _qualities(header)
    zh, en = (qualities.get(name, qualities.get("*", 0.0)) for name in ("zh", "en"))
    if zh == en:
        return None
    return "zh" if zh > en else "en"


def _qualities(header: str) -> dict[str, float]:
    """Return the highest quality given to each language, whatever its region."""
    found: dict[str, float] = {}
    for part in header.split(",", RANGES_AT_MOST)[:RANGES_AT_MOST]:
        read = _RANGE.fullmatch(part)
        if read is not None:
            name, quality = read[1].lower(), min(float(read[2] or 1), 1.0)
            found[name] = max(found.get(name, 0.0), quality)
    return found


def in_language(body: str, language: Language | None) -> str:
    """Return the JSON text ``body`` with its texts in ``language`` alone; in both for ``None``.

    >>> in_language('{"text":{"zh":"高\\\\"","en":"high"}}', "zh")
    '{"text":{"zh":"高\\\\""}}'
    >>> in_language('{"label":{"en":"high","zh":"高"}}', "zh")
    '{"label":{"zh":"高"}}'
    >>> in_language('{"text":{"zh":"高","en":"high"}}', None)
    '{"text":{"zh":"高","en":"high"}}'
    """
    if language is None:
        return body
    one = rf'"{language}":\g<{language}>'
    return _TURNED.sub(one, _BOTH.sub(one, body))
