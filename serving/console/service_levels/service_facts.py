"""How customers are served: answers and resolutions within standard, open cases, visits overdue.

Counted from the records that the publication was made from, as they stood on its day: what was
answered later counts as open. Hours are elapsed hours.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.sources import day_number
from features.stored.generation import parts_of, read_rows
from serving.console.book import book

if TYPE_CHECKING:
    from serving.endpoint.served import Served

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]

WINDOW_DAYS = 91
ASKED = ("enquiry", "support", "complaint")
COLUMNS = (
    "customer_id",
    "kind",
    "occurred_at",
    "day",
    "responded_day",
    "response_hours",
    "resolved_day",
    "resolution_hours",
)


@dataclass(frozen=True)
class Cases:
    """Enquiries, support cases and complaints of published customers, a row each.

    Attributes:
        row: of the customer in the book.
        kind: place in :data:`ASKED`.
        day: when it began, days since 1970.
        hours: since it began, by the end of the publication's day.
        response_hours, resolution_hours: NaN where that had not happened by then.
        has_responses, has_resolutions: whether the company records such moments at all.
    """

    row: Rows
    kind: Rows
    day: Rows
    hours: Numbers
    response_hours: Numbers
    resolution_hours: Numbers
    has_responses: bool
    has_resolutions: bool

    @property
    def is_open(self) -> Flags:
        """Which support cases and complaints are not resolved."""
        return (self.kind > 0) & np.isnan(self.resolution_hours)


def cases(served: Served) -> Cases | None:
    """Return the cases up to the publication's day; ``None`` without records of interactions."""
    folder = served.generations / served.publication.manifest.records
    parts = parts_of(folder, "interactions")
    if not parts:
        return None
    there = set(pq.read_schema(parts[0]).names)
    wanted = [name for name in COLUMNS if name in there]
    last = day_number(served.as_of)
    asked = pc.field("kind").isin(list(ASKED)) & (pc.field("day") <= last)
    table = read_rows(parts, wanted, asked)
    place = pc.index_in(table["customer_id"], value_set=book(served).customer_ids)
    table = table.filter(pc.is_valid(place))
    rows = place.drop_null().combine_chunks().to_numpy().astype(np.int64)
    kind = pc.index_in(table["kind"], value_set=pa.array(ASKED)).to_numpy().astype(np.int64)
    response = _hours(table, "response", last)
    resolution = _hours(table, "resolution", last)
    return Cases(
        row=rows,
        kind=kind,
        day=table["day"].to_numpy().astype(np.int64),
        hours=_age_hours(table["occurred_at"], served),
        response_hours=response,
        resolution_hours=resolution,
        has_responses=bool((~np.isnan(response)).any()),
        has_resolutions=bool((~np.isnan(resolution)).any()),
    )


def _hours(table: pa.Table, what: str, last: int) -> Numbers:
    """Return hours until the answer or resolution, NaN where it was not there by day ``last``."""
    day = "responded_day" if what == "response" else "resolved_day"
    name = f"{what}_hours"
    if name not in table.column_names or day not in table.column_names:
        return np.full(len(table), np.nan)
    hours = table[name].cast(pa.float64()).to_numpy()
    days = table[day].cast(pa.float64()).to_numpy()
    return np.where(np.nan_to_num(days, nan=np.inf) <= last, hours, np.nan)


def _age_hours(occurred: pa.ChunkedArray, served: Served) -> Numbers:
    """Return hours from ``occurred`` to the end of the publication's local day."""
    after = dt.datetime.combine(served.as_of + dt.timedelta(days=1), dt.time(), served.zone)
    end = np.datetime64(after.astimezone(dt.UTC).replace(tzinfo=None), "us")
    since = occurred.cast(pa.timestamp("us")).to_numpy().astype("datetime64[us]")
    return (end - since) / np.timedelta64(1, "h")


@dataclass(frozen=True)
class Kept:
    """How often a promise was kept.

    Attributes:
        asked: cases that can be judged: done, or past their time.
        within: of these, those done in time.
        pending: not done, with time left.
        median_hours: of those done; ``None`` where none is.
    """

    asked: int
    within: int
    pending: int
    median_hours: float | None

    @property
    def share(self) -> float | None:
        """Share within standard; ``None`` where there was nothing to do."""
        return self.within / self.asked if self.asked else None


def kept(taken: Numbers, age: Numbers, limit: Numbers) -> Kept:
    """Return how often something was done within its limit.

    Args:
        taken: hours it took, NaN where it is not done.
        age: hours since each began.
        limit: hours allowed to each.
    """
    done = ~np.isnan(taken)
    pending = ~done & (age <= limit)
    known = taken[done]
    return Kept(
        asked=int((~pending).sum()),
        within=int((done & (np.nan_to_num(taken) <= limit)).sum()),
        pending=int(pending.sum()),
        median_hours=float(np.median(known)) if len(known) else None,
    )
