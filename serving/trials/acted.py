"""Whom an action was in fact taken with: offers on record that name it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from serving.console.acting.events import Event


@dataclass(frozen=True)
class Acted:
    """Actions taken, as they stand on record.

    Attributes:
        days: action and customer → the local days that it was taken on.
        money: action → what was given in all.
    """

    days: dict[tuple[str, str], tuple[dt.date, ...]]
    times: dict[str, int]
    money: dict[str, float]

    def within(
        self, action: str, customer_ids: Sequence[str], after: dt.date, until: dt.date
    ) -> NDArray[np.bool_]:
        """Return with whom of ``customer_ids`` it was taken in the days ``(after, until]``."""
        return np.array(
            [
                any(after < day <= until for day in self.days.get((action, one), ()))
                for one in customer_ids
            ],
            dtype=bool,
        )


def acted(events: Iterable[Event], costs: dict[str, float], zone: ZoneInfo) -> Acted:
    """Return what ``events`` say was done; what was withdrawn was not.

    Args:
        events: offers and withdrawals, the oldest first.
        costs: action → money, each time, where an offer names no amount.
        zone: of the company, whose days count.
    """
    known = list(events)
    gone = {one.details["event"] for one in known if one.kind == "withdraw"}
    days: dict[tuple[str, str], tuple[dt.date, ...]] = {}
    times: dict[str, int] = {}
    money: dict[str, float] = {}
    for event in known:
        action = event.details.get("action")
        if event.kind != "offer" or event.id in gone or action is None:
            continue
        key = action, event.customer_id
        days[key] = (*days.get(key, ()), event.at.astimezone(zone).date())
        times[action] = times.get(action, 0) + 1
        given = event.details.get("amount")
        money[action] = money.get(action, 0.0) + float(
            costs.get(action, 0) if given is None else given
        )
    return Acted(days, times, money)
