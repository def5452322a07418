"""Publications that people of the console asked for: how far each is, and what came of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from configs.section import Text
from serving.endpoint.state import METADATA, Moment, State

SILENT_AFTER = dt.timedelta(minutes=10)
"""A child that told nothing for so long has ended without a word."""

TAKES_OVER = dt.timedelta(minutes=2)
"""Until then a publication that was made is served."""

PUBLISHINGS = sa.Table(
    "publishings",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("policy", sa.String(80), nullable=False),
    sa.Column("person_name", sa.String(60), nullable=False),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("told_at", Moment, nullable=False),
    sa.Column("step", sa.String(40), nullable=False),
    sa.Column("share", sa.Float, nullable=False),
    sa.Column("ended_at", Moment, nullable=True),
    sa.Column("publication", sa.String(120), nullable=True),
    sa.Column("failure", sa.Text, nullable=True),
)

STEPS = {
    "waiting": Text(zh="准备", en="getting ready"),
    "features": Text(zh="计算特征", en="features"),
    "resumed at": Text(zh="从上次中断处继续", en="resumed where it was ended"),
    "publish": Text(zh="评分并发布", en="scores and publication"),
}


@dataclass(frozen=True)
class Publishing:
    """One asked-for publication; the attributes are the columns of the table."""

    id: int
    policy: str
    person_name: str
    started_at: dt.datetime
    told_at: dt.datetime
    step: str
    share: float
    ended_at: dt.datetime | None
    publication: str | None
    failure: str | None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended, as far as it said."""
        return self.ended_at is None and dt.datetime.now(dt.UTC) - self.told_at < SILENT_AFTER

    @property
    def just_ended(self) -> bool:
        """Whether it ended so lately that it may not be served yet."""
        return self.ended_at is not None and dt.datetime.now(dt.UTC) - self.ended_at < TAKES_OVER


def begin(state: State, policy: str, person_name: str) -> int | None:
    """Keep that a publication begins, and return its id; ``None`` while another one runs."""
    now = dt.datetime.now(dt.UTC)
    running = PUBLISHINGS.c.ended_at.is_(None) & (PUBLISHINGS.c.told_at > now - SILENT_AFTER)
    values = {
        "policy": policy,
        "person_name": person_name,
        "started_at": now,
        "told_at": now,
        "step": "waiting",
        "share": 0.0,
    }
    with state.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("LOCK TABLE publishings IN SHARE ROW EXCLUSIVE MODE"))
        if connection.execute(sa.select(PUBLISHINGS.c.id).where(running)).first() is not None:
            return None
        made = sa.insert(PUBLISHINGS).values(values).returning(PUBLISHINGS.c.id)
        return int(connection.execute(made).scalar_one())


def tell(state: State, id: int, step: str, share: float) -> None:
    """Keep how far it is."""
    _update(state, id, {"step": step, "share": share})


def end(state: State, id: int, publication: str | None, failure: str | None) -> None:
    """Keep what came of it, unless that is known."""
    now = dt.datetime.now(dt.UTC)
    _update(state, id, {"ended_at": now, "publication": publication, "failure": failure})


def latest(state: State) -> Publishing | None:
    """Return the publication asked for last."""
    query = sa.select(PUBLISHINGS).order_by(PUBLISHINGS.c.id.desc()).limit(1)
    with state.reading() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Publishing(**row)


def _update(state: State, id: int, values: Mapping[str, Any]) -> None:
    where = (PUBLISHINGS.c.id == id) & PUBLISHINGS.c.ended_at.is_(None)
    told = {**values, "told_at": dt.datetime.now(dt.UTC)}
    with state.writing() as connection:
        connection.execute(sa.update(PUBLISHINGS).where(where).values(told))
