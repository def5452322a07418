"""What a quarterly review looks at: did the criteria hold, who moved, what people overrode."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from configs.section import Text
from serving.console.acting.overrides import Habit, Logged, habits, log
from serving.console.book import Book, book
from serving.endpoint.endpoint import today
from serving.monitoring.outcome import Outcome
from serving.policies.effect import Effect, effect_of
from serving.policies.freezing import basis_of
from serving.policies.review_notes import started_on
from serving.scores.publication import Manifest

if TYPE_CHECKING:
    from serving.endpoint.served import Served
    from serving.endpoint.state import State

SUNSET_SHOWN = 30
"""Candidates on one page; the rest follow once these are decided on."""


@dataclass(frozen=True)
class TierCame:
    """What one tier of an earlier publication was expected to do, and did.

    Attributes:
        name: of the tier.
        n: customers.
        expected, actual: per customer: money, or the share who left.
    """

    name: Text
    n: int
    expected: float
    actual: float


@dataclass(frozen=True)
class Criterion:
    """Whether tiers told customers apart, by what came of an earlier publication.

    Attributes:
        as_of, closed_on: the days from and to which it is counted.
        tiers: the highest first.
        wrong: names of neighbours whose order did not hold, the higher first.
    """

    as_of: dt.date
    closed_on: dt.date
    tiers: tuple[TierCame, ...]
    wrong: tuple[tuple[Text, Text], ...]


def criterion(outcome: Outcome | None) -> Criterion | None:
    """Return whether the tiers of an outcome are in order; ``None`` before any has closed.

    A higher tier is to bring more; or, of churn, to lose fewer.
    """
    if outcome is None:
        return None
    tiers = tuple(
        TierCame(one.name, one.n, one.expected / one.n, one.actual / one.n)
        for one in outcome.tiers
        if one.n
    )
    way = -1.0 if outcome.target == "churn" else 1.0
    wrong = tuple(
        (higher.name, lower.name)
        for higher, lower in itertools.pairwise(tiers)
        if way * (higher.actual - lower.actual) < 0
    )
    return Criterion(outcome.as_of, outcome.closed_on, tiers, wrong)


def since_last_quarter(manifests: Sequence[Manifest], quarter: str) -> Manifest | None:
    """Return the last publication before the quarter began, or the earliest there is."""
    begun = started_on(quarter)
    before = [one for one in manifests if one.as_of < begun]
    if before:
        return max(before, key=lambda one: one.as_of)
    return min(manifests, key=lambda one: one.as_of, default=None)


@dataclass(frozen=True)
class Overridden:
    """Tiers that people gave since a day.

    Attributes:
        since: the day.
        all: how many; ``up``, ``down`` and ``rejected`` of these.
        share: of all customers.
        habits: how often each person does it, ever.
    """

    since: dt.date
    all: int
    up: int
    down: int
    rejected: int
    share: float
    habits: tuple[Habit, ...]


def overridden_since(served: Served, state: State, since: dt.date) -> Overridden:
    """Return what people overrode since ``since``."""
    policy = served.publication.manifest.terms.policy
    every = log(state, today(served), policy)
    own = [one for one in every if _day(one, served) >= since and one.status != "withdrawn"]
    return Overridden(
        since=since,
        all=len(own),
        up=sum(one.rise > 0 for one in own),
        down=sum(one.rise < 0 for one in own),
        rejected=sum(one.status == "rejected" for one in own),
        share=len({one.customer_id for one in own}) / max(len(book(served)), 1),
        habits=tuple(habits(state, every)),
    )


def _day(one: Logged, served: Served) -> dt.date:
    return one.event.at.astimezone(served.zone).date()


def live_effect(served: Served) -> Effect:
    """Return the policy that is published on its own customers: who is held, whom rules touch."""
    return effect_of(basis_of(served.publication), served.publication.manifest.terms.policy)


@dataclass(frozen=True)
class Candidate:
    """Somebody who may be worth no more effort; a person decides."""

    customer_id: str
    value: float
    churn: float
    last_purchase_days: float


@dataclass(frozen=True)
class Sunset:
    """Who may be worth no more effort.

    Attributes:
        n: how many in all.
        value: what they are expected to bring together.
        shown: those of least value.
    """

    n: int
    value: float
    shown: tuple[Candidate, ...]


def sunset(served: Served, decided: frozenset[str]) -> Sunset:
    """Return who is in the lowest tier, long silent, likely to leave, with no complaint open.

    Args:
        served: what is published.
        decided: whom people have decided on in this review.
    """
    own = book(served)
    rows = _sunset_rows(own)
    rows = np.array([row for row in rows if own.id_of(row) not in decided], dtype=np.int64)
    shown = tuple(
        Candidate(
            own.id_of(row),
            float(own.value[row]),
            float(own.churn[row]),
            float(own.last_purchase_days[row]),
        )
        for row in rows[:SUNSET_SHOWN]
    )
    return Sunset(len(rows), float(np.nansum(own.value[rows])), shown)


def _sunset_rows(own: Book) -> np.ndarray:
    """Return the rows of candidates, those of least value first, equals by id."""
    if not own.tier.words or "lost" not in own.lifecycle.words:
        return np.empty(0, dtype=np.int64)
    lowest = own.tier.codes == len(own.tier.words) - 1
    is_lost = own.lifecycle.codes == own.lifecycle.words.index("lost")
    is_high = np.zeros(len(own), dtype=bool)
    if "high" in own.band.words:
        is_high = own.band.codes == own.band.words.index("high")
    calm = ~(own.open_complaints > 0)
    rows = np.flatnonzero(lowest & is_lost & is_high & calm)
    return rows[np.argsort(own.value[rows], kind="stable")]
