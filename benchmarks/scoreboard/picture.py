"""A picture of met and missed: one square a figure, green or red, one line a data set."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.scoreboard.records import Row

SIDE, GAP, LABEL, TOP = 16, 3, 250, 30
MET, MISSED, INK = "#2e7d32", "#c62828", "#24292f"


def picture(rows: Sequence[Row]) -> str:
    """Return an SVG; pointing at a square names its figure."""
    lines: dict[str, list[Row]] = {}
    for row in rows:
        lines.setdefault(_line_of(row), []).append(row)
    width = LABEL + max((len(line) for line in lines.values()), default=0) * (SIDE + GAP) + 10
    height = TOP + len(lines) * (SIDE + GAP) + 10
    drawn = [_drawn(name, line, place) for place, (name, line) in enumerate(lines.items())]
    met = sum(row.met for row in rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="12" fill="{INK}">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n'
        f'<text x="8" y="18" font-weight="bold">{met} of {len(rows)} figures met '
        f'<tspan fill="{MET}">■ met</tspan> <tspan fill="{MISSED}">□ missed</tspan></text>\n'
        + "".join(drawn)
        + "</svg>\n"
    )


def _line_of(row: Row) -> str:
    return " · ".join(part for part in (row.protocol, row.dataset, row.cutoff) if part)


def _drawn(name: str, line: Sequence[Row], place: int) -> str:
    y = TOP + place * (SIDE + GAP)
    squares = [_square(row, LABEL + i * (SIDE + GAP), y) for i, row in enumerate(line)]
    return f'<text x="8" y="{y + 12}">{escape(name)}</text>\n' + "".join(squares)


def _square(row: Row, x: int, y: int) -> str:
    """Return a full square for met and an empty one for missed: colour is not all that tells."""
    says = f"{row.metric}: {row.ours:.4g}, best known {row.best_known or '–'}"
    colour, fill = (MET, MET) if row.met else (MISSED, "none")
    return (
        f'<rect x="{x + 1}" y="{y + 1}" width="{SIDE - 2}" height="{SIDE - 2}" '
        f'stroke="{colour}" stroke-width="2" fill="{fill}"><title>{escape(says)}</title></rect>\n'
    )
