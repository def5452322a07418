"""Stops training on features that change when the future does, or that foretell it, by name.

Two looks at one past cutoff. First the future is taken away: for some customers the features are
built again from records without anything that became known after the cutoff, and must be the same
to the bit. Then the future is held against the features: none may order customers by when they
bought next, or last of all, as only that day itself could, though the past says little of it. The
second look finds what no build can see: a day that a company wrote back into older rows.

What neither can know: whether a fact that tells of the future only roughly was known when its row
says. Only ``recorded_at`` says that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from configs.errors import LeakageError
from features.build import feature_matrix
from features.contracts import LATER_SOURCES
from features.sample import drawn
from features.sources import Records, date_of, day_of, fetch, records_from_arrow
from features.spec import Feature
from training.anchor import VALUE_INPUTS
from training.columns import column_values
from training.dataset import Dataset
from training.leaks import is_more_than_the_past, ordered, plain_past

Vector = NDArray[np.float64]
CUSTOMERS = 200
"""Customers whose future is taken away; a feature that reads it does so for most."""
ROWS = 100_000
FEWEST_WHO_RETURNED = 50
FEWEST_DAYS = 20
"""Of different days among the facts of the future: fewer are ordered well by chance."""


def check_no_feature_reads_the_future(
    records: Records,
    features: Sequence[Feature],
    rows: Dataset,
    remedy: str,
) -> None:
    """Check that features built without the future are those that were built with it.

    Args:
        records: what ``rows`` were built from.
        features: declarations of the columns of ``rows``.
        rows: customers at one cutoff.
        remedy: what to do with a feature that is named in the error.

    Raises:
        LeakageError: a feature differs; the message names it.
    """
    cutoff = rows.cutoffs[0]
    ids = rows.customer_ids
    few = drawn(ids.to_pylist(), CUSTOMERS)
    before = rows.where(np.asarray(pc.is_in(ids, pa.array(few)))).held()
    past = records_from_arrow(records.backend, _past_of(records, set(few), cutoff))
    after = feature_matrix(past, features, [cutoff])
    if not after["customer_id"].combine_chunks().equals(before.customer_ids):
        raise LeakageError(
            f"who is known at {date_of(cutoff)} depends on records of later days; "
            "this is a defect of Echelon, not of your records"
        )
    for feature in features:
        then, now = column_values(before.matrix, feature.name), column_values(after, feature.name)
        differs = ~np.isclose(then, now, rtol=0.0, atol=0.0, equal_nan=True)
        if differs.any():
            first = before.customer_ids[int(np.argmax(differs))].as_py()
            raise LeakageError(
                f"feature {feature.name!r} at {date_of(cutoff)} changes for {differs.sum()} of "
                f"{len(before)} customers (first: {first}) when the records of later days are "
                f"taken away, so it reads the future; {remedy}"
            )


def check_no_feature_foretells(
    records: Records, rows: Dataset, names: Sequence[str], as_of: int, remedy: str
) -> None:
    """Check that no feature gives away when customers bought next, or last of all.

    Args:
        records: the canonical tables.
        rows: buyers at one cutoff; of very many, some are looked at.
        names: features to look at.
        as_of: the last day of the records.
        remedy: what to do with a feature that is named in the error.

    Raises:
        LeakageError: one does, far better than the past could; the message names it.
    """
    returned, facts = came_after(records, rows.thinned(ROWS), as_of)
    if len(returned) < FEWEST_WHO_RETURNED:
        return
    past = [*plain_past(returned), returned.columns(["tenure_days"])["tenure_days"]]
    for told_of, days in facts.items():
        if len(np.unique(days)) < FEWEST_DAYS:
            continue
        known = max((ordered(days, values) for values in past), default=0.0)
        for name in names:
            told = _told(days, returned.columns([name])[name])
            if is_more_than_the_past(told, known):
                raise LeakageError(
                    f"feature {name!r} at {date_of(rows.cutoffs[0])} orders {len(returned)} "
                    f"customers by {told_of} almost perfectly ({told:.4f} of 1, the past: "
                    f"{known:.2f}), so it was written after that day; {remedy}"
                )


def came_after(records: Records, rows: Dataset, as_of: int) -> tuple[Dataset, dict[str, Vector]]:
    """Return the rows of who bought again by ``as_of``, and the days of it, counted all ways.

    A column can hold a day as such, or counted from the first or the latest purchase. Soon after
    the cutoff the latter is nearly the tenure, which therefore stands among the plain past.
    """
    cutoff = rows.cutoffs[0]
    t = records.tables["transactions"]
    later = t.filter((t.kind == "purchase") & (t.day > cutoff) & (t.day <= as_of))
    days = {"next": later.day.min(), "last": later.day.max()}
    table = fetch(records.backend, later.group_by("customer_id").aggregate(**days))
    place = pc.index_in(rows.customer_ids, table["customer_id"])
    returned = rows.where(np.asarray(place.is_valid()))
    own = table.take(place.drop_null())
    following, last = (column_values(own, key) for key in ("next", "last"))
    c = returned.columns(VALUE_INPUTS)
    silence = c["tenure_days"] - c["recency_days"]
    return returned, {
        "the day they bought last of all": last,
        "the days from their first purchase to the last of all": last + c["tenure_days"],
        "the days from their latest purchase to the last of all": last + silence,
        "the day they bought next": following,
        "the days from their latest purchase to the next": following + silence,
    }


def _told(days: Vector, values: Vector) -> float:
    """Return how well ``values`` order ``days``; nothing where many have no value."""
    known = ~np.isnan(values)
    if known.sum() < max(FEWEST_WHO_RETURNED, len(values) / 2):
        return 0.0
    return ordered(days[known], values[known])


def _past_of(records: Records, customers: set[str], cutoff: int) -> dict[str, pa.Table]:
    """Return the records of ``customers`` as they were known at ``cutoff``."""
    ids = ibis.memtable(pa.table({"customer_id": sorted(customers)}))
    return {
        name: fetch(records.backend, _known(name, table, cutoff).semi_join(ids, "customer_id"))
        for name, table in records.tables.items()
    }


def _known(name: str, table: Any, cutoff: int) -> Any:
    """Return the rows known at ``cutoff``, without the facts that came later."""
    day, known = table.day.fill_null(cutoff), table.known_day.fill_null(cutoff)
    rows = table.filter((day <= cutoff) & (known <= cutoff))
    for later in (one for one in LATER_SOURCES.values() if one.table == name):
        came = day_of(rows[later.moment])
        if later.day is not None:
            came = ibis.coalesce(rows[later.day], came)
        hidden: Mapping[str, Any] = {
            column: ibis.ifelse(came <= cutoff, rows[column], ibis.null(rows[column].type()))
            for column in later.columns
        }
        rows = rows.mutate(**hidden)
    return rows
