"""Charts as inline SVG, drawn by hand: sharp on paper, no library, no outside resource.

Words stand in both languages, in ``<text class="zh">`` and ``<text class="en">``; the page shows
one of them. Colours come from the page's own style sheet by class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from configs.section import Text

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 50, 24, 26, 44
Point = tuple[float, float]
STEPS = (1, 2, 4, 8, 10)
"""Ends of an axis whose quarters are round."""
FINE_STEPS = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)
"""Ends of an axis whose halves are round."""


@dataclass(frozen=True)
class Axes:
    """A plot area and its scales; ``x`` and ``y`` give pixels."""

    x_end: float
    y_end: float

    def x(self, value: float) -> float:
        """Return the horizontal place of ``value``."""
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.x_end

    def y(self, value: float) -> float:
        """Return the vertical place of ``value``."""
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.y_end

    def path(self, points: Sequence[Point]) -> str:
        """Return the way through ``points``."""
        return "M" + "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)


def words(x: float, y: float, text: Text, anchor: str = "middle", style: str = "") -> Markup:
    """Return ``text`` at a place, once in each language."""
    shown = Markup("")
    for language, content in (("zh", text.zh), ("en", text.en)):
        shown += Markup(
            '<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{} {}">{}</text>'
        ).format(x, y, anchor, language, style, content)
    return shown


def label(x: float, y: float, content: str, anchor: str = "middle") -> Markup:
    """Return a number at a place, the same in both languages."""
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        x, y, anchor, content
    )


def line(points: str, style: str) -> Markup:
    """Return a path."""
    return Markup('<path d="{}" class="{}"/>').format(points, style)


def svg(content: Markup, about: Text) -> Markup:
    """Return a whole chart; ``about`` says in words what it shows."""
    return Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}" class="chart">{}</svg>'
    ).format(WIDTH, HEIGHT, f"{about.zh} / {about.en}", content)


def frame(
    axes: Axes,
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
    x_title: Text,
    y_title: Text,
) -> Markup:
    """Return grid lines, tick labels and axis titles."""
    drawn = Markup("")
    for value, shown in y_ticks:
        y = axes.y(value)
        drawn += line(f"M{LEFT} {y:.1f}H{WIDTH - RIGHT}", "grid")
        drawn += label(LEFT - 7, y + 4, shown, "end")
    for value, shown in x_ticks:
        drawn += label(axes.x(value), HEIGHT - BOTTOM + 17, shown)
    drawn += line(f"M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}", "axis")
    drawn += words((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 7, x_title, style="title")
    return drawn + words(LEFT, TOP - 12, y_title, "start", "title")


def histogram(counts: Sequence[int], band_of: Callable[[float], str], about: Text) -> Markup:
    """Return customers by churn probability, bars coloured by their band."""
    top = _round_up(max([*counts, 1]), FINE_STEPS)
    axes = Axes(1.0, top * 1.12)
    drawn = frame(
        axes,
        [(share, f"{share:.0%}") for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)],
        [(top * part, f"{top * part:,.0f}") for part in (0.0, 0.5, 1.0)],
        Text(zh="流失概率", en="churn probability"),
        Text(zh="客户数", en="customers"),
    )
    step = 1.0 / len(counts)
    for i, count in enumerate(counts):
        x, y = axes.x(i * step), axes.y(count)
        drawn += Markup(
            '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="fill-{}"/>'
        ).format(x + 1, y, axes.x(step) - LEFT - 2, axes.y(0) - y, band_of((i + 0.5) * step))
    return svg(drawn, about)


def calibration(points: Sequence[Point], shown: Callable[[float], str], about: Text) -> Markup:
    """Return actual against predicted means, with the line where they are equal."""
    axes, drawn = _actual_by_predicted(points, shown)
    drawn += line(axes.path(points), "series")
    for x, y in points:
        drawn += Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4" class="dot"/>').format(
            axes.x(x), axes.y(y)
        )
    return svg(drawn, about)


def calibration_of_two(
    champion: Sequence[Point],
    challenger: Sequence[Point],
    shown: Callable[[float], str],
    about: Text,
) -> Markup:
    """Return the calibration of two models laid over each other."""
    axes, drawn = _actual_by_predicted([*champion, *challenger], shown)
    drawn += line(axes.path(champion), "series rule")
    drawn += line(axes.path(challenger), "series")
    named = [
        (Text(zh="挑战者", en="challenger"), "series"),
        (Text(zh="冠军", en="champion"), "series rule"),
    ]
    return svg(drawn + _legend(named), about)


def _actual_by_predicted(
    points: Sequence[Point], shown: Callable[[float], str]
) -> tuple[Axes, Markup]:
    """Return axes that hold ``points``, framed, with the line where both are equal."""
    end = _round_up(max((max(point) for point in points), default=1.0))
    axes = Axes(end, end)
    ticks = [(end * part, shown(end * part)) for part in (0.0, 0.25, 0.5, 0.75, 1.0)]
    drawn = frame(
        axes,
        ticks,
        ticks[1:],
        Text(zh="预测均值", en="mean predicted"),
        Text(zh="实际均值", en="mean actual"),
    )
    return axes, drawn + line(axes.path([(0.0, 0.0), (end, end)]), "ideal")


def lift(
    model: Sequence[Point], rule: Sequence[Point], rule_name: Text, y_title: Text, about: Text
) -> Markup:
    """Return the share captured by the highest predictions: model, best rule and chance."""
    axes = Axes(1.0, 1.0)
    ticks = [(share, f"{share:.0%}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    drawn = frame(
        axes, ticks, ticks[1:], Text(zh="联系的客户比例", en="share of customers reached"), y_title
    )
    drawn += line(axes.path([(0.0, 0.0), (1.0, 1.0)]), "ideal")
    if rule:
        drawn += line(axes.path([(0.0, 0.0), *rule]), "series rule")
    drawn += line(axes.path([(0.0, 0.0), *model]), "series")
    named = [(Text(zh="模型", en="model"), "series")]
    named += [(rule_name, "series rule")] if rule else []
    named += [(Text(zh="随机", en="chance"), "ideal")]
    return svg(drawn + _legend(named), about)


def _legend(named: Sequence[tuple[Text, str]]) -> Markup:
    drawn = Markup("")
    for i, (name, style) in enumerate(named):
        y = HEIGHT - BOTTOM - 16 - 19 * (len(named) - 1 - i)
        drawn += line(f"M{WIDTH - RIGHT - 26} {y - 4}H{WIDTH - RIGHT - 4}", style)
        drawn += words(WIDTH - RIGHT - 32, y, name, "end")
    return drawn


def _round_up(value: float, steps: Sequence[float] = STEPS) -> float:
    """Return the next of ``steps`` times a power of ten.

    >>> _round_up(0.63), _round_up(3_700), _round_up(1.0), _round_up(1_049, FINE_STEPS)
    (0.8, 4000.0, 1.0, 1200.0)
    """
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in steps if step * power >= value)
