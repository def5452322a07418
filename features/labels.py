"""What happened after the cutoff: labels have the shape of features, on the horizon.

A label counts the days ``(cutoff, cutoff + horizon]``. It is missing where the horizon had not
closed by the last day of the records, and for customers who can no longer have it (a contract that
had ended by the cutoff). When a row was recorded plays no part, what happened, happened; unless
labels are asked for as they were known on a day, when rows recorded later did not exist yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.compute as pc

from configs.schema import Engine
from features.build import aggregated, dated, first_known, known_at
from features.grains import KEYS, Times
from features.layout import in_layout
from features.matrix import StoredMatrix, store
from features.plan import Window, read
from features.sources import Records, fetch, last_day, seen_sources
from features.spark_matrix import store_by_workers


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
    table = _labels(records, labels, cutoffs, horizon_days, last, known_by)
    return in_layout(fetch(records.backend, table))


def _labels(
    records: Records,
    labels: Sequence[Label],
    cutoffs: Sequence[int],
    horizon_days: int,
    last: int | None,
    known_by: int | None,
) -> ibis.Table:
    """Return what :func:`label_table` gives, not yet computed."""
    days = tuple(sorted(set(cutoffs)))
    cutoff_table = ibis.memtable(pa.table({"cutoff": pa.array(days, pa.int32())}))
    population = known_at(records.tables, Times(cutoff_table, days))
    times = Times(cutoff_table, days, as_known=False)
    table = _label_values(population, records, labels, horizon_days, times, known_by)
    end = last_day(records) if last is None else last
    closed = table.cutoff + horizon_days <= end
    seen = {one.name: ibis.ifelse(closed, table[one.name], ibis.null("float64")) for one in labels}
    return table.select(*KEYS, **seen)


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
    if records.backend.name == "pyspark":
        lazy = _labels(records, labels, cutoffs, horizon_days, last, known_by)
        known = first_known(records)
        return store_by_workers(records.backend, lazy, known, cutoffs, folder, customers)
    table = label_table(records, labels, cutoffs, horizon_days, last, known_by)
    if customers is not None:
        table = table.filter(pc.is_in(table["customer_id"], customers))
    return store([table], cutoffs, folder)


def _label_values(
    population: ibis.Table,
    records: Records,
    labels: Sequence[Label],
    horizon_days: int,
    times: Times,
    known_by: int | None,
) -> ibis.Table:
    sources = seen_sources(dated(records.tables))
    if known_by is not None:
        sources = {name: t.filter(t.known_day <= known_by) for name, t in sources.items()}
    schemas = {name: table.schema() for name, table in sources.items()}
    horizon, before = Window(horizon_days, lag_days=-horizon_days), Window(None)
    readings = [read(label, horizon, schemas) for label in labels]
    already = [read(_already(label), before, schemas) for label in labels if label.once]
    table = aggregated(population, sources, [*readings, *already], times)
    gone = {
        label.name: ibis.ifelse(
            table[_already(label).name] > 0, ibis.null("float64"), table[label.name]
        )
        for label in labels
        if label.once
    }
    return table.mutate(**gone)


def _already(label: Label) -> Label:
    return Label(f"{label.name}_before", label.source, lambda t: t.count(), when_empty=0.0)
