"""The answers of a batch job, row by row: the same bytes as over HTTP, or what is wrong.

By id an answer is the published text. Raw records of many rows are scored together, which is far
cheaper, and as nothing depends on who is scored along, to the same bit.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from serving.access.customer_scope import CustomerScope
from serving.endpoint.logs import failure
from serving.endpoint.predictions import checked, unknown_at
from serving.endpoint.problems import ProblemError, in_one
from serving.endpoint.replies import as_text
from serving.endpoint.requests import Records
from serving.jobs.job_rows import RECORD_TABLES, JobRow, Row, id_in

if TYPE_CHECKING:
    from serving.endpoint.served import Served

ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 4 << 20

logger = logging.getLogger("echelon.jobs")
Answers = dict[int, str | ProblemError]
"""What each row is answered, by its number."""


@dataclass(frozen=True)
class Result:
    """What a job says of one row: the answer as HTTP gives it, or the problem."""

    row: int
    customer_id: str | None
    answer: str | ProblemError

    @property
    def error(self) -> dict[str, Any] | None:
        """``code``, ``pointer`` into the row, and ``detail``; ``None`` where there is an answer."""
        if isinstance(self.answer, str):
            return None
        where = self.answer.errors[0].pointer if self.answer.errors else ""
        said = self.answer.detail or self.answer.kind.detail
        detail = {"zh": in_one(said, "zh"), "en": in_one(said, "en")}
        return {"code": self.answer.code, "pointer": where, "detail": detail}

    def line(self) -> str:
        """Return the line of the NDJSON result; the answer's bytes are those of HTTP."""
        head = f'{{"row":{self.row},"customer_id":{as_text(self.customer_id)},'
        if isinstance(self.answer, str):
            return f'{head}"status":"ok","prediction":{self.answer}}}\n'
        return f'{head}"status":"error","error":{as_text(self.error)}}}\n'


def in_chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the rows in lists that are answered at once: of bounded length and size."""
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += row.size
        if len(chunk) == ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def answered(
    served: Served, rows: Sequence[Row], scope: CustomerScope, today: dt.date
) -> list[Result]:
    """Return the result of every row, in order.

    Args:
        served: the one publication that the whole job is answered from.
        rows: a chunk.
        scope: whom the sender of the job may ask about.
        today: the last day that raw records may be scored at.
    """
    told: Answers = {}
    asked = []
    for row in rows:
        if isinstance(row.asked, ProblemError):
            told[row.number] = row.asked
        elif row.customer_id is not None and row.customer_id not in scope:
            told[row.number] = _unknown(row.asked)
        else:
            asked.append(row)
    told |= _by_id(served, asked) | _by_records(served, asked, today, scope)
    return [Result(row.number, row.customer_id, told[row.number]) for row in rows]


def _unknown(asked: JobRow) -> ProblemError:
    """Return what is said of a customer who is not published, or not for this caller to see."""
    return unknown_at("/records" if asked.customer_id is None else "/customer_id")


def _by_id(served: Served, rows: Sequence[Row]) -> Answers:
    asked = {
        row.number: row.asked
        for row in rows
        if isinstance(row.asked, JobRow) and row.asked.customer_id is not None
    }
    named = dict.fromkeys(str(one.customer_id) for one in asked.values())
    texts = served.texts_by_id(list(named))
    return {
        number: texts.get(str(one.customer_id)) or _unknown(one) for number, one in asked.items()
    }


def _by_records(
    served: Served, rows: Sequence[Row], today: dt.date, scope: CustomerScope
) -> Answers:
    told: Answers = {}
    days: dict[dt.date, list[Row]] = {}
    for row in rows:
        if isinstance(row.asked, JobRow) and row.asked.records is not None:
            try:
                day = checked(served, row.asked.records, today, scope)
            except ProblemError as problem:
                told[row.number] = problem
            else:
                days.setdefault(day, []).append(row)
    for day, same_day in days.items():
        for group in _without_repeats(same_day):
            told |= _scored(served, group, day)
    return told


def _without_repeats(rows: Sequence[Row]) -> Iterator[dict[str, Row]]:
    """Yield groups in which nobody stands twice: the rows of two would be taken for one's."""
    left = list(rows)
    while left:
        group: dict[str, Row] = {}
        again = [row for row in left if group.setdefault(str(row.customer_id), row) is not row]
        yield group
        left = again


def _scored(served: Served, group: Mapping[str, Row], day: dt.date) -> Answers:
    try:
        return _scored_together(served, group, day)
    except Exception as error:  # noqa: BLE001  whatever one row does, it fails no other row
        if len(group) == 1:
            logger.error(failure("row-failed", error))
            return {row.number: ProblemError("internal-error") for row in group.values()}
    alone = (_scored(served, {customer_id: row}, day) for customer_id, row in group.items())
    return dict(chain.from_iterable(one.items() for one in alone))


def _scored_together(served: Served, group: Mapping[str, Row], day: dt.date) -> Answers:
    tables: dict[str, tuple[Any, ...]] = dict.fromkeys(RECORD_TABLES, ())
    for row in group.values():
        assert isinstance(row.asked, JobRow)
        for table in RECORD_TABLES:
            tables[table] += getattr(row.asked.records, table)
    together = Records.model_validate(tables)
    named = dict.fromkeys(id_in(one) for rows in tables.values() for one in rows)
    texts = served.texts_by_records(together, day)
    return {group[one].number: text for one, text in zip(named, texts, strict=True)}
