"""What is known of every batch job, in the state database: one row each, changed step by step.

A job is queued → running → succeeded or failed; cancelled from either of the first two; expired
once its files are gone. Whoever changes it says what it must be before, so that of two who try
at once, one does.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from configs.section import Text
from serving.endpoint.state import METADATA, Moment, State
from serving.jobs.job_rows import RowFormat

Phase = Literal["queued", "running", "succeeded", "failed", "cancelled", "expired"]
UNFINISHED = ("queued", "running")
TRIES_AT_MOST = 3
"""A job during which the runner was killed that often is not tried again."""

KILLED = Text(
    zh=f"处理该任务的进程被终止了{TRIES_AT_MOST}次；请减少行数，或减少单行的内容。",
    en=f"The process that worked on it was killed {TRIES_AT_MOST} times; send fewer rows, or less "
    "in one row.",
)

REMEMBERED = dt.timedelta(days=30)
"""How long an expired job is still named."""


JOBS = sa.Table(
    "jobs",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(16)),
    sa.Column("form", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("started_at", Moment),
    sa.Column("finished_at", Moment),
    sa.Column("expires_at", Moment, index=True),
    sa.Column("total", sa.BigInteger),
    sa.Column("n_ok", sa.BigInteger, nullable=False),
    sa.Column("n_error", sa.BigInteger, nullable=False),
    sa.Column("publication", sa.String(100)),
    sa.Column("as_of", sa.Date),
    sa.Column("versions", sa.JSON),
    sa.Column("failure", sa.JSON),
)


@dataclass(frozen=True)
class Job:
    """One job as it stands.

    Attributes:
        id: random, so that it cannot be guessed.
        owner: id of the API key that sent it; ``None`` where no key is asked for.
        form: of the rows that were sent.
        total: rows, once they are counted.
        counts: rows answered so far, by ``ok`` and ``error``.
        publication: what it is answered from, once it has begun.
        as_of, versions: of that publication.
        failure: why it failed.
    """

    id: str
    owner: str | None
    form: RowFormat
    state: Phase
    created_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    expires_at: dt.datetime | None
    total: int | None
    counts: Mapping[str, int]
    publication: str | None
    as_of: dt.date | None
    versions: Mapping[str, str] | None
    failure: Text | None


def new_id() -> str:
    """Return an id that nobody can guess."""
    return "job_" + secrets.token_hex(16)


class JobBook:
    """Reads and changes jobs in the state database."""

    def __init__(self, state: State) -> None:
        self._state = state

    @staticmethod
    def add(
        connection: Connection, job_id: str, owner: str | None, form: RowFormat, now: dt.datetime
    ) -> None:
        """Queue a job whose file is in place, within the caller's transaction."""
        connection.execute(
            sa.insert(JOBS).values(
                id=job_id,
                owner=owner,
                form=form,
                state="queued",
                tries=0,
                created_at=now,
                n_ok=0,
                n_error=0,
            )
        )

    def find(self, job_id: str) -> Job | None:
        """Return a job, ``None`` for an unknown id."""
        with self._state.reading() as connection:
            row = connection.execute(sa.select(JOBS).where(JOBS.c.id == job_id)).mappings().first()
        return None if row is None else _job(row)

    def listed(self, owner: str | None, limit: int, after: str | None = None) -> list[Job]:
        """Return the jobs of ``owner``, of everybody for ``None``, the newest first."""
        asked = sa.select(JOBS).order_by(JOBS.c.created_at.desc(), JOBS.c.id.desc()).limit(limit)
        if owner is not None:
            asked = asked.where(JOBS.c.owner == owner)
        if after is not None:
            place = sa.select(JOBS.c.created_at, JOBS.c.id).where(JOBS.c.id == after).subquery()
            asked = asked.where(
                sa.tuple_(JOBS.c.created_at, JOBS.c.id)
                < sa.tuple_(
                    sa.select(place.c.created_at).scalar_subquery(),
                    sa.select(place.c.id).scalar_subquery(),
                )
            )
        with self._state.reading() as connection:
            return [_job(row) for row in connection.execute(asked).mappings()]

    def n_waiting(self) -> int:
        """Return how many jobs are queued or running."""
        asked = sa.select(sa.func.count()).where(JOBS.c.state.in_(UNFINISHED))
        with self._state.reading() as connection:
            return int(connection.execute(asked).scalar_one())

    def has_work(self, now: dt.datetime) -> bool:
        """Return whether a job waits, was left running, or should expire."""
        due = sa.and_(JOBS.c.expires_at <= now, JOBS.c.state != "expired")
        asked = sa.select(
            sa.or_(sa.exists().where(JOBS.c.state.in_(UNFINISHED)), sa.exists().where(due))
        )
        with self._state.reading() as connection:
            return bool(connection.execute(asked).scalar_one())

    def claim(self, now: dt.datetime) -> Job | None:
        """Return the job that waits longest, running from now on; ``None`` where none waits."""
        longest = (
            sa.select(JOBS.c.id)
            .where(JOBS.c.state == "queued")
            .order_by(JOBS.c.created_at, JOBS.c.id)
            .limit(1)
            .scalar_subquery()
        )
        change = (
            sa.update(JOBS)
            .where(JOBS.c.id == longest, JOBS.c.state == "queued")
            .values(
                state="running",
                started_at=now,
                tries=JOBS.c.tries + 1,
                n_ok=0,
                n_error=0,
            )
            .returning(JOBS)
        )
        with self._state.writing() as connection:
            row = connection.execute(change).mappings().first()
        return None if row is None else _job(row)

    def begun(
        self, job: Job, total: int, publication: str, as_of: dt.date, versions: Mapping[str, str]
    ) -> bool:
        """Note what a job is answered from; return whether it is still wanted."""
        return self._change(
            job.id,
            "running",
            total=total,
            publication=publication,
            as_of=as_of,
            versions=dict(versions),
        )

    def progressed(self, job: Job, counts: Mapping[str, int]) -> bool:
        """Note how far a job is; return whether it is still wanted."""
        return self._change(job.id, "running", n_ok=counts["ok"], n_error=counts["error"])

    def succeeded(
        self, job: Job, counts: Mapping[str, int], now: dt.datetime, kept: dt.timedelta
    ) -> bool:
        """Note that the results are in place; return whether the job was still wanted."""
        return self._change(
            job.id,
            "running",
            state="succeeded",
            n_ok=counts["ok"],
            n_error=counts["error"],
            **_ended(now, kept),
        )

    def failed(self, job: Job, failure: Text, now: dt.datetime, kept: dt.timedelta) -> bool:
        """Note why a job has no results; return whether it was still wanted."""
        return self._change(
            job.id,
            "running",
            state="failed",
            failure=failure.model_dump(),
            **_ended(now, kept),
        )

    def put_back(self, job: Job) -> bool:
        """Queue a running job again that was stopped through no fault of its own."""
        return self._change(job.id, "running", state="queued", tries=JOBS.c.tries - 1)

    def cancel(self, job_id: str, now: dt.datetime, kept: dt.timedelta) -> bool:
        """Cancel a job; return whether it was queued or running."""
        change = sa.update(JOBS).where(JOBS.c.id == job_id, JOBS.c.state.in_(UNFINISHED))
        with self._state.writing() as connection:
            made = connection.execute(change.values(state="cancelled", **_ended(now, kept)))
        return made.rowcount == 1

    def forget(self, job_id: str) -> None:
        """Remove a job from the book."""
        with self._state.writing() as connection:
            connection.execute(sa.delete(JOBS).where(JOBS.c.id == job_id))

    def recover(self, now: dt.datetime, kept: dt.timedelta) -> None:
        """Queue again what a killed runner left running, or fail it where that happens always."""
        left = JOBS.c.state == "running"
        with self._state.writing() as connection:
            connection.execute(
                sa.update(JOBS)
                .where(left, JOBS.c.tries >= TRIES_AT_MOST)
                .values(state="failed", failure=KILLED.model_dump(), **_ended(now, kept))
            )
            connection.execute(sa.update(JOBS).where(left).values(state="queued"))

    def expire(self, now: dt.datetime) -> list[str]:
        """Mark what is past its time and return the ids: their files may go."""
        due = sa.and_(JOBS.c.expires_at <= now, JOBS.c.state != "expired")
        change = sa.update(JOBS).where(due).values(state="expired").returning(JOBS.c.id)
        oldest = now - REMEMBERED
        with self._state.writing() as connection:
            gone = list(connection.execute(change).scalars())
            connection.execute(sa.delete(JOBS).where(JOBS.c.expires_at <= oldest))
        return gone

    def ids(self) -> set[str]:
        """Return the ids of all jobs."""
        with self._state.reading() as connection:
            return set(connection.execute(sa.select(JOBS.c.id)).scalars())

    def _change(self, job_id: str, before: Phase, **values: Any) -> bool:
        change = sa.update(JOBS).where(JOBS.c.id == job_id, JOBS.c.state == before)
        with self._state.writing() as connection:
            return connection.execute(change.values(**values)).rowcount == 1


def _ended(now: dt.datetime, kept: dt.timedelta) -> dict[str, dt.datetime]:
    return {"finished_at": now, "expires_at": (now + kept)}


def _job(row: RowMapping) -> Job:
    return Job(
        id=row["id"],
        owner=row["owner"],
        form=row["form"],
        state=row["state"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        expires_at=row["expires_at"],
        total=row["total"],
        counts={"ok": row["n_ok"], "error": row["n_error"]},
        publication=row["publication"],
        as_of=row["as_of"],
        versions=row["versions"],
        failure=None if row["failure"] is None else Text(**row["failure"]),
    )
