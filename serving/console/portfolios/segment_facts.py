"""What each segment holds, and the words that say who is in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from configs.section import Text
from serving.console.book import book
from serving.console.portfolios.tier_facts import mean, total

if TYPE_CHECKING:
    from serving.endpoint.served import Served


@dataclass(frozen=True)
class SegmentFacts:
    """One segment.

    Attributes:
        code, name: of the segment.
        rule: the tree that finds its customers, in words.
        customers, share: how many, and of all.
        value, at_risk: sums, money; ``None`` where nothing forecasts value.
        churn: mean probability to leave.
    """

    code: str
    name: Text
    rule: Text
    customers: int
    share: float
    value: float | None
    at_risk: float | None
    churn: float | None


def segment_facts(served: Served) -> tuple[SegmentFacts, ...]:
    """Return the segments with anybody in them, in their own order."""
    own, found = book(served), []
    for one in served.bundle.segments.all:
        rows = own.segment.are([one.code])
        if rows.any():
            found.append(
                SegmentFacts(
                    code=one.code,
                    name=one.name,
                    rule=one.description,
                    customers=int(rows.sum()),
                    share=float(rows.mean()),
                    value=total(own.value[rows]),
                    at_risk=total(own.at_risk[rows]),
                    churn=mean(own.churn[rows]),
                )
            )
    return tuple(found)
