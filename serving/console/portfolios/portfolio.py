"""The portfolio: what tiers hold, who moved and why, risk through time, segments, hindsight."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from configs.errors import EchelonError
from configs.section import Text
from serving.changes.change_facts import portfolio_change
from serving.changes.change_shown import PART_NAMES
from serving.changes.changes import Comparison, compare
from serving.console.masking import mask
from serving.console.page import PageError, Visit
from serving.console.portfolios import portfolio_pictures as pictures
from serving.console.portfolios.migration import Migrations, choices
from serving.console.portfolios.movers import SHOWN, movers
from serving.console.portfolios.risk_history import published_until
from serving.console.portfolios.segment_facts import segment_facts
from serving.console.portfolios.tier_facts import everybody, tier_facts
from serving.console.portfolios.what_came import what_came
from serving.pages.tier_rules import segment_fidelity
from serving.scores.publication import Manifest, open_publication

if TYPE_CHECKING:
    from serving.endpoint.served import Served

WALKED_AT_MOST = 200_000
"""Customers who are all predicted anew within a request; of more, the command does it."""
NO_SUCH = Text(zh="没有这次发布", en="There is no such publication")
CHOOSE = Text(
    zh="请在组合页面选择一次较早的发布。", en="Choose an earlier publication on the portfolio page."
)
UNREADABLE = Text(zh="无法与那次发布比较", en="That publication cannot be compared with")


def page(visit: Visit) -> Response:
    """Return the portfolio."""
    served = visit.served
    earlier = visit.kept(served, earlier_ones)
    chosen = _chosen(visit, earlier)
    tiers, everyone = visit.kept(served, tier_facts), visit.kept(served, everybody)
    moved = None if chosen is None else visit.kept(served, Migrations).since(chosen)
    return visit.page(
        "portfolio.html",
        as_of=served.as_of,
        terms=served.publication.manifest.terms,
        totals=served.publication.manifest.totals,
        everybody=everyone,
        tiers=tiers,
        rows=(*tiers, everyone),
        segments=visit.kept(served, segment_facts),
        fidelity=segment_fidelity(served.bundle.segments),
        earlier=earlier,
        moved=moved,
        came=what_came(visit),
        pictures={one.name: one.shown(visit) for one in pictures.PICTURES},
    )


def who_moved(visit: Visit) -> Response:
    """Return who moved since an earlier publication, and what data, model and policy did."""
    served = visit.served
    chosen = _chosen(visit, visit.kept(served, earlier_ones))
    if chosen is None:
        raise PageError(404, NO_SUCH, CHOOSE)
    told = visit.kept(served, Reasons).since(visit, chosen)
    return visit.page(
        "movers.html", **told, parts=PART_NAMES, shown=SHOWN, mask=partial(mask, visit)
    )


def earlier_ones(served: Served) -> list[Manifest]:
    """Return the publications that the live one can be compared with."""
    return choices(served, published_until(served))


class Reasons:
    """Who moved since each earlier publication that anybody asks about, and why.

    Args:
        served: what is published now.
    """

    def __init__(self, served: Served) -> None:
        self._served = served
        self._found: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def since(self, visit: Visit, earlier: Manifest) -> dict[str, Any]:
        """Return the movers, and the change of everybody in its three parts."""
        with self._lock:
            if earlier.id not in self._found:
                self._found[earlier.id] = self._made(visit, earlier)
            return self._found[earlier.id]

    def _made(self, visit: Visit, earlier: Manifest) -> dict[str, Any]:
        compared = _compared(visit, self._served, earlier)
        is_walked = len(self._served.book) <= WALKED_AT_MOST
        found = visit.kept(self._served, Migrations).since(earlier)
        return {
            "moved": found,
            "movers": movers(self._served, found, compared),
            "change": portfolio_change(compared) if is_walked else None,
        }


def _compared(visit: Visit, served: Served, earlier: Manifest) -> Comparison:
    folder = served.publication.folder.parent / earlier.id
    try:
        return compare(visit.config, open_publication(folder), served.publication)
    except EchelonError as error:
        raise PageError(409, UNREADABLE, Text(zh=str(error), en=str(error))) from error


def _chosen(visit: Visit, earlier: list[Manifest]) -> Manifest | None:
    asked = visit.query.get("since")
    if asked is None:
        return earlier[0] if earlier else None
    found = next((one for one in earlier if one.id == asked), None)
    if found is None:
        raise PageError(404, NO_SUCH, CHOOSE)
    return found
