"""The customers who changed tier with most at stake, and why: data, model, policy, in money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from configs.section import Text
from serving.changes.changes import PARTS, Comparison, Walk
from serving.console.book import book
from serving.console.portfolios.migration import Migration
from serving.scores.concept_names import concept_name

if TYPE_CHECKING:
    from serving.endpoint.served import Served

SHOWN = 8
"""Of those who rose and of those who fell."""


@dataclass(frozen=True)
class Mover:
    """A customer who changed tier.

    Attributes:
        customer_id: theirs.
        before, now: names of the tiers.
        rose: whether it is a higher one.
        change: of expected value, money.
        parts: what data, model and policy add to it, which sum to ``change``; ``None`` where the
            older model is gone.
        because: the subject that moved the data part most; ``None`` for none.
        by: which of the parts changed the tier.
    """

    customer_id: str
    before: Text
    now: Text
    rose: bool
    change: float
    parts: Mapping[str, float] | None
    because: Text | None
    by: tuple[str, ...]


def movers(served: Served, found: Migration, compared: Comparison) -> list[Mover]:
    """Return those with most value moved, who fell first."""
    own, names = book(served), found.before | found.now
    ways = [(found.down[:SHOWN], False), (found.up[:SHOWN], True)]
    rose = {one: way for rows, way in ways for one in own.ids_of(rows)}
    walk = compared.walk(list(rose)) if rose else None
    if walk is None:
        return []
    place = {customer_id: i for i, customer_id in enumerate(walk.customer_ids)}
    return [_mover(compared, walk, place[one], names, way) for one, way in rose.items()]


def _mover(
    compared: Comparison, walk: Walk, row: int, names: Mapping[str, Text], rose: bool
) -> Mover:
    steps, codes = walk.numbers["clv"][:, row], walk.tiers[:, row]
    change = float(steps[3] - steps[0])
    is_split = compared.old_bundle is not None
    return Mover(
        customer_id=walk.customer_ids[row],
        before=names[codes[0]],
        now=names[codes[3]],
        rose=rose,
        change=change,
        parts={part: float(x[row]) for part, x in walk.parts("clv").items()} if is_split else None,
        because=_because(compared, walk.customer_ids[row], change) if is_split else None,
        by=tuple(part for part in PARTS if is_split and walk.moved_by(part)[row]),
    )


def _because(compared: Comparison, customer_id: str, change: float) -> Text | None:
    """Return the subject that moved value most in the direction that it moved."""
    concepts = compared.concepts("clv", [customer_id])
    own = [name for name, points in concepts.items() if points * change > 0]
    return concept_name(own[0], compared.features) if own else None
