"""What tiers and segments come to in rules that anyone can read, and how often these are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.files import write_text
from configs.section import Language, Text
from serving.scores.export import surrogate_of
from serving.scores.publication import Publication
from serving.scores.wording import Described
from training.card_words import SEGMENT_RULES
from training.segments import Segments

LANGUAGES: tuple[Language, ...] = ("zh", "en")
LEARNT_FROM = 20_000
"""Customers, drawn evenly by id: rules of a handful of lines need no more."""


@dataclass(frozen=True)
class Rules:
    """Conditions with what they lead to, and how well they imitate what is served."""

    rules: tuple[tuple[Text, Text], ...]
    fidelity: Text


def tier_rules(publication: Publication, features: Sequence[Described]) -> Rules:
    """Return conditions and the tier that they lead to.

    Args:
        publication: whose tiers.
        features: of the models that made it, for their labels.

    Raises:
        PublicationError: the publication has no tiers.
    """
    tree = surrogate_of(publication, LEARNT_FROM)
    labels = {feature.name: dict(feature.label) for feature in features}
    names = publication.manifest.terms.tier_names
    units = {feature.name: feature.unit for feature in features}
    rules = tuple((condition, names[tier]) for tier, _, condition in tree.rules(labels, units))
    return Rules(rules, tree.fidelity_in_words)


def segment_rules(segments: Segments | None) -> Rules | None:
    """Return the words of each segment and its name; ``None`` where nobody was divided."""
    fidelity = segment_fidelity(segments)
    if segments is None or fidelity is None:
        return None
    return Rules(tuple((one.description, one.name) for one in segments.all), fidelity)


def segment_fidelity(segments: Segments | None) -> Text | None:
    """Return how often the words of segments are right; ``None`` where nobody was divided."""
    if segments is None or segments.agreement is None:
        return None
    agreement = f"{segments.agreement:.0%}"
    return Text(
        zh=SEGMENT_RULES.zh.format(agreement=agreement) + "。",
        en=SEGMENT_RULES.en.format(agreement=agreement) + ".",
    )


def write_rules(
    publication: Publication,
    features: Sequence[Described],
    segments: Segments | None,
    out: Path,
) -> list[Path]:
    """Write the rules of tiers and of segments to the folder ``out`` and return the files.

    Args:
        publication: whose tiers.
        features: of the models that made it.
        segments: of these, too.
        out: created where missing; each kind of rules becomes a file in each language.
    """
    found = {
        "tier_rules": tier_rules(publication, features),
        "segment_rules": segment_rules(segments),
    }
    out.mkdir(parents=True, exist_ok=True)
    return [
        _written(rules, out / f"{name}.{language}.md", language)
        for name, rules in found.items()
        if rules is not None
        for language in LANGUAGES
    ]


def _written(found: Rules, path: Path, language: Language) -> Path:
    lines = [f"- {condition[language]} → **{label[language]}**" for condition, label in found.rules]
    write_text(path, "\n".join([*lines, "", found.fidelity[language], ""]))
    return path
