"""What came of the customers of trials, once a window has closed and never before."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from configs.schema import Config
from features.labels import CONTRACT_END, MARGIN, NO_PURCHASE, SPEND, Label, label_table
from features.sources import Records, day_number
from serving.console.experiments.trials import Trial
from training.columns import column_values

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """Something that is counted about customers after a trial's day.

    Attributes:
        label: what is counted.
        days: for how long.
    """

    label: Label
    days: int

    def closes_on(self, as_of: dt.date) -> dt.date:
        """Return the last day that counts for a trial of ``as_of``."""
        return as_of + dt.timedelta(days=self.days)


def leaving(config: Config) -> Window:
    """Return who leaves, by the company's own rule."""
    label = NO_PURCHASE if config.churn.rule == "no_purchase" else CONTRACT_END
    return Window(label, config.churn.horizon_days)


def money(config: Config, days: int) -> Window:
    """Return what customers bring in ``days``, by the company's own measure."""
    return Window(SPEND if config.clv.measure == "spend" else MARGIN, days)


def outcome(
    records: Records, last: int, trial: Trial, audience: pa.Table, window: Window
) -> Vector | None:
    """Return the outcome of everybody in ``audience``, in its order; ``None`` before it closes.

    NaN for customers who can no longer have it, such as a contract that had ended already.

    Args:
        records: today's.
        last: day number that they are complete to.
        trial: whose day the window starts after.
        audience: with ``customer_id``, sorted by it.
        window: what is counted.
    """
    day = day_number(trial.as_of)
    if day + window.days > last:
        return None
    table = label_table(records, [window.label], [day], window.days, last)
    at = pc.index_in(audience["customer_id"], value_set=table["customer_id"].combine_chunks())
    values = column_values(table, window.label.name)
    where = pc.fill_null(at, -1).to_numpy().astype(np.int64)
    return np.where(where < 0, np.nan, values[np.maximum(where, 0)])
