"""What to do for one customer now: the action that leaves most, and those they are left out of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from configs.schema import Action
from serving.console.book import Book, book
from serving.console.experiments.effects import effects
from serving.console.experiments.trials import left_out
from serving.console.page import Visit
from serving.console.review_queue.recommended import Recommended, recommended
from serving.endpoint.served import Served


@dataclass(frozen=True)
class Advised:
    """What may be done for one customer, and what may not.

    Attributes:
        recommended: of the actions that may be taken; ``None`` where none is worth it.
        left_out: actions that this customer is left out of at random this quarter.
        instead_of: the one of them that would have been recommended.
    """

    recommended: Recommended | None
    left_out: tuple[Action, ...]
    instead_of: Action | None


class Adviser:
    """Advises on the customers of what is served, for one visit."""

    def __init__(self, visit: Visit, served: Served) -> None:
        self.actions = visit.config.actions
        self.book: Book = book(served)
        self.held_out = left_out(visit, served)
        self.effects = effects(visit.config, served.publication.manifest.id)

    def of(self, row: int, customer_id: str) -> Advised:
        """Return what to do for the customer in ``row`` of the book."""
        out = self.held_out.left_out_of(self.actions, customer_id)
        best = self._best(row, self.actions)
        if best is None or best.action not in out:
            return Advised(best, out, None)
        free = tuple(one for one in self.actions if one not in out)
        return Advised(self._best(row, free), out, best.action)

    def _best(self, row: int, actions: tuple[Action, ...]) -> Recommended | None:
        of = self.book
        churn, value = float(of.churn[row]), float(of.value[row])
        if math.isnan(churn) or math.isnan(value):
            return None
        share = partial(self.effects.share, row=row, tier=of.tier.at(row), churn=churn)
        return recommended(actions, churn, value, float(of.open_complaints[row]), share)
