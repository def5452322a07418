"""What was said and decided in quarterly reviews: notes that are added, never changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from serving.endpoint.state import METADATA, Moment, State
from serving.policies.versions import Author

STEPS = ("criteria", "movers", "overrides", "sunset", "decision", "sign_off")

REVIEW_NOTES = sa.Table(
    "review_notes",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("quarter", sa.String(6), nullable=False, index=True),
    sa.Column("step", sa.String(24), nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("person", sa.String(24), nullable=False),
    sa.Column("person_name", sa.String(60), nullable=False),
    sa.Column("at", Moment, nullable=False),
)


@dataclass(frozen=True)
class Note:
    """One step of a review as somebody left it.

    Attributes:
        quarter: such as ``2026Q3``.
        step: one of :data:`STEPS`.
        details: ``text``; ``publication`` and ``policy`` looked at; ``choice``; ``customers``.
    """

    quarter: str
    step: str
    details: Mapping[str, Any]
    person: str
    person_name: str
    at: dt.datetime


def quarter_of(day: dt.date) -> str:
    """Return the quarter of a day.

    >>> quarter_of(dt.date(2026, 7, 1))
    '2026Q3'
    """
    return f"{day.year}Q{(day.month + 2) // 3}"


def started_on(quarter: str) -> dt.date:
    """Return the first day of a quarter.

    >>> started_on("2026Q3")
    datetime.date(2026, 7, 1)
    """
    return dt.date(int(quarter[:4]), 3 * int(quarter[5]) - 2, 1)


def add(state: State, quarter: str, step: str, details: Mapping[str, Any], author: Author) -> None:
    """Keep a note."""
    values = {
        "quarter": quarter,
        "step": step,
        "details": dict(details),
        "person": author.id,
        "person_name": author.name,
        "at": dt.datetime.now(dt.UTC),
    }
    with state.writing() as connection:
        connection.execute(sa.insert(REVIEW_NOTES).values(values))


def notes_of(state: State, quarter: str) -> dict[str, list[Note]]:
    """Return the notes of a quarter's review by step, the latest last."""
    columns = [column for column in REVIEW_NOTES.c if column.name != "id"]
    query = sa.select(*columns).where(REVIEW_NOTES.c.quarter == quarter).order_by(REVIEW_NOTES.c.id)
    found: dict[str, list[Note]] = {step: [] for step in STEPS}
    with state.reading() as connection:
        for row in connection.execute(query).mappings():
            note = Note(**row)
            found.setdefault(note.step, []).append(note)
    return found


def quarters(state: State) -> list[str]:
    """Return the quarters that have a review, the latest first."""
    query = sa.select(REVIEW_NOTES.c.quarter).distinct().order_by(REVIEW_NOTES.c.quarter.desc())
    with state.reading() as connection:
        return list(connection.execute(query).scalars())
