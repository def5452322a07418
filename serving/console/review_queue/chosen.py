"""Whom one address of the queue asks for: the same for the page, its picture and its exports."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from serving.console.book import Book, Places, book
from serving.console.masking import is_masked, rows_starting
from serving.console.page import Visit
from serving.console.review_queue.asked import NOBODY, Asked, Usual, asked
from serving.console.review_queue.audience import (
    ORDERS,
    USUAL_ORDER,
    Audience,
    audience,
    fitting,
    listed,
)
from serving.console.review_queue.headline import capacity
from serving.console.review_queue.worked import Worked, worked
from serving.endpoint.served import Served

USUAL_CUSTOMERS = 50
"""Asked for where no team is set, or its week is full: the review takes a quarter of an hour."""
KEPT = 4
"""Audiences kept: a page is followed by its picture, and by its next page."""


@dataclass(frozen=True)
class Chosen:
    """An audience and what it was chosen from.

    Attributes:
        served: what is published.
        book: everybody.
        done: where they stand.
        asked: by the address.
        usual: what is asked for where the address says nothing.
        whom: the audience.
    """

    served: Served
    book: Book
    done: Worked
    asked: Asked
    usual: Usual
    whom: Audience


@dataclass
class _Lately:
    """Audiences that were found lately, and in which state of what people did."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    found: dict[tuple[str, bool], tuple[Worked, Audience]] = field(default_factory=dict)
    reached: tuple[Worked, int] | None = None


def chosen(visit: Visit) -> Chosen:
    """Return whom the address asks for.

    Unless it says: those of medium risk or more whom this week's hours reach.
    """
    served = visit.served
    of, done = book(served), worked(visit, served)
    policy = served.publication.manifest.terms.policy
    churn = 0.0 if np.isnan(of.churn).all() else policy.churn_bands.medium
    usual = Usual(churn, _reached(visit, served, done, churn))
    words = {
        "tier": of.tier.words,
        "band": of.band.words,
        "stage": of.lifecycle.words,
        "segment": of.segment.words,
        "owner": (*done.owner.words, NOBODY),
        "sort": tuple(name for name in ORDERS if name != USUAL_ORDER),
    }
    wanted = asked(visit.query, usual, words)
    return Chosen(served, of, done, wanted, usual, _audience(visit, served, done, wanted))


def listed_for(visit: Visit, found: Chosen) -> Places:
    """Return the rows of an audience in the order of the list.

    Who sees stand-ins gets equals in the order of these: that of the ids would tell them.
    """
    equals = rows_starting(visit, found.served, "") if is_masked(visit) else None
    return listed(found.book, found.done, found.asked.sort, found.whom, equals)


def _audience(visit: Visit, served: Served, done: Worked, wanted: Asked) -> Audience:
    """Return whom ``wanted`` asks for, from before where it was asked for lately."""
    key = (wanted.address(Usual(-1.0), sort=""), is_masked(visit))
    lately = visit.kept(served, _lately)
    with lately.lock:
        known = lately.found.pop(key, None)
    if known is None or known[0] is not done:
        found = rows_starting(visit, served, wanted.search) if wanted.search else None
        known = (done, audience(book(served), done, wanted, found))
    with lately.lock:
        lately.found[key] = known
        while len(lately.found) > KEPT:
            lately.found.pop(next(iter(lately.found)))
    return known[1]


def _reached(visit: Visit, served: Served, done: Worked, churn: float) -> int:
    """Return how many the team can contact in this week, of those from ``churn`` on."""
    lately = visit.kept(served, _lately)
    with lately.lock:
        if lately.reached is not None and lately.reached[0] is done:
            return lately.reached[1]
    team, week = visit.config.team, capacity(visit.config, done)
    number = 0
    if week is not None:
        rows = _audience(visit, served, done, Asked(churn=churn)).rows
        number = fitting(done, team, rows, week.minutes_left)
    number = number or USUAL_CUSTOMERS
    with lately.lock:
        lately.reached = (done, number)
    return number


def _lately(served: Served) -> _Lately:
    return _Lately()
