"""Complaints and support requests: how many, how many resolved and how fast, how many open.

A case is *resolved* from the day it was, so those open at a cutoff are those begun by then less
those resolved by then. A company that never records a resolution has every case open: leave the
``open_…`` features out there.
"""

from __future__ import annotations

from collections.abc import Mapping

from features.declared.satisfaction import LOSES
from features.declared.windows import QUARTER, YEAR, over
from features.spec import Feature


def cases(
    name: str,
    kind: str,
    source: str,
    label: Mapping[str, str],
    window_days: int | None = None,
) -> Feature:
    """Return a count of complaints or support requests, by the day that ``source`` counts from.

    Over the whole history it serves to tell what is open, and is no input of trees.
    """
    return Feature(
        name=name,
        source=source,
        window_days=window_days,
        value=lambda t: t.count(where=t.kind == kind),
        when_empty=0,
        family="satisfaction",
        concept="complaints" if kind == "complaint" else "support",
        unit="cases",
        label=label,
        stationary=window_days is not None,
    )


def still_open(kind: str, zh: str, en: str) -> Feature:
    """Return how many cases were open at the cutoff: those begun less those resolved by then."""
    begun, resolved = f"{kind}_count", f"{kind}_resolved_count"
    return Feature(
        name=f"open_{kind}_count",
        inputs=(begun, resolved),
        value=lambda f: (f[begun] - f[resolved]).clip(lower=0),
        family="satisfaction",
        concept="complaints" if kind == "complaint" else "support",
        unit="cases",
        label={"zh": zh, "en": en},
        actionable=True,
        monotone=LOSES if kind == "complaint" else {},
    )


COMPLAINTS = (
    cases(
        "complaint_count_84d",
        "complaint",
        "interactions",
        over(QUARTER, "投诉次数", "Complaints"),
        QUARTER,
    ),
    cases(
        "complaint_count_364d",
        "complaint",
        "interactions",
        over(YEAR, "投诉次数", "Complaints"),
        YEAR,
    ),
    cases(
        "complaint_resolved_count_364d",
        "complaint",
        "resolutions",
        over(YEAR, "已解决投诉数", "Complaints resolved"),
        YEAR,
    ),
    cases(
        "complaint_count",
        "complaint",
        "interactions",
        {"zh": "累计投诉次数", "en": "Complaints so far"},
    ),
    cases(
        "complaint_resolved_count",
        "complaint",
        "resolutions",
        {"zh": "累计已解决投诉数", "en": "Complaints resolved so far"},
    ),
    cases(
        "support_count",
        "support",
        "interactions",
        {"zh": "累计售后求助次数", "en": "Support requests so far"},
    ),
    cases(
        "support_resolved_count",
        "support",
        "resolutions",
        {"zh": "累计已解决售后求助数", "en": "Support requests resolved so far"},
    ),
    still_open("complaint", "未解决投诉数", "Open complaints"),
    still_open("support", "未解决售后求助数", "Open support requests"),
    Feature(
        name="complaint_resolution_hours_364d",
        source="resolutions",
        window_days=YEAR,
        value=lambda t: t.resolution_hours.mean(where=t.kind == "complaint"),
        family="satisfaction",
        concept="complaints",
        unit="hours",
        label=over(YEAR, "投诉平均解决时间", "Mean time to resolve a complaint"),
    ),
)
