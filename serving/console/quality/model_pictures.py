"""Pictures of the model page: predicted against actual, and what the first customers hold."""

from __future__ import annotations

from functools import partial
from typing import Any

from configs.section import Text
from serving.console.drawn.pictures import (
    ACCENT,
    MEDIUM,
    SOFT,
    Chart,
    Column,
    Kind,
    Picture,
    money_labels,
)
from serving.console.page import Visit
from serving.scores.numbers import percent
from training.anchor import TargetName
from training.evaluate import TargetEvaluation
from training.results import METHODS

STROKES = {"symbolType": "stroke", "symbolSize": 400, "symbolStrokeWidth": 2.5}
CHANCE = Text(zh="随机", en="Chance")
MODEL = Text(zh="所用模型", en="What is served")
PREDICTED = Text(zh="预测均值", en="Mean predicted")
ACTUAL = Text(zh="实际均值", en="Mean actual")


def evaluation_of(visit: Visit, target: TargetName) -> TargetEvaluation | None:
    """Return how a target did at training; ``None`` where it is not measured."""
    found = visit.served.bundle.evaluation.targets.get(target)
    return None if found is None or found.protocol == "none" else found


def _calibration(target: TargetName, visit: Visit) -> Chart | None:
    found = evaluation_of(visit, target)
    if found is None or not found.calibration:
        return None
    rows = [
        {"group": i + 1, "n": one.n, "predicted": one.predicted, "actual": one.actual}
        for i, one in enumerate(found.calibration)
    ]
    end = max(max(row["predicted"], row["actual"]) for row in rows)
    axis: dict[str, Any] = {"format": ".0%"}
    if target == "clv":
        axis = {"labelExpr": money_labels(visit.config.currency, visit.language)}
    scale = {"domain": [0, end], "nice": True}
    x = {"type": "quantitative", "scale": scale, "axis": {**axis, "title": visit.say(PREDICTED)}}
    y = {"type": "quantitative", "scale": scale, "axis": {**axis, "title": visit.say(ACTUAL)}}
    ideal = {
        "mark": {"type": "line", "color": SOFT, "strokeDash": [4, 4], "strokeWidth": 1.2},
        "encoding": {"x": {**x, "field": "predicted"}, "y": {**y, "field": "predicted"}},
    }
    points = {
        "mark": {"type": "line", "point": True},
        "encoding": {"x": {**x, "field": "predicted"}, "y": {**y, "field": "actual"}},
    }
    kind: Kind = "percent" if target == "churn" else "money"
    columns = (
        Column("group", Text(zh="组（由低到高）", en="Group, the lowest first")),
        Column("n", Text(zh="客户", en="Customers"), "number"),
        Column("predicted", PREDICTED, kind),
        Column("actual", ACTUAL, kind),
    )
    alt = Text(
        zh="按预测高低分十组，各组的预测均值与实际均值；越近虚线越准",
        en="Ten groups by prediction: mean predicted and mean actual; the nearer the dashed line, "
        "the better",
    )
    return Chart(rows, columns, {"layer": [ideal, points]}, alt, height=300)


def _lift(target: TargetName, visit: Visit) -> Chart | None:
    found = evaluation_of(visit, target)
    if found is None or not found.lift:
        return None
    lines = {visit.say(MODEL): found.lift}
    rule = found.best_rule
    if rule is not None and rule in found.rule_lifts and rule != found.served_rule:
        lines[METHODS[rule][visit.language]] = found.rule_lifts[rule]
    rows = [
        {"method": name, "share": point.share, "captured": point.captured}
        for name, points in lines.items()
        for point in points
    ]
    rows += [{"method": visit.say(CHANCE), "share": s, "captured": s} for s in (0.0, 1.0)]
    names = [*lines, visit.say(CHANCE)]
    colours = [ACCENT, MEDIUM, SOFT] if len(names) == 3 else [ACCENT, SOFT]
    dashes = [[1, 0], [6, 3], [2, 3]] if len(names) == 3 else [[1, 0], [2, 3]]
    what = TAKEN[target]
    axis = {"format": ".0%", "tickCount": 5}
    spec = {
        "mark": {"type": "line"},
        "encoding": {
            "x": {
                "field": "share",
                "type": "quantitative",
                "axis": {**axis, "title": visit.say(REACHED)},
            },
            "y": {
                "field": "captured",
                "type": "quantitative",
                "axis": {**axis, "title": visit.say(what)},
            },
            "color": {
                "field": "method",
                "type": "nominal",
                "scale": {"domain": names, "range": colours},
                "legend": STROKES,
            },
            "strokeDash": {
                "field": "method",
                "type": "nominal",
                "scale": {"domain": names, "range": dashes},
                "legend": STROKES,
            },
        },
    }
    tenth = next(point.captured for point in found.lift if point.share == 0.1)
    alt = Text(
        zh=f"预测最高的10%客户占{what.zh}的{percent(tenth, 'zh')}",
        en=f"The first tenth by prediction hold {percent(tenth, 'en')} of all: {what.en}",
    )
    columns = (
        Column("method", Text(zh="方法", en="Method")),
        Column("share", REACHED, "percent"),
        Column("captured", what, "percent"),
    )
    return Chart(rows, columns, spec, alt, height=300)


REACHED = Text(zh="联系的客户比例", en="Share of customers reached")
TAKEN = {
    "churn": Text(zh="覆盖的流失客户", en="Leavers found"),
    "clv": Text(zh="覆盖的客户价值", en="Value found"),
}
CALIBRATION = Text(zh="预测与实际", en="Predicted and actual")
LIFT = Text(zh="先联系谁最有效", en="Whom to reach first")
TARGETS: tuple[TargetName, ...] = ("churn", "clv")
PICTURES = (
    *(Picture(f"calibration-{one}", CALIBRATION, partial(_calibration, one)) for one in TARGETS),
    *(Picture(f"lift-{one}", LIFT, partial(_lift, one)) for one in TARGETS),
)
