"""The panel of actions of one customer: where they stand, what can be done, what was done.

Pages show it by ``{% include "actions_panel.html" %}`` with ``panel`` made by :func:`panel`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from configs.schema import Action
from configs.section import Text
from configs.tiers import Tier
from serving.console.acting import choices, offers
from serving.console.acting.answerable import WITHDRAWABLE
from serving.console.acting.deed_words import KIND_NAMES, Names, action_names, phrase
from serving.console.acting.deeds import OVERRIDE_LASTS
from serving.console.acting.events import Event, Kind, events_of, newest_id
from serving.console.acting.standing import Override, Standing, fold, withdrawn
from serving.console.masking import is_masked, mask
from serving.console.page import PageError, Visit
from serving.console.shown import form_token
from serving.console.staff.owners import called, owner_of, owners, person_names
from serving.endpoint.endpoint import today
from serving.endpoint.served import Served
from serving.scores.answers import Answer
from serving.scores.publication import manifests

SHOWN = 12
ACTORS = ("manager", "admin")


@dataclass(frozen=True)
class Entry:
    """One line of what was done.

    Attributes:
        event: what was done.
        who: by whom.
        what: in the reader's language.
        note: what they wrote; empty for who must not read it.
        is_withdrawn: it was taken back.
        may_withdraw: the reader can take it back.
    """

    event: Event
    who: str
    what: str
    note: str
    is_withdrawn: bool
    may_withdraw: bool


@dataclass(frozen=True)
class Panel:
    """All that the panel shows.

    Attributes:
        customer_id: as the reader sees it.
        may_act: the reader may do something.
        standing: where the customer stands.
        today: the company's local day.
        published: code of the published tier.
        override: in force.
        pending: waits for a second person.
        may_decide: that may be the reader.
        owner: name of who looks after them.
        owners: names of those who can be assigned, by code.
        tiers: of the policy in force, the highest first.
        names: what codes are called.
        actions: what an offer can be part of.
        left: what may be offered still.
        reasons: shown for the customer, by target and concept.
        entries: what was done, the newest first.
        n_more: how many older ones there are.
        publication: id of what is shown.
        then: where to go on after a form, without JavaScript.
        refused: why the last form was not taken.
        entered: kind and fields of it.
        said: what was just put on record.
        group: of the forms, of which one is open at a time.
    """

    customer_id: str
    may_act: bool
    standing: Standing
    today: dt.date
    published: str | None
    override: Override | None
    pending: Override | None
    may_decide: bool
    owner: str | None
    owners: Mapping[str, str]
    tiers: Sequence[Tier]
    names: Names
    actions: Sequence[Action]
    left: offers.Left
    reasons: Mapping[str, str]
    entries: Sequence[Entry]
    n_more: int
    publication: str
    then: str
    refused: PageError | None = None
    entered: tuple[str, Mapping[str, Any]] = ("", {})
    said: str | None = None
    group: str = field(default_factory=form_token)

    choices = choices

    @property
    def seen(self) -> int:
        """The last event that the reader knows of."""
        return self.standing.last_id

    @property
    def override_until(self) -> dt.date:
        """Until when the form proposes that an override holds."""
        return self.today + OVERRIDE_LASTS

    @property
    def tomorrow(self) -> dt.date:
        """The first day that something can be put off to."""
        return self.today + dt.timedelta(days=1)

    @property
    def in_a_week(self) -> dt.date:
        """A day that the form proposes."""
        return self.today + dt.timedelta(days=7)

    def is_entered(self, kind: Kind) -> bool:
        """Return whether the form of ``kind`` was refused just now."""
        return self.entered[0] == kind

    def value(self, kind: Kind, field: str, otherwise: Any = "") -> str:
        """Return what was entered in a field that was refused, or a proposal."""
        given = self.entered[1].get(field) if self.is_entered(kind) else None
        return str(otherwise if given is None else given)


@dataclass(frozen=True)
class Several:
    """What the form for several rows of a list needs.

    Attributes:
        seen: the last event that the list knows of; take it before the list is made.
        owners: names of those who can be assigned, by code.
        publication: id of what is shown.
        tomorrow, in_a_week: days for dates.
        reasons: for needing no review.
    """

    seen: int
    owners: Mapping[str, str]
    publication: str
    tomorrow: dt.date
    in_a_week: dt.date
    reasons: choices.Choices = field(default_factory=lambda: choices.DISMISSALS)


def several(visit: Visit) -> Several | None:
    """Return what the form for several rows needs; ``None`` for who may not act."""
    if visit.person.role not in ACTORS:
        return None
    served, state = visit.served, visit.endpoint.state
    day = today(served)
    with state.reading() as connection:
        seen = newest_id(connection)
    return Several(
        seen,
        owners(visit.config, state),
        served.publication.manifest.id,
        day + dt.timedelta(days=1),
        day + dt.timedelta(days=7),
    )


def tiers_ever(served: Served) -> Mapping[str, Text]:
    """Return the names of the tiers by code, of those that a policy had before, too."""
    publication = served.publication
    known = [*reversed(list(manifests(publication.folder.parent))), publication.manifest]
    return {code: name for one in known for code, name in one.terms.tier_names.items()}


def names_of(visit: Visit, served: Served) -> Names:
    """Return what people, tiers, actions and concepts are called."""
    return Names(
        person_names(visit.endpoint.state, visit.language),
        visit.kept(served, tiers_ever),
        action_names(visit.config.actions),
        tuple(served.bundle.features),
    )


def panel(
    visit: Visit,
    served: Served,
    answer: Answer,
    then: str,
    refused: PageError | None = None,
    entered: tuple[str, Mapping[str, Any]] = ("", {}),
    said: str | None = None,
) -> Panel:
    """Return the panel about the customer of ``answer`` for who visits.

    Args:
        visit: by whom, in which language.
        served: what is shown.
        answer: what is published of the customer.
        then: path of the console to go on to after a form.
        refused: why the last form was not taken.
        entered: kind and fields of it.
        said: what was just put on record.
    """
    customer_id, day = answer["customer_id"], today(served)
    policy, tier = served.publication.manifest.terms.policy, answer["tier"]
    published = None if tier is None else tier["code"]
    names, state = names_of(visit, served), visit.endpoint.state
    with state.reading() as connection:
        events = events_of(connection, customer_id)
        standing = fold(events)
        effective = standing.effective_tier(published, day, policy)
        now = dt.datetime.now(dt.UTC)
        left = offers.left(connection, visit.config.team, customer_id, effective, now)
    pending = standing.pending_on(day, policy)
    owner = owner_of(visit.config, customer_id, standing.assignment)
    entries = [_entry(visit, names, event, events) for event in reversed(events)]
    return Panel(
        customer_id=mask(visit, customer_id),
        may_act=visit.person.role in ACTORS,
        standing=standing,
        today=day,
        published=published,
        override=standing.override_on(day, policy),
        pending=pending,
        may_decide=pending is not None and pending.event.person != visit.person.id,
        owner=None if owner is None else called(owner[1], visit.language),
        owners={
            code: called(name, visit.language) for code, name in owners(visit.config, state).items()
        },
        tiers=policy.tiers,
        names=names,
        actions=visit.config.actions,
        left=left,
        reasons=_reasons(visit, answer),
        entries=entries[:SHOWN],
        n_more=max(len(entries) - SHOWN, 0),
        publication=served.publication.manifest.id,
        then=then,
        refused=refused,
        entered=entered,
        said=said,
    )


def _entry(visit: Visit, names: Names, event: Event, events: Sequence[Event]) -> Entry:
    gone = withdrawn(events)
    is_own = event.person == visit.person.id or visit.person.role == "admin"
    return Entry(
        event,
        names.person(event.person),
        _what(visit, names, event),
        "" if is_masked(visit) else event.details.get("note", ""),
        event.id in gone,
        visit.person.role in ACTORS
        and is_own
        and event.kind in WITHDRAWABLE
        and event.id not in gone,
    )


def _what(visit: Visit, names: Names, event: Event) -> str:
    """Return what was done; titles of tasks are people's own words."""
    if is_masked(visit) and event.kind == "task":
        return visit.say(KIND_NAMES["task"])
    return phrase(event, names, visit.language)


def _reasons(visit: Visit, answer: Answer) -> Mapping[str, str]:
    return {
        f"{one['target']}:{one['concept']}": visit.say(Text(**one["text"]))
        for one in answer["reasons"]
    }
