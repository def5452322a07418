"""Customers as they stood at several cutoffs, with what happened after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from configs.errors import TrainingError
from configs.learning import Snapshots
from training.anchor import FREQUENCY
from training.columns import column_values
from training.stored_rows import StoredRows

Vector = NDArray[np.float64]
Columns = dict[str, Vector]
KEYS = ["cutoff", "customer_id"]
YEAR_DAYS = 365
MOVED = 0.4
"""Largest Kolmogorov–Smirnov distance at which a feature still means the same at two cutoffs."""
COMPARED_ROWS = 20_000
ROWS_AT_ONCE = 16_384
MOST_RUNS = 64
"""Runs of rows up to which a choice of them is a view: cutoffs lie one after the other."""
EARLIER_AT_MOST = 3
"""Cutoffs that the model of the earlier period learns from; more cost time and tell little."""


@dataclass(frozen=True)
class Dataset:
    """Feature rows of customers at cutoffs, and the label of each where it is known.

    Attributes:
        matrix: ``customer_id``, ``cutoff`` (int32 day) and features, null for missing; in memory
            or on disk.
        label: what happened in the horizon after each row's cutoff, or ``None``.
    """

    matrix: pa.Table | StoredRows
    label: Vector | None = None

    def __len__(self) -> int:
        return int(self.matrix.num_rows)

    @property
    def cutoff(self) -> NDArray[np.int64]:
        """Each row's cutoff, in days since 1970-01-01."""
        return np.asarray(self.matrix.column("cutoff").to_numpy(), dtype=np.int64)

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """The distinct cutoffs, rising."""
        return tuple(int(c) for c in np.unique(self.cutoff))

    @property
    def names(self) -> list[str]:
        """The columns there are."""
        return list(self.matrix.column_names)

    @property
    def customer_ids(self) -> pa.Array:
        """Each row's customer."""
        return self.matrix.column("customer_id").combine_chunks()

    @property
    def n_customers(self) -> int:
        """Distinct customers over all cutoffs."""
        return int(pc.count_distinct(self.matrix.column("customer_id")).as_py())

    @property
    def y(self) -> Vector:
        """The labels.

        Raises:
            TrainingError: the data set has none.
        """
        if self.label is None:
            raise TrainingError("these customers have no label: their horizon has not closed")
        return self.label

    def columns(self, names: Iterable[str]) -> Columns:
        """Return columns by name as float64 with NaN for missing."""
        return {name: column_values(self.matrix, name) for name in names}

    def batches(self, names: Sequence[str]) -> Iterator[Columns]:
        """Yield the same, some thousand rows at a time."""
        for batch in self._record_batches(list(names)):
            yield {name: column_values(batch, name) for name in names}

    def each(self, names: Sequence[str], told: Callable[[Columns], Vector]) -> Vector:
        """Return what ``told`` says of every row, given the columns ``names`` in batches."""
        parts = [told(columns) for columns in self.batches(names)]
        return np.concatenate(parts) if parts else told(self.columns(names))

    def _record_batches(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        if isinstance(self.matrix, StoredRows):
            return self.matrix.batches(names)
        return iter(self.matrix.select(names).to_batches(ROWS_AT_ONCE))

    def X(self, names: Sequence[str]) -> Vector:  # noqa: N802
        """Return rows × names as float64 with NaN for missing."""
        if not names:
            return np.empty((len(self), 0))
        return np.column_stack([column_values(self.matrix, name) for name in names])

    def where(self, keep: NDArray[np.bool_]) -> Dataset:
        """Return the rows that ``keep`` marks; a few runs of rows are shared, not copied."""
        if keep.all():
            return self
        label = None if self.label is None else self.label[keep]
        if isinstance(self.matrix, StoredRows):
            return Dataset(self.matrix.filter(keep), label)
        edges = np.flatnonzero(np.diff(keep, prepend=False, append=False))
        if len(edges) > 2 * MOST_RUNS:
            return Dataset(self.matrix.filter(pa.array(keep)), label)
        runs = [self.matrix.slice(a, b - a) for a, b in edges.reshape(-1, 2).tolist()]
        return Dataset(pa.concat_tables(runs) if runs else self.matrix.slice(0, 0), label)

    def only(self, names: Iterable[str]) -> Dataset:
        """Return the rows with these features alone, which is cheaper to take rows from."""
        return Dataset(self.matrix.select([*reversed(KEYS), *names]), self.label)

    def held(self) -> Dataset:
        """Return the rows in memory."""
        if isinstance(self.matrix, StoredRows):
            return Dataset(self.matrix.held(), self.label)
        return self

    def thinned(self, at_most: int) -> Dataset:
        """Return every k-th row, so that no more than ``at_most`` remain, in memory."""
        return self._every(-(-len(self) // at_most))

    def _every(self, step: int) -> Dataset:
        few = self if step <= 1 else self.where(np.arange(len(self)) % step == 0)
        return few.held()

    def at(self, cutoffs: Iterable[int]) -> Dataset:
        """Return the rows of these cutoffs."""
        return self.where(np.isin(self.cutoff, list(cutoffs)))

    def buyers(self) -> Dataset:
        """Return the rows of customers with at least one purchase by their cutoff."""
        return self.where(self.has_bought)

    @property
    def has_bought(self) -> NDArray[np.bool_]:
        """Which rows have a purchase; all do where purchases are not recorded at all."""
        if FREQUENCY not in self.matrix.column_names:
            return np.ones(len(self), dtype=bool)
        return ~np.isnan(column_values(self.matrix, FREQUENCY))

    def labelled(self, labels: pa.Table, name: str) -> Dataset:
        """Return the rows that have a label in the table ``labels``, with it.

        Customers who can no longer have the label (their contract had ended) are left out.

        Raises:
            TrainingError: the table is not of the same customers and cutoffs.
        """
        if not all(self.matrix.column(key).equals(labels.column(key)) for key in KEYS):
            raise TrainingError(
                f"features are of {len(self)} customers at their cutoffs and labels "
                f"{name!r} of {labels.num_rows}; this is a defect of Echelon, not of your records"
            )
        labelled = Dataset(self.matrix, column_values(labels, name))
        return labelled.where(~np.isnan(labelled.y))


@dataclass(frozen=True)
class Grid:
    """The cutoffs of one target, in days since 1970-01-01.

    Attributes:
        evaluation: the day the measured predictions are made for; ``None`` if no horizon after
            it has closed, so nothing can be measured.
        measured: what the measured model learns from; every horizon closes by ``evaluation``.
            Empty where history is short: then the purchase model alone is measured.
        served: what the served model learns from; every horizon closes by the as-of day.
        earlier: a cutoff whose horizon ends on the evaluation cutoff, where there is history
            enough: intervals learn there what they are counted on at the evaluation cutoff.
        measured_earlier: what the model of that cutoff learns from.
    """

    evaluation: int | None
    measured: tuple[int, ...]
    served: tuple[int, ...]
    earlier: int | None = None
    measured_earlier: tuple[int, ...] = ()

    @property
    def all(self) -> tuple[int, ...]:
        """Every cutoff that needs features and labels."""
        own = {day for day in (self.evaluation, self.earlier) if day is not None}
        return tuple(sorted({*self.measured, *own, *self.served, *self.measured_earlier}))


def grid(
    snapshots: Snapshots, horizon_days: int, first_day: int, as_of: int, evaluation: int | None
) -> Grid:
    """Return the cutoffs for one target.

    Args:
        snapshots: spacing, count and minimum history.
        horizon_days: how far labels look ahead.
        first_day: the first day with a purchase.
        as_of: the last day of the records.
        evaluation: the configured evaluation cutoff, if any.
    """
    served = closed_by(as_of, snapshots, horizon_days, first_day)
    test = as_of - horizon_days if evaluation is None else evaluation
    measured = closed_by(test, snapshots, horizon_days, first_day)
    if test <= first_day or test + horizon_days > as_of:
        return Grid(None, (), served)
    return Grid(test, measured, served)


def with_earlier(cutoffs: Grid, snapshots: Snapshots, horizon_days: int, first_day: int) -> Grid:
    """Return the grid with a period before the evaluation's, if a model can be fitted for it."""
    if cutoffs.evaluation is None:
        return cutoffs
    earlier = cutoffs.evaluation - horizon_days
    train = closed_by(earlier, snapshots, horizon_days, first_day)[-EARLIER_AT_MOST:]
    return replace(cutoffs, earlier=earlier, measured_earlier=train) if train else cutoffs


def closed_by(day: int, snapshots: Snapshots, horizon_days: int, first_day: int) -> tuple[int, ...]:
    """Return the cutoffs whose horizon has closed by ``day``, rising.

    A grid back from ``day − horizon_days`` and the cutoff a year before ``day``, as far as
    there is the minimum history before them. Where no cutoff has that much, the latest alone,
    if it has half a horizon.
    """
    latest = day - horizon_days
    steps = {latest - i * snapshots.spacing_days for i in range(snapshots.count)}
    if snapshots.year_back and horizon_days <= YEAR_DAYS:
        steps.add(day - YEAR_DAYS)
    enough = sorted(c for c in steps if c - first_day >= snapshots.minimum_history_days)
    if not enough and latest - first_day >= horizon_days / 2:
        return (latest,)
    return tuple(enough)


def calibration_split(
    cutoffs: Sequence[int], horizon_days: int, fewest: int
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return earlier cutoffs and the latest one, no label window shared; ``None`` if too few."""
    latest = max(cutoffs)
    earlier = tuple(c for c in cutoffs if c + horizon_days <= latest)
    return (earlier, (latest,)) if len(earlier) >= fewest else None


def varying(rows: Dataset, names: Sequence[str]) -> list[str]:
    """Return the columns that hold two different values, missing being one."""
    low, high = np.full((2, len(names)), np.nan)
    lacks = np.zeros(len(names), dtype=bool)
    for columns in rows.batches(names):
        for place, name in enumerate(names):
            values = columns[name]
            low[place] = np.fmin(low[place], np.fmin.reduce(values))
            high[place] = np.fmax(high[place], np.fmax.reduce(values))
            lacks[place] |= np.isnan(values).any()
    differs = ~np.isnan(low) & (lacks | (low != high))
    return [name for name, so in zip(names, differs, strict=True) if so]


def split_steady(
    train: Dataset, present: Dataset, names: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the features whose values lie alike in training and now, and those that moved.

    A declaration can claim that a feature means the same at every cutoff; records can prove it
    wrong: while records go back one year only, nobody has a tenure of two, and where surveys
    began last month, nobody had a score before. Trees would take such a shift for a change of
    customers. No label is looked at.
    """
    few = [_compared(rows.only(names)) for rows in (train, present)]
    near = {name: _distance(*(one[name] for one in few)) <= MOVED for name in names}
    kept = tuple(name for name in names if near[name])
    return kept, tuple(name for name in names if not near[name])


def _compared(rows: Dataset) -> Columns:
    """Return the columns of some thousand rows."""
    few = rows._every(len(rows) // COMPARED_ROWS)
    return few.columns(few.matrix.column_names[2:])


def _distance(before: Vector, now: Vector) -> float:
    """Return the Kolmogorov–Smirnov distance, missing counted as the lowest value."""
    if len(before) == 0 or len(now) == 0:
        return 0.0
    a, b = (np.sort(np.nan_to_num(v, nan=-np.inf)) for v in (before, now))
    at = np.concatenate([a, b])
    below = [np.searchsorted(v, at, side="right") / len(v) for v in (a, b)]
    return float(np.abs(below[0] - below[1]).max())
