"""Which of the forms that an answer comes in a client wants (`Accept`, RFC 9110, 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence

RANGES_AT_MOST = 20
_RANGE = re.compile(
    r"\s*([A-Za-z0-9.+*-]{1,64})/([A-Za-z0-9.+*-]{1,64})\s*(?:;\s*[qQ]\s*=\s*([01](?:\.\d{0,3})?))?.*"
)


def preferred_type(header: str, offered: Sequence[str]) -> str | None:
    """Return the one of ``offered`` that ``header`` prefers, the earlier of equals.

    What cannot be read in the header is passed over; ``None`` where nothing offered is wanted.

    >>> forms = ("application/x-ndjson", "application/vnd.apache.parquet")
    >>> preferred_type("*/*", forms), preferred_type("application/vnd.apache.parquet", forms)
    ('application/x-ndjson', 'application/vnd.apache.parquet')
    >>> preferred_type("text/html, application/*;q=0.5", forms)
    'application/x-ndjson'
    >>> preferred_type("image/png", forms), preferred_type("*/*;q=0", forms)
    (None, None)
    """
    ranges = [_RANGE.fullmatch(part) for part in header.split(",")[:RANGES_AT_MOST]]
    qualities = {
        f"{one[1]}/{one[2]}".lower(): float(one[3] or 1) for one in ranges if one is not None
    }
    best = max(offered, key=lambda form: _quality(form, qualities))
    return best if _quality(best, qualities) > 0 else None


def _quality(form: str, qualities: dict[str, float]) -> float:
    family = form.partition("/")[0]
    found = (qualities.get(name) for name in (form, f"{family}/*", "*/*"))
    return next((one for one in found if one is not None), 0.0)
