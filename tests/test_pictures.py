"""Pictures of the console: drawn beside the process that answers, of the rows of their table."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator

import pytest

from configs.section import Text
from serving.console.drawn.painter import DrawingError, Painter
from serving.console.drawn.pictures import Chart, Column

ROWS = [{"tier": "重要客户 & <VIP>", "customers": 3, "on": dt.date(2026, 7, 1)}]
CHART = Chart(
    rows=ROWS,
    columns=(Column("tier", Text(zh="层级", en="Tier")),),
    spec={
        "mark": "bar",
        "encoding": {
            "x": {"field": "customers", "type": "quantitative"},
            "y": {"field": "tier", "type": "nominal"},
        },
    },
    alt=Text(zh="一层", en="One tier"),
)


@pytest.fixture(scope="module")
def painter() -> Iterator[Painter]:
    made = Painter()
    yield made
    made.close()


def test_a_specification_is_one_line_with_its_data_inside():
    drawn = CHART.drawn("wide")
    assert "\n" not in drawn
    assert json.loads(drawn)["data"]["values"][0]["on"] == "2026-07-01"


@pytest.mark.slow
def test_a_picture_is_as_wide_as_asked_says_its_words_and_fetches_nothing(painter: Painter):
    wide, narrow = painter.svg(CHART.drawn("wide")), painter.svg(CHART.drawn("narrow"))
    assert b'width="640"' in wide
    assert b'width="340"' in narrow
    assert "重要客户 &amp; &lt;VIP&gt;".encode() in wide
    assert b"<script" not in wide
    elsewhere = {**json.loads(CHART.drawn("wide")), "data": {"url": "https://example.org/a.csv"}}
    with pytest.raises(DrawingError):
        painter.svg(json.dumps(elsewhere))


@pytest.mark.slow
def test_the_next_picture_starts_the_child_again_after_it_was_killed(painter: Painter):
    first = painter.svg(CHART.drawn("wide"))
    assert painter._child is not None
    painter._child.kill()
    assert painter.svg(CHART.drawn("wide")) == first


@pytest.mark.slow
def test_a_wrong_specification_is_told_and_the_next_is_drawn(painter: Painter):
    with pytest.raises(DrawingError, match="Vega-Lite"):
        painter.svg('{"mark": 5}')
    assert painter.svg(CHART.drawn("wide")).startswith(b"<svg")
