"""The timeline of one customer: what happened day by day, and the churn published meanwhile."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from starlette.datastructures import QueryParams

from configs.section import Text
from serving.changes.tier_history import line_of
from serving.console.acting.deed_words import KIND_NAMES, phrase
from serving.console.acting.events import of_customer
from serving.console.acting.panel import names_of
from serving.console.customer import asked as customers
from serving.console.customer.asked import Asked
from serving.console.customer.records import Entry, Lane, days_of, recorded
from serving.console.drawn.pictures import (
    ACCENT,
    HIGH,
    INK,
    LOW,
    MEDIUM,
    SOFT,
    Chart,
    Column,
    Picture,
    Shown,
)
from serving.console.masking import is_masked
from serving.console.page import Visit

HEIGHT = 300
"""Of the picture, pixels."""
DAYS_A_PAGE = 10
PUBLICATIONS = 60
"""Publications whose churn is drawn, the newest; a weekly one goes back more than a year."""
SHOWN_DAYS = 730
BY_DAY_AT_MOST = 120
"""A history of more days with something on them is drawn month by month."""
LANES: dict[Lane, Text] = {
    "order": Text(zh="订单", en="Orders"),
    "refund": Text(zh="退款", en="Refunds"),
    "contact": Text(zh="互动", en="Contacts"),
    "ticket": Text(zh="投诉与服务请求", en="Complaints and support"),
    "survey": Text(zh="评价", en="Surveys"),
    "deed": Text(zh="我方跟进", en="What we did"),
}
CHURN = Text(zh="流失概率", en="Churn")


@dataclass(frozen=True)
class Timeline:
    """A page of a customer's timeline.

    Attributes:
        days: each with what happened, the newest first.
        page: its number, from 1.
        pages: how many there are.
        counts: entries by lane, of the whole history.
        first: day of the oldest entry; ``None`` where there is none.
    """

    days: Sequence[tuple[dt.date, list[Entry]]]
    page: int
    pages: int
    counts: Mapping[Lane, int]
    first: dt.date | None


def timeline(entries: Sequence[Entry], page: int) -> Timeline:
    """Return one page of ``entries``, which come the newest first."""
    days = list(days_of(entries))
    pages = max(-(-len(days) // DAYS_A_PAGE), 1)
    page = min(max(page, 1), pages)
    counts: dict[Lane, int] = {}
    for one in entries:
        counts[one.lane] = counts.get(one.lane, 0) + 1
    start = (page - 1) * DAYS_A_PAGE
    first = entries[-1].day if entries else None
    return Timeline(days[start : start + DAYS_A_PAGE], page, pages, counts, first)


def churn_line(asked: Asked) -> list[tuple[dt.date, float]]:
    """Return the churn probability of every publication that is kept, the oldest first."""
    found = []
    for publication in islice(line_of(asked.served.publication), PUBLICATIONS):
        answer = publication.find(asked.customer_id)
        if answer is not None and answer["churn"] is not None:
            found.append((publication.manifest.as_of, float(answer["churn"]["probability"])))
    return found[::-1]


def everything(asked: Asked) -> list[Entry] | None:
    """Return records and what people did, the newest first; ``None`` where there are no records."""
    records = recorded(asked)
    if records is None:
        return None
    return sorted([*records, *_deeds(asked)], key=lambda one: one.day, reverse=True)


def _deeds(asked: Asked) -> list[Entry]:
    """Return what people did, in a phrase; titles and notes are for the panel of actions."""
    if is_masked(asked.visit):
        return []
    names, zone = names_of(asked.visit, asked.served), asked.served.zone
    return [
        Entry(
            one.at.astimezone(zone).date(),
            "deed",
            Text(zh=phrase(one, names, "zh"), en=phrase(one, names, "en")),
            rows=0,
        )
        for one in of_customer(asked.visit.endpoint.state, asked.customer_id)
        if one.kind in KIND_NAMES
    ]


def shown(asked: Asked, entries: Sequence[Entry]) -> Shown | None:
    """Return the picture for a template."""
    made = chart(asked, entries)
    query = QueryParams({"customer": asked.shown})
    return replace(TIMELINE, make=lambda _: made).shown(replace(asked.visit, query=query))


def _made(visit: Visit) -> Chart | None:
    found = customers.find(visit, visit.query.get("customer", ""))
    entries = None if found is None else everything(found)
    return None if found is None or entries is None else chart(found, entries)


TIMELINE = Picture(
    "customer-timeline",
    Text(zh="订单、互动与流失概率", en="Orders, contacts and churn"),
    _made,
    ("customer",),
)
ALT = Text(
    zh="截至{day}的两年内：{told}；流失概率最近为{churn}。",
    en="In the two years until {day}: {told}; churn was {churn} last.",
)


def chart(asked: Asked, entries: Sequence[Entry]) -> Chart | None:
    """Return orders as bars, other events as marks above them, and churn as a line."""
    since = asked.served.as_of - dt.timedelta(days=SHOWN_DAYS)
    until = asked.served.as_of
    recent = [one for one in entries if since < one.day <= until]
    line = [(day, churn) for day, churn in churn_line(asked) if day > since]
    rows = [*_events(recent, asked), *_scores(line, asked)]
    if not rows:
        return None
    columns = (
        Column("day", Text(zh="日期", en="Day"), "day"),
        Column("what", Text(zh="类别", en="Kind")),
        Column("count", Text(zh="数量", en="Number"), "number"),
        Column("amount", Text(zh="金额", en="Money"), "money"),
        Column("churn", CHURN, "percent"),
    )
    return Chart(
        rows, columns, _spec(asked, since, _lanes(rows)), _alt(asked, recent, line), height=300
    )


def _alt(asked: Asked, recent: Sequence[Entry], line: Sequence[tuple[dt.date, float]]) -> Text:
    counts: dict[Lane, int] = {}
    for one in recent:
        counts[one.lane] = counts.get(one.lane, 0) + 1
    told = {
        "zh": "，".join(f"{LANES[lane].zh}{n}次" for lane, n in counts.items()) or "没有记录",
        "en": ", ".join(f"{LANES[lane].en} {n}" for lane, n in counts.items()) or "nothing",
    }
    churn = f"{line[-1][1]:.0%}" if line else "–"
    zh, en = (
        ALT[language].format(day=asked.served.as_of, told=told[language], churn=churn)
        for language in ("zh", "en")
    )
    return Text(zh=zh, en=en)


def _events(entries: Sequence[Entry], asked: Asked) -> list[dict[str, Any]]:
    """Return entries by day and lane, or by month and lane where there are many days."""
    by_month = len({one.day for one in entries}) > BY_DAY_AT_MOST
    found: dict[tuple[dt.date, Lane], list[Entry]] = {}
    for one in entries:
        day = one.day.replace(day=1) if by_month else one.day
        found.setdefault((day, one.lane), []).append(one)
    return [
        {
            "day": day,
            "lane": lane,
            "what": asked.visit.say(LANES[lane]),
            "count": len(own),
            "amount": sum(one.amount for one in own if one.amount is not None)
            if lane in ("order", "refund")
            else None,
            "churn": None,
        }
        for (day, lane), own in sorted(found.items())
    ]


def _scores(line: Sequence[tuple[dt.date, float]], asked: Asked) -> list[dict[str, Any]]:
    what = asked.visit.say(CHURN)
    return [
        {"day": day, "lane": "score", "what": what, "count": None, "amount": None, "churn": churn}
        for day, churn in line
    ]


COLOURS = {
    "order": ACCENT,
    "refund": MEDIUM,
    "contact": SOFT,
    "ticket": HIGH,
    "survey": LOW,
    "deed": INK,
}
MARKED: tuple[Lane, ...] = ("refund", "contact", "ticket", "survey", "deed")
LANE_PIXELS = 14
PADDING = {"left": 8, "right": 12, "top": 4, "bottom": 4}


def _lanes(rows: Sequence[Mapping[str, Any]]) -> list[Lane]:
    """Return the kinds of things that there is something of."""
    there = {row["lane"] for row in rows}
    return [lane for lane in LANES if lane in there]


def _spec(asked: Asked, since: dt.date, there: Sequence[Lane]) -> dict[str, Any]:
    visit = asked.visit
    domain = [one.isoformat() for one in (since, asked.served.as_of)]
    x = {
        "field": "day",
        "type": "temporal",
        "title": None,
        "axis": {"tickCount": 6, "format": "%Y-%m", "labelOverlap": True},
    }
    names = [visit.say(LANES[lane]) for lane in there]
    marked = [lane for lane in there if lane in MARKED]
    colour = {
        "field": "what",
        "type": "nominal",
        "scale": {"domain": names, "range": [COLOURS[lane] for lane in there]},
        "legend": {"orient": "top", "columns": 2, "labelLimit": 160},
    }
    marks = [
        {
            "transform": [{"filter": f"datum.lane == '{lane}'"}],
            "mark": {"type": "point", "filled": True, "opacity": 0.75},
            "encoding": {
                "x": x,
                "y": {"value": LANE_PIXELS * (place + 1)},
                "color": colour,
                "size": {
                    "field": "count",
                    "type": "quantitative",
                    "legend": None,
                    "scale": {"domain": [1, 20], "range": [28, 160], "clamp": True},
                },
            },
        }
        for place, lane in enumerate(marked)
    ]
    money_axis = {
        "field": "amount",
        "type": "quantitative",
        "title": visit.say(Text(zh="订单金额", en="Orders, money")),
        "axis": {"orient": "left", "tickCount": 4, "format": "~s", "grid": True},
        "scale": {"range": [{"expr": "height"}, LANE_PIXELS * (len(marked) + 1)]},
    }
    churn_axis = {
        "field": "churn",
        "type": "quantitative",
        "title": visit.say(CHURN),
        "axis": {"orient": "right", "tickCount": 4, "format": ".0%", "grid": False},
        "scale": {"domain": [0, 1], "range": [{"expr": "height"}, LANE_PIXELS * (len(marked) + 1)]},
    }
    bars = {
        "transform": [{"filter": "datum.lane == 'order'"}],
        "mark": {"type": "bar", "width": 5},
        "encoding": {"x": x, "y": money_axis, "color": colour},
    }
    line = {
        "transform": [{"filter": "datum.lane == 'score'"}],
        "mark": {"type": "line", "point": {"size": 40, "color": HIGH}, "color": HIGH},
        "encoding": {"x": x | {"scale": {"domain": domain}}, "y": churn_axis},
    }
    return {
        "padding": PADDING,
        "layer": [bars, *marks, line],
        "resolve": {"scale": {"y": "independent"}},
    }
