"""Who bought on which day: what the level of a forecast is learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import ibis
import numpy as np
from numpy.typing import NDArray

from features.sources import Records, fetch

Vector = NDArray[np.float64]
Days = NDArray[np.int64]


class Histories(NamedTuple):
    """Customers as they stood at one cutoff, one entry each."""

    who: Days
    x: Vector
    """Repeat purchase days."""
    first: Days
    last: Days
    spend: Vector
    """Mean spend per purchase day."""


@dataclass(frozen=True)
class PurchaseDays:
    """Purchase days of customers numbered from 0, in any order, each customer-day once.

    Attributes:
        customer: number of the customer.
        day: days since 1970-01-01.
        spend: money spent that day.
        margin_share: margin earned per unit of spend; ``None`` where margins are not recorded.
    """

    customer: Days
    day: Days
    spend: Vector
    margin_share: float | None = None

    @property
    def n_customers(self) -> int:
        """How many customers there are."""
        return int(self.customer.max()) + 1 if len(self.customer) else 0

    @property
    def first_day(self) -> int:
        """The day on which records begin."""
        return int(self.day.min())

    def at(self, cutoff: int) -> Histories:
        """Return everybody who had bought by ``cutoff``."""
        seen, n = self.day <= cutoff, self.n_customers
        customer, day = self.customer[seen], self.day[seen]
        count = np.bincount(customer, minlength=n)
        first, last = np.full(n, np.iinfo(np.int64).max), np.zeros(n, np.int64)
        np.minimum.at(first, customer, day)
        np.maximum.at(last, customer, day)
        total = np.bincount(customer, self.spend[seen], minlength=n)
        who = np.flatnonzero(count)
        often = count[who].astype(float)
        return Histories(who, often - 1.0, first[who], last[who], total[who] / often)

    def counted(self, after: int, until: int) -> Days:
        """Return each customer's purchase days in ``(after, until]``, shape (n_customers,)."""
        inside = (self.day > after) & (self.day <= until)
        return np.bincount(self.customer[inside], minlength=self.n_customers)

    def thinned(self, at_most: int) -> PurchaseDays:
        """Return every k-th customer, so that no more than ``at_most`` remain."""
        step = -(-self.n_customers // at_most) if self.n_customers else 1
        kept = self.customer % step == 0
        return PurchaseDays(
            self.customer[kept] // step, self.day[kept], self.spend[kept], self.margin_share
        )


def purchase_days(records: Records, cutoff: int) -> PurchaseDays:
    """Return the purchase days that had happened and were recorded by ``cutoff``."""
    t = records.tables["transactions"]
    t = t.filter((t.kind == "purchase") & (t.day <= cutoff) & (t.known_day <= cutoff))
    by_day = t.group_by("customer_id", "day").aggregate(
        spend=ibis.coalesce(t.amount.sum(), 0.0),
        margin=t.margin.sum(),
    )
    rows = fetch(records.backend, by_day).sort_by(
        [("customer_id", "ascending"), ("day", "ascending")]
    )
    names = rows["customer_id"].combine_chunks().dictionary_encode()
    spend = np.asarray(rows["spend"].to_numpy(), dtype=float)
    margin = np.asarray(rows["margin"].to_numpy(zero_copy_only=False), dtype=float)
    known = np.isfinite(margin)
    share = float(margin[known].sum() / spend.sum()) if known.any() and spend.sum() > 0 else None
    return PurchaseDays(
        customer=np.asarray(names.indices.to_numpy(), dtype=np.int64),
        day=np.asarray(rows["day"].to_numpy(), dtype=np.int64),
        spend=spend,
        margin_share=share,
    )
