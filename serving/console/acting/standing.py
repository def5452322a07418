"""Where every customer stands after all that people did: a fold over the events, kept up to date.

An event that was withdrawn counts no more; an approval counts by somebody else only. Days are
asked for, not remembered: what is in force until a day is so on that day, and not on the next.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from weakref import WeakKeyDictionary

from serving.console.acting.events import Event, by_customer, newest_id, touched
from serving.endpoint.state import State
from training.policy import Policy


@dataclass(frozen=True)
class Assignment:
    """Who looks after a customer, and by when.

    Attributes:
        owner: code of an employee, or id of a person.
        name: theirs when they were assigned.
        due: day by which something is to have happened.
        event: what assigned them.
    """

    owner: str
    name: str
    due: dt.date | None
    event: Event


@dataclass(frozen=True)
class Override:
    """A tier that a person gave.

    Attributes:
        tier: its code.
        until: the last day that it holds.
        event: what gave it: who, why, when.
        approval: by a second person.
    """

    tier: str
    until: dt.date
    event: Event
    approval: Event | None = None

    def is_in_force(self, day: dt.date, policy: Policy) -> bool:
        """Return whether it holds on ``day``: not run out, a tier of the policy, and approved."""
        return self.is_open(day, policy) and not self.lacks_approval(policy)

    def is_pending(self, day: dt.date, policy: Policy) -> bool:
        """Return whether it waits on ``day`` for a second person."""
        return self.is_open(day, policy) and self.lacks_approval(policy)

    def is_open(self, day: dt.date, policy: Policy) -> bool:
        """Return whether it has not run out and its tier still exists."""
        return day <= self.until and self.tier in {tier.code for tier in policy.tiers}

    def lacks_approval(self, policy: Policy) -> bool:
        """Return whether it gives the top tier by one person's word alone."""
        return self.tier == policy.tiers[0].code and self.approval is None


@dataclass(frozen=True)
class Standing:
    """Where a customer stands.

    Attributes:
        last_id: of the last event about them; forms carry it.
        assignment: who looks after them.
        snoozed_until: the last day that they are out of the queue.
        dismissal: why they need no review.
        overrides: those neither rejected nor withdrawn, the oldest first.
        last_contact: the latest on record here.
        offers: made to them, the oldest first.
        tasks: open ones, the oldest first.
    """

    last_id: int = 0
    assignment: Assignment | None = None
    snoozed_until: dt.date | None = None
    dismissal: Event | None = None
    overrides: tuple[Override, ...] = ()
    last_contact: Event | None = None
    offers: tuple[Event, ...] = ()
    tasks: tuple[Event, ...] = ()

    def is_snoozed(self, day: dt.date) -> bool:
        """Return whether they are out of the queue on ``day``."""
        return self.snoozed_until is not None and day <= self.snoozed_until

    def is_dismissed(self, day: dt.date) -> bool:
        """Return whether they need no review on ``day``."""
        if self.dismissal is None:
            return False
        until = _day(self.dismissal.details["until"])
        return until is None or day <= until

    def override_on(self, day: dt.date, policy: Policy) -> Override | None:
        """Return the override in force on ``day``: the latest that nothing forbids."""
        found = [one for one in self.overrides if one.is_in_force(day, policy)]
        return found[-1] if found else None

    def pending_on(self, day: dt.date, policy: Policy) -> Override | None:
        """Return the latest override that waits for a second person on ``day``."""
        found = [one for one in self.overrides if one.is_pending(day, policy)]
        return found[-1] if found else None

    def effective_tier(self, published: str | None, day: dt.date, policy: Policy) -> str | None:
        """Return the tier that counts on ``day``: an override in force, or what is published."""
        override = self.override_on(day, policy)
        return published if override is None else override.tier


NONE_YET = Standing()


def fold(events: Iterable[Event]) -> Standing:
    """Return where a customer stands after all their ``events``, the oldest first."""
    known = list(events)
    gone = withdrawn(known)
    standing = NONE_YET
    for event in known:
        if event.id not in gone:
            standing = _after(standing, event)
    return replace(standing, last_id=known[-1].id) if known else standing


def withdrawn(events: Iterable[Event]) -> frozenset[int]:
    """Return the ids of events that were taken back."""
    return frozenset(one.details["event"] for one in events if one.kind == "withdraw")


def _after(before: Standing, event: Event) -> Standing:
    details = event.details
    match event.kind:
        case "assign":
            due = _day(details["due"])
            return replace(
                before, assignment=Assignment(details["owner"], details["name"], due, event)
            )
        case "contact":
            return replace(before, last_contact=event)
        case "offer":
            return replace(before, offers=(*before.offers, event))
        case "task":
            return replace(before, tasks=(*before.tasks, event))
        case "task_done" | "task_cancelled":
            left = tuple(one for one in before.tasks if one.id != details["event"])
            return replace(before, tasks=left)
        case "snooze":
            return replace(before, snoozed_until=_day(details["until"]))
        case "dismiss":
            return replace(before, dismissal=event)
        case "override":
            until = dt.date.fromisoformat(details["until"])
            made = Override(details["tier"], until, event)
            return replace(before, overrides=(*before.overrides, made))
        case "approve":
            return replace(before, overrides=tuple(_approved(before.overrides, event)))
        case "reject":
            left_overrides = tuple(
                one for one in before.overrides if one.event.id != details["event"]
            )
            return replace(before, overrides=left_overrides)
    return before


def _approved(overrides: Iterable[Override], approval: Event) -> Iterable[Override]:
    for one in overrides:
        is_meant = one.event.id == approval.details["event"]
        is_second = one.event.person != approval.person
        yield replace(one, approval=approval) if is_meant and is_second else one


def _day(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


class _Standings:
    """Where all customers of one database stand, brought up to date when asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest = 0
        self._found: Mapping[str, Standing] = MappingProxyType({})
        self._overridden: Mapping[str, Standing] = MappingProxyType({})

    def now(self, state: State) -> tuple[Mapping[str, Standing], Mapping[str, Standing]]:
        """Return everybody about whom anything was done, and those with overrides."""
        with self._lock, state.reading() as connection:
            newest = newest_id(connection)
            if newest != self._newest:
                which = touched(connection, self._newest) if self._newest else None
                changed = {one: fold(events) for one, events in by_customer(connection, which)}
                self._found = MappingProxyType({**self._found, **changed})
                overridden = {one: it for one, it in changed.items() if it.overrides}
                left = {one: it for one, it in self._overridden.items() if one not in changed}
                self._overridden = MappingProxyType(left | overridden)
                self._newest = newest
            return self._found, self._overridden


_KNOWN: WeakKeyDictionary[State, _Standings] = WeakKeyDictionary()
_KNOWN_LOCK = threading.Lock()


def standings(state: State) -> Mapping[str, Standing]:
    """Return where every customer stands about whom anything was done; others are not in it.

    Ask for one with ``standings(state).get(customer_id, NONE_YET)``.
    """
    return _now(state)[0]


def overridden(state: State) -> Mapping[str, Standing]:
    """Return where those stand whose tier anybody proposed to override, run out or not."""
    return _now(state)[1]


def _now(state: State) -> tuple[Mapping[str, Standing], Mapping[str, Standing]]:
    with _KNOWN_LOCK:
        found = _KNOWN.setdefault(state, _Standings())
    return found.now(state)
