"""What a daily refresh says in the terminal: what was read, whom it touched, what came of it."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text as Line

from configs.section import Language, Text
from features.refreshed import Refreshed
from features.stored.report import TABLE_NAMES
from serving.changes.totals_shown import show_totals
from serving.pipeline import REPORT, Renewed

READ = Text(zh="读入{files}个文件中的{rows}行", en="read {rows} rows of {files} files")
TOUCHED = Text(
    zh="涉及{touched}位客户，其余{others}位没有新记录",
    en="{touched} customers affected, {others} without new records",
)
WHOLE = Text(zh="{table}已全部重读：{reason}", en="{table} was read again as a whole: {reason}")
EVERYTHING = Text(
    zh="全部记录已重读（{rows}行）：{reason}",
    en="everything was read again ({rows} rows): {reason}",
)
PUBLISHED = Text(zh="已发布：{name}（{day}）", en="Published: {name} (as of {day})")


def render_refresh(renewed: Renewed, language: Language) -> RenderableType:
    """Return what the terminal shows of a refresh."""
    manifest = renewed.publication.manifest
    totals = show_totals(manifest, language)
    published = PUBLISHED[language].format(name=manifest.id, day=manifest.as_of)
    return Group(
        *map(Line, told(renewed.taken, manifest.counts["customers"], language)),
        *([] if totals is None else [totals]),
        Line(published),
        Line(f"{REPORT[language]}{renewed.report}"),
    )


def told(taken: Refreshed, customers: int, language: Language) -> list[str]:
    """Return in lines what was read, and why more than what was new.

    Args:
        taken: what the daily intake did.
        customers: how many are published.
        language: zh or en.
    """
    rows = f"{taken.rows:,}"
    if taken.customers is None:
        reason = next(iter(taken.whole.values()))
        return [EVERYTHING[language].format(rows=rows, reason=reason[language])]
    touched = len(taken.customers)
    facts = (
        READ[language].format(rows=rows, files=taken.files),
        TOUCHED[language].format(touched=f"{touched:,}", others=f"{max(0, customers - touched):,}"),
    )
    lines = [("，" if language == "zh" else ", ").join(facts)]
    for table, reason in taken.whole.items():
        name = TABLE_NAMES[table][language]
        lines.append(WHOLE[language].format(table=name, reason=reason[language]))
    return lines
