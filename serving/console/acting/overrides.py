"""Tiers that people gave: what waits for a second person, the log, and how often who does it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from starlette.responses import Response

from serving.console.acting.choices import OVERRIDES
from serving.console.acting.events import EVENTS, Event, of_kinds
from serving.console.acting.panel import ACTORS, names_of
from serving.console.acting.standing import NONE_YET, Override, Standing, overridden, withdrawn
from serving.console.masking import is_masked, mask
from serving.console.page import Visit
from serving.endpoint.endpoint import today
from serving.endpoint.state import State
from training.policy import Policy

Status = Literal["pending", "in_force", "replaced", "run_out", "rejected", "withdrawn", "void"]
LOGGED = 200


@dataclass(frozen=True)
class Logged:
    """One override of the log.

    Attributes:
        customer_id: as the reader sees it.
        event: who, when, why; what they wrote is for managers.
        override: as it stands; ``None`` once it was rejected or withdrawn.
        status: what became of it.
        rise: tiers up, negative for down, 0 where it is kept or was none.
    """

    customer_id: str
    event: Event
    override: Override | None
    status: Status
    rise: int


@dataclass(frozen=True)
class Habit:
    """How often a person overrides tiers.

    Attributes:
        person: id.
        n_customers: whom they did anything about.
        n_overrides: of tiers, those taken back not counted.
        n_up, n_down: of these.
        n_rejected: by a second person.
    """

    person: str
    n_customers: int
    n_overrides: int
    n_up: int
    n_down: int
    n_rejected: int

    @property
    def rate(self) -> float:
        """Overrides for each customer acted on."""
        return self.n_overrides / self.n_customers if self.n_customers else 0.0


def page(visit: Visit) -> Response:
    """Return what waits, the log, and the rate of each person."""
    served, state = visit.served, visit.endpoint.state
    policy, day = served.publication.manifest.terms.policy, today(served)
    logged = log(state, day, policy)
    shown = [_masked(visit, one) for one in logged]
    return visit.page(
        "overrides.html",
        pending=[one for one in shown if one.status == "pending"],
        log=shown[:LOGGED],
        n_log=len(shown),
        habits=habits(state, logged),
        names=names_of(visit, served),
        reasons=OVERRIDES,
        publication=served.publication.manifest.id,
        may_act=visit.person.role in ACTORS,
        is_masked=is_masked(visit),
        top=policy.tiers[0],
    )


def pending_now(visit: Visit) -> Sequence[Override]:
    """Return the overrides that wait for a second person who may be this one."""
    current = visit.endpoint.current.served
    if current is None or visit.person.role not in ACTORS:
        return ()
    policy, day = current.publication.manifest.terms.policy, today(current)
    found = (one.pending_on(day, policy) for one in overridden(visit.endpoint.state).values())
    return [one for one in found if one is not None and one.event.person != visit.person.id]


def log(state: State, day: dt.date, policy: Policy) -> list[Logged]:
    """Return every override with what became of it, the newest first."""
    known = of_kinds(state, ("override", "reject", "withdraw"))
    gone = withdrawn(known)
    rejected = {
        one.details["event"] for one in known if one.kind == "reject" and one.id not in gone
    }
    standings = overridden(state)
    return [
        _logged(event, standings.get(event.customer_id, NONE_YET), gone, rejected, day, policy)
        for event in reversed(known)
        if event.kind == "override"
    ]


def _logged(
    event: Event,
    standing: Standing,
    gone: frozenset[int],
    rejected: set[int],
    day: dt.date,
    policy: Policy,
) -> Logged:
    override = next((one for one in standing.overrides if one.event.id == event.id), None)
    places = {tier.code: place for place, tier in enumerate(policy.tiers)}
    before, after = (places.get(event.details[name]) for name in ("published", "tier"))
    rise = 0 if before is None or after is None else before - after
    status: Status = "withdrawn" if event.id in gone else "rejected"
    if override is not None and event.id not in gone and event.id not in rejected:
        status = _status(override, standing, day, policy)
    return Logged(event.customer_id, event, override, status, rise)


def _status(override: Override, standing: Standing, day: dt.date, policy: Policy) -> Status:
    if day > override.until:
        return "run_out"
    if not override.is_open(day, policy):
        return "void"
    if override.is_pending(day, policy):
        return "pending" if standing.pending_on(day, policy) == override else "replaced"
    return "in_force" if standing.override_on(day, policy) == override else "replaced"


def habits(state: State, logged: Sequence[Logged]) -> list[Habit]:
    """Return how often each person who ever overrode a tier does, the most often first."""
    counted = [one for one in logged if one.status != "withdrawn"]
    acted = _acted(state)
    found = list(_habits(counted, acted))
    return sorted(found, key=lambda habit: (-habit.rate, habit.person))


def _habits(counted: Sequence[Logged], acted: Mapping[str, int]) -> Iterator[Habit]:
    made = Counter(one.event.person for one in counted)
    ups = Counter(one.event.person for one in counted if one.rise > 0)
    downs = Counter(one.event.person for one in counted if one.rise < 0)
    refused = Counter(one.event.person for one in counted if one.status == "rejected")
    for person, n in made.items():
        yield Habit(person, acted.get(person, 0), n, ups[person], downs[person], refused[person])


def _acted(state: State) -> Mapping[str, int]:
    """Return about how many customers each person did anything."""
    n = sa.func.count(sa.distinct(EVENTS.c.customer_id))
    with state.reading() as connection:
        rows = connection.execute(sa.select(EVENTS.c.person, n).group_by(EVENTS.c.person))
        return {str(person): int(count) for person, count in rows}


def _masked(visit: Visit, one: Logged) -> Logged:
    customer_id = mask(visit, one.customer_id)
    return Logged(customer_id, one.event, one.override, one.status, one.rise)
