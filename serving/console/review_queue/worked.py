"""What people did, as columns beside the book: owners, days due, who is out of the queue."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from serving.console.acting.events import Event
from serving.console.acting.standing import Standing, standings
from serving.console.book import Book, Coded, Flags, Numbers, book
from serving.console.page import Visit
from serving.console.staff.team import TeamRead, team_shown
from serving.endpoint.endpoint import today
from serving.endpoint.served import Served
from training.policy import Policy

WORKED_DAYS = 7
"""Whom anybody did something about in so many days counts as worked: the review is weekly."""


@dataclass(frozen=True)
class Worked:
    """Where customers stand, a row each as in the book.

    Attributes:
        day: the company's, on which this is so.
        tier: the one that counts: an override in force, or what is published.
        owner: codes of employees or ids of people.
        owners: their names.
        due: ordinal of the day by which something is to have happened; NaN where nothing is.
        is_hidden: snoozed or dismissed.
        is_worked: something was done lately.
        standings: of those about whom anything was done, by id.
    """

    day: dt.date
    tier: Coded
    owner: Coded
    owners: Mapping[str, str]
    due: Numbers
    is_hidden: Flags
    is_worked: Flags
    standings: Mapping[str, Standing]

    @property
    def sunday(self) -> dt.date:
        """The last day of this week."""
        return self.day + dt.timedelta(days=6 - self.day.weekday())

    @property
    def is_due_this_week(self) -> Flags:
        """Of whom something is due from Monday to Sunday."""
        last = self.sunday.toordinal()
        return (self.due > last - 7) & (self.due <= last)


@dataclass
class _Last:
    """The columns that were asked for last, and what they were made of."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    standings: Mapping[str, Standing] | None = None
    team: TeamRead | None = None
    columns: Worked | None = None


def worked(visit: Visit, served: Served) -> Worked:
    """Return where the customers of what is served stand now."""
    found, team, day = standings(visit.endpoint.state), team_shown(visit.config), today(served)
    policy, last = served.publication.manifest.terms.policy, visit.kept(served, _last)
    with last.lock:
        is_same = last.standings is found and last.team is team
        if last.columns is None or not is_same or last.columns.day != day:
            last.columns = columns(book(served), found, team, day, policy)
            last.standings, last.team = found, team
        return last.columns


def columns(
    of: Book, found: Mapping[str, Standing], team: TeamRead, day: dt.date, policy: Policy
) -> Worked:
    """Return where the customers of a book stand on ``day``."""
    touched = sorted(of.rows_of(found).items(), key=lambda one: one[1])
    held = [(row, found[customer_id]) for customer_id, row in touched]
    owner, owners = _owners(of, held, team)
    due, hidden = np.full(len(of), np.nan), np.zeros(len(of), dtype=bool)
    is_worked = np.zeros(len(of), dtype=bool)
    tiers, words = of.tier.codes.copy(), list(of.tier.words)
    words += [tier.code for tier in policy.tiers if tier.code not in words]
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=WORKED_DAYS)
    for row, standing in held:
        hidden[row] = standing.is_snoozed(day) or standing.is_dismissed(day)
        is_worked[row] = any(event.at >= since for event in _deeds(standing))
        if standing.assignment is not None and standing.assignment.due is not None:
            due[row] = standing.assignment.due.toordinal()
        override = standing.override_on(day, policy)
        if override is not None:
            tiers[row] = words.index(override.tier)
    tier = Coded(tiers, tuple(words))
    return Worked(day, tier, owner, owners, due, hidden, is_worked, found)


def _deeds(standing: Standing) -> Iterator[Event]:
    """Yield what still counts of what was done about a customer."""
    if standing.assignment is not None:
        yield standing.assignment.event
    for event in (standing.dismissal, standing.last_contact):
        if event is not None:
            yield event
    yield from standing.offers
    yield from standing.tasks
    yield from (override.event for override in standing.overrides)


def _owners(
    of: Book, held: Sequence[tuple[int, Standing]], team: TeamRead
) -> tuple[Coded, dict[str, str]]:
    """Return who looks after each, by the file and then by what was assigned since."""
    names = {employee.code: employee.name for employee in team.employees}
    if len(team.owned):
        codes = team.owner_indices(of.customer_ids).astype(np.int16)
    else:
        codes = np.full(len(of), -1, dtype=np.int16)
    places = {code: place for place, code in enumerate(names)}
    for row, standing in held:
        if standing.assignment is not None:
            owner = standing.assignment.owner
            codes[row] = places.setdefault(owner, len(places))
            names.setdefault(owner, standing.assignment.name)
    return Coded(codes, tuple(places)), names


def _last(served: Served) -> _Last:
    return _Last()
