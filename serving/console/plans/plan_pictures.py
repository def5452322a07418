"""Pictures of a plan: hours used per employee, and its value beside rules of thumb."""

from __future__ import annotations

from configs.section import Text
from serving.allocation.plan_words import RULES, skill_name
from serving.console.drawn.pictures import ACCENT, PALE, Chart, Column, Picture, money_labels
from serving.console.page import Visit
from serving.console.plans.plan_read import asked_for, read
from serving.scores.numbers import compact_money, number

THIS_PLAN = Text(zh="本计划", en="This plan")
NOTHING = Text(zh="什么都不做", en="Doing nothing")
USED = Text(zh="已安排", en="Planned")
FREE = Text(zh="未安排", en="Free")
ROW = 26


def _hours(visit: Visit) -> Chart | None:
    planned = asked_for(visit)
    found = None if planned is None else read(visit, planned)
    if found is None:
        return None
    people = found.plan.people
    rows = [
        {
            "who": f"{one.name} · {visit.say(skill_name(one.skill))}",
            "what": visit.say(name),
            "hours": round(max(hours, 0.0), 2),
            "place": place,
        }
        for one in people
        for place, (name, hours) in enumerate(((USED, one.used), (FREE, one.hours - one.used)))
    ]
    used, hours = sum(one.used for one in people), sum(one.hours for one in people)
    told = number(used, visit.language), number(hours, visit.language)
    alt = Text(
        zh=f"{len(people)}名员工共{told[1]}小时，已安排{told[0]}小时",
        en=f"{told[0]} of {told[1]} hours of {len(people)} employees are planned",
    )
    columns = (
        Column("who", Text(zh="员工", en="Employee")),
        Column("what", Text(zh="项目", en="What")),
        Column("hours", Text(zh="小时", en="Hours"), "number"),
    )
    names = list(dict.fromkeys(row["who"] for row in rows))
    kinds = [visit.say(USED), visit.say(FREE)]
    spec = {
        "mark": {"type": "bar"},
        "encoding": {
            "y": {
                "field": "who",
                "type": "nominal",
                "sort": names,
                "axis": {"title": None, "labelLimit": 170},
            },
            "x": {
                "field": "hours",
                "type": "quantitative",
                "stack": "zero",
                "axis": {"title": visit.say(Text(zh="小时", en="hours")), "tickCount": 5},
            },
            "order": {"field": "place", "type": "quantitative"},
            "color": {
                "field": "what",
                "type": "nominal",
                "scale": {"domain": kinds, "range": [ACCENT, PALE]},
            },
        },
    }
    return Chart(rows, columns, spec, alt, height=max(120, ROW * len(people) + 60))


def _values(visit: Visit) -> Chart | None:
    planned = asked_for(visit)
    found = None if planned is None else read(visit, planned)
    if found is None:
        return None
    plan = found.plan
    named = [(THIS_PLAN, plan.value)]
    named += [(RULES[rule], value) for rule, value in plan.rules.items()]
    named += [(NOTHING, 0.0)]
    rows = [{"by": visit.say(name), "value": round(value, 2)} for name, value in named]
    currency = visit.config.currency
    told = [compact_money(value, currency, "en") for _, value in named[:2]]
    alt = Text(
        zh=f"净值：本计划{told[0]}，逐个择优{told[1]}",
        en=f"Net value: plan {told[0]}, greedy {told[1]}",
    )
    columns = (
        Column("by", Text(zh="办法", en="By")),
        Column("value", Text(zh="预计净值", en="Net value expected"), "money"),
    )
    axis = {"title": None, "tickCount": 4, "labelExpr": money_labels(currency, visit.language)}
    spec = {
        "transform": [{"window": [{"op": "row_number", "as": "place"}]}],
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {
            "y": {
                "field": "by",
                "type": "nominal",
                "sort": [row["by"] for row in rows],
                "axis": {"title": None, "labelLimit": 150},
            },
            "x": {"field": "value", "type": "quantitative", "axis": axis},
            "color": {
                "condition": {"test": "datum.place === 1", "value": ACCENT},
                "value": PALE,
            },
        },
    }
    return Chart(rows, columns, spec, alt, height=200)


HOURS = Picture("plan-hours", Text(zh="各员工工时", en="Hours of each employee"), _hours, ("plan",))
VALUES = Picture(
    "plan-values", Text(zh="预计净值对比", en="Expected net value"), _values, ("plan",)
)
PICTURES = (HOURS, VALUES)
