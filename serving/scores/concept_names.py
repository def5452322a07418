"""What a concept is called, in both languages."""

from __future__ import annotations

from collections.abc import Iterable

from configs.section import Text
from features.concepts import CONCEPTS
from serving.scores.wording import Described


def concept_name(concept: str, features: Iterable[Described]) -> Text:
    """Return the name of a concept.

    A contract customer's column is a concept of its own, called as the configuration names it; the
    features of a category's levels carry that name before the level.

    Args:
        concept: of a feature.
        features: those of the model, whose labels name columns.
    """
    if concept in CONCEPTS:
        return CONCEPTS[concept]
    for feature in features:
        if feature.concept == concept:
            level = feature.name.removeprefix(concept)
            zh, en = (feature.label[code].removesuffix(level) for code in ("zh", "en"))
            return Text(zh=zh, en=en)
    return Text(zh=concept, en=concept)
