"""How each tier was served of late beside its standard, and the cases that are open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from configs.section import Text
from features.sources import day_number
from serving.console.service_levels.overdue import Visits
from serving.console.service_levels.service_facts import ASKED, WINDOW_DAYS, Cases, Kept, kept
from serving.console.service_levels.standards import Standard

if TYPE_CHECKING:
    from serving.endpoint.served import Served

Flags = npt.NDArray[np.bool_]
SOON_DAYS = 14
KINDS = {
    "enquiry": Text(zh="咨询", en="Enquiry"),
    "support": Text(zh="服务请求", en="Support case"),
    "complaint": Text(zh="投诉", en="Complaint"),
}


@dataclass(frozen=True)
class TierService:
    """One tier.

    Attributes:
        standard: what it is promised.
        customers: how many.
        response, resolution: of the cases of the last weeks; ``None`` where no such moments are
            recorded.
        open_cases, late_cases: support cases and complaints, of any age.
        overdue, soon: customers owed a visit, and those who will be soon.
    """

    standard: Standard
    customers: int
    response: Kept | None
    resolution: Kept | None
    open_cases: int
    late_cases: int
    overdue: int
    soon: int


@dataclass(frozen=True)
class OpenCase:
    """A support case or complaint that is not resolved.

    Attributes:
        customer_id, tier, value: whose.
        kind: in words.
        hours: since it began.
        limit: hours to resolve it in.
    """

    customer_id: str
    tier: Text
    value: float | None
    kind: Text
    hours: float
    limit: float

    @property
    def left(self) -> float:
        """Hours left; negative where it runs late."""
        return self.limit - self.hours


def tier_service(
    served: Served, promised: Sequence[Standard], found: Cases | None, contacts: Visits
) -> tuple[TierService, ...]:
    """Return how each tier is served, the highest first."""
    return tuple(_tier(served, place, one, found, contacts) for place, one in enumerate(promised))


def _tier(
    served: Served, place: int, standard: Standard, found: Cases | None, contacts: Visits
) -> TierService:
    own = contacts.tier == place
    left = contacts.cadence - contacts.silent
    response = resolution = None
    is_open = is_late = np.zeros(0, dtype=bool)
    if found is not None:
        mine = own[found.row]
        lately = mine & (found.day > day_number(served.as_of) - WINDOW_DAYS)
        response = _kept(found, lately, standard.response_hours, "response")
        resolution = _kept(
            found, lately & (found.kind > 0), standard.resolution_hours, "resolution"
        )
        is_open = found.is_open & mine
        is_late = is_open & (found.hours > standard.resolution_hours)
    return TierService(
        standard=standard,
        customers=int(own.sum()),
        response=response,
        resolution=resolution,
        open_cases=int(is_open.sum()),
        late_cases=int(is_late.sum()),
        overdue=int(own[contacts.overdue].sum()),
        soon=int((own & (left >= 0) & (left < SOON_DAYS) & ~contacts.at_rest).sum()),
    )


def _kept(found: Cases, rows: Flags, limit: float, what: str) -> Kept | None:
    is_response = what == "response"
    if not (found.has_responses if is_response else found.has_resolutions):
        return None
    taken = found.response_hours if is_response else found.resolution_hours
    return kept(taken[rows], found.hours[rows], np.full(int(rows.sum()), limit))


def open_cases(
    promised: Sequence[Standard], found: Cases, contacts: Visits, most: int
) -> list[OpenCase]:
    """Return the open cases of customers with most value, at most ``most``."""
    value = np.nan_to_num(contacts.book.value[found.row])
    rows = np.flatnonzero(found.is_open & (contacts.tier[found.row] >= 0))
    rows = rows[np.lexsort((-found.hours[rows], -value[rows]))][:most]
    ids = contacts.book.ids_of(found.row[rows])
    told = []
    for customer_id, row in zip(ids, rows.tolist(), strict=True):
        standard = promised[int(contacts.tier[found.row[row]])]
        told.append(
            OpenCase(
                customer_id=customer_id,
                tier=standard.name,
                value=float(value[row]),
                kind=KINDS[ASKED[int(found.kind[row])]],
                hours=float(found.hours[row]),
                limit=standard.resolution_hours,
            )
        )
    return told
