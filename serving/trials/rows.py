"""Customers of closed trials with what came of them, as columns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from configs.schema import Config
from features.sources import Records
from serving.console.experiments.trials import Trial
from serving.trials.acted import Acted
from serving.trials.outcomes import leaving, money, outcome
from training.columns import column_values
from training.trial_effects import Arms, arms

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """A row per customer and trial.

    Attributes:
        customers: ids.
        publications: that each one's audience was chosen from.
        tier: at that time; "" for none.
        share: the probability with which each was left out.
        held_out: who was left out.
        churn, value: as published then.
        acted: the action was taken with them within the window.
        stayed: 1 for who stayed, by the company's own rule.
        near: money within the churn horizon.
        whole: money within the value horizon, NaN before that has closed.
    """

    customers: NDArray[np.str_]
    publications: NDArray[np.str_]
    tier: NDArray[np.str_]
    share: Vector
    held_out: Flags
    churn: Vector
    value: Vector
    acted: Flags
    stayed: Vector
    near: Vector
    whole: Vector

    def __len__(self) -> int:
        return len(self.customers)

    def of(self, which: Flags) -> Rows:
        """Return some of them."""
        return Rows(*(column[which] for column in vars(self).values()))

    def arms(self, outcome: Vector, predicted: Vector) -> Arms:
        """Return both arms of an outcome, within tiers and within equal shares."""
        alike = len(np.unique(self.share)) <= 1
        tiers = self.tier if alike else np.char.add(self.tier, np.char.mod("|%g", self.share))
        return arms(outcome, self.held_out, tiers.tolist(), predicted)

    @property
    def of_stayed(self) -> Arms:
        """Both arms of who stayed."""
        return self.arms(self.stayed, 1.0 - self.churn)


def closed_rows(
    config: Config, records: Records, last: int, trial: Trial, audience: pa.Table, done: Acted
) -> Rows:
    """Return the rows of a trial whose window of leaving has closed.

    Args:
        config: how leaving and value are counted.
        records: today's.
        last: day number that they are complete to.
        trial: whose customers.
        audience: what is kept of it.
        done: actions taken.
    """
    window = leaving(config)
    n = len(audience)
    left = outcome(records, last, trial, audience, window)
    near = outcome(records, last, trial, audience, money(config, window.days))
    whole = outcome(records, last, trial, audience, money(config, config.clv.horizon_days))
    ids = audience["customer_id"].to_pylist()
    unknown = np.full(n, np.nan)
    return Rows(
        customers=np.array(ids, dtype=str),
        publications=np.full(n, trial.publication),
        tier=np.array([code or "" for code in audience["tier"].to_pylist()], dtype=str),
        share=np.full(n, trial.holdout_share),
        held_out=audience["held_out"].to_numpy(zero_copy_only=False).astype(bool),
        churn=column_values(audience, "churn_probability"),
        value=column_values(audience, "clv_expected"),
        acted=done.within(trial.action, ids, trial.as_of, window.closes_on(trial.as_of)),
        stayed=unknown if left is None else 1.0 - left,
        near=unknown if near is None else near,
        whole=unknown if whole is None else whole,
    )


def together(rows: Sequence[Rows]) -> Rows:
    """Return the rows of several trials, one after the other."""
    columns: list[Any] = [
        np.concatenate(columns) for columns in zip(*map(_columns, rows), strict=True)
    ]
    return Rows(*columns)


def _columns(rows: Rows) -> list[Any]:
    return list(vars(rows).values())


def closes_on(config: Config, trial: Trial) -> dt.date:
    """Return the last day on which it is decided who of a trial stays."""
    return leaving(config).closes_on(trial.as_of)
