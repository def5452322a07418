"""What people do about customers: forms that are sent to ``/console/actions/{kind}``.

A form carries its token, the last event that its page knew of, and the publication that was shown.
Sent twice it counts once; where somebody acted meanwhile in a way that matters, the answer is 409
with what they did, and a form to go on.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast
from urllib.parse import quote

import sqlalchemy as sa
from starlette.responses import Response

from configs.section import Text
from serving.console.acting import answerable, meanwhile, offers, tasks
from serving.console.acting.deed_words import KIND_NAMES, phrase
from serving.console.acting.deeds import READERS, SEVERAL, Asked, HeldOutError, deed
from serving.console.acting.events import Deed, Event, Form, Kind, SentAlreadyError, add, of_token
from serving.console.acting.panel import ACTORS, names_of, panel
from serving.console.acting.standing import NONE_YET, standings
from serving.console.experiments.holdout import is_held_out
from serving.console.masking import LOOK_IN_QUEUE, NOBODY, is_masked, mask, unmask
from serving.console.page import PageError, Visit
from serving.console.staff.owners import owners, person_names
from serving.console.visitors.sign_in import next_page
from serving.endpoint.endpoint import today
from serving.endpoint.served import Served
from serving.scores.answers import Answer

SEVERAL_AT_MOST = 200
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")
ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
DESPITE = {"despite": "hold-out"}


def of_customer(visit: Visit) -> Response:
    """Return the panel of one customer, as a page or for htmx to put into one."""
    served = visit.served
    customer_id = unmask(visit, visit.parameters["customer_id"], served)
    answer = _answers(visit, served, [customer_id])[customer_id]
    return _shown(visit, served, answer)


def act(visit: Visit) -> Response:
    """Put on record what a form says, and show it.

    Raises:
        PageError: the form is about nobody, or of no kind that there is.
    """
    kind, served = _kind(visit), visit.served
    customer_ids = [str(one) for one in visit.form.getlist("customer_id")]
    if not 1 <= len(customer_ids) <= (SEVERAL_AT_MOST if kind in SEVERAL else 1):
        raise PageError(422, NONE_CHOSEN, CHOOSE)
    answers = _answers(visit, served, customer_ids)
    first = answers[customer_ids[0]]
    paused = partial(_paused, visit, served, kind)
    try:
        events = _kept(visit, served, kind, answers)
    except meanwhile.MeanwhileError as error:
        return paused(meanwhile.TITLE, error.events, {"seen": str(error.newest)})
    except SentAlreadyError as error:
        return paused(SENT_ALREADY, error.events, {"seen": str(error.events[-1].id)})
    except HeldOutError:
        return paused(HELD_OUT, (), DESPITE)
    except PageError as error:
        if len(answers) > 1:
            raise
        return _shown(visit, served, first, refused=error)
    if visit.is_partial and len(events) == 1:
        return _shown(visit, served, first, said=said(visit, events))
    return visit.see(_with(back(visit, first["customer_id"]), f"did={events[0].id}"))


def _kept(
    visit: Visit, served: Served, kind: Kind, answers: Mapping[str, Answer]
) -> Sequence[Event]:
    state, person, day = visit.endpoint.state, visit.person, today(served)
    terms, known = served.publication.manifest.terms, standings(state)
    assignable = owners(visit.config, state)
    left_out = partial(is_held_out, state, visit.config, served.publication)
    deeds = [
        deed(
            kind,
            Asked(
                visit.form,
                visit.config,
                day,
                terms.policy,
                assignable,
                answer,
                known.get(customer_id, NONE_YET),
                left_out,
            ),
        )
        for customer_id, answer in answers.items()
    ]
    seen = visit.form.get("seen", "")

    def check(connection: sa.Connection, deeds: Sequence[Deed]) -> None:
        meanwhile.check(connection, deeds, _whole(str(seen)))
        answerable.check(connection, deeds, person, day, terms.policy)
        offers.check(connection, visit.config, deeds, dt.datetime.now(dt.UTC))

    names = person_names(state, visit.language) if kind in tasks.TYPES else {}
    return add(
        visit.config.stores,
        state,
        Form(_token(visit), person.id, _publication(visit, served)),
        deeds,
        check,
        lambda connection, events: tasks.tell(connection, visit.config.webhooks, events, names),
    )


def _kind(visit: Visit) -> Kind:
    kind = visit.parameters["kind"]
    if kind not in READERS:
        raise PageError(404, NO_ACTION, LOOK_IN_QUEUE)
    return cast(Kind, kind)


def _answers(visit: Visit, served: Served, customer_ids: Sequence[str]) -> dict[str, Answer]:
    """Return what is published of these customers, in their order.

    Raises:
        PageError: 404, one of them is not published, or is not this person's to see.
    """
    found = served.publication.find_many(customer_ids)
    if any(one not in found or one not in visit.person.customers for one in customer_ids):
        raise PageError(404, NOBODY, LOOK_IN_QUEUE)
    return {one: found[one] for one in customer_ids}


def _token(visit: Visit) -> str:
    token = str(visit.form.get("token", ""))
    if not TOKEN.fullmatch(token):
        raise PageError(422, WRONG_FORM, OPEN_AGAIN)
    return token


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise PageError(422, WRONG_FORM, OPEN_AGAIN)
    return int(text)


def _publication(visit: Visit, served: Served) -> str:
    """Return what the person saw as they acted, if it is one that is kept."""
    given = str(visit.form.get("publication", ""))
    is_kept = ID.fullmatch(given) and (visit.config.stores.publications / given).is_dir()
    return given if is_kept else served.publication.manifest.id


def back(visit: Visit, customer_id: str) -> str:
    """Return the page of this console that a form came from, or the customer's actions."""
    given = str(visit.form.get("then") or visit.query.get("then") or "")
    return next_page(given) if given else f"/console/actions/of/{quote(customer_id)}"


def _with(path: str, addition: str) -> str:
    """Return an address with one more thing after its question mark.

    >>> _with("/console/queue?tier=vip&did=3#top", "did=4")
    '/console/queue?tier=vip&did=4'
    """
    path, _, query = path.partition("#")[0].partition("?")
    kept = [one for one in query.split("&") if one and not one.startswith("did=")]
    return f"{path}?{'&'.join([*kept, addition])}"


def _shown(
    visit: Visit,
    served: Served,
    answer: Answer,
    refused: PageError | None = None,
    said: str | None = None,
) -> Response:
    """Return the panel, or the page that holds nothing else."""
    entered = visit.parameters.get("kind", ""), dict(visit.form)
    then = back(visit, mask(visit, answer["customer_id"]))
    made = panel(visit, served, answer, then, refused, entered if refused else ("", {}), said)
    template = "actions_panel.html" if visit.is_partial else "actions_page.html"
    return visit.page(template, 200 if refused is None else refused.status, panel=made)


@dataclass(frozen=True)
class Told:
    """One line of what others did."""

    event: Event
    who: str
    customer: str
    what: str


def _paused(
    visit: Visit,
    served: Served,
    kind: Kind,
    title: Text,
    events: Sequence[Event],
    changes: Mapping[str, str],
) -> Response:
    """Return 409: what should be known before going on, and the form to go on by."""
    names = names_of(visit, served)
    told = [
        Told(
            event,
            names.person(event.person),
            mask(visit, event.customer_id),
            phrase(event, names, visit.language),
        )
        for event in events
    ]
    changed = {"token", *changes}
    fields = [(name, str(value)) for name, value in visit.form.multi_items() if name not in changed]
    template = "paused_part.html" if visit.is_partial else "paused.html"
    return visit.page(
        template,
        409,
        title=title,
        told=told,
        kind=kind,
        name=KIND_NAMES[kind],
        fields=[*fields, *changes.items()],
        back=back(visit, str(visit.form.get("customer_id", ""))),
    )


def said(visit: Visit, events: Sequence[Event]) -> str:
    """Return the sentence that tells of what was just put on record."""
    what = phrase(events[0], names_of(visit, visit.served), visit.language)
    n = len(events)
    is_waiting = events[0].kind == "override" and pending_of(visit, events[0])
    if is_waiting:
        waits = Text(
            zh=f"已记录：{what}。另一位经理批准后生效。",
            en=f"On record: {what}. It counts once another manager approves.",
        )
        return visit.say(waits)
    if n == 1:
        return visit.say(Text(zh=f"已记录：{what}。", en=f"On record: {what}."))
    return visit.say(
        Text(zh=f"已为{n}位客户记录：{what}。", en=f"On record for {n} customers: {what}.")
    )


def pending_of(visit: Visit, event: Event) -> bool:
    """Return whether an override waits for a second person."""
    served = visit.served
    policy, day = served.publication.manifest.terms.policy, today(served)
    standing = standings(visit.endpoint.state).get(event.customer_id, NONE_YET)
    pending = standing.pending_on(day, policy)
    return pending is not None and pending.event.id == event.id


def flash(visit: Visit) -> str | None:
    """Return the sentence about the form that led to this page; ``None`` where none did.

    It is told to who sent the form alone.
    """
    did = visit.query.get("did", "")
    if not (did.isascii() and did.isdigit() and len(did) < 16) or visit.person.role not in ACTORS:
        return None
    events = of_token(visit.endpoint.state, int(did), visit.person.id)
    return said(visit, events) if events and not is_masked(visit) else None


NO_ACTION = Text(zh="没有这种操作", en="There is no such action")
NONE_CHOSEN = Text(zh="请选择客户", en="Choose customers")
CHOOSE = Text(
    zh=f"请勾选1到{SEVERAL_AT_MOST}位客户；优惠、等级调整等须逐位处理。",
    en=f"Tick 1 to {SEVERAL_AT_MOST} of them; offers and overrides go one customer at a time.",
)
WRONG_FORM = Text(zh="表单不完整", en="The form is not whole")
OPEN_AGAIN = Text(zh="请重新打开页面后再提交。", en="Open the page again and send it from there.")
SENT_ALREADY = Text(zh="此表单已经提交过", en="This form was sent already")
HELD_OUT = Text(
    zh="此客户在该行动的随机对照组中", en="This customer is in the random hold-out of that action"
)
