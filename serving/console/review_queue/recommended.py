"""What to do for one customer: of the company's actions, the one that leaves most after its cost.

Effects are each customer's own where a model of them may be used, else the tier's measured ones,
and until then the configuration's assumptions; what an action must achieve to pay for itself is
said beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from configs.schema import Action
from serving.console.experiments.effects import Source

COMPLAINT_RESOLVED = "complaint_resolved"


@dataclass(frozen=True)
class Recommended:
    """One action for one customer.

    Attributes:
        action: of the configuration.
        break_even: share of the churn probability that it must take away to pay for itself.
        points: the same as a difference of probabilities.
        share: what it takes away of this customer's churn probability; ``None`` where that is not
            known.
        source: whether that is measured or assumed.
    """

    action: Action
    break_even: float
    points: float
    share: float | None
    source: Source

    @property
    def pays(self) -> bool | None:
        """Whether it takes away more than it must; ``None`` where that is not known."""
        return None if self.share is None else self.share > self.break_even


Share = Callable[[Action], tuple[float | None, Source]]
"""What share of one customer's churn probability an action takes away, and how that is known."""


def recommended(
    actions: Iterable[Action],
    churn: float,
    value: float,
    open_complaints: float,
    share: Share,
) -> Recommended | None:
    """Return what to do; ``None`` where no action can be taken or nothing is at stake.

    Args:
        actions: that may be taken, those left out at random excepted.
        churn: probability to leave.
        value: expected, money.
        open_complaints: an action that resolves them needs one.
        share: what each action does about this customer's churn.
    """
    at_stake = churn * value
    if not at_stake > 0:
        return None
    possible = [one for one in actions if open_complaints > 0 or not _needs_complaint(one)]
    if not possible:
        return None
    best = max(possible, key=lambda one: _left(one, share(one)[0], at_stake))
    effect, source = share(best)
    return Recommended(
        best,
        break_even=best.cost / at_stake,
        points=best.cost / value,
        share=effect,
        source=source,
    )


def _needs_complaint(action: Action) -> bool:
    return any(event.event == COMPLAINT_RESOLVED for event in action.events)


def _left(action: Action, effect: float | None, at_stake: float) -> float:
    """Return what is left after the cost; an action of unknown effect leaves its cost to earn."""
    return (effect or 0.0) * at_stake - action.cost
