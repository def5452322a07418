"""Pictures of the portfolio page: tier mix, value at risk through time, segments, hindsight."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from configs.section import Language, Text
from serving.console.drawn.pictures import (
    ACCENT,
    PALE,
    SOFT,
    Chart,
    Column,
    Picture,
    money_labels,
)
from serving.console.page import Visit
from serving.console.portfolios.risk_history import risk_history
from serving.console.portfolios.segment_facts import segment_facts
from serving.console.portfolios.tier_facts import tier_facts
from serving.console.portfolios.what_came import what_came
from serving.scores.numbers import compact_money, number, percent

CUSTOMERS = Text(zh="客户占比", en="Share of customers")
VALUE = Text(zh="预期价值占比", en="Share of expected value")
TIER = Text(zh="等级", en="Tier")
EXPECTED = Text(zh="预期", en="Expected")
ACTUAL = Text(zh="实际", en="Actual")
AS_OF = Text(zh="截至", en="As of")
HEIGHT_OF_ROW = 48
NAMES: dict[str, Any] = {"title": None, "labelLimit": 130}
PERCENT_AXIS: dict[str, Any] = {"format": ".0%", "title": None, "tickCount": 5}
SHORT_DAYS = 150
"""Over less, the axis of days names days; over more, months."""


def _mix(visit: Visit) -> Chart | None:
    tiers = visit.kept(visit.served, tier_facts)
    if not tiers:
        return None
    sides = {visit.say(CUSTOMERS): "share", visit.say(VALUE): "value_share"}
    rows = [
        {"tier": visit.say(one.name), "what": name, "share": getattr(one, key)}
        for one in tiers
        for name, key in sides.items()
        if getattr(one, key) is not None
    ]
    top = tiers[0]
    shares = (percent(top.share, "en", 1), percent(top.value_share or 0.0, "en"))
    alt = Text(
        zh=f"{top.name.zh}占客户的{shares[0]}，占预期价值的{shares[1]}",
        en=f"{top.name.en}: {shares[0]} of customers, {shares[1]} of expected value",
    )
    columns = (
        Column("tier", TIER),
        Column("what", Text(zh="项目", en="What")),
        Column("share", Text(zh="占比", en="Share"), "percent"),
    )
    names = [visit.say(one.name) for one in tiers]
    return Chart(rows, columns, pairs("tier", names, "share", list(sides), PERCENT_AXIS), alt)


def pairs(
    by: str, names: list[str], field: str, sides: list[str], axis: dict[str, Any]
) -> dict[str, Any]:
    """Return bars of two kinds beside each other for each of ``names``."""
    return {
        "mark": {"type": "bar", "height": {"band": 0.85}},
        "encoding": {
            "y": {"field": by, "type": "nominal", "sort": names, "axis": NAMES},
            "yOffset": {"field": "what", "sort": sides},
            "x": {"field": field, "type": "quantitative", "axis": axis},
            "color": {
                "field": "what",
                "type": "nominal",
                "scale": {"domain": sides, "range": [PALE, ACCENT]},
            },
        },
    }


def _risk(visit: Visit) -> Chart | None:
    history = visit.kept(visit.served, risk_history)
    rows = [
        {
            "as_of": one.as_of,
            "at_risk": one.at_risk,
            "low": one.risk_low,
            "high": one.risk_high,
            "value": one.value,
        }
        for one in history
        if one.at_risk is not None
    ]
    if len(rows) < 2:
        return None
    currency = visit.config.currency
    alt = Text(
        zh="流失风险价值：" + "，".join(_ends(rows, currency, "zh")),
        en="Value at risk: " + ", ".join(_ends(rows, currency, "en")),
    )
    axis = {"title": None, "labelExpr": money_labels(currency, visit.language)}
    x = _days(history[0].as_of, history[-1].as_of)
    y = {"field": "at_risk", "type": "quantitative", "axis": axis, "scale": {"zero": True}}
    band = {
        "mark": {"type": "area", "opacity": 0.18},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
    }
    line = {"mark": {"type": "line", "point": True}, "encoding": {"x": x, "y": y}}
    columns = (
        Column("as_of", AS_OF, "day"),
        Column("at_risk", Text(zh="流失风险价值", en="Value at risk"), "money"),
        Column("low", Text(zh="下限", en="Low"), "money"),
        Column("high", Text(zh="上限", en="High"), "money"),
        Column("value", Text(zh="预期价值", en="Expected value"), "money"),
    )
    return Chart(rows, columns, {"layer": [band, line]}, alt)


def _days(first: dt.date, last: dt.date) -> dict[str, Any]:
    """Return the axis of the days that something holds for, whose labels do not repeat."""
    is_short = (last - first).days <= SHORT_DAYS
    axis = {"format": "%m-%d" if is_short else "%Y-%m", "title": None, "labelOverlap": True}
    return {
        "field": "as_of",
        "type": "temporal",
        "scale": {"type": "utc"},
        "axis": {**axis, "tickCount": 6},
    }


def _ends(rows: list[dict[str, Any]], currency: str, language: Language) -> list[str]:
    """Return the first and the last value at risk with their days."""
    ends = (rows[0], rows[-1])
    return [f"{one['as_of']} {compact_money(one['at_risk'], currency, language)}" for one in ends]


def _segments(visit: Visit) -> Chart | None:
    found = visit.kept(visit.served, segment_facts)
    if not found or found[0].value is None:
        return None
    kept, lost = Text(zh="其余预期价值", en="The rest"), Text(zh="流失风险价值", en="At risk")
    rows = [
        {"segment": visit.say(one.name), "what": visit.say(what), "value": value}
        for one in found
        for what, value in (
            (lost, one.at_risk or 0.0),
            (kept, (one.value or 0.0) - (one.at_risk or 0.0)),
        )
    ]
    top = max(found, key=lambda one: one.at_risk or 0.0)
    alt = Text(
        zh=f"流失风险价值最多的分群是{top.name.zh}", en=f"Most value at risk is in {top.name.en}"
    )
    axis = {
        "title": None,
        "labelExpr": money_labels(visit.config.currency, visit.language),
        "tickCount": 5,
    }
    spec = {
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {
            "y": {
                "field": "segment",
                "type": "nominal",
                "sort": [visit.say(one.name) for one in found],
                "axis": NAMES,
            },
            "x": {"field": "value", "type": "quantitative", "axis": axis},
            "order": {"field": "what", "sort": "ascending"},
            "color": {
                "field": "what",
                "type": "nominal",
                "scale": {"domain": [visit.say(lost), visit.say(kept)], "range": [ACCENT, PALE]},
            },
        },
    }
    columns = (
        Column("segment", Text(zh="客户分群", en="Segment")),
        Column("what", Text(zh="项目", en="What")),
        Column("value", Text(zh="金额", en="Money"), "money"),
    )
    return Chart(rows, columns, spec, alt, height=60 + HEIGHT_OF_ROW * len(found))


def _hindsight(visit: Visit) -> Chart | None:
    found = what_came(visit).churn
    if not found:
        return None
    rows = [
        {
            "as_of": one.as_of,
            "expected": one.expected,
            "actual": one.actual,
            "low": one.actual_low,
            "high": one.actual_high,
        }
        for one in found
    ]
    last = found[-1]
    alt = Text(
        zh=f"{last.as_of}预期流失{number(last.expected, 'zh')}人，"
        f"实际{number(last.actual, 'zh')}人",
        en=f"{last.as_of}: {number(last.expected, 'en')} expected to leave, "
        f"{number(last.actual, 'en')} did",
    )
    x = _days(found[0].as_of, last.as_of)
    axis = {"title": visit.say(Text(zh="流失客户数", en="Customers lost")), "format": ",.0f"}
    y = {"type": "quantitative", "axis": axis, "scale": {"zero": False}}
    whisker = {
        "mark": {"type": "rule", "strokeWidth": 1.5, "color": SOFT},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
    }
    name = {"legend": {"orient": "top"}, "type": "nominal"}
    sides = {"expected": visit.say(EXPECTED), "actual": visit.say(ACTUAL)}
    written = json.dumps(sides, ensure_ascii=False)
    marks = {
        "transform": [
            {"fold": list(sides), "as": ["side", "n"]},
            {"calculate": f"{written}[datum.side]", "as": "side"},
        ],
        "mark": {"type": "point", "size": 80, "filled": True},
        "encoding": {
            "x": x,
            "y": {**y, "field": "n"},
            "shape": {
                "field": "side",
                **name,
                "scale": {"domain": list(sides.values()), "range": ["diamond", "circle"]},
            },
            "color": {
                "field": "side",
                **name,
                "scale": {"domain": list(sides.values()), "range": ["#5f9ea3", "#15202f"]},
            },
        },
    }
    columns = (
        Column("as_of", AS_OF, "day"),
        Column("expected", EXPECTED, "number"),
        Column("actual", ACTUAL, "number"),
        Column("low", Text(zh="实际95%下限", en="Actual, 95 % low"), "number"),
        Column("high", Text(zh="实际95%上限", en="Actual, 95 % high"), "number"),
    )
    return Chart(rows, columns, {"layer": [whisker, marks]}, alt)


def _tiers_then(visit: Visit) -> Chart | None:
    found = what_came(visit).last_churn
    if found is None or not found.tiers:
        return None
    sides = {visit.say(EXPECTED): "expected", visit.say(ACTUAL): "actual"}
    rows = [
        {"tier": visit.say(one.name), "what": side, "share": getattr(one, key) / one.n}
        for one in found.tiers
        for side, key in sides.items()
    ]
    top = found.tiers[0]
    alt = Text(
        zh=f"{top.name.zh}预期流失{percent(top.expected / top.n, 'zh')}，"
        f"实际{percent(top.actual / top.n, 'zh')}",
        en=f"{top.name.en}: {percent(top.expected / top.n, 'en')} expected to leave, "
        f"{percent(top.actual / top.n, 'en')} did",
    )
    columns = (
        Column("tier", TIER),
        Column("what", Text(zh="项目", en="What")),
        Column("share", Text(zh="流失率", en="Churn"), "percent"),
    )
    names = [visit.say(one.name) for one in found.tiers]
    return Chart(rows, columns, pairs("tier", names, "share", list(sides), PERCENT_AXIS), alt)


MIX = Picture(
    "tier-mix", Text(zh="客户与价值在各等级的分布", en="Customers and value by tier"), _mix
)
RISK = Picture(
    "value-at-risk", Text(zh="流失风险价值的变化", en="Value at risk through time"), _risk
)
SEGMENTS = Picture(
    "segment-value",
    Text(zh="各分群的预期价值与风险", en="Expected value and risk by segment"),
    _segments,
)
HINDSIGHT = Picture(
    "churn-expected-actual",
    Text(zh="流失人数：预期与实际", en="Customers lost: expected and actual"),
    _hindsight,
)
TIERS_THEN = Picture(
    "tier-churn-expected-actual",
    Text(zh="各等级流失率：预期与实际", en="Churn by tier: expected and actual"),
    _tiers_then,
)
PICTURES = (MIX, RISK, SEGMENTS, HINDSIGHT, TIERS_THEN)
