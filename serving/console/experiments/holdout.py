"""Who is left out of an action at random, so that one can tell what it changes.

A customer's place in a quarter is a keyed hash of the company's secret, the action, the quarter and
the customer: the same wherever it is asked, known to nobody before it is drawn, and no list is
kept. Of a few draws the one that is best balanced between tiers, and in risk and value, is taken
(rerandomisation: Morgan & Rubin 2012, Annals of Statistics 40(2)); intervals of effects then hold
at least as often as they say.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow.parquet as pq
import sqlalchemy as sa
from numpy.typing import NDArray

from configs.schema import Action, Config
from serving.console.masking import SECRETS
from serving.endpoint.state import METADATA, Moment, State
from serving.policies.review_notes import quarter_of
from serving.scores.publication import SCORES_FILE, Publication

SECRET_BYTES = 32
OF_HOLDOUTS = "holdouts"
DRAWS = 16
HASHES = 400_000
"""At most so many at a draw: where there are many customers, one draw is balanced enough."""
HASH_BYTES = 8

DRAWN = sa.Table(
    "holdouts",
    METADATA,
    sa.Column("quarter", sa.String(8), primary_key=True),
    sa.Column("action", sa.String(60), primary_key=True),
    sa.Column("salt", sa.Integer, nullable=False),
    sa.Column("share", sa.Float, nullable=False),
    sa.Column("publication", sa.String(120), nullable=False),
    sa.Column("drawn_at", Moment, nullable=False),
)
"""``salt`` is the number of the draw taken; ``publication`` is what balance was judged on."""


@dataclass(frozen=True)
class Holdouts:
    """The hold-outs of one quarter.

    Attributes:
        quarter: such as 2026Q3.
        shares: action code → share of customers left out; actions it lacks leave out nobody.

    >>> drawn = Holdouts(b"secret", "2026Q3", {"win_visit": 0.1}, {"win_visit": 3})
    >>> left_out = drawn.held_out("win_visit", [f"C{i}" for i in range(10_000)])
    >>> bool(0.09 < left_out.mean() < 0.11), drawn.is_held_out("please", "C1")
    (True, False)
    """

    _secret: bytes = field(repr=False)
    quarter: str
    shares: dict[str, float]
    _salts: dict[str, int] = field(repr=False)

    def is_held_out(self, action: str, customer_id: str) -> bool:
        """Return whether this customer is left out of ``action`` this quarter."""
        return bool(self.held_out(action, [customer_id])[0])

    def left_out_of(self, actions: Iterable[Action], customer_id: str) -> tuple[Action, ...]:
        """Return those of ``actions`` that this customer is left out of this quarter."""
        return tuple(one for one in actions if self.is_held_out(one.code, customer_id))

    def held_out(self, action: str, customer_ids: Sequence[str]) -> NDArray[np.bool_]:
        """Return who of ``customer_ids`` is left out of ``action`` this quarter."""
        share = self.shares.get(action, 0.0)
        if share <= 0:
            return np.zeros(len(customer_ids), dtype=bool)
        return places(self._secret, action, self.quarter, self._salts[action], customer_ids) < share


def holdouts(state: State, config: Config, publication: Publication) -> Holdouts:
    """Return the hold-outs of the quarter of ``publication``, drawn now if this is its first.

    A share stands for the whole quarter, whatever the configuration says later.
    """
    quarter = quarter_of(publication.manifest.as_of)
    kept = _kept(state, quarter)
    missing = [one for one in config.actions if one.code not in kept]
    if missing:
        _draw(state, config, publication, quarter, missing)
        kept = _kept(state, quarter)
    shares = {action: share for action, (share, _) in kept.items()}
    salts = {action: salt for action, (_, salt) in kept.items()}
    return Holdouts(company_secret(state), quarter, shares, salts)


def drawn_from(state: State, quarter: str) -> str | None:
    """Return the id of the publication that a quarter's hold-outs were drawn on."""
    asked = sa.select(DRAWN.c.publication).where(DRAWN.c.quarter == quarter)
    with state.reading() as connection:
        return connection.execute(asked.order_by(DRAWN.c.drawn_at).limit(1)).scalar()


def is_held_out(
    state: State, config: Config, publication: Publication, action: str, customer_id: str
) -> bool:
    """Return whether a customer is left out of ``action`` in the quarter of ``publication``."""
    return holdouts(state, config, publication).is_held_out(action, customer_id)


def share_of(config: Config, action: Action) -> float:
    """Return the share of customers that a new draw leaves out of ``action``."""
    own = action.holdout_share
    return config.trials.holdout_share if own is None else own


def places(
    secret: bytes, action: str, quarter: str, salt: int, customer_ids: Iterable[str]
) -> NDArray[np.float64]:
    """Return the place of each customer, uniform in [0, 1); who is below the share is left out."""
    keyed = hashlib.blake2b(
        f"{action}\0{quarter}\0{salt}\0".encode(), key=secret, digest_size=HASH_BYTES
    )
    found = bytearray()
    for customer_id in customer_ids:
        one = keyed.copy()
        one.update(customer_id.encode())
        found += one.digest()
    return np.frombuffer(bytes(found), dtype=">u8").astype(np.float64) / 2.0 ** (8 * HASH_BYTES)


def company_secret(state: State) -> bytes:
    """Return the secret that draws are keyed by, made on first use."""
    asked = sa.select(SECRETS.c.value).where(SECRETS.c.name == OF_HOLDOUTS)
    with state.reading() as connection:
        known = connection.execute(asked).scalar()
    if known is None:
        values = {"name": OF_HOLDOUTS, "value": secrets.token_bytes(SECRET_BYTES)}
        _insert_once(state, SECRETS, values)
        with state.reading() as connection:
            known = connection.execute(asked).scalar_one()
    return bytes(known)


def _kept(state: State, quarter: str) -> dict[str, tuple[float, int]]:
    columns = DRAWN.c.action, DRAWN.c.share, DRAWN.c.salt
    with state.reading() as connection:
        rows = connection.execute(sa.select(*columns).where(DRAWN.c.quarter == quarter))
        return {action: (share, salt) for action, share, salt in rows}


def _draw(
    state: State, config: Config, publication: Publication, quarter: str, actions: Sequence[Action]
) -> None:
    ids, traits = _judged_on(publication)
    secret, now = company_secret(state), dt.datetime.now(dt.UTC)
    for action in actions:
        share = share_of(config, action)
        values = {
            "quarter": quarter,
            "action": action.code,
            "salt": _best_salt(secret, action.code, quarter, share, ids, traits),
            "share": share,
            "publication": publication.manifest.id,
            "drawn_at": now,
        }
        _insert_once(state, DRAWN, values)


def _judged_on(publication: Publication) -> tuple[Sequence[str], NDArray[np.float64]]:
    """Return customers and their traits; nobody where there are so many that any draw will do."""
    path = publication.folder / SCORES_FILE
    if pq.read_metadata(path).num_rows * 2 > HASHES:
        return (), np.zeros((0, 0))
    scores = pq.read_table(
        path, columns=["customer_id", "tier", "churn_probability", "clv_expected"]
    )
    traits = _traits(
        scores["tier"].to_pylist(),
        scores["churn_probability"].to_numpy(),
        scores["clv_expected"].to_numpy(),
    )
    return scores["customer_id"].to_pylist(), traits


def _best_salt(
    secret: bytes,
    action: str,
    quarter: str,
    share: float,
    ids: Sequence[str],
    traits: NDArray[np.float64],
) -> int:
    """Return the number of the draw whose arms differ least in any trait."""
    if share <= 0 or not ids:
        return 0
    draws = max(1, min(DRAWS, HASHES // len(ids)))
    found = [
        _imbalance(places(secret, action, quarter, salt, ids) < share, share, traits)
        for salt in range(draws)
    ]
    return int(np.argmin(found))


def _traits(
    tiers: Sequence[str | None], churn: NDArray[np.float64], value: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a column for each tier, and risk and logarithmic value about their means."""
    tier = np.array([code or "" for code in tiers])
    columns = [(tier == code).astype(float) for code in np.unique(tier)]
    for values in (np.nan_to_num(churn), np.log1p(np.maximum(np.nan_to_num(value), 0.0))):
        columns.append(values - values.mean())
    return np.column_stack(columns)


def _imbalance(held: NDArray[np.bool_], share: float, traits: NDArray[np.float64]) -> float:
    """Return the largest distance of a trait's sum from its share, in standard deviations."""
    spread = np.sqrt(share * (1 - share) * (traits**2).sum(axis=0))
    off = np.abs((held - share) @ traits)
    return float(np.max(off / np.maximum(spread, math.ulp(1.0)), initial=0.0))


def _insert_once(state: State, table: sa.Table, values: Mapping[str, object]) -> None:
    """Insert a row unless another process was first."""
    keys = [column == values[column.name] for column in table.primary_key.columns]
    try:
        with state.writing() as connection:
            if connection.execute(sa.select(sa.func.count()).where(*keys)).scalar() == 0:
                connection.execute(sa.insert(table).values(values))
    except sa.exc.IntegrityError:
        return
