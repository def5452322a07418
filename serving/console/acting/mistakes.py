"""Explanations that people say are wrong: a list for those who mend the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from starlette.responses import Response

from configs.section import Text
from serving.console.acting.choices import MISTAKES, TARGETS
from serving.console.acting.events import Event, of_kinds
from serving.console.acting.panel import names_of
from serving.console.acting.standing import withdrawn
from serving.console.masking import mask
from serving.console.page import Visit
from serving.endpoint.state import State
from serving.scores.concept_names import concept_name

LISTED = 200
NOT_SHOWN = Text(zh="没有列出的原因", en="A reason that was not shown")


def reported(state: State) -> list[Event]:
    """Return what was reported and not taken back, the newest first."""
    known = of_kinds(state, ("wrong_reason", "withdraw"))
    gone = withdrawn(known)
    return [one for one in reversed(known) if one.kind == "wrong_reason" and one.id not in gone]


def page(visit: Visit) -> Response:
    """Return the list, and how often each concept is in it."""
    served = visit.served
    found = reported(visit.endpoint.state)
    names = names_of(visit, served)

    def called(concept: str | None) -> str:
        return visit.say(NOT_SHOWN if concept is None else concept_name(concept, names.features))

    return visit.page(
        "mistakes.html",
        rows=[(one, mask(visit, one.customer_id)) for one in found[:LISTED]],
        counts=[(called(concept), n) for concept, n in by_concept(found)],
        n=len(found),
        called_concept=called,
        names=names,
        targets=TARGETS,
        mistakes=MISTAKES,
    )


def by_concept(events: Sequence[Event]) -> list[tuple[str | None, int]]:
    """Return how often each concept was said to be wrong, the most often first."""
    return Counter(one.details["concept"] for one in events).most_common()
