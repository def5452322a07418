"""What happened after the cutoff: labels have the shape of features, on the horizon.

A label counts the days ``(cutoff, cutoff + horizon]``. It is missing where the horizon had not
closed by the last day of the records, and for customers who can no longer have it (a contract that
had ended by the cutoff). When a row was recorded plays no part, what happened, happened; unless
labels are asked for as they were known on a day, when rows recorded later did not exist yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa

from configs.schema import Engine
from features.build import answered, dated, only, written
from features.layout import KEYS
from features.matrix import StoredMatrix
from features.plan import Window, read
from features.sources import Records, last_day, seen_sources
from features.totals.computed import Question


@dataclass(frozen=True, eq=False)
class Label:
    """One number per customer and cutoff, about the time after it.

    Attributes:
        name: snake case.
        source: what is reduced: a record table, or ``endings`` of contracts.
        value: the reduction, as in :class:`features.spec.Feature`.
        when_empty: the value for a customer with no rows in the horizon.
        once: claims that it can happen to a customer once: missing where it had by the cutoff.
    """

    name: str
    source: str
    value: Callable[[Any], Any]
    when_empty: float | None = None
    once: bool = False
    inputs: tuple[str, ...] = ()


def _bought(t: Any) -> Any:
    return t.kind == "purchase"


NO_PURCHASE = Label(
    "no_purchase",
    "transactions",
    lambda t: (t.count(where=_bought(t)) == 0).cast("float64"),
    when_empty=1.0,
)
SPEND = Label("spend", "transactions", lambda t: t.amount.sum(where=_bought(t)), when_empty=0.0)
MARGIN = Label("margin", "transactions", lambda t: t.margin.sum(where=_bought(t)), when_empty=0.0)
CONTRACT_END = Label(
    "contract_end", "endings", lambda t: (t.count() > 0).cast("float64"), when_empty=0.0, once=True
)


def label_table(
    records: Records,
    labels: Sequence[Label],
    cutoffs: Sequence[int],
    horizon_days: int,
    last: int | None = None,
    known_by: int | None = None,
) -> pa.Table:
    """Return ``customer_id, cutoff, <label>…`` of every customer known at each cutoff, sorted.

    Args:
        records: the canonical tables.
        labels: what to count in the horizon.
        cutoffs: day numbers.
        horizon_days: length of the horizon.
        last: the day up to which records are complete; default: the last one in them.
        known_by: rows recorded after this day do not count; default: all do.

    Returns:
        The same rows, in the same order, as ``feature_matrix`` gives for the same cutoffs; null
        where the horizon had not closed or the customer could not have the label.
    """
    return answered(records, _question(records, labels, cutoffs, horizon_days, last, known_by))


def write_labels(
    records: Records,
    labels: Sequence[Label],
    cutoffs: Sequence[int],
    horizon_days: int,
    folder: Path,
    engine: Engine,
    last: int | None = None,
    known_by: int | None = None,
    customers: pa.Array | None = None,
) -> StoredMatrix:
    """Write what :func:`label_table` gives to ``folder``, and open it.

    Its rows and batches are those of ``write_matrix`` for the same cutoffs and customers.

    Args:
        records: the canonical tables.
        labels: what to count in the horizon.
        cutoffs: day numbers.
        horizon_days: length of the horizon.
        folder: does not exist yet; it appears when all of it is written.
        engine: says within what memory.
        last: the day up to which records are complete; default: the last one in them.
        known_by: rows recorded after this day do not count; default: all do.
        customers: ids of those to compute, as far as known; default: all.

    Raises:
        FileExistsError: ``folder`` exists already.
    """
    records = records if customers is None else only(records, customers)
    ask = partial(
        _question,
        labels=labels,
        cutoffs=cutoffs,
        horizon_days=horizon_days,
        last=last_day(records) if last is None else last,
        known_by=known_by,
    )
    return written(records, ask, cutoffs, folder, engine)


def _question(
    records: Records,
    labels: Sequence[Label],
    cutoffs: Sequence[int],
    horizon_days: int,
    last: int | None,
    known_by: int | None,
) -> Question:
    sources = seen_sources(dated(records))
    if known_by is not None:
        sources = {name: t.filter(t.known_day <= known_by) for name, t in sources.items()}
    schemas = {name: table.schema() for name, table in sources.items()}
    horizon, before = Window(horizon_days, lag_days=-horizon_days), Window(None)
    readings = [read(label, horizon, schemas) for label in labels]
    already = [read(_already(label), before, schemas) for label in labels if label.once]
    end = last_day(records) if last is None else last

    def finish(table: ibis.Table) -> ibis.Table:
        closed = table.cutoff + horizon_days <= end
        return table.select(*KEYS, **{one.name: _seen(one, table, closed) for one in labels})

    days = tuple(sorted(set(cutoffs)))
    return Question(sources, [*readings, *already], finish, days, as_known=False)


def _seen(label: Label, table: ibis.Table, closed: Any) -> Any:
    """Return a label where its horizon has closed and the customer could still have it."""
    if label.once:
        closed = closed & (table[_already(label).name] == 0)
    return ibis.ifelse(closed, table[label.name], ibis.null("float64"))


def _already(label: Label) -> Label:
    return Label(f"{label.name}_before", label.source, lambda t: t.count(), when_empty=0.0)
