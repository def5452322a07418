"""The intake report: what came in, what was mended, what was refused, what can be trained."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from configs.section import Language, Text
from features.raw.quarantine import REASONS
from features.stored.trainable import Trainable

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

REPAIRS: dict[str, Text] = {
    "whitespace": Text(zh="首尾空白", en="outer blanks"),
    "full_width": Text(zh="全角字符", en="full-width characters"),
    "currency_sign": Text(zh="货币符号", en="currency signs"),
    "counting_word": Text(zh="量词", en="counting words"),
    "thousands_separator": Text(zh="千位分隔符", en="thousands separators"),
    "unit": Text(zh="万/亿/k 等单位", en="units such as 万 and k"),
    "percent": Text(zh="百分号", en="percent signs"),
    "parentheses": Text(zh="括号负数", en="negatives in parentheses"),
    "trailing_minus": Text(zh="尾随负号", en="trailing minus signs"),
    "excel_date": Text(zh="Excel 序列日期", en="Excel serial dates"),
    "chinese_date": Text(zh="中文日期", en="Chinese dates"),
    "date_order": Text(zh="其他日期写法", en="other date notations"),
    "time_zone": Text(zh="带时区的时间", en="times with a zone"),
    "epoch": Text(zh="Unix 时间戳", en="Unix timestamps"),
    "open_end": Text(zh="表示无终止的日期", en="dates that mean no end"),
    "same_day_end": Text(zh="同日较早的完成时间", en="ends earlier on the same day"),
    "id_decimals": Text(zh="编号中的小数", en="ids with decimals"),
    "case": Text(zh="大小写", en="letter case"),
    "word": Text(zh="类型用语", en="words for kinds"),
    "refund_sign": Text(zh="以负数表示的退款", en="refunds written as negatives"),
    "mended": Text(zh="隔离区中已修正的行", en="rows mended in quarantine"),
}


class TableReport(BaseModel):
    """What became of one table's rows; ``read = accepted + quarantined + left_out``."""

    model_config = ConfigDict(frozen=True)

    read: int
    accepted: int
    quarantined: dict[str, int]
    repaired: dict[str, int]
    left_out: int
    first_day: dt.date | None
    last_day: dt.date | None
    days_behind: int | None
    customers: int
    completeness: dict[str, float]
    notes: tuple[str, ...] = ()


class IntakeReport(BaseModel):
    """The report of one intake; the same files give the same report."""

    model_config = ConfigDict(frozen=True)

    name: str
    generation: str
    as_of: dt.date | None
    tables: dict[str, TableReport]
    coverage: dict[str, float]
    """Share of buyers (contract customers) with at least one row in each other table."""
    trainable: list[Trainable]

    @property
    def quarantined(self) -> int:
        """Number of refused rows over all tables."""
        return sum(sum(table.quarantined.values()) for table in self.tables.values())


def show(report: IntakeReport, language: Language) -> Group:
    """Return the report as rich renders it in a terminal."""
    from rich.console import Group

    parts = [
        _rows_table(report, language),
        _reasons_table(report, language),
        _repairs_table(report, language),
        _coverage_table(report, language),
        _trainable_table(report, language),
    ]
    return Group(*(part for part in parts if part.row_count))


TABLE_NAMES: dict[str, Text] = {
    "customers": Text(zh="客户", en="customers"),
    "transactions": Text(zh="交易", en="transactions"),
    "interactions": Text(zh="互动", en="interactions"),
    "satisfaction": Text(zh="满意度", en="satisfaction"),
    "attributes": Text(zh="属性", en="attributes"),
    "snapshot": Text(zh="合同客户", en="contract customers"),
}
TARGETS: dict[str, Text] = {
    "churn": Text(zh="流失", en="churn"),
    "clv": Text(zh="客户终身价值", en="CLV"),
}


def _grid(title: Text, language: Language, *headers: Text) -> Table:
    from rich.table import Table

    grid = Table(title=title[language], title_justify="left", header_style="bold")
    for position, header in enumerate(headers):
        grid.add_column(header[language], justify="left" if position == 0 else "right")
    return grid


def _rows_table(report: IntakeReport, language: Language) -> Table:
    grid = _grid(
        Text(zh="数据概况", en="Records"),
        language,
        Text(zh="表", en="table"),
        Text(zh="读入", en="read"),
        Text(zh="接受", en="accepted"),
        Text(zh="隔离", en="quarantined"),
        Text(zh="排除", en="left out"),
        Text(zh="客户数", en="customers"),
        Text(zh="起", en="first day"),
        Text(zh="止", en="last day"),
        Text(zh="滞后（天）", en="days behind"),
    )
    for name, table in report.tables.items():
        days = (table.first_day, table.last_day, table.days_behind)
        counts = (
            table.read,
            table.accepted,
            sum(table.quarantined.values()),
            table.left_out,
            table.customers,
        )
        cells = [f"{count:,}" for count in counts]
        cells += ["–" if day is None else str(day) for day in days]
        grid.add_row(TABLE_NAMES[name][language], *cells)
    return grid


def _reasons_table(report: IntakeReport, language: Language) -> Table:
    grid = _grid(
        Text(zh="隔离原因", en="Quarantined"),
        language,
        Text(zh="表", en="table"),
        Text(zh="行数", en="rows"),
        Text(zh="代码", en="code"),
    )
    grid.add_column(Text(zh="含义", en="meaning")[language])
    for name, table in report.tables.items():
        for reason, count in sorted(table.quarantined.items(), key=lambda item: -item[1]):
            grid.add_row(
                TABLE_NAMES[name][language], f"{count:,}", reason, REASONS[reason][language]
            )
    return grid


def _repairs_table(report: IntakeReport, language: Language) -> Table:
    grid = _grid(
        Text(zh="自动修正", en="Repaired"),
        language,
        Text(zh="表", en="table"),
        Text(zh="值数", en="values"),
    )
    grid.add_column(Text(zh="修正", en="repair")[language])
    for name, table in report.tables.items():
        for what, count in sorted(table.repaired.items(), key=lambda item: -item[1]):
            grid.add_row(TABLE_NAMES[name][language], f"{count:,}", REPAIRS[what][language])
    return grid


def _coverage_table(report: IntakeReport, language: Language) -> Table:
    grid = _grid(
        Text(zh="覆盖率", en="Coverage of customers"),
        language,
        Text(zh="表", en="table"),
        Text(zh="有记录的客户", en="with rows"),
    )
    for name, share in report.coverage.items():
        grid.add_row(TABLE_NAMES[name][language], f"{share:.1%}")
    return grid


def _trainable_table(report: IntakeReport, language: Language) -> Table:
    grid = _grid(
        Text(zh="可训练的模型", en="What can be trained"),
        language,
        Text(zh="目标", en="target"),
        Text(zh="预测期（天）", en="horizon (d)"),
        Text(zh="可行", en="possible"),
    )
    grid.add_column(Text(zh="说明", en="because")[language])
    verdict = {True: Text(zh="可以", en="yes"), False: Text(zh="不可以", en="no")}
    for item in report.trainable:
        grid.add_row(
            TARGETS[item.target][language],
            str(item.horizon_days),
            verdict[item.possible][language],
            item.reason[language],
        )
    return grid
