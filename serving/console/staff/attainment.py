"""The page of what employees attained, adjusted for whose customers they look after; and a file."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from configs.section import Text
from serving.console.experiments.effect_words import points
from serving.console.page import PageError, Visit
from serving.console.spreadsheets import CSV, Value, csv_file, download
from serving.console.staff.kpi import (
    LOWER_IS_BETTER,
    MEASURE_NAMES,
    MEASURES,
    EmployeeKpi,
    KpiReport,
    MeasureName,
    kpi_report,
)
from serving.console.staff.team import SKILL_NAMES, team_shown
from training.adjusted import Attained

NOTHING_YET = Text(zh="还没有可导出的绩效", en="There is nothing to export yet")
RUN_FIRST = Text(
    zh="请在首个观察期结束后运行 echelon effects。",
    en="Run echelon effects after the first period has closed.",
)
VERDICTS = {
    "better": (Text(zh="好于预期", en="better than expected"), "low"),
    "worse": (Text(zh="低于预期", en="worse than expected"), "medium"),
    "as_expected": (Text(zh="符合预期", en="as expected"), ""),
}
FIELDS = (
    Text(zh="工号", en="Code"),
    Text(zh="姓名", en="Name"),
    Text(zh="客户数", en="Customers"),
    Text(zh="指标", en="Measure"),
    Text(zh="有结果的客户", en="With a result"),
    Text(zh="实际", en="Actual"),
    Text(zh="预期", en="Expected"),
    Text(zh="差异", en="Difference"),
    Text(zh="差异下限", en="Low"),
    Text(zh="差异上限", en="High"),
    Text(zh="判断", en="Verdict"),
)


@dataclass(frozen=True)
class Cell:
    """One measure of one employee on the page."""

    name: MeasureName
    label: Text
    told: Attained | None
    verdict: Text
    tone: str


@dataclass(frozen=True)
class Line:
    """One employee on the page."""

    employee: EmployeeKpi
    skill: Text
    cells: tuple[Cell, ...]


def page(visit: Visit) -> Response:
    """Return what employees attained."""
    report = kpi_report(visit.config)
    days = dt.timedelta(days=visit.config.churn.horizon_days)
    return visit.page(
        "attainment.html",
        report=report,
        lines=[] if report is None else lines(report),
        measures=[(name, MEASURE_NAMES[name]) for name in _measured(report)],
        tiers=visit.served.publication.manifest.terms.tier_names,
        has_team=bool(team_shown(visit.config).employees),
        points=partial(points, language=visit.language),
        horizon=days.days,
        closes_on=visit.served.as_of + days,
    )


def export(visit: Visit) -> Response:
    """Return the same as CSV, a row per employee and measure.

    Raises:
        PageError: 404, nothing was worked out yet.
    """
    report = kpi_report(visit.config)
    if report is None:
        raise PageError(404, NOTHING_YET, RUN_FIRST)
    told = [
        _row(visit, line.employee, cell, cell.told)
        for line in lines(report)
        for cell in line.cells
        if cell.told is not None
    ]
    heads = [visit.say(field) for field in FIELDS]
    name = f"echelon-team-{report.ends_on:%Y%m%d}.csv"
    return download(visit, csv_file([heads, *told]), CSV, name)


def lines(report: KpiReport) -> list[Line]:
    """Return the employees in the order of the team's file: this is no ranking."""
    names = _measured(report)
    return [
        Line(one, SKILL_NAMES[one.skill], tuple(_cell(one, name) for name in names))
        for one in report.employees
    ]


def _measured(report: KpiReport | None) -> list[MeasureName]:
    """Return the measures that anybody has."""
    employees = () if report is None else report.employees
    return [name for name in MEASURES if any(name in one.measures for one in employees)]


def _cell(employee: EmployeeKpi, name: MeasureName) -> Cell:
    told = employee.measures.get(name)
    verdict = "as_expected"
    if told is not None and told.is_beyond_chance:
        is_higher = told.low > 0
        verdict = "better" if is_higher != (name in LOWER_IS_BETTER) else "worse"
    return Cell(name, MEASURE_NAMES[name], told, *VERDICTS[verdict])


def _row(visit: Visit, employee: EmployeeKpi, cell: Cell, told: Attained) -> list[Value]:
    return [
        employee.code,
        employee.name,
        employee.customers,
        visit.say(cell.label),
        told.n,
        *(round(x, 4) for x in (told.actual, told.expected, told.difference, told.low, told.high)),
        visit.say(cell.verdict),
    ]
