"""Files for spreadsheets: text that none of them runs, typed cells, and who took them on record."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from starlette.responses import Response, StreamingResponse

from serving.access.audit import entry, record
from serving.console.masking import is_masked
from serving.console.page import Visit
from serving.console.threads import parts_in_threads

CSV = "text/csv; charset=utf-8"
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV_ROWS = 100_000
"""Of customers, at most, in one file."""
BOM = "\ufeff"
"""By which Excel knows UTF-8."""
RUN = re.compile(r"[\s\ufeff]*[=+\-@＝＋－＠]|[\t\r\n]")
"""How text begins that a spreadsheet may run, in the half and full width."""
UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
"""Characters that no workbook may hold."""
CELL_LETTERS = 32_767
"""A cell of a workbook holds no more."""

Value = str | float | int | dt.date | None


def neutral(text: str) -> str:
    """Return ``text`` so that no spreadsheet runs it.

    >>> neutral("=1+1"), neutral(" @SUM(A1)"), neutral("C1"), neutral("客户-1")
    ("'=1+1", "' @SUM(A1)", 'C1', '客户-1')
    """
    clean = UNWRITABLE.sub("", text)[: CELL_LETTERS - 1]
    return f"'{clean}" if RUN.match(clean) else clean


def csv_lines(rows: Iterable[Sequence[Value]]) -> bytes:
    """Return rows as lines of CSV, without the mark that a file begins with."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\r\n")
    lines.writerows([_plain(value) for value in row] for row in rows)
    return out.getvalue().encode("utf-8", "replace")


def csv_file(rows: Iterable[Sequence[Value]]) -> Iterator[bytes]:
    """Return a whole file of CSV, the heads being its first row."""
    return iter((BOM.encode(), csv_lines(rows)))


def typed(sheet: Any, value: Value, number_format: str) -> Any:
    """Return a cell of a workbook: text that stays text, or a number in its format."""
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, neutral(value) if isinstance(value, str) else value)
    if isinstance(value, str):
        cell.data_type = "s"
    elif number_format:
        cell.number_format = number_format
    return cell


def taken(visit: Visit, form: str, customers: int, publication: str) -> None:
    """Put on record that a person takes a list of customers away, before anything leaves."""
    told = entry(
        "export",
        person=visit.person.id,
        form=form,
        customers=customers,
        is_masked=int(is_masked(visit)),
        publication=publication,
    )
    record(visit.config.stores, visit.endpoint.state, [told])


def download(visit: Visit, parts: Iterator[bytes], kind: str, name: str) -> Response:
    """Answer with a file that a browser saves as ``name``."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    sent = parts_in_threads(visit.console.files_threads, parts)
    return StreamingResponse(sent, media_type=kind, headers=headers)


def _plain(value: Value) -> Value:
    if isinstance(value, str):
        return neutral(value)
    return value.isoformat() if isinstance(value, dt.date) else value
