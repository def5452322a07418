"""The audience as files: CSV for any tool, a workbook with typed columns for Excel.

Both hold what the address asks for, in the order of the list, and nothing that a spreadsheet would
run: text that begins like a formula is given an apostrophe (OWASP, CSV injection).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from starlette.responses import Response

from configs.section import Text
from serving.console.page import PageError, Visit
from serving.console.review_queue.asked import Usual
from serving.console.review_queue.chosen import Chosen, chosen, listed_for
from serving.console.review_queue.queue_rows import Row, rows
from serving.console.spreadsheets import (
    BOM,
    CSV,
    CSV_ROWS,
    EXCEL,
    Value,
    csv_lines,
    download,
    neutral,
    taken,
    typed,
)

EXCEL_ROWS = 20_000
ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 1 << 16

TOO_MANY = Text(zh="客户过多，无法导出", en="Too many customers to export")
NARROW = Text(
    zh="最多导出{most:,}位客户，当前为{n:,}位；请提高流失概率、限定客户数或使用筛选。",
    en="At most {most:,} customers can be exported, and these are {n:,}. Raise the churn "
    "probability, limit their number or filter.",
)


@dataclass(frozen=True)
class Field:
    """A column of an export.

    Attributes:
        name: its heading.
        of: what stands in it for a row, in one language.
        number_format: of Excel; empty for text.
    """

    name: Text
    of: Callable[[Row, Visit], Value]
    number_format: str = ""


def _said(text: Text | None, visit: Visit) -> str | None:
    return None if text is None else visit.say(text)


def _reason(place: int) -> Callable[[Row, Visit], Value]:
    return lambda row, visit: row.reasons[place].text if place < len(row.reasons) else None


def _action(row: Row, visit: Visit) -> Value:
    return None if row.recommended is None else visit.say(row.recommended.action.name)


def _cost(row: Row, visit: Visit) -> Value:
    return None if row.recommended is None else row.recommended.action.cost


def _break_even(row: Row, visit: Visit) -> Value:
    return None if row.recommended is None else row.recommended.break_even


def _instead_of(row: Row, visit: Visit) -> Value:
    return None if row.instead_of is None else visit.say(row.instead_of.name)


MONEY, SHARE, POINTS, WHOLE, DAY = "#,##0.00", "0.0%", "0.0", "0", "yyyy-mm-dd"
FIELDS = (
    Field(Text(zh="客户", en="Customer"), lambda row, visit: row.shown_id),
    Field(Text(zh="等级", en="Tier"), lambda row, visit: _said(row.tier, visit)),
    Field(Text(zh="上次等级", en="Tier before"), lambda row, visit: _said(row.tier_before, visit)),
    Field(Text(zh="缓冲保留", en="Held by hysteresis"), lambda row, visit: int(row.is_held), WHOLE),
    Field(Text(zh="生命周期", en="Lifecycle"), lambda row, visit: _said(row.stage, visit)),
    Field(Text(zh="分群", en="Segment"), lambda row, visit: _said(row.segment, visit)),
    Field(Text(zh="流失概率", en="Churn probability"), lambda row, visit: row.churn, SHARE),
    Field(
        Text(zh="变化（百分点）", en="Change (points)"),
        lambda row, visit: None if row.churn_change is None else 100 * row.churn_change,
        POINTS,
    ),
    Field(Text(zh="预期价值", en="Expected value"), lambda row, visit: row.value, MONEY),
    Field(Text(zh="预期价值下限", en="Expected value, low"), lambda row, visit: row.low, MONEY),
    Field(Text(zh="预期价值上限", en="Expected value, high"), lambda row, visit: row.high, MONEY),
    Field(Text(zh="流失风险价值", en="Value at risk"), lambda row, visit: row.at_risk, MONEY),
    Field(Text(zh="原因一", en="Reason 1"), _reason(0)),
    Field(Text(zh="原因二", en="Reason 2"), _reason(1)),
    Field(Text(zh="原因三", en="Reason 3"), _reason(2)),
    Field(Text(zh="先做什么", en="What to do first"), lambda row, visit: row.advice),
    Field(
        Text(zh="预计下次下单", en="Next order expected"), lambda row, visit: row.next_order, DAY
    ),
    Field(Text(zh="逾期天数", en="Days overdue"), lambda row, visit: row.overdue_days, WHOLE),
    Field(Text(zh="上次联系", en="Last contact"), lambda row, visit: row.contact_on, DAY),
    Field(Text(zh="最近推荐评分", en="Last NPS answer"), lambda row, visit: row.nps, "0.#"),
    Field(Text(zh="最近满意度", en="Last CSAT answer"), lambda row, visit: row.csat, "0.#"),
    Field(Text(zh="未决投诉", en="Open complaints"), lambda row, visit: row.open_complaints, WHOLE),
    Field(Text(zh="负责人", en="Owner"), lambda row, visit: row.owner),
    Field(Text(zh="截止日", en="Due"), lambda row, visit: row.due, DAY),
    Field(
        Text(zh="建议行动", en="Recommended action"),
        _action,
    ),
    Field(
        Text(zh="行动成本", en="Cost of it"),
        _cost,
        MONEY,
    ),
    Field(
        Text(zh="盈亏平衡（须减少的流失风险）", en="Break-even (share of the risk to take away)"),
        _break_even,
        SHARE,
    ),
    Field(Text(zh="数据完整度", en="Completeness"), lambda row, visit: row.completeness, SHARE),
    Field(Text(zh="对照组，不采取的行动", en="Left out of this action"), _instead_of),
)


def as_csv(visit: Visit) -> Response:
    """Answer with the audience as CSV."""
    found = _recorded(visit, "csv", CSV_ROWS)
    return download(visit, _csv_parts(visit, found), CSV, _name(found, "csv"))


def as_excel(visit: Visit) -> Response:
    """Answer with the audience as a workbook."""
    found = _recorded(visit, "xlsx", EXCEL_ROWS)
    return download(visit, _workbook_parts(visit, found), EXCEL, _name(found, "xlsx"))


def _recorded(visit: Visit, form: str, most: int) -> Chosen:
    """Return whom the address asks for, put on record before anything leaves.

    Raises:
        PageError: 422, they are too many.
    """
    found = chosen(visit)
    n = len(found.whom)
    if n > most:
        detail = Text(zh=NARROW.zh.format(most=most, n=n), en=NARROW.en.format(most=most, n=n))
        raise PageError(422, TOO_MANY, detail)
    taken(visit, form, n, found.served.publication.manifest.id)
    return found


def _name(found: Chosen, form: str) -> str:
    return f"echelon-{found.served.as_of:%Y%m%d}-{len(found.whom)}.{form}"


def _rows(visit: Visit, found: Chosen) -> Iterator[Row]:
    return rows(visit, found.served, found.done, listed_for(visit, found).tolist())


def _csv_parts(visit: Visit, found: Chosen) -> Iterator[bytes]:
    yield BOM.encode()
    yield csv_lines([[visit.say(field.name) for field in FIELDS]])
    told = _rows(visit, found)
    while part := list(islice(told, ROWS_AT_ONCE)):
        yield csv_lines([field.of(row, visit) for field in FIELDS] for row in part)


def _workbook_parts(visit: Visit, found: Chosen) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as file:
        _write_workbook(file, visit, found)
        file.seek(0)
        while part := file.read(BYTES_AT_ONCE):
            yield part


def _write_workbook(file: Any, visit: Visit, found: Chosen) -> None:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    sheet = book.create_sheet(visit.say(Text(zh="客户", en="Customers")))
    sheet.freeze_panes = "B2"

    def bold(text: str) -> Any:
        cell = WriteOnlyCell(sheet, neutral(text))
        cell.font = Font(bold=True)
        return cell

    sheet.append([bold(visit.say(field.name)) for field in FIELDS])
    for row in _rows(visit, found):
        cells = [(field.of(row, visit), field.number_format) for field in FIELDS]
        sheet.append([typed(sheet, value, form) for value, form in cells])
    about = book.create_sheet(visit.say(Text(zh="说明", en="About")))
    for name, value in _about(visit, found):
        about.append([bold(name), neutral(value)])
    book.save(file)


def _about(visit: Visit, found: Chosen) -> Iterator[tuple[str, str]]:
    """Yield what the file is: of which day, by which versions, asked for how, and what it means."""
    manifest = found.served.publication.manifest
    versions = manifest.terms.versions
    pairs: tuple[tuple[Text, str], ...] = (
        (Text(zh="公司", en="Company"), visit.say(visit.config.company)),
        (Text(zh="截至", en="As of"), manifest.as_of.isoformat()),
        (Text(zh="发布", en="Publication"), manifest.id),
        (Text(zh="模型版本", en="Model"), versions["model"]),
        (Text(zh="特征版本", en="Features"), versions["features"]),
        (Text(zh="等级策略", en="Policy"), versions["policy"]),
        (Text(zh="模型评级", en="Grade"), str(manifest.terms.grade or "–")),
        (Text(zh="币种", en="Currency"), manifest.terms.currency),
        (Text(zh="筛选条件", en="Filter"), found.asked.address(Usual(-1.0)) or "–"),
        (Text(zh="客户数", en="Customers"), str(len(found.whom))),
        (Text(zh="导出人", en="Exported by"), visit.person.name),
    )
    for name, value in pairs:
        yield visit.say(name), value
    for name, meaning in DEFINITIONS:
        yield visit.say(name), visit.say(meaning)


DEFINITIONS = (
    (
        Text(zh="流失概率", en="Churn probability"),
        Text(
            zh="在预测期内流失的概率，已校准。",
            en="Calibrated probability to leave within the horizon.",
        ),
    ),
    (
        Text(zh="预期价值", en="Expected value"),
        Text(
            zh="预测期内预期带来的价值；区间为单个客户的区间，不可相加。",
            en="Expected value over the horizon; the interval is one customer's, never add them.",
        ),
    ),
    (
        Text(zh="流失风险价值", en="Value at risk"),
        Text(
            zh="流失概率×预期价值：预计会流失的价值，并非都能挽回。客户按此排序。",
            en="Churn probability × expected value: what is expected to be lost, not all of which "
            "can be saved. Customers are ordered by it.",
        ),
    ),
    (
        Text(zh="盈亏平衡", en="Break-even"),
        Text(
            zh="行动须减少的流失风险占比，达到后成本才收回：成本÷（流失概率×预期价值）。",
            en="Share of the churn risk that the action must take away to pay for itself: cost ÷ "
            "(churn probability × expected value).",
        ),
    ),
)
