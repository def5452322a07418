"""What is predicted of event customers: targets, horizons, labels and cutoffs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from configs.errors import TrainingError
from configs.schema import Config
from features.labels import CONTRACT_END, MARGIN, NO_PURCHASE, SPEND, Label
from features.sources import Records, date_of, day_number, fetch
from training.anchor import TargetName
from training.dataset import Grid, grid, with_earlier


@dataclass(frozen=True)
class Task:
    """One target of event customers: its horizon, label and cutoffs."""

    target: TargetName
    horizon_days: int
    label: Label
    grid: Grid


def tasks_of(config: Config, first_day: int, as_of: int) -> tuple[Task, Task]:
    """Return churn and value, with the cutoffs that history allows.

    Args:
        config: targets, horizons and snapshots.
        first_day: the first day with a purchase.
        as_of: the last day of the records.
    """
    fixed = config.snapshots.evaluation_cutoff
    evaluation = None if fixed is None else day_number(fixed)

    def task(target: TargetName, horizon_days: int, label: Label) -> Task:
        cutoffs = grid(config.snapshots, horizon_days, first_day, as_of, evaluation)
        return Task(target, horizon_days, label, cutoffs)

    churn, clv = config.churn, config.clv
    value = task("clv", clv.horizon_days, SPEND if clv.measure == "spend" else MARGIN)
    cutoffs = with_earlier(value.grid, config.snapshots, clv.horizon_days, first_day)
    label = NO_PURCHASE if churn.rule == "no_purchase" else CONTRACT_END
    return task("churn", churn.horizon_days, label), replace(value, grid=cutoffs)


def first_purchase_day(records: Records, as_of: int) -> int:
    """Return the first day with a purchase known by ``as_of``.

    Raises:
        TrainingError: there is none.
    """
    t = records.tables["transactions"]
    bought = t.filter((t.kind == "purchase") & (t.day <= as_of) & (t.known_day <= as_of))
    day = fetch(records.backend, bought.aggregate(day=bought.day.min()))["day"][0].as_py()
    if day is None:
        raise TrainingError(
            f"no purchase known by {date_of(as_of)} is among the records, so there is nothing to "
            "learn from; see `echelon intake` for what was read, map `kind` so that purchases are "
            "called 'purchase', and leave `recorded_at` out where it is the day of a later load"
        )
    return int(day)
