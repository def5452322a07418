"""What the doctor found, as a table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text as Line

from configs.section import Language, Text
from serving.doctor.doctor import Examined
from serving.hints import with_config

COLUMNS = (
    Text(zh="检查", en="check"),
    Text(zh="状态", en="state"),
    Text(zh="说明", en="what was found"),
)
STATES = {
    "ok": (Text(zh="正常", en="ok"), "green"),
    "warn": (Text(zh="注意", en="warn"), "yellow"),
    "fail": (Text(zh="失败", en="fail"), "bold red"),
}
SUMMARY = Text(
    zh="{ok}项正常，{warn}项注意，{fail}项失败", en="{ok} ok, {warn} to look at, {fail} failed"
)


def render(
    found: Sequence[Examined], language: Language, config: Path | None = None
) -> RenderableType:
    """Return one row for each finding, with how to mend it below, and how many of each.

    Args:
        found: by the doctor.
        language: of the words.
        config: as it was given, for commands that are named.
    """
    table = Table(*(column[language] for column in COLUMNS), box=None, pad_edge=False)
    for one in found:
        name, style = STATES[one.finding.state]
        table.add_row(one.name[language], Line(name[language], style), _said(one, language, config))
    states = [one.finding.state for one in found]
    counts = {state: states.count(state) for state in STATES}  # type: ignore[arg-type]
    return Group(table, Line(SUMMARY[language].format(**counts)))


def _said(one: Examined, language: Language, config: Path | None) -> Line:
    said = Line(one.finding.said[language])
    if one.finding.mend is not None:
        mend = with_config(one.finding.mend[language], config)
        said.append(f"\n→ {mend}", style="dim")
    return said
