"""Whom one address of the queue asks for: the same for the page, its picture and its exports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serving.console.asked import NOBODY, Asked, asked
from serving.console.audience import ORDERS, USUAL_ORDER, Audience, audience
from serving.console.book import Book, book
from serving.console.masking import rows_starting
from serving.console.page import Visit
from serving.console.worked import Worked, worked
from serving.endpoint.served import Served


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
    found = rows_starting(visit, served, wanted.search) if wanted.search else None
    return Chosen(served, of, done, wanted, usual, audience(of, done, wanted, found))
