"""Tables of the pages that are written from the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a heading and a Markdown table, ending with a blank line.

    >>> print(table("## Units", ("unit", "meaning"), [("d", "day")]))
    ## Units
    <BLANKLINE>
    | unit | meaning |
    |---|---|
    | d | day |
    <BLANKLINE>
    """
    lines = [f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |" for row in rows]
    rule = "|" + "---|" * len(columns)
    return "\n".join([title, "", f"| {' | '.join(columns)} |", rule, *lines, ""])
