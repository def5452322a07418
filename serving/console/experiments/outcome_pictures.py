"""The picture of effects: each action and tier a point with its interval, beside no effect."""

from __future__ import annotations

from typing import Any

from configs.section import Text
from serving.console.drawn.pictures import ACCENT, SOFT, Chart, Column, Picture
from serving.console.experiments.effect_words import points, points_range
from serving.console.experiments.effects import ActionEffect, effects_report
from serving.console.page import Visit

ALL = Text(zh="全部", en="All")
HEIGHT_OF_ROW = 32
COLUMNS = (
    Column("action", Text(zh="行动", en="Action")),
    Column("group", Text(zh="等级", en="Tier")),
    Column("estimate", Text(zh="留存变化", en="Change of retention"), "percent"),
    Column("low", Text(zh="下限", en="Low"), "percent"),
    Column("high", Text(zh="上限", en="High"), "percent"),
)
SPAN: dict[str, Any] = {"format": "+.0%", "title": None, "tickCount": 5, "labelOverlap": True}


def _effects(visit: Visit) -> Chart | None:
    report = effects_report(visit.config)
    known = [] if report is None else [one for one in report.actions if one.retained is not None]
    if not known:
        return None
    rows = [row for one in known for row in _rows(visit, one)]
    names = [row["name"] for row in rows]
    y = {
        "field": "name",
        "type": "nominal",
        "sort": names,
        "axis": {"title": None, "labelLimit": 125, "labelExpr": "split(datum.label, '·')[1]"},
    }
    color = {"condition": {"test": "datum.whole", "value": ACCENT}, "value": SOFT}
    spec = {
        "layer": [
            {
                "mark": {"type": "rule", "strokeDash": [4, 3]},
                "encoding": {"x": {"datum": 0, "type": "quantitative", "axis": SPAN}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2.5},
                "encoding": {
                    "y": y,
                    "x": {"field": "low", "type": "quantitative"},
                    "x2": {"field": "high"},
                    "color": color,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70},
                "encoding": {
                    "y": y,
                    "x": {"field": "estimate", "type": "quantitative"},
                    "color": color,
                },
            },
        ]
    }
    return Chart(rows, COLUMNS, spec, _alt(visit, known), 40 + HEIGHT_OF_ROW * len(rows))


def _rows(visit: Visit, one: ActionEffect) -> list[dict[str, Any]]:
    names = {action.code: visit.say(action.name) for action in visit.config.actions}
    tiers = visit.served.publication.manifest.terms.tier_names
    name, told = names.get(one.action, one.action), one.retained
    if told is None:
        return []
    whole = {"estimate": told.estimate, "low": told.low, "high": told.high, "whole": True}
    rows = [{"name": f"{name}·{name}", "action": name, "group": visit.say(ALL), **whole}]
    for tier in one.tiers:
        said = visit.say(tiers[tier.tier]) if tier.tier in tiers else tier.tier
        limits = {"estimate": tier.points, "low": tier.low, "high": tier.high, "whole": False}
        rows.append({"name": f"{name}·{said}", "action": name, "group": said, **limits})
    return rows


def _alt(visit: Visit, known: list[ActionEffect]) -> Text:
    names = {action.code: action.name for action in visit.config.actions}
    told = [(names[one.action], one.retained) for one in known if one.action in names]
    zh = "；".join(
        f"{name.zh}{points(one.estimate, 'zh')}（{points_range(one, 'zh')}）"
        for name, one in told
        if one is not None
    )
    en = "; ".join(
        f"{name.en} {points(one.estimate, 'en')} ({points_range(one, 'en')})"
        for name, one in told
        if one is not None
    )
    return Text(zh=f"留存变化，百分点：{zh}", en=f"Change of retention in points: {en}")


EFFECTS = Picture(
    "effects",
    Text(zh="各行动使留存率变化多少（95%区间）", en="What each action changes of retention (95 %)"),
    _effects,
)
PICTURES = (EFFECTS,)
