"""The review queue: who is at risk and worth it, why, what changed, and what to do."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.responses import Response

from configs.section import Text
from configs.team import Team
from serving.console.acting.panel import several
from serving.console.drawn.pictures import ACCENT, HIGH, Chart, Column, Picture
from serving.console.experiments.effect_words import HELD_OUT, WHY_HELD_OUT
from serving.console.given import given
from serving.console.masking import is_masked
from serving.console.page import PageError, Visit
from serving.console.review_queue import views
from serving.console.review_queue.asked import NOBODY, Asked, Usual
from serving.console.review_queue.audience import (
    ORDERS,
    USUAL_ORDER,
    curve,
    figures,
    fitting,
)
from serving.console.review_queue.chosen import Chosen, chosen, listed_for
from serving.console.review_queue.exports import CSV_ROWS, EXCEL_ROWS
from serving.console.review_queue.headline import Headline, headline
from serving.console.review_queue.queue_rows import Row, rows
from serving.console.shown import short_day
from serving.scores.lead import BANDS
from serving.scores.wording import FALLBACKS
from training.lifecycle import STAGES

PATH = "/console/queue"
PAGE_ROWS = 50
ID_DIGITS = 10
"""Ids of views are shorter; a longer number fits no column."""
COLUMNS = ("id", "tier", "churn", "value", "risk", "order", "contact", "due")
"""Columns of the list that it can be ordered by, from the left."""
LEAVING = Text(zh="会流失", en="will leave (losses caught)")
STAYING = Text(zh="不联系也会留下（误报）", en="would stay anyhow (false alarms)")
NO_NAME = Text(zh="视图没有名称", en="The view has no name")
NAME_IT = Text(zh="请输入1到60个字的名称。", en="Give it a name of 1 to 60 letters.")


@dataclass(frozen=True)
class Heading:
    """A column's heading.

    Attributes:
        name: for readers.
        address: that orders by it, the other way round where it orders already.
        way: of the order now, as ``aria-sort`` says it; ``None`` where it is another's.
    """

    name: Text
    address: str
    way: str | None


def page(visit: Visit) -> Response:
    """Return the queue."""
    acting = several(visit)
    found = chosen(visit)
    asked, whom = found.asked, found.whom
    pages = max(math.ceil(len(whom) / PAGE_ROWS), 1)
    at = min(asked.page, pages)
    shown = listed_for(visit, found)[(at - 1) * PAGE_ROWS : at * PAGE_ROWS]
    manifest = found.served.publication.manifest
    head = headline(visit, found.served, found.done)
    return visit.page(
        "queue.html",
        several=acting,
        head=head,
        asked=asked,
        is_usual=not asked.address(found.usual, sort=""),
        today=found.done.day,
        short=lambda day: short_day(visit.language, day, found.done.day),
        address=lambda **changed: _address(asked, found.usual, **changed),
        query=asked.address(found.usual),
        whom=whom,
        figures=figures(found.book, found.done, visit.config.team, whom.rows),
        customers=len(found.book),
        fitting=_fitting(found, visit.config.team, head),
        picture=AUDIENCE.shown(visit),
        headings={name: _heading(asked, found.usual, name) for name in COLUMNS},
        rows=list(rows(visit, found.served, found.done, shown.tolist())),
        first_todo=_first_todo(visit, found),
        first=(at - 1) * PAGE_ROWS + 1,
        at=at,
        pages=pages,
        views=_views(visit),
        terms=manifest.terms,
        as_of=manifest.as_of,
        segments=manifest.segments,
        stages={code: STAGES[code] for code in found.book.lifecycle.words if code in STAGES},
        bands=BANDS,
        owners=_owners(found),
        nobody=NOBODY,
        fallbacks=FALLBACKS,
        is_masked=is_masked(visit),
        HELD_OUT=HELD_OUT,
        WHY_HELD_OUT=WHY_HELD_OUT,
        has_contacts="interaction" in given(visit.config),
        by_churn_alone=found.book.by_churn_alone,
        limits=(CSV_ROWS, EXCEL_ROWS),
        NAME_LETTERS=views.NAME_LETTERS,
    )


def _views(visit: Visit) -> list[views.View]:
    """Return the views to choose from; none that names a customer to who may not know them."""
    saved = views.of_person(visit.endpoint.state, visit.person)
    if not is_masked(visit):
        return saved
    return [one for one in saved if one.is_own or "search" not in dict(parse_qsl(one.query))]


def _first_todo(visit: Visit, found: Chosen) -> Row | None:
    """Return whom to look at first: the first of the list about whom nothing was done lately."""
    waiting = found.whom.rows[~found.done.is_worked[found.whom.rows]]
    return next(rows(visit, found.served, found.done, waiting[:1].tolist()), None)


def save_view(visit: Visit) -> Response:
    """Keep what is shown under a name."""
    name = str(visit.form.get("name", "")).strip()
    query = str(visit.form.get("query", ""))
    if not 0 < len(name) <= views.NAME_LETTERS:
        raise PageError(422, NO_NAME, NAME_IT)
    is_shared = visit.form.get("shared") == "1"
    views.save(visit.endpoint.state, visit.person, name, query, is_shared)
    return visit.see(f"{PATH}?{query}" if query else PATH)


def delete_view(visit: Visit) -> Response:
    """Forget a view of this person's own."""
    view = str(visit.form.get("view", ""))
    if view.isdecimal() and len(view) < ID_DIGITS:
        views.delete(visit.endpoint.state, visit.person, int(view))
    return visit.see(PATH)


def _address(asked: Asked, usual: Usual, **changed: object) -> str:
    query = asked.address(usual, **changed)
    return f"{PATH}?{query}" if query else PATH


def _heading(asked: Asked, usual: Usual, name: str) -> Heading:
    sort = "" if name == USUAL_ORDER else name
    is_reverse = asked.sort.startswith("-")
    is_here = asked.sort.removeprefix("-") == sort
    is_usual = name == USUAL_ORDER
    next_sort = f"-{name}" if is_here and not is_reverse and not is_usual else sort
    way = None
    if is_here:
        way = "descending" if is_reverse != (name in FALLING) else "ascending"
    return Heading(ORDERS[name].name, _address(asked, usual, sort=next_sort), way)


FALLING = ("risk", "churn", "value", "contact")
"""Columns whose order begins with the most."""


def _fitting(found: Chosen, team: Team, head: Headline) -> int | None:
    """Return how many of the audience the team can contact in its week; ``None`` without a team."""
    if head.capacity is None:
        return None
    return fitting(found.done, team, found.whom.rows, head.capacity.minutes_left)


def _owners(found: Chosen) -> list[tuple[str, str]]:
    """Return who looks after anybody, by name."""
    named = found.done.owners
    codes = {found.done.owner.words[code] for code in set(found.done.owner.codes.tolist()) - {-1}}
    return sorted(((code, named.get(code, code)) for code in codes), key=lambda one: one[1])


def audience_chart(visit: Visit) -> Chart | None:
    """Return what working more and more of the audience brings; ``None`` for too few."""
    found = chosen(visit)
    points = curve(found.book, found.done, visit.config.team, found.whom.rows)
    if len(points) < 2:
        return None
    rows = [
        {
            "customers": one.customers,
            "caught": round(one.caught, 2),
            "false_alarms": round(one.false_alarms, 2),
            "hours": round(one.hours, 2),
        }
        for one in points
    ]
    leaving, staying = visit.say(LEAVING), visit.say(STAYING)
    axis = {"axis": {"tickCount": 6, "format": ",.0f"}, "type": "quantitative"}
    spec = {
        "transform": [
            {"calculate": "datum.caught", "as": leaving},
            {"calculate": "datum.false_alarms", "as": staying},
            {"fold": [leaving, staying], "as": ["what", "number"]},
            {"calculate": f"datum.what === {json.dumps(leaving)} ? 0 : 1", "as": "place"},
        ],
        "mark": {"type": "area", "opacity": 0.85},
        "encoding": {
            "x": {
                "field": "customers",
                "title": visit.say(Text(zh="依次处理的客户数", en="customers worked, in order")),
                **axis,
            },
            "y": {
                "field": "number",
                "stack": "zero",
                "title": visit.say(Text(zh="客户数", en="customers")),
                **axis,
            },
            "color": {
                "field": "what",
                "type": "nominal",
                "scale": {"domain": [leaving, staying], "range": [HIGH, ACCENT]},
                "legend": {"labelLimit": 320},
            },
            "order": {"field": "place"},
        },
    }
    last = points[-1]
    alt = Text(
        zh=f"依次处理全部{last.customers}位客户，预计抓住{last.caught:.0f}位流失，"
        f"误报{last.false_alarms:.0f}位，共{last.hours:.0f}小时。",
        en=f"Working all {last.customers} customers in order is expected to catch "
        f"{last.caught:.0f} losses, with {last.false_alarms:.0f} false alarms, in "
        f"{last.hours:.0f} hours.",
    )
    columns = (
        Column("customers", Text(zh="处理客户数", en="Customers worked"), "number"),
        Column("caught", Text(zh="抓住的流失", en="Losses caught"), "number"),
        Column("false_alarms", Text(zh="误报", en="False alarms"), "number"),
        Column("hours", Text(zh="工时", en="Hours"), "number"),
    )
    return Chart(rows, columns, spec, alt, height=200)


AUDIENCE = Picture(
    "audience",
    Text(zh="依次处理能抓住多少流失", en="What working the audience in order catches"),
    audience_chart,
    reads=(
        "churn", "worth", "most", "tier", "band", "stage", "segment", "owner", "late",
        "complaint", "done", "hidden", "search",
    ),
)  # fmt: skip
