"""What applications are told when a publication follows another: tiers changed, churn alerts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.service import EventType
from serving.endpoint.replies import as_text
from serving.jobs.webhooks import Message
from serving.scores.population import column
from serving.scores.publication import SCORES_FILE, Publication

CUSTOMERS_A_MESSAGE = 100
"""About 20 KB, which every receiver takes."""

COLUMNS = ("customer_id", "tier", "clv_expected", "churn_probability", "churn_band")
Customer = dict[str, Any]


def messages(
    subscription: str,
    turn: int,
    events: Sequence[EventType],
    alert_at: float | None,
    old: Publication,
    new: Publication,
) -> Iterator[Message]:
    """Yield the messages that tell a subscription what ``new`` says other than ``old``.

    Args:
        subscription: its name; part of the messages' ids.
        turn: how often it was told before; part of the ids, so that a publication which is taken
            back and made live again is told again.
        events: what it asked for; tasks are told of when they are made.
        alert_at: churn probability that an alert is raised at; ``None`` for where the policy's
            high band begins.
        old: what it was told of last.
        new: what is live now.

    The same arguments give the same messages with the same ids, whoever makes them. Customers come
    in the order of their ids, a hundred to a message.
    """
    before, now = _scores(old), _scores(new)
    bound = new.manifest.terms.policy.churn_bands.high if alert_at is None else alert_at
    found: dict[EventType, Callable[[], list[Customer]]] = {
        "tier.changed": lambda: tier_changes(before, now),
        "churn.alert": lambda: churn_alerts(before, now, bound),
    }
    for event in (one for one in events if one in found):
        customers = found[event]()
        starts = range(0, len(customers), CUSTOMERS_A_MESSAGE)
        for part, start in enumerate(starts, start=1):
            data = {
                "publication": new.manifest.id,
                "previous_publication": old.manifest.id,
                "as_of": new.manifest.as_of.isoformat(),
                "versions": new.manifest.terms.versions,
                "part": part,
                "parts": len(starts),
                "customers": customers[start : start + CUSTOMERS_A_MESSAGE],
            }
            if event == "churn.alert":
                data["alert_at"] = bound
            told = {
                "type": event,
                "timestamp": new.manifest.created_at.isoformat(),
                "data": data,
            }
            ids = (old.manifest.id, new.manifest.id)
            parts = (subscription, str(turn), *ids, event, str(part))
            yield Message(_id_of(parts), as_text(told))


def tier_changes(before: pa.Table, now: pa.Table) -> list[Customer]:
    """Return who is in another tier, of those in both tables of scores.

    Who is published for the first time has changed nothing, and who has no tier has none to tell.
    """
    place, is_known = _places(before, now)
    was = before["tier"].take(pa.array(place))
    other = pc.fill_null(pc.not_equal(was, now["tier"]), False).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(other & is_known)
    return [
        {
            "customer_id": one["customer_id"],
            "tier": {"before": tier, "now": one["tier"]},
            "clv_expected": {"before": value, "now": one["clv_expected"]},
        }
        for one, tier, value in zip(
            now.take(pa.array(rows)).to_pylist(),
            was.take(pa.array(rows)).to_pylist(),
            before["clv_expected"].take(pa.array(place[rows])).to_pylist(),
            strict=True,
        )
    ]


def churn_alerts(before: pa.Table, now: pa.Table, bound: float) -> list[Customer]:
    """Return whose churn probability is at ``bound`` or above now and was not before.

    Who is published for the first time was not before.
    """
    place, is_known = _places(before, now)
    was = np.where(is_known, column(before, "churn_probability")[place], np.nan)
    rows = np.flatnonzero((column(now, "churn_probability") >= bound) & ~(was >= bound))
    return [
        {
            "customer_id": one["customer_id"],
            "churn_probability": {
                "before": None if np.isnan(was[row]) else float(was[row]),
                "now": one["churn_probability"],
            },
            "band": one["churn_band"],
            "tier": one["tier"],
            "clv_expected": one["clv_expected"],
        }
        for row, one in zip(rows, now.take(pa.array(rows)).to_pylist(), strict=True)
    ]


def _places(before: pa.Table, now: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return for each customer of ``now`` their row in ``before``, and whether there is one."""
    found = pc.index_in(now["customer_id"], before["customer_id"].combine_chunks())
    is_known = pc.is_valid(found).to_numpy(zero_copy_only=False)
    return found.fill_null(0).to_numpy(), is_known


def _scores(publication: Publication) -> pa.Table:
    return pq.read_table(publication.folder / SCORES_FILE, columns=list(COLUMNS))


def _id_of(parts: Sequence[str]) -> str:
    return "msg_" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
