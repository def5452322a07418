"""The addresses under ``/console/customers``: each parses, asks one function and shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from configs.section import Text
from serving.changes.change_shown import PART_NAMES, records_text, tier_text
from serving.console.acting.panel import panel
from serving.console.book import book
from serving.console.customer import asked as customers
from serving.console.customer import timeline as times
from serving.console.customer import waterfall_picture
from serving.console.customer.asked import Asked
from serving.console.customer.changed import changed
from serving.console.customer.gaps import gaps
from serving.console.customer.history import history
from serving.console.customer.missing import not_published
from serving.console.customer.peers import GROUPS, peers
from serving.console.customer.record import as_file, record
from serving.console.customer.record_words import INSTRUMENTS
from serving.console.customer.sentence import sentence
from serving.console.customer.supposing import (
    GOALS,
    NOT_ASKED,
    answer_paths,
    answer_what_if,
    with_rest,
)
from serving.console.customer.waterfall import waterfall
from serving.console.customer.written import words, writer
from serving.console.experiments.effect_words import HELD_OUT, WHY_HELD_OUT
from serving.console.given import given
from serving.console.page import PageError, Visit
from serving.console.review_queue.advised import Advised, Adviser
from serving.pages.explain import GRADES, TRENDS
from serving.scores.lead import BANDS, is_near_next
from serving.suppositions.what_if_shown import CONTACTS, event_text, paths_lead, what_if_lead
from training.anchor import TargetName
from training.lifecycle import STAGES

TARGETS: tuple[TargetName, TargetName] = ("churn", "clv")
NO_PART = Text(zh="没有这一部分", en="There is no such part")
OF_CONTRACTS = Text(
    zh="合同客户没有逐笔记录，因此没有时间线、假设和途径。",
    en="Contract customers have no events, so there is no timeline, what-if or path.",
)
FROM_THE_PAGE = Text(zh="请从客户页面继续。", en="Go on from the customer's page.")


def customer(visit: Visit) -> Response:
    """Return the page of one customer; where nobody is published, a page that helps."""
    return _of_customer(visit, _page)


def timeline(visit: Visit) -> Response:
    """Return a page of the timeline."""
    return _of_customer(visit, lambda found: _part(found, "timeline", _timeline(found)))


def what_if(visit: Visit) -> Response:
    """Return the form of hypothetical events, with the answer where some were chosen."""
    return _of_customer(visit, lambda found: _part(found, "what_if", _what_if(found)))


def paths(visit: Visit) -> Response:
    """Return the form of goals, with the cheapest ways where one was asked for."""
    return _of_customer(visit, lambda found: _part(found, "paths", _paths(found)))


def tiers(visit: Visit) -> Response:
    """Return the tiers of earlier publications."""

    def shown(found: Asked) -> Response:
        return _part(found, "history", {"history": _history(found)}, of_events=False)

    return _of_customer(visit, shown)


def likes(visit: Visit) -> Response:
    """Return where the customer stands among others like them."""

    def shown(found: Asked) -> Response:
        return _part(found, "peers", {"peers": peers(found), "groups": GROUPS}, of_events=False)

    return _of_customer(visit, shown)


def printed(visit: Visit) -> Response:
    """Return the record of the explanation as a page to print."""
    return _of_customer(visit, _printed)


def downloaded(visit: Visit) -> Response:
    """Return the record of the explanation as a file."""

    def file(found: Asked) -> Response:
        name = "".join(one if one.isalnum() and one.isascii() else "-" for one in found.shown)
        headers = {"content-disposition": f'attachment; filename="explanation-{name}.json"'}
        return Response(as_file(record(found)), media_type="application/json", headers=headers)

    return _of_customer(visit, file)


def _of_customer(visit: Visit, answer: Callable[[Asked], Response]) -> Response:
    shown = visit.parameters["customer_id"]
    found = customers.find(visit, shown)
    return not_published(visit, shown) if found is None else answer(found)


def _page(found: Asked) -> Response:
    visit, target = found.visit, _target(found)
    told, change = waterfall(found, target), changed(found)
    deeds = panel(
        visit,
        found.served,
        {**found.answer, "customer_id": found.customer_id},
        then=found.at(),
    )
    return visit.page(
        "customer.html",
        **_shared(found),
        is_near_next=is_near_next(found.answer),
        sentence=sentence(found, visit.language),
        advised=_advised(found),
        HELD_OUT=HELD_OUT,
        WHY_HELD_OUT=WHY_HELD_OUT,
        gaps=gaps(found),
        grades=GRADES,
        bands=BANDS,
        trends=TRENDS,
        stages=STAGES,
        segment=segment_of(found),
        target=target,
        points=writer(target, found.terms.currency, visit.language),
        waterfall=told,
        picture=None if told is None else waterfall_picture.shown(found, told),
        trace=found.explained["tier"],
        change=change,
        part_names=PART_NAMES,
        change_told=None if change is None else _told(change, visit),
        panel=deeds,
        history=_history(found),
        has_events=found.served.contract is None,
        **_what_if_form(found),
        **_paths_form(found),
    )


def _advised(found: Asked) -> Advised:
    """Return what to do for the customer, and what they are left out of."""
    row = book(found.served).row_of(found.customer_id)
    assert row is not None
    return Adviser(found.visit, found.served).of(row, found.customer_id)


def _shared(found: Asked) -> Mapping[str, Any]:
    return {**words(found), "found": found, "answer": found.answer, "query": found.visit.query}


def _target(found: Asked) -> TargetName:
    """Return the number that is asked for, or the other where there is no model of it."""
    first: TargetName = "clv" if found.visit.query.get("of") == "clv" else "churn"
    other: TargetName = "churn" if first == "clv" else "clv"
    return other if found.explained[first] is None else first


def _told(change: Mapping[str, Any], visit: Visit) -> Mapping[str, str | None]:
    tier = None if change["tier"] is None else tier_text(change, visit.language)
    return {"records": records_text(change, visit.language), "tier": tier}


def segment_of(found: Asked) -> object | None:
    """Return the name and description of the customer's segment."""
    code = found.answer["segment"]
    segments = found.served.publication.manifest.segments
    return next((one for one in segments if one.code == code), None)


def _part(found: Asked, name: str, shown: Mapping[str, Any], of_events: bool = True) -> Response:
    """Return one part of the page for htmx, or as a page of its own."""
    if of_events and found.served.contract is not None:
        raise PageError(404, NO_PART, OF_CONTRACTS)
    template = f"customer_{name}.html"
    page = template if found.visit.is_partial else "customer_part.html"
    return found.visit.page(page, part=template, **_shared(found), **shown)


def _timeline(found: Asked) -> Mapping[str, Any]:
    entries = times.everything(found)
    given = found.visit.query.get("page", "1")
    page = int(given) if given.isascii() and given.isdigit() and len(given) < 7 else 1
    return {
        "timeline": None if entries is None else times.timeline(entries, page),
        "picture": None if entries is None or page > 1 else times.shown(found, entries),
        "lanes": times.LANES,
    }


def _what_if_form(found: Asked) -> dict[str, Any]:
    known = given(found.visit.config)
    contacts = [(f"{way}:{kind}", text) for (kind, way), text in CONTACTS.items()]
    return {
        "contacts": contacts if "interaction" in known else [],
        "has_surveys": "satisfaction" in known,
        "instruments": INSTRUMENTS,
        "open_complaints": found.features.get("open_complaint_count") or 0,
        "with_rest": with_rest,
        "what_if": NOT_ASKED,
        "what_if_lead": "",
        "told_events": [],
    }


def _what_if(found: Asked) -> Mapping[str, Any]:
    answered, language = answer_what_if(found, found.visit.query), found.visit.language
    form = _what_if_form(found) | {"what_if": answered}
    if answered.facts is None:
        return form
    currency = found.terms.currency
    events = [event_text(one, currency, language) for one in answered.facts["events"]]
    lead = what_if_lead(answered.facts, language, found.terms.tier_names)
    return form | {"what_if_lead": lead, "told_events": events}


def _paths_form(found: Asked) -> dict[str, Any]:
    churn, tier = found.answer["churn"], found.answer["tier"]
    is_safe = churn is None or churn["band"] == "low"
    is_top = tier is None or tier["rises_at"] is None
    goal = "next_tier" if is_safe and not is_top else "below_churn"
    return {"goals": GOALS, "default_goal": goal, "paths": NOT_ASKED, "paths_lead": ""}


def _paths(found: Asked) -> Mapping[str, Any]:
    answered, language = answer_paths(found, found.visit.query), found.visit.language
    form = _paths_form(found) | {"paths": answered}
    if answered.facts is None:
        return form
    return form | {"paths_lead": paths_lead(answered.facts, language, found.terms.tier_names)}


def _history(found: Asked) -> Any:
    try:
        return history(found, found.visit.query.get("after"))
    except LookupError:
        raise PageError(404, NO_PART, FROM_THE_PAGE) from None


def _printed(found: Asked) -> Response:
    visit, currency = found.visit, found.terms.currency
    told = [
        (target, own, writer(target, currency, visit.language))
        for target in TARGETS
        if (own := waterfall(found, target)) is not None
    ]
    return visit.page(
        "customer_record.html",
        **_shared(found),
        record=record(found),
        gaps=gaps(found),
        told_targets=told,
        trace=found.explained["tier"],
    )
