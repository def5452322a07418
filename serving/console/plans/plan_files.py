"""A plan's tasks as files: CSV for any tool, a workbook for Excel; nothing in them runs."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from configs.section import Text
from serving.console.masking import mask
from serving.console.page import Visit
from serving.console.plans.plan_page import chosen_by
from serving.console.plans.plan_read import Read, done
from serving.console.spreadsheets import CSV, EXCEL, Value, csv_file, download, taken, typed

Row = Mapping[str, Any]
Cell = Callable[[Visit, Read, Row], Value]
FIELDS: tuple[tuple[Text, Cell, str], ...] = (
    (
        Text(zh="客户", en="Customer"),
        lambda visit, found, row: mask(visit, row["customer_id"]),
        "",
    ),
    (
        Text(zh="等级", en="Tier"),
        lambda visit, found, row: visit.say(found.tier(row["tier"])),
        "",
    ),
    (
        Text(zh="员工", en="Employee"),
        lambda visit, found, row: found.employee(row["employee"]),
        "",
    ),
    (
        Text(zh="行动", en="Action"),
        lambda visit, found, row: visit.say(found.action(row["action"])),
        "",
    ),
    (Text(zh="工时", en="Hours"), lambda visit, found, row: row["hours"], "0.00"),
    (Text(zh="成本", en="Cost"), lambda visit, found, row: row["cost"], "#,##0.00"),
    (
        Text(zh="流失概率", en="Churn probability"),
        lambda visit, found, row: row["churn_probability"],
        "0.0%",
    ),
    (
        Text(zh="流失风险价值", en="Value at risk"),
        lambda visit, found, row: row["at_stake"],
        "#,##0.00",
    ),
    (
        Text(zh="预计净值", en="Net value expected"),
        lambda visit, found, row: row["value"],
        "#,##0.00",
    ),
    (
        Text(zh="应做回访", en="Contact owed"),
        lambda visit, found, row: int(row["is_owed"]),
        "0",
    ),
)


def as_csv(visit: Visit) -> Response:
    """Answer with the tasks of the address as CSV."""
    found, rows = _recorded(visit, "csv")
    heads = [visit.say(name) for name, _, _ in FIELDS]
    told = [[of(visit, found, row) for _, of, _ in FIELDS] for row in rows]
    return download(visit, csv_file([heads, *told]), CSV, _name(found, "csv"))


def as_excel(visit: Visit) -> Response:
    """Answer with the tasks of the address as a workbook."""
    from openpyxl import Workbook

    found, rows = _recorded(visit, "xlsx")
    book = Workbook(write_only=True)
    sheet = book.create_sheet(visit.say(Text(zh="任务", en="Tasks")))
    sheet.freeze_panes = "B2"
    sheet.append([visit.say(name) for name, _, _ in FIELDS])

    for row in rows:
        sheet.append([typed(sheet, of(visit, found, row), form) for _, of, form in FIELDS])
    out = io.BytesIO()
    book.save(out)
    return download(visit, iter([out.getvalue()]), EXCEL, _name(found, "xlsx"))


def _recorded(visit: Visit, form: str) -> tuple[Read, list[dict[str, Any]]]:
    """Return the tasks asked for, put on record before anything leaves."""
    found = done(visit)
    rows = found.of(chosen_by(visit)).to_pylist()
    taken(visit, f"plan-{form}", len(rows), found.plan.publication)
    return found, rows


def _name(found: Read, form: str) -> str:
    return f"plan-{found.plan.id}.{form}"
