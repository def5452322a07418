"""Pictures of the console: one chart, its words and the table that says the same.

A page module declares each as a :class:`Picture` and puts ``pages(PICTURES, roles)`` in the table
of pages; its handler hands ``PICTURE.shown(visit)`` to the template, which prints it by the macro
``figure`` of ``figure.html``. Picture and table are made of the same rows.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal
from urllib.parse import urlencode

from starlette.responses import Response

from configs.section import Language, Text
from serving.console.drawn.painter import svg
from serving.console.page import READ, Page, PageError, Visit
from serving.endpoint.route import Role
from serving.scores.numbers import symbol

Size = Literal["wide", "narrow"]
WIDTHS: dict[Size, int] = {"wide": 640, "narrow": 340}
"""Pixels, axes included; the narrow one is for phones, where a wide one would be unreadable."""
HEIGHT = 260
FONT = (
    "system-ui, -apple-system, 'Segoe UI', 'PingFang SC', 'Hiragino Sans GB', "
    "'Microsoft YaHei', 'Noto Sans CJK SC', 'Noto Sans SC', sans-serif"
)
INK, SOFT, LINE, ACCENT = "#15202f", "#566274", "#e2e6ec", "#0b6470"
HIGH, MEDIUM, LOW = "#b02a1e", "#8f5406", "#226b4a"
PALE = "#9cc7c6"
"""Beside the accent in one picture: apart from it in grey print, too."""
STEPS = ("#0b3f4a", "#0b6470", "#56a0a4", "#a9d2cf", "#dbe8e8")
"""From the most to the least: apart in grey print, too."""
THEME: dict[str, Any] = {
    "background": None,
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": SOFT,
        "titleColor": SOFT,
        "titleFontWeight": "normal",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "gridColor": LINE,
        "domainColor": "#aab4c4",
        "tickColor": "#aab4c4",
        "labelLimit": 150,
        "titlePadding": 8,
    },
    "axisX": {"grid": False, "labelAngle": 0},
    "axisBand": {"ticks": False, "labelPadding": 6},
    "legend": {
        "labelColor": INK,
        "labelFontSize": 12,
        "title": None,
        "orient": "top",
        "symbolType": "square",
    },
    "bar": {"color": ACCENT},
    "line": {"color": ACCENT, "strokeWidth": 2.5},
    "point": {"color": ACCENT, "filled": True, "size": 55},
    "area": {"color": ACCENT},
    "rule": {"color": SOFT},
    "text": {"color": INK, "fontSize": 12},
    "range": {"category": [ACCENT, PALE, MEDIUM, SOFT, LOW], "ordinal": list(STEPS)},
}
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Of a picture that is opened by itself: it runs and fetches nothing."""
NO_PICTURE = Text(zh="没有这张图", en="There is no such picture")
NOTHING_TO_DRAW = Text(zh="目前没有可画的数据。", en="There is nothing to draw yet.")

Kind = Literal["text", "number", "money", "compact", "percent", "day"]


@dataclass(frozen=True)
class Column:
    """A column of the table beside a picture.

    Attributes:
        name: the rows' key, and the specification's field.
        title: what readers see above it.
        kind: how its values are written; ``text`` stands as it is.
    """

    name: str
    title: Text
    kind: Kind = "text"


@dataclass(frozen=True)
class Chart:
    """What is drawn and what is written beside it.

    Attributes:
        rows: the data, in the reader's language; of both the picture and the table.
        columns: of the table, a column for every field that the picture shows.
        spec: Vega-Lite: ``mark`` and ``encoding`` or ``layer``, of one view, without its data
            and width. No value in it comes from a reader.
        alt: what the picture says, in words.
        height: pixels.
    """

    rows: Sequence[Mapping[str, Any]]
    columns: tuple[Column, ...]
    spec: Mapping[str, Any]
    alt: Text
    height: int = HEIGHT

    def drawn(self, size: Size) -> str:
        """Return the whole specification as JSON text without line breaks."""
        whole = {
            "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
            "config": THEME if size == "wide" else NARROW_THEME,
            "width": WIDTHS[size],
            "height": self.height,
            "autosize": {"type": "fit", "contains": "padding"},
            "padding": 4,
            "data": {"values": list(self.rows)},
            **self.spec,
        }
        return json.dumps(
            whole,
            ensure_ascii=False,
            sort_keys=True,
            allow_nan=False,
            default=dt.date.isoformat,
        )


@dataclass(frozen=True)
class Shown:
    """A picture as a template prints it.

    Attributes:
        title: above the picture.
        chart: alternative words and the table.
        wide: address of the picture for screens and paper.
        narrow: address of the one for phones.
    """

    title: Text
    chart: Chart
    wide: str
    narrow: str


@dataclass(frozen=True)
class Picture:
    """A picture that a page declares.

    Attributes:
        name: of its address, in lower case with dashes, unlike all others of the console.
        title: stands above it.
        make: returns the chart for a visit; ``None`` where there is nothing to draw.
        reads: of the visit's query, what ``make`` reads; handed on in the picture's address.
    """

    name: str
    title: Text
    make: Callable[[Visit], Chart | None] = field(repr=False)
    reads: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The address that answers with it."""
        return f"/console/pictures/{self.name}.svg"

    def shown(self, visit: Visit) -> Shown | None:
        """Return the picture for a template; ``None`` where there is nothing to draw."""
        chart = self.make(visit)
        if chart is None:
            return None
        asked = {name: visit.query.getlist(name) for name in self.reads if name in visit.query}
        return Shown(
            self.title,
            chart,
            self._address(visit.language, asked),
            self._address(visit.language, asked | {"size": ["narrow"]}),
        )

    def _address(self, language: Language, asked: Mapping[str, Sequence[str]]) -> str:
        query = urlencode({"lang": language, **asked}, doseq=True)
        return f"{self.path}?{query}"


NARROW_THEME = {**THEME, "legend": {**THEME["legend"], "columns": 1}}
YI, WAN = "亿", "万"
MONEY_LABELS: Mapping[Language, str] = {
    "zh": (
        f"abs(datum.value) >= 1e8 ? format(datum.value / 1e8, ',.2~f') + '{YI}' : "
        f"abs(datum.value) >= 1e4 ? format(datum.value / 1e4, ',.1~f') + '{WAN}' : "
        "format(datum.value, ',.0f')"
    ),
    "en": "replace(format(datum.value, '~s'), 'G', 'B')",
}


def money_labels(currency: str, language: Language) -> str:
    """Return how an axis of money is labelled: a ``labelExpr`` of Vega-Lite."""
    return f"{json.dumps(symbol(currency, language))} + ({MONEY_LABELS[language]})"


def pages(pictures: Sequence[Picture], roles: frozenset[Role]) -> tuple[Page, ...]:
    """Return the rows of ``pictures`` for the table of pages."""
    return tuple(
        Page(one.path, READ, roles, _row_name(one), partial(_answer, one)) for one in pictures
    )


def _row_name(picture: Picture) -> str:
    return "console_picture_" + picture.name.replace("-", "_")


def _answer(picture: Picture, visit: Visit) -> Response:
    chart = picture.make(visit)
    if chart is None:
        raise PageError(404, NO_PICTURE, NOTHING_TO_DRAW)
    spec = chart.drawn("narrow" if visit.query.get("size") == "narrow" else "wide")
    headers = {
        "content-security-policy": POLICY,
        "cache-control": "private, no-cache",
        "etag": f'"{hashlib.sha256(spec.encode()).hexdigest()[:32]}"',
    }
    return Response(svg(spec), media_type="image/svg+xml", headers=headers)
