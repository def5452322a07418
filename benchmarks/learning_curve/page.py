"""The learning curve as a table in Markdown and as a picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

Row = Mapping[str, Any]
FIGURES = {
    "auc": ("churn: AUC", 4),
    "log_loss": ("log loss", 4),
    "ece15": ("ECE", 4),
    "ngini": ("value: nGini", 4),
    "mae": ("MAE", 1),
    "bias": ("error of the total", 4),
    "top5": ("money in the top 5 %", 4),
    "agreement": ("same tier", 4),
}
"""Figure → its heading and decimals, in the order of the table."""
WIDTH, HEIGHT, LEFT, TOP = 250, 150, 60, 34
INK, LINE, DOT = "#24292f", "#0b6bcb", "#0b6bcb"


def by_size(rows: Sequence[Row]) -> dict[int, list[Row]]:
    """Return the rows of each number of rows asked for, rising."""
    sizes = sorted({int(row["max_rows"]) for row in rows})
    return {size: [row for row in rows if row["max_rows"] == size] for size in sizes}


def table(rows: Sequence[Row]) -> str:
    """Return means over seeds with the lowest and highest, a line a size."""
    heads = [head for head, _ in FIGURES.values()]
    lines = [
        "| rows | customers | seeds | " + " | ".join(heads) + " | CPU s | peak GiB |",
        "|---:|---:|---:|" + "---:|" * (len(heads) + 2),
    ]
    for size, own in by_size(rows).items():
        cells = [_spread(own, name, digits) for name, (_, digits) in FIGURES.items()]
        cost = [f"{_mean(own, 'cpu_seconds'):,.0f}", f"{_mean(own, 'peak_gib'):.2f}"]
        customers = f"{_mean(own, 'customers'):,.0f}"
        lines.append(
            "| " + " | ".join([f"{size:,}", customers, str(len(own)), *cells, *cost]) + " |"
        )
    return "\n".join(lines)


def lost(rows: Sequence[Row]) -> str:
    """Return what each sample costs against the largest, on the same customers, with intervals."""
    lines = [
        "| rows | AUC lost | nGini lost | MAE gained |",
        "|---:|---:|---:|---:|",
    ]
    for size, own in list(by_size(rows).items())[:-1]:
        cells = [_difference(own, name) for name in ("auc", "ngini", "mae")]
        lines.append("| " + " | ".join([f"{size:,}", *cells]) + " |")
    return "\n".join(lines)


def _difference(rows: Sequence[Row], name: str) -> str:
    told = [row["against_largest"][name] for row in rows]
    middle, low, high = (float(np.mean([one[place] for one in told])) for place in range(3))
    digits = 2 if name == "mae" else 4
    sign = 1.0 if name == "mae" else -1.0
    low, high = sorted((sign * low, sign * high))
    return f"{sign * middle:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def _mean(rows: Sequence[Row], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))


def _spread(rows: Sequence[Row], name: str, digits: int) -> str:
    values = [row[name] for row in rows]
    middle = f"{np.mean(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def picture(rows: Sequence[Row], title: str) -> str:
    """Return an SVG: a panel a figure, rows in logarithms along the bottom, a dot a training."""
    names = [*FIGURES, "cpu_seconds", "peak_gib"]
    heads = [head for head, _ in FIGURES.values()] + ["CPU seconds", "peak GiB"]
    across = 5
    down = -(-len(names) // across)
    width, height = across * (WIDTH + LEFT), TOP + down * (HEIGHT + 60)
    panels = [
        _panel(rows, name, head, (i % across) * (WIDTH + LEFT) + LEFT, TOP + i // across * 210 + 20)
        for i, (name, head) in enumerate(zip(names, heads, strict=True))
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="11" fill="{INK}">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n'
        f'<text x="8" y="18" font-weight="bold">{escape(title)}</text>\n'
        + "".join(panels)
        + "</svg>\n"
    )


def _panel(rows: Sequence[Row], name: str, head: str, left: int, top: int) -> str:
    x = _scale([math.log10(row["max_rows"]) for row in rows], left, left + WIDTH - 10)
    y = _scale([row[name] for row in rows], top + HEIGHT - 5, top + 12)
    values = [row[name] for row in rows]
    dots = [
        f'<circle cx="{x(math.log10(row["max_rows"])):.1f}" cy="{y(row[name]):.1f}" r="2.5" '
        f'fill="{DOT}"><title>{row["max_rows"]:,} rows, seed {row["seed"]}: {row[name]:g}</title>'
        "</circle>\n"
        for row in rows
    ]
    means = " ".join(
        f"{x(math.log10(size)):.1f},{y(_mean(own, name)):.1f}"
        for size, own in by_size(rows).items()
    )
    ticks = [
        f'<text x="{x(math.log10(size)):.1f}" y="{top + HEIGHT + 12}" text-anchor="middle">'
        f"{_short(size)}</text>\n"
        for size in by_size(rows)
    ]
    ends = [
        f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.4g}</text>\n'
        for value in {min(values), max(values)}
    ]
    return (
        f'<text x="{left}" y="{top}" font-weight="bold">{escape(head)}</text>\n'
        f'<polyline points="{means}" fill="none" stroke="{LINE}"/>\n' + "".join(dots + ticks + ends)
    )


def _scale(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    low, high = min(values), max(values)
    span = high - low or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _short(size: int) -> str:
    """Return a number of rows in few letters.

    >>> _short(1_500_000), _short(30_000)
    ('1.5M', '30k')
    """
    return f"{size / 1e6:g}M" if size >= 1_000_000 else f"{size / 1e3:g}k"
