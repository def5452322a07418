"""From a typical customer's number to this one's, concept by concept, without remainder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from configs.section import Text
from serving.console.customer.asked import Asked
from serving.scores.points import SCALE, SMALLEST_SHOWN
from serving.scores.wording import REST
from training.anchor import TargetName

STEPS = 7
"""Concepts with a bar of their own; the others are one bar together."""


@dataclass(frozen=True)
class Figure:
    """What one feature adds.

    Attributes:
        label: of the feature.
        value: the customer's, ``None`` where it is missing.
        unit: of the value.
        points: percentage points of churn, or money.
    """

    label: Text
    value: float | None
    unit: str
    points: float


@dataclass(frozen=True)
class Step:
    """What one concept adds.

    Attributes:
        name: of the concept.
        points: percentage points of churn, or money.
        text: the sentence of its strongest figure; ``None`` for all others together.
        actionable: whether the company can do something about it.
        stable: whether models learnt anew tell it at the same place; ``None`` where unknown.
        figures: what each of its features adds, the strongest first.
    """

    name: Text
    points: float
    text: Text | None = None
    actionable: bool = False
    stable: bool | None = None
    figures: Sequence[Figure] = ()


@dataclass(frozen=True)
class Waterfall:
    """One number taken apart: ``base`` plus the points of ``steps`` is ``shown``.

    Attributes:
        target: churn or clv.
        base, shown: in points: percentage points, or money.
        steps: every concept, the strongest first.
    """

    target: TargetName
    base: float
    shown: float
    steps: Sequence[Step]

    @property
    def bars(self) -> list[Step]:
        """The strongest concepts, then all others together."""
        own = [one for one in self.steps if abs(one.points) >= SMALLEST_SHOWN[self.target]][:STEPS]
        rest = self.shown - self.base - sum(one.points for one in own)
        return [*own, Step(REST, rest)] if len(own) < len(self.steps) else own


def waterfall(asked: Asked, target: TargetName) -> Waterfall | None:
    """Return the number of ``target`` taken apart; ``None`` where a rule made it, not a model."""
    told = asked.explained[target]
    if told is None:
        return None
    scale = SCALE[target]
    published = _published(asked, target)
    sentences = asked.served.reasoner.sentences(target, asked.matrix, asked.scores)
    features = asked.features
    units = {one.name: one.unit for one in asked.served.bundle.features}
    steps = [
        _step(one, sentences.get(one["concept"]), published.get(one["concept"]), features, units)
        for one in told["concepts"]
    ]
    return Waterfall(target, scale * told["base"], scale * told["shown"], steps)


def _published(asked: Asked, target: TargetName) -> dict[str, Mapping[str, Any]]:
    return {one["concept"]: one for one in asked.answer["reasons"] if one["target"] == target}


def _step(
    concept: Mapping[str, Any],
    told: Mapping[str, Any] | None,
    published: Mapping[str, Any] | None,
    features: Mapping[str, float | None],
    units: Mapping[str, str],
) -> Step:
    return Step(
        name=Text(**concept["name"]),
        points=concept["points"],
        text=None if told is None else Text(zh=told["text_zh"], en=told["text_en"]),
        actionable=told is not None and told["actionable"],
        stable=None if published is None else published["stable"],
        figures=[
            Figure(
                Text(**one["label"]),
                features[one["feature"]],
                units[one["feature"]],
                one["points"],
            )
            for one in concept["features"]
            if one["points"]
        ],
    )
