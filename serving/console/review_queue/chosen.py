"""Whom one address of the queue asks for: the same for the page, its picture and its exports."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from serving.console.book import Book, book
from serving.console.masking import is_masked, rows_starting
from serving.console.page import Visit
from serving.console.review_queue.asked import NOBODY, Asked, asked
from serving.console.review_queue.audience import ORDERS, USUAL_ORDER, Audience, audience
from serving.console.review_queue.worked import Worked, worked
from serving.endpoint.served import Served

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
        usual: the churn probability from which customers are asked for unless the address says.
        whom: the audience.
    """

    served: Served
    book: Book
    done: Worked
    asked: Asked
    usual: float
    whom: Audience


@dataclass
class _Lately:
    """Audiences that were found lately, and in which state of what people did."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    found: dict[tuple[str, bool], tuple[Worked, Audience]] = field(default_factory=dict)


def chosen(visit: Visit) -> Chosen:
    """Return whom the address asks for; customers of medium risk or more unless it says."""
    served = visit.served
    of, done = book(served), worked(visit, served)
    policy = served.publication.manifest.terms.policy
    usual = 0.0 if np.isnan(of.churn).all() else policy.churn_bands.medium
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


def _audience(visit: Visit, served: Served, done: Worked, wanted: Asked) -> Audience:
    """Return whom ``wanted`` asks for, from before where it was asked for lately."""
    key, lately = (wanted.address(-1.0, sort=""), is_masked(visit)), visit.kept(served, _lately)
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


def _lately(served: Served) -> _Lately:
    return _Lately()
