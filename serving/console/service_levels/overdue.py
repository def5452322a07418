"""Who is owed a visit: nobody was in touch with them for longer than their tier's cadence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from serving.console.acting.standing import standings
from serving.console.book import Book, Numbers, book
from serving.console.service_levels.standards import Standard
from serving.endpoint.endpoint import today

if TYPE_CHECKING:
    from serving.endpoint.served import Served
    from serving.endpoint.state import State

Ranks = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Visits:
    """Contacts of all customers against the cadence of their tiers.

    Attributes:
        book: the customers.
        tier: place of each one's tier among the standards, overrides heeded; −1 for none.
        silent: days since anybody was in touch, by the records or as logged here; NaN for never.
        cadence: days that each one's tier allows.
        at_rest: who is snoozed or dismissed.
    """

    book: Book
    tier: Ranks
    silent: Numbers
    cadence: Numbers
    at_rest: npt.NDArray[np.bool_]

    @property
    def overdue(self) -> Rows:
        """Rows of those who are owed a visit, the most valuable first."""
        rows = np.flatnonzero((self.silent > self.cadence) & ~self.at_rest)
        return rows[np.argsort(-np.nan_to_num(self.book.value[rows]), kind="stable")]

    @property
    def never(self) -> int:
        """How many of those with a tier have no contact on record."""
        return int((np.isnan(self.silent) & (self.tier >= 0)).sum())


def visits(served: Served, state: State, promised: Sequence[Standard]) -> Visits:
    """Return every customer's last contact against the cadence of their tier."""
    own = book(served)
    place = {standard.code: i for i, standard in enumerate(promised)}
    words = np.array([place.get(word, -1) for word in own.tier.words] + [-1], dtype=np.int64)
    tier, silent = words[own.tier.codes], own.last_contact_days.copy()
    at_rest = np.zeros(len(own), dtype=bool)
    policy = served.publication.manifest.terms.policy
    stands, day = standings(state), today(served)
    for customer_id, row in own.rows_of(stands).items():
        one = stands[customer_id]
        at_rest[row] = one.is_snoozed(day) or one.is_dismissed(day)
        tier[row] = place.get(one.effective_tier(own.tier.at(row), day, policy) or "", -1)
        if one.last_contact is not None:
            on = one.last_contact.at.astimezone(served.zone).date()
            silent[row] = np.fmin(silent[row], max((own.as_of - on).days, 0))
    allowed = np.array([standard.contact_days for standard in promised] + [np.nan])
    return Visits(own, tier, silent, allowed[tier], at_rest)
