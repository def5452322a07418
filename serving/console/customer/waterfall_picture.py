"""The picture of a number taken apart, and its table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.datastructures import QueryParams

from configs.section import Language, Text
from serving.console.customer import asked as customers
from serving.console.customer.asked import Asked
from serving.console.customer.waterfall import Waterfall, waterfall
from serving.console.customer.written import writer
from serving.console.drawn.pictures import HIGH, INK, LOW, SOFT, Chart, Column, Picture, Shown
from serving.console.page import Visit
from serving.scores.numbers import money, number, signed
from training.anchor import TargetName

ROW_PIXELS = 28
LABEL_SHARE = 0.28
"""Room for the label of the longest bar, as a share of the bars' span."""
PADDING = {"left": 26, "right": 12, "top": 4, "bottom": 4}
"""Pixels around: the reader's font may be wider than the one that places were measured in."""
TITLES: dict[TargetName, Text] = {
    "churn": Text(zh="流失概率是怎样得出的", en="How the churn probability comes about"),
    "clv": Text(zh="预期价值是怎样得出的", en="How the expected value comes about"),
}
OTHERS = Text(zh="其余合计", en="All others")
TYPICAL = Text(zh="典型客户", en="A typical customer")
SHOWN: dict[TargetName, Text] = {
    "churn": Text(zh="该客户的流失概率", en="This customer's churn"),
    "clv": Text(zh="该客户的预期价值", en="This customer's value"),
}
AXIS: dict[TargetName, Text] = {
    "churn": Text(zh="流失概率（%）", en="Churn probability (%)"),
    "clv": Text(zh="预期价值", en="Expected value"),
}
ALT = Text(
    zh="从典型客户的{base}到该客户的{shown}；影响最大的是{name}（{points}）。",
    en="From a typical customer's {base} to this one's {shown}; most is {name} ({points}).",
)
WORSE: dict[TargetName, int] = {"churn": 1, "clv": -1}


def shown(asked: Asked, told: Waterfall) -> Shown | None:
    """Return the picture of ``told`` for a template."""
    made = chart(told, asked.visit, asked.terms.currency)
    query = QueryParams({"customer": asked.shown, "target": told.target})
    picture = replace(WATERFALL, title=TITLES[told.target], make=lambda _: made)
    return picture.shown(replace(asked.visit, query=query))


def _made(visit: Visit) -> Chart | None:
    given = visit.query.get("target")
    target: TargetName = "clv" if given == "clv" else "churn"
    found = customers.find(visit, visit.query.get("customer", ""))
    told = None if found is None else waterfall(found, target)
    return None if told is None or found is None else chart(told, visit, found.terms.currency)


WATERFALL = Picture("customer-waterfall", TITLES["churn"], _made, ("customer", "target"))


def chart(told: Waterfall, visit: Visit, currency: str) -> Chart:
    """Return bars from the base to the number shown, in the reader's language."""
    words = _Words(told.target, visit.language, currency)
    rows = _rows(told, words)
    strongest = told.bars[0] if told.bars else None
    alt = {
        language: ALT[language].format(
            base=each.level(told.base),
            shown=each.level(told.shown),
            name="–" if strongest is None else strongest.name[language],
            points="–" if strongest is None else each.points(strongest.points),
        )
        for language in ("zh", "en")
        for each in [_Words(told.target, language, currency)]
    }
    columns = (
        Column("name", Text(zh="方面", en="Subject")),
        Column("told", Text(zh="增减", en="Adds")),
        Column("after", Text(zh="累计", en="Comes to")),
    )
    return Chart(rows, columns, _spec(rows, told.target, visit), Text(**alt), _height(rows))


def _height(rows: list[dict[str, Any]]) -> int:
    return ROW_PIXELS * len(rows) + 60


def _rows(told: Waterfall, words: _Words) -> list[dict[str, Any]]:
    """Return the base, each step from where the last one ended, and the number shown."""
    rows = [_row(TYPICAL[words.language], 0.0, told.base, "end", "", words)]
    at = told.base
    for step in told.bars:
        worse = step.points * WORSE[told.target] > 0
        kind = "worse" if worse else "better"
        name = (OTHERS if step.text is None else step.name)[words.language]
        rows.append(_row(name, at, at + step.points, kind, words.points(step.points), words))
        at += step.points
    return [*rows, _row(SHOWN[told.target][words.language], 0.0, told.shown, "end", "", words)]


def _row(
    name: str, start: float, end: float, kind: str, told: str, words: _Words
) -> dict[str, Any]:
    label = words.bare(end - start) if told else words.level(end)
    place = {"start": start, "end": end, "most": max(start, end), "kind": kind, "label": label}
    return {"name": name, "told": told or "–", "after": words.level(end), **place}


class _Words:
    """Writes levels and differences of one target in one language."""

    def __init__(self, target: TargetName, language: Language, currency: str) -> None:
        self.language = language
        self.points = writer(target, currency, language)
        self._target, self._currency = target, currency

    def bare(self, points: float) -> str:
        """Return a difference without its unit, which the axis says."""
        if self._target == "clv":
            return signed(number(abs(points), self.language), points)
        return signed(f"{abs(points):.1f}", round(points, 1))

    def level(self, value: float) -> str:
        if self._target == "clv":
            return money(value, self._currency, self.language)
        return f"{value:.1f}%"


def _spec(rows: list[dict[str, Any]], target: TargetName, visit: Visit) -> dict[str, Any]:
    colour = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": ["end", "worse", "better"], "range": [INK, HIGH, LOW]},
        "legend": None,
    }
    y = {
        "field": "name",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 150, "labelColor": INK},
    }
    most = max(row["most"] for row in rows)
    least = min(0.0, *(min(row["start"], row["end"]) for row in rows))
    reach = (most - least) * LABEL_SHARE
    x = {
        "field": "start",
        "type": "quantitative",
        "title": visit.say(AXIS[target]),
        "scale": {"domain": [least, most + reach], "nice": False},
        "axis": {"grid": True, "tickCount": 5, "format": "~s" if target == "clv" else "d"},
    }
    return {
        "padding": PADDING,
        "encoding": {"y": y},
        "layer": [
            {
                "mark": {"type": "bar", "height": 16, "cornerRadius": 2},
                "encoding": {"x": x, "x2": {"field": "end"}, "color": colour},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 5, "color": SOFT},
                "encoding": {
                    "x": {"field": "most", "type": "quantitative"},
                    "text": {"field": "label"},
                },
            },
        ],
    }
