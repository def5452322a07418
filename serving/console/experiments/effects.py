"""What actions are known to change: as measured by trials, or as assumed until then.

`echelon effects` measures and writes one report; pages and plans read it here. Nothing is fitted
in the process that serves.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from configs.schema import Action, Config
from serving.console.experiments.trials import Origin
from training.odds import effect_between, share_taken
from training.trial_effects import Difference

Floats = npt.NDArray[np.float64]
REPORT_FILE = "effects.json"
FEWEST_HELD_OUT = 100
"""Customers left out below which an action's assumed effect is used still."""

FEWEST_SHARE = 0.001
"""Of customers left out who leave, and who stay; odds are not told of a share below it."""
FEWEST_TAKEN_UP = 0.05
"""Difference in take-up between the arms below which no effect per action taken is told."""

Ranking = Literal["uplift", "average", "break_even"]
Source = Literal["measured", "assumed"]
Standing = Literal["running", "closed", "not_as_drawn", "missing"]
"""Of a trial: its window is open; it counts; its arms are not as drawn; its file is lost."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrialRead(_Frozen):
    """One trial as it stands.

    Attributes:
        id, quarter, origin, as_of, publication, holdout_share: as it was opened.
        closes_on: the last day on which retention is decided.
        n_offered, n_held_out: customers in either arm.
        standing: whether it counts yet.
        acted_offered, acted_held_out: share of either arm that the action was taken with.
        retained: its own effect on retention; ``None`` until it is closed.
    """

    id: str
    quarter: str
    origin: Origin
    as_of: dt.date
    publication: str
    holdout_share: float
    closes_on: dt.date
    n_offered: int
    n_held_out: int
    standing: Standing
    acted_offered: float | None = None
    acted_held_out: float | None = None
    retained: Difference | None = None


class TierEffect(_Frozen):
    """The effect on retention within one tier.

    Attributes:
        tier: its code.
        alone: by the tier's own customers; ``None`` where they are too few.
        points, low, high: change of the probability to stay, drawn to the other tiers by as much as
            the tier's own data leave open.
    """

    tier: str
    alone: Difference | None
    points: float
    low: float
    high: float


class Uplift(_Frozen):
    """The model of whom an action moves, and whether it may be used.

    Attributes:
        qini: of customers held back from fitting, the mean over folds; 0 is chance, 1 perfect.
        low, high: its interval.
        level: of the interval.
        n: customers learnt from.
        file, sha256: the model; empty where it is not kept.
        is_used: the interval leaves out chance.
    """

    qini: float
    low: float
    high: float
    level: float
    n: int
    file: str
    sha256: str
    is_used: bool


class ActionEffect(_Frozen):
    """What is known of one action.

    Attributes:
        action: its code.
        trials: every audience, the newest first.
        looks: how often the effect could be looked at so far: once for every closing day.
        retained: change of the probability to stay within the churn horizon, all closed trials.
        retained_every_look: the same with an interval that holds over all looks together.
        value_near: change of money within the churn horizon, per customer.
        value: change of money within the value horizon, per customer.
        taken_up: share of those offered it that it was taken with, less that of those left out.
        per_acted: change of the probability to stay for each customer it was taken with.
        tiers: by tier, the highest first.
        more_needed: further customers until the interval is as narrow as it should be.
        uplift: the model; ``None`` where there are too few customers for one.
        ranking: by what the action's customers are ranked, and ``why`` in a word.
        taken: how often it was taken, in trials and outside.
        spent: what that cost.
        foregone: money that leaving customers out is thought to have cost, by ``foregone_by``.
    """

    action: str
    trials: tuple[TrialRead, ...]
    looks: int
    retained: Difference | None = None
    retained_every_look: Difference | None = None
    value_near: Difference | None = None
    value: Difference | None = None
    taken_up: float = 0.0
    per_acted: Difference | None = None
    tiers: tuple[TierEffect, ...] = ()
    more_needed: int | None = None
    uplift: Uplift | None = None
    ranking: Ranking = "break_even"
    taken: int = 0
    spent: float = 0.0
    foregone: float = 0.0
    foregone_by: Source = "assumed"

    def of_tier(self, tier: str | None) -> TierEffect | None:
        """Return the effect within ``tier``, where it is told."""
        return next((one for one in self.tiers if one.tier == tier), None)

    @property
    def is_measured(self) -> bool:
        """Whether enough customers were left out, and others acted on, to use what was measured."""
        told = self.retained
        return (
            told is not None
            and told.n_held_out >= FEWEST_HELD_OUT
            and self.taken_up >= FEWEST_TAKEN_UP
        )


class EffectsReport(_Frozen):
    """All that `echelon effects` found; JSON by ``model_dump_json``.

    Attributes:
        made_at: when.
        records_to: the last day of the records; a window that closes later is open.
        publication: the one that was live.
    """

    made_at: dt.datetime
    records_to: dt.date
    publication: str
    actions: tuple[ActionEffect, ...]

    def of(self, action: str) -> ActionEffect | None:
        """Return what is known of ``action``."""
        return next((one for one in self.actions if one.action == action), None)


@dataclass(frozen=True)
class Effect:
    """What an action does about churn, as plans and lists use it.

    Attributes:
        estimate: share that it takes from a churn probability of one half; below 0 it adds to it.
            Everybody's odds of leaving change alike (:mod:`training.odds`).
        low, high: its interval; the estimate itself where it is assumed.
        points: change of the probability to stay by the action taken, on the average of those it
            was measured on; ``None`` where it is assumed.
        source: measured by trials, or assumed by the configuration.
        n: customers that it was measured on.
    """

    estimate: float
    low: float
    high: float
    points: float | None
    source: Source
    n: int

    def share(self, churn: npt.ArrayLike) -> Floats:
        """Return the share of each customer's churn probability that it takes away."""
        return share_taken(churn, self.estimate)


def effect_of(config: Config, action: str, tier: str | None) -> Effect | None:
    """Return what ``action`` does within ``tier``; ``None`` where it is neither known nor assumed.

    Measured once :data:`FEWEST_HELD_OUT` customers were left out of it, assumed until then.
    """
    report = effects_report(config)
    known = None if report is None else report.of(action)
    if known is not None and known.is_measured:
        return _measured(known, tier)
    return _assumed(next((one for one in config.actions if one.code == action), None))


@dataclass(frozen=True)
class Effects:
    """What every action does for every customer of one publication, by what ranks them.

    Attributes:
        config: actions and the report.
        own: action → the change of each customer's probability to stay, in the order of the
            publication; of those actions whose uplift model is in use.
    """

    config: Config
    own: Mapping[str, Floats]
    _by_tier: dict[tuple[str, str | None], Effect | None] = field(default_factory=dict, repr=False)

    def share(
        self, action: Action, row: int, tier: str | None, churn: float
    ) -> tuple[float | None, Source]:
        """Return the share of a customer's churn probability that ``action`` takes away."""
        own = self.own.get(action.code)
        if own is not None and churn > 0:
            return float(share_of(own[row], churn)), "measured"
        asked = action.code, tier
        if asked not in self._by_tier:
            self._by_tier[asked] = effect_of(self.config, *asked)
        known = self._by_tier[asked]
        return (None, "assumed") if known is None else (float(known.share(churn)), known.source)


def share_of(points: npt.ArrayLike, churn: npt.ArrayLike) -> Floats:
    """Return the share of churn probabilities that changes of the probability to stay are."""
    p, change = np.asarray(churn, dtype=float), np.asarray(points, dtype=float)
    return np.where(p > 0, np.minimum(change / np.where(p > 0, p, 1.0), 1.0), 0.0)


def effects(config: Config, publication: str) -> Effects:
    """Return what ranks the customers of ``publication``.

    Uplift where `echelon effects` let the model rank and wrote what it predicts for that
    publication; else effects by tier.
    """
    report = effects_report(config)
    path = uplift_path(config, publication)
    if report is None or not path.is_file():
        return Effects(config, {})
    columns = _columns(path, path.stat().st_mtime_ns)
    used = {one.action for one in report.actions if one.ranking == "uplift"}
    return Effects(config, {name: values for name, values in columns.items() if name in used})


@lru_cache(maxsize=2)
def _columns(path: Path, changed: int) -> dict[str, Floats]:
    table = pq.read_table(path)
    names = [name for name in table.column_names if name != "customer_id"]
    return {name: table[name].to_numpy() for name in names}


def effects_report(config: Config) -> EffectsReport | None:
    """Return the last report, read again when it changes; ``None`` before the first."""
    path = config.stores.trials / REPORT_FILE
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return None
    return _read(path, changed)


def uplift_path(config: Config, publication: str) -> Path:
    """Return where the predicted effects on the customers of a publication are kept."""
    return config.stores.trials / f"whom-{publication}.parquet"


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> EffectsReport | None:
    try:
        return EffectsReport.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _measured(known: ActionEffect, tier: str | None) -> Effect | None:
    whole = known.retained
    if whole is None:
        return None
    own = known.of_tier(tier)
    points, low, high = (
        (whole.estimate, whole.low, whole.high) if own is None else (own.points, own.low, own.high)
    )
    alone = whole if own is None or own.alone is None else own.alone
    leaves = min(max(1.0 - alone.held_out, FEWEST_SHARE), 1.0 - FEWEST_SHARE)
    estimate, lowest, highest = (
        effect_between(leaves, min(max(leaves - one / known.taken_up, 0.0), 1.0))
        for one in (points, low, high)
    )
    n = alone.n_offered + alone.n_held_out
    return Effect(estimate, lowest, highest, points / known.taken_up, "measured", n)


def _assumed(action: Action | None) -> Effect | None:
    if action is None or action.effect is None:
        return None
    return Effect(action.effect, action.effect, action.effect, None, "assumed", 0)
