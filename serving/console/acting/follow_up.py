"""What a person is to do next: their customers and tasks, those overdue first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from starlette.responses import Response

from serving.console.acting.events import Event
from serving.console.acting.panel import names_of
from serving.console.acting.standing import Standing, standings
from serving.console.page import Visit
from serving.console.staff.owners import codes_of
from serving.console.visitors.people import Person
from serving.endpoint.endpoint import today

SHOWN = 200
SPANS = {"all": None, "overdue": -1, "week": 7}


@dataclass(frozen=True)
class Due:
    """One thing to do.

    Attributes:
        customer_id: about whom.
        standing: where they stand.
        due: by when; ``None`` for no day.
        task: ``None`` for looking after the customer as such.
    """

    customer_id: str
    standing: Standing
    due: dt.date | None
    task: Event | None = None

    def days_left(self, day: dt.date) -> int | None:
        """Return how many days are left on ``day``; negative when overdue."""
        return None if self.due is None else (self.due - day).days


def page(visit: Visit) -> Response:
    """Return the list of who visits."""
    served = visit.served
    day, terms = today(served), served.publication.manifest.terms
    codes = codes_of(visit.config, visit.person)
    found = sorted(
        follow_ups(standings(visit.endpoint.state), codes, visit.person, day), key=_order
    )
    span = str(visit.query.get("show", "all"))
    span = span if span in SPANS else "all"
    chosen = [one for one in found if _is_within(one, day, SPANS[span])]
    shown = chosen[:SHOWN]
    answers = served.publication.find_many([one.customer_id for one in shown])
    return visit.page(
        "follow_up.html",
        rows=[one for one in shown if one.customer_id in visit.person.customers],
        answers=answers,
        n_all=len(found),
        n_chosen=len(chosen),
        n_overdue=sum(_is_within(one, day, -1) for one in found),
        n_week=sum(_is_within(one, day, 7) for one in found),
        span=span,
        today=day,
        policy=terms.policy,
        names=names_of(visit, served),
        publication=served.publication.manifest.id,
    )


def follow_ups(
    known: Mapping[str, Standing], codes: frozenset[str], person: Person, day: dt.date
) -> Iterator[Due]:
    """Yield what is to be done by ``person``, who is assigned by ``codes``.

    Customers who are snoozed or need no review on ``day`` are left out; their tasks are not. A task
    for nobody is its maker's.
    """
    for customer_id, standing in known.items():
        for task in standing.tasks:
            owner = task.details["owner"]
            if owner in codes or (owner is None and task.person == person.id):
                due = task.details["due"]
                until = None if due is None else dt.date.fromisoformat(due)
                yield Due(customer_id, standing, until, task)
        mine = standing.assignment
        is_away = standing.is_snoozed(day) or standing.is_dismissed(day)
        if mine is not None and mine.owner in codes and not is_away:
            yield Due(customer_id, standing, mine.due)


def _order(one: Due) -> tuple[dt.date, str]:
    return one.due or dt.date.max, one.customer_id


def _is_within(one: Due, day: dt.date, days: int | None) -> bool:
    left = one.days_left(day)
    return days is None or (left is not None and left <= days)
