"""The addresses under ``/console/customers``: each parses, asks one function and shows it."""

from __future__ import annotations

from starlette.responses import Response

from serving.changes.change_shown import PART_NAMES, records_text, tier_text
from serving.console.customer import asked as customers
from serving.console.customer import waterfall_picture
from serving.console.customer.asked import Asked
from serving.console.customer.changed import changed
from serving.console.customer.gaps import gaps
from serving.console.customer.missing import not_published
from serving.console.customer.sentence import sentence
from serving.console.customer.waterfall import waterfall
from serving.console.customer.written import words, writer
from serving.console.page import Visit
from serving.pages.explain import GRADES, TRENDS
from serving.scores.lead import BANDS, is_near_next
from training.anchor import TargetName
from training.lifecycle import STAGES


def customer(visit: Visit) -> Response:
    """Return the page of one customer; where nobody is published, a page that helps."""
    shown = visit.parameters["customer_id"]
    found = customers.find(visit, shown)
    return not_published(visit, shown) if found is None else _page(found)


def _page(found: Asked) -> Response:
    visit = found.visit
    target: TargetName = "clv" if visit.query.get("of") == "clv" else "churn"
    if found.answer[target] is None or found.explained[target] is None:
        target = "clv" if target == "churn" else "churn"
    told, change = waterfall(found, target), changed(found)
    return visit.page(
        "customer.html",
        **words(found),
        points=writer(target, found.terms.currency, visit.language),
        found=found,
        answer=found.answer,
        sentence=sentence(found, visit.language),
        is_near_next=is_near_next(found.answer),
        gaps=gaps(found),
        grades=GRADES,
        bands=BANDS,
        trends=TRENDS,
        stages=STAGES,
        segment=segment_of(found),
        target=target,
        waterfall=told,
        picture=None if told is None else waterfall_picture.shown(found, told),
        trace=found.explained["tier"],
        change=change,
        part_names=PART_NAMES,
        change_told=None
        if change is None
        else {
            "records": records_text(change, visit.language),
            "tier": None if change["tier"] is None else tier_text(change, visit.language),
        },
    )


def segment_of(found: Asked) -> object | None:
    """Return the name and description of the customer's segment."""
    code = found.answer["segment"]
    segments = found.served.publication.manifest.segments
    return next((one for one in segments if one.code == code), None)
