"""Plans that were asked for, how far they are, and which was approved."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from configs.section import Text
from serving.allocation.scenario import Scenario
from serving.endpoint.state import METADATA, Moment, State

Standing = Literal["waiting", "running", "done", "failed"]
SILENT_AFTER = dt.timedelta(minutes=2)
"""A plan that said nothing for so long was left by a process that is gone."""
PLANS_LOCK = 0x_EC4E_1019

PLANS = sa.Table(
    "plans",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("person", sa.String(24), nullable=False),
    sa.Column("person_name", sa.String(60), nullable=False),
    sa.Column("publication", sa.String(120), nullable=False),
    sa.Column("scenario", sa.JSON, nullable=False),
    sa.Column("standing", sa.String(12), nullable=False),
    sa.Column("share", sa.Float, nullable=False),
    sa.Column("told_at", Moment, nullable=False),
    sa.Column("inputs", sa.String(64), nullable=True),
    sa.Column("failure", sa.JSON, nullable=True),
    sa.Column("approved_at", Moment, nullable=True),
    sa.Column("approved_by_name", sa.String(60), nullable=True),
)


@dataclass(frozen=True)
class Planned:
    """One plan that was asked for; the attributes are the columns of the table."""

    id: str
    asked_at: dt.datetime
    person: str
    person_name: str
    publication: str
    scenario: Scenario
    standing: Standing
    share: float
    told_at: dt.datetime
    inputs: str | None
    failure: Text | None
    approved_at: dt.datetime | None
    approved_by_name: str | None

    @property
    def is_open(self) -> bool:
        """Whether it is still to come."""
        return self.standing in ("waiting", "running")


def ask(
    state: State,
    person: str,
    name: str,
    publication: str,
    scenario: Scenario,
    begin: bool = False,
) -> tuple[Planned, bool]:
    """Keep that a plan is wanted; return it, and whether it is new.

    One is worked on at a time: while one is open, that one is returned. With ``begin`` it is
    running at once, and whoever asks for it does the work.
    """
    now = _now()
    with state.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(PLANS_LOCK)))
        is_open = PLANS.c.standing.in_(("waiting", "running"))
        before = _of(connection, is_open & (PLANS.c.told_at > now - SILENT_AFTER))
        if before is not None:
            return before, False
        plan_id = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        values = {
            "id": plan_id,
            "asked_at": now,
            "person": person,
            "person_name": name,
            "publication": publication,
            "scenario": scenario.model_dump(mode="json"),
            "standing": "running" if begin else "waiting",
            "share": 0.0,
            "told_at": now,
        }
        connection.execute(sa.insert(PLANS).values(values))
        made = _of(connection, PLANS.c.id == plan_id)
        assert made is not None
        return made, True


def claim(state: State) -> Planned | None:
    """Return the oldest plan that waits, or whose worker fell silent; it is now running."""
    now = _now()
    waits = (PLANS.c.standing == "waiting") | (
        (PLANS.c.standing == "running") & (PLANS.c.told_at < now - SILENT_AFTER)
    )
    with state.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(PLANS_LOCK)))
        found = _of(connection, waits)
        if found is not None:
            values = {"standing": "running", "told_at": now}
            connection.execute(sa.update(PLANS).where(PLANS.c.id == found.id).values(values))
        return found


def has_work(state: State) -> bool:
    """Return whether a plan waits."""
    with state.reading() as connection:
        asked = sa.select(PLANS.c.id).where(PLANS.c.standing == "waiting").limit(1)
        return connection.execute(asked).first() is not None


def tell(state: State, plan_id: str, share: float) -> None:
    """Keep how far a plan is."""
    _update(state, plan_id, {"share": share})


def done(state: State, plan_id: str, inputs: str) -> None:
    """Keep that a plan is there, made of ``inputs``."""
    _update(state, plan_id, {"standing": "done", "share": 1.0, "inputs": inputs})


def failed(state: State, plan_id: str, failure: Text) -> None:
    """Keep why there is no plan."""
    _update(state, plan_id, {"standing": "failed", "failure": failure.model_dump()})


def approve(connection: sa.Connection, plan_id: str, name: str) -> None:
    """Keep who approved a plan first, in the transaction of what follows from it."""
    values = {"approved_at": _now(), "approved_by_name": name}
    is_new = (PLANS.c.id == plan_id) & PLANS.c.approved_at.is_(None)
    connection.execute(sa.update(PLANS).where(is_new).values(values))


def plan(state: State, plan_id: str) -> Planned | None:
    """Return one plan."""
    with state.reading() as connection:
        return _of(connection, PLANS.c.id == plan_id)


def latest(state: State, at_most: int = 20) -> list[Planned]:
    """Return the plans asked for last, the newest first."""
    asked = sa.select(PLANS).order_by(PLANS.c.id.desc()).limit(at_most)
    with state.reading() as connection:
        return [_planned(row) for row in connection.execute(asked).mappings()]


def last_approved(state: State) -> Planned | None:
    """Return the plan approved last."""
    asked = sa.select(PLANS).where(PLANS.c.approved_at.is_not(None))
    with state.reading() as connection:
        row = connection.execute(asked.order_by(PLANS.c.approved_at.desc()).limit(1)).mappings()
        found = row.one_or_none()
    return None if found is None else _planned(found)


def _of(connection: sa.Connection, which: sa.ColumnElement[bool]) -> Planned | None:
    asked = sa.select(PLANS).where(which).order_by(PLANS.c.id).limit(1)
    row = connection.execute(asked).mappings().one_or_none()
    return None if row is None else _planned(row)


def _planned(row: Mapping[Any, Any]) -> Planned:
    failure = row["failure"]
    given = {
        **row,
        "scenario": Scenario.model_validate(row["scenario"]),
        "failure": None if failure is None else Text.model_validate(failure),
    }
    return Planned(**given)


def _update(state: State, plan_id: str, values: Mapping[str, Any]) -> None:
    with state.writing() as connection:
        told = {**values, "told_at": _now()}
        connection.execute(sa.update(PLANS).where(PLANS.c.id == plan_id).values(told))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
