"""Audiences: whom an action was meant for when it was decided, those left out at random included.

An audience is chosen without regard to who is held out, and kept with what was known of everybody
on that day. Both arms are compared by it later, whatever was done to whom (intention to treat), so
neither a customer who was treated in spite of the draw nor one who was never reached biases it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from configs.files import written_whole
from configs.schema import Config
from serving.console.experiments.holdout import Holdouts, drawn_from, holdouts
from serving.console.page import Visit
from serving.endpoint.state import METADATA, Moment, State
from serving.scores.publication import SCORES_FILE, Publication, digest_of, open_publication

if TYPE_CHECKING:
    from serving.endpoint.served import Served

Origin = Literal["list", "queue"]
"""How an audience came about: a manager's list, or by default: everybody at risk."""
ORIGINS: tuple[Origin, ...] = ("list", "queue")
"""The narrowest first: a customer in several audiences counts in the first."""
ID_LETTERS = 24
BY_ITSELF = "echelon"
"""Who opened an audience that nobody decided on."""
KNOWN = ("tier", "churn_probability", "clv_expected")

TRIALS = sa.Table(
    "trials",
    METADATA,
    sa.Column("id", sa.String(ID_LETTERS), primary_key=True),
    sa.Column("action", sa.String(60), nullable=False),
    sa.Column("quarter", sa.String(8), nullable=False),
    sa.Column("origin", sa.String(16), nullable=False),
    sa.Column("publication", sa.String(120), nullable=False),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("person", sa.String(24), nullable=False),
    sa.Column("holdout_share", sa.Float, nullable=False),
    sa.Column("n_offered", sa.Integer, nullable=False),
    sa.Column("n_held_out", sa.Integer, nullable=False),
    sa.Column("audience_sha256", sa.String(64), nullable=False),
)


@dataclass(frozen=True)
class Trial:
    """One audience of one action in one quarter.

    Attributes:
        id: digest of action, quarter, origin and customers: the same audience is opened once.
        publication, as_of: what was known when it was chosen; outcomes count from that day.
        opened_at, person: when and by whom it was decided.
        holdout_share: the probability with which each customer was left out.
        n_offered, n_held_out: customers in either arm.
        audience_sha256: of the file that holds them.
    """

    id: str
    action: str
    quarter: str
    origin: Origin
    publication: str
    as_of: dt.date
    opened_at: dt.datetime
    person: str
    holdout_share: float
    n_offered: int
    n_held_out: int
    audience_sha256: str


def open_trial(
    state: State,
    config: Config,
    publication: Publication,
    action: str,
    customer_ids: Sequence[str],
    origin: Origin,
    person: str,
) -> Trial | None:
    """Keep the audience of ``action``, once, and return it; ``None`` where nobody is left out.

    Args:
        state: where it is noted.
        config: where its file is kept.
        publication: what it was chosen from.
        action: its code in the menu.
        customer_ids: whom the action was meant for, chosen without regard to who is held out.
        origin: how it came about.
        person: id of who decided.
    """
    drawn = holdouts(state, config, publication)
    share = drawn.shares.get(action, 0.0)
    ids = sorted(set(customer_ids))
    if share <= 0 or not ids:
        return None
    told = "\0".join((action, drawn.quarter, origin, *ids))
    id = hashlib.sha256(told.encode()).hexdigest()[:ID_LETTERS]
    path = audience_path(config, id)
    audience = _audience(publication, ids, drawn.held_out(action, ids).tolist())
    if not path.exists():
        with written_whole(path) as draft:
            pq.write_table(audience, draft)
    n_held_out = int(pc.sum(audience["held_out"]).as_py() or 0)
    trial = Trial(
        id=id,
        action=action,
        quarter=drawn.quarter,
        origin=origin,
        publication=publication.manifest.id,
        as_of=publication.manifest.as_of,
        opened_at=dt.datetime.now(dt.UTC),
        person=person,
        holdout_share=share,
        n_offered=len(audience) - n_held_out,
        n_held_out=n_held_out,
        audience_sha256=digest_of(path),
    )
    return _noted(state, trial)


def begin_quarter(state: State, config: Config, publication: Publication) -> Holdouts:
    """Return the hold-outs of the quarter, with the audience that each action has by default.

    That is everybody whose risk was not low when the quarter's hold-outs were drawn, by the
    publication of that day, whenever it is asked for. Actions on them are compared with those left
    out even where nobody plans anything.
    """
    drawn = holdouts(state, config, publication)
    with state.reading() as connection:
        rows = connection.execute(
            sa.select(TRIALS.c.action).where(
                TRIALS.c.quarter == drawn.quarter, TRIALS.c.origin == "queue"
            )
        )
        begun = set(rows.scalars())
    todo = [
        one.code for one in config.actions if drawn.shares.get(one.code) and one.code not in begun
    ]
    if todo:
        first = _first(state, config, publication, drawn.quarter)
        ids = _at_risk(first)
        for action in todo:
            open_trial(state, config, first, action, ids, "queue", BY_ITSELF)
    return drawn


def _first(state: State, config: Config, live: Publication, quarter: str) -> Publication:
    """Return the publication that the quarter was drawn on; the live one where that is gone."""
    id = drawn_from(state, quarter)
    folder = None if id is None else config.stores.publications / id
    return live if folder is None or not folder.is_dir() else open_publication(folder)


def left_out(visit: Visit, served: Served) -> Holdouts:
    """Return who is left out of which action; kept per publication."""
    return visit.kept(served, _Drawn(visit.endpoint.state, visit.config))


@dataclass(frozen=True)
class _Drawn:
    """Draws the quarter of what is served; equal for one database, so it is kept as one."""

    state: State
    config: Config = field(compare=False, repr=False)

    def __call__(self, served: Served) -> Holdouts:
        return holdouts(self.state, self.config, served.publication)


def _at_risk(publication: Publication) -> list[str]:
    """Return the customers whose risk is not low, of those who have bought."""
    scores = pq.read_table(
        publication.folder / SCORES_FILE, columns=["customer_id", "churn_band", "fallback"]
    )
    is_at_risk = pc.fill_null(pc.not_equal(scores["churn_band"], "low"), False)
    has_bought = pc.not_equal(pc.fill_null(scores["fallback"], ""), "no_purchases")
    found = scores.filter(pc.and_(is_at_risk, has_bought))
    return list(found["customer_id"].to_pylist())


def opened(state: State) -> tuple[Trial, ...]:
    """Return every trial, the oldest first."""
    with state.reading() as connection:
        rows = connection.execute(sa.select(TRIALS).order_by(TRIALS.c.opened_at, TRIALS.c.id))
        return tuple(_trial(row) for row in rows.mappings())


def audience_path(config: Config, trial_id: str) -> Path:
    """Return where an audience is kept."""
    return config.stores.trials / f"{trial_id}.parquet"


def audience(config: Config, trial: Trial) -> pa.Table | None:
    """Return ``customer_id, held_out, tier, churn_probability, clv_expected``, by customer.

    ``None`` where the file is missing or not the one that was kept.
    """
    path = audience_path(config, trial.id)
    if not path.is_file() or digest_of(path) != trial.audience_sha256:
        return None
    return pq.read_table(path)


def _audience(publication: Publication, ids: Sequence[str], held_out: Sequence[bool]) -> pa.Table:
    chosen = pa.table({"customer_id": pa.array(ids, pa.string()), "held_out": list(held_out)})
    scores = pq.read_table(
        publication.folder / SCORES_FILE,
        columns=["customer_id", *KNOWN],
        filters=pc.field("customer_id").isin(chosen["customer_id"]),
    )
    return chosen.join(scores, "customer_id", join_type="inner").sort_by("customer_id")


def _noted(state: State, trial: Trial) -> Trial:
    held = TRIALS.c.id == trial.id
    try:
        with state.writing() as connection:
            if connection.execute(sa.select(TRIALS.c.id).where(held)).scalar() is None:
                connection.execute(sa.insert(TRIALS).values(vars(trial)))
    except sa.exc.IntegrityError:
        pass
    with state.reading() as connection:
        return _trial(connection.execute(sa.select(TRIALS).where(held)).mappings().one())


def _trial(row: Any) -> Trial:
    return Trial(**row)
