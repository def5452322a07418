"""Cost against size as an SVG: both axes logarithmic, so that proportional is a slope of one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.scale.bars import Sizes, growth, is_measured

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 80, 190, 30, 50
DRAWN = {
    "intake": ("#1b5e9c", "circle"),
    "features": ("#2e7d32", "square"),
    "features_1": ("#8bc34a", "square"),
    "training": ("#c62828", "diamond"),
    "publication": ("#6a1b9a", "triangle"),
}
MARKS = {"circle": "●", "square": "■", "diamond": "◆", "triangle": "▲"}
Point = tuple[float, float]


def picture(sizes: Sizes) -> str:
    """Return wall seconds of every stage by customers, one line a stage."""
    lines = {
        stage: [
            (float(size), max(float(found[stage]["wall_seconds"]), 0.1))
            for size, found in sorted(sizes.items())
            if is_measured(found, stage)
        ]
        for stage in DRAWN
    }
    points = [point for line in lines.values() for point in line]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="12" fill="#24292f">\n'
        '<rect width="100%" height="100%" fill="#ffffff"/>\n'
    )
    if not points:
        return head + "</svg>\n"
    scale = _Scale(points)
    drawn = [_line(sizes, stage, line, scale, n) for n, (stage, line) in enumerate(lines.items())]
    return head + scale.axes() + "".join(drawn) + "</svg>\n"


class _Scale:
    """Places customers and seconds on the paper; axes end at whole powers of ten."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.ends = [
            (
                math.floor(math.log10(min(point[axis] for point in points)) + 1e-9),
                math.ceil(math.log10(max(point[axis] for point in points)) - 1e-9),
            )
            for axis in (0, 1)
        ]

    def place(self, point: Point) -> Point:
        """Return the place of customers and seconds."""
        shares = [
            (math.log10(value) - low) / max(high - low, 1)
            for value, (low, high) in zip(point, self.ends, strict=True)
        ]
        x = LEFT + shares[0] * (WIDTH - LEFT - RIGHT)
        return round(x, 1), round(HEIGHT - BOTTOM - shares[1] * (HEIGHT - TOP - BOTTOM), 1)

    def axes(self) -> str:
        """Return lines and names of every power of ten."""
        (few, many), (short, long) = self.ends
        drawn = []
        for power in range(few, many + 1):
            (x, low), (_, high) = (
                self.place((10.0**power, 10.0**short)),
                self.place((1, 10.0**long)),
            )
            drawn.append(f'<path d="M{x} {low}V{high}" stroke="#d0d7de"/>\n')
            drawn.append(
                f'<text x="{x}" y="{low + 18}" text-anchor="middle">{10**power:,}</text>\n'
            )
        for power in range(short, long + 1):
            (low, y), (high, _) = self.place((10.0**few, 10.0**power)), self.place((10.0**many, 1))
            drawn.append(f'<path d="M{low} {y}H{high}" stroke="#d0d7de"/>\n')
            drawn.append(
                f'<text x="{low - 8}" y="{y + 4}" text-anchor="end">{10**power:,} s</text>\n'
            )
        middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
        drawn.append(
            f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">customers</text>\n'
        )
        return "".join(drawn)


def _line(sizes: Sizes, stage: str, line: Sequence[Point], scale: _Scale, number: int) -> str:
    if not line:
        return ""
    colour, mark = DRAWN[stage]
    places = [scale.place(point) for point in line]
    path = " ".join(f"{x},{y}" for x, y in places)
    exponent = growth(sizes, stage)
    name = stage if exponent is None else f"{stage}: customers^{exponent:.2f}"
    shown = [
        f'<text x="{x}" y="{y + 5}" text-anchor="middle" fill="{colour}" font-size="14">'
        f"{MARKS[mark]}<title>{size:,.0f} customers: {seconds:,.1f} s</title></text>\n"
        for (x, y), (size, seconds) in zip(places, line, strict=True)
    ]
    label = (
        f'<text x="{WIDTH - RIGHT + 12}" y="{TOP + 20 + 22 * number}" fill="{colour}">'
        f"{MARKS[mark]} {escape(name)}</text>\n"
    )
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>\n'
        + "".join(shown)
        + label
    )
