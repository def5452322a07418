"""What to do for one customer: of the company's actions, the one that leaves most after its cost.

Until effects are measured they are the configuration's assumptions, and what an action must achieve
to pay for itself is said beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from configs.schema import Action

COMPLAINT_RESOLVED = "complaint_resolved"


@dataclass(frozen=True)
class Recommended:
    """One action for one customer.

    Attributes:
        action: of the configuration.
        break_even: share of the churn probability that it must take away to pay for itself;
            ``None`` where nothing is at stake.
        points: the same as a difference of probabilities.
        pays: at its assumed effect; ``None`` where none is assumed.
    """

    action: Action
    break_even: float | None
    points: float | None
    pays: bool | None


def recommended(
    actions: Iterable[Action], churn: float, value: float, open_complaints: float
) -> Recommended | None:
    """Return what to do; ``None`` where no action can be taken or nothing is at stake.

    Args:
        actions: that may be taken, those left out at random excepted.
        churn: probability to leave.
        value: expected, money.
        open_complaints: an action that resolves them needs one.
    """
    at_stake = churn * value
    if not at_stake > 0:
        return None
    possible = [one for one in actions if open_complaints > 0 or not _needs_complaint(one)]
    if not possible:
        return None
    best = max(possible, key=lambda one: _left(one, at_stake))
    return Recommended(
        best,
        break_even=best.cost / at_stake,
        points=best.cost / value,
        pays=None if best.effect is None else best.effect * at_stake > best.cost,
    )


def _needs_complaint(action: Action) -> bool:
    return any(event.event == COMPLAINT_RESOLVED for event in action.events)


def _left(action: Action, at_stake: float) -> float:
    """Return what is left after the cost; an action of unknown effect leaves its cost to earn."""
    return (action.effect or 0.0) * at_stake - action.cost
