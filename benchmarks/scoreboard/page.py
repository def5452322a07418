"""The scoreboard for readers: a page with a table a protocol, and a picture of met and missed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from benchmarks.scoreboard.bars import TARGETS, digits, meets
from benchmarks.scoreboard.records import Row, Verdict

TITLES = {
    "S1": "S1 · CDNOW, 39 weeks ahead",
    "S2": "S2 · Online Retail II, 26 weeks ahead",
    "S3": "S3 · contract customers, cross-validated",
    "S4": "S4 · uplift of an e-mail",
    "S5": "S5 · tiers and segments",
}
VERDICTS: dict[Verdict, str] = {
    "win": "better",
    "loss": "worse",
    "level": "level",
    "unknown": "–",
}
HEAD = """# Scoreboard

`make scoreboard` wrote this page: the default configuration, untuned, beside what a user would pick
instead, on the same customers in the same run.

- **best known**: of any method, published or measured before. *met*: ours rounds to it or is
  better; where none is known, the best peer of the run takes its place.
- **against the best peer**: the 95 % interval of ours less the best peer's figure over 1,000 paired
  bootstraps of customers; *better* or *worse* where it leaves out 0.
- *not run* says that a peer could not be run here, never that it lost.

"""


def page(rows: Sequence[Row], picture_name: str) -> str:
    """Return the page in Markdown.

    Args:
        rows: of every protocol that was run.
        picture_name: file name of the picture beside the page.
    """
    met = sum(row.met for row in rows)
    parts = [
        HEAD,
        f"**{met} of {len(rows)} met.**\n\n![{met} of {len(rows)} met]({picture_name})\n",
    ]
    for protocol in dict.fromkeys(row.protocol for row in rows):
        own = [row for row in rows if row.protocol == protocol]
        parts.append(f"\n## {TITLES[protocol]}\n")
        parts += [_table(own, dataset) for dataset in dict.fromkeys(row.dataset for row in own)]
    return "".join([*parts, _targets(rows)])


def _table(rows: Sequence[Row], dataset: str) -> str:
    own = [row for row in rows if row.dataset == dataset]
    lines = [
        f"\n{dataset}\n",
        "| cutoff | metric | ours | best known | met | best peer | against the best peer |",
        "|---|---|---|---|---|---|---|",
        *map(_line, own),
    ]
    not_run = [name for name in own[0].peers if own[0].peers[name] is None]
    missing = f"\n\nnot run: {', '.join(not_run)}\n" if not_run else "\n"
    return "\n".join(lines) + missing


def _line(row: Row) -> str:
    arrow = "↑" if row.better == "higher" else "↓"
    best = row.best_peer
    peer = "–" if best is None else f"{shown(row.peers[best])} {best}"
    cells = [
        row.cutoff or "",
        f"{row.metric} {arrow}",
        f"**{shown(row.ours)}**",
        shown(row.best_known),
        "met" if row.met else "**missed**",
        peer,
        _interval(row),
    ]
    return "| " + " | ".join(cells).replace("|bias|", "\\|bias\\|") + " |"


def _interval(row: Row) -> str:
    if row.difference_low is None or row.difference_high is None:
        return VERDICTS["unknown"]
    ends = f"{shown(row.difference_low)} … {shown(row.difference_high)}"
    return f"{VERDICTS[row.verdict]} ({ends})"


def shown(value: float | None) -> str:
    """Return a figure with the digits that matter.

    >>> shown(0.87149), shown(1234.6), shown(29.16), shown(None)
    ('0.871', '1,235', '29.2', '–')
    """
    if value is None:
        return "–"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.3f}"


def _targets(rows: Sequence[Row]) -> str:
    """Return what nobody has reached yet, and whether ours does."""
    lines = []
    for row in rows:
        target = TARGETS.get((row.protocol, row.dataset, row.cutoff), {}).get(row.metric)
        if target is not None:
            reached = "reached" if meets(row.ours, target, row.better) else "not reached"
            name = f"{row.dataset} {row.cutoff or ''}".strip()
            metric = row.metric.replace("|", "\\|")
            ours = f"{row.ours:.{digits(target)}f}"
            lines.append(f"| {name} | {metric} | {ours} | {target} | {reached} |")
    if not lines:
        return ""
    head = "\n## Beyond the best known\n\n| | metric | ours | target | |\n|---|---|---|---|---|\n"
    return head + "\n".join(lines) + "\n"


def summary(rows: Sequence[Row]) -> Table:
    """Return ours, the best known and the best peer for the terminal."""
    table = Table(title=f"{sum(row.met for row in rows)} of {len(rows)} met")
    for name in ("protocol", "data set", "cutoff", "metric"):
        table.add_column(name)
    for name in ("ours", "best known", "met", "best peer", "against it"):
        table.add_column(name, justify="right")
    for row in rows:
        best = row.best_peer
        met = "[green]met[/]" if row.met else "[red]missed[/]"
        peer = "not run" if best is None else f"{shown(row.peers[best])} {best}"
        head = row.protocol, row.dataset, row.cutoff or "", row.metric
        table.add_row(
            *head, shown(row.ours), shown(row.best_known), met, peer, VERDICTS[row.verdict]
        )
    return table
