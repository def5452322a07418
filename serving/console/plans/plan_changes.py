"""What a plan changes since the one that was approved last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from serving.console.plans.plan_read import Read

SHOWN = 12


@dataclass(frozen=True)
class Changed:
    """How two plans differ.

    Attributes:
        since: the earlier plan.
        new, gone: customers served in one alone.
        elsewhere: customers served in both, by somebody else now.
        otherwise: customers served by the same person with another action.
        same: customers for whom nothing changes.
        moves: the customers with most at stake who go to somebody else, at most 12.
    """

    since: Read
    new: int
    gone: int
    elsewhere: int
    otherwise: int
    same: int
    moves: list[dict[str, Any]]


def changed(since: Read, now: Read) -> Changed:
    """Return what ``now`` changes."""
    before, after = _by_customer(since.tasks), _by_customer(now.tasks)
    both = before.keys() & after.keys()
    moved = [one for one in both if before[one]["employee"] != after[one]["employee"]]
    stayed = both - set(moved)
    otherwise = [one for one in stayed if before[one]["action"] != after[one]["action"]]
    moved.sort(key=lambda one: (-after[one]["at_stake"], one))
    return Changed(
        since,
        len(after.keys() - both),
        len(before.keys() - both),
        len(moved),
        len(otherwise),
        len(stayed) - len(otherwise),
        [{**after[one], "before": before[one]["employee"]} for one in moved[:SHOWN]],
    )


def _by_customer(tasks: pa.Table) -> dict[str, dict[str, Any]]:
    return {str(row["customer_id"]): row for row in tasks.to_pylist()}
