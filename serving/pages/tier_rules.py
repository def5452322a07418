"""What the tiers come to, in rules that anyone can read, with how often these are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.files import write_text
from configs.section import Language, Text
from serving.scores.export import surrogate_of
from serving.scores.publication import Publication
from serving.scores.wording import Described

LANGUAGES: tuple[Language, ...] = ("zh", "en")
LEARNT_FROM = 20_000
"""Customers, drawn evenly by id: rules of a handful of lines need no more."""
FIDELITY = Text(
    zh="这些规则由一棵小树模仿等级得出，仅供阅读，并不用于分层：在另一半客户中，{right}与所给等级一致，"
    "若一律猜最常见的等级则为{commonest}。",
    en="Read off a small tree that imitates the tiers and sets none: of the customers it did not "
    "see, {right} get the tier that they have, against {commonest} by always naming the commonest.",
)


@dataclass(frozen=True)
class TierRules:
    """Rules, the one that most customers meet first, and how well they imitate the tiers."""

    rules: tuple[tuple[Text, Text], ...]
    fidelity: Text


def tier_rules(publication: Publication, features: Sequence[Described]) -> TierRules:
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
    rules = tuple((condition, names[tier]) for tier, _, condition in tree.rules(labels))
    shares = {"right": f"{tree.fidelity:.0%}", "commonest": f"{tree.commonest:.0%}"}
    fidelity = Text(zh=FIDELITY.zh.format(**shares), en=FIDELITY.en.format(**shares))
    return TierRules(rules, fidelity)


def write_rules(publication: Publication, features: Sequence[Described], out: Path) -> list[Path]:
    """Write the rules of the tiers in both languages to the folder ``out`` and return the files."""
    found = tier_rules(publication, features)
    out.mkdir(parents=True, exist_ok=True)
    return [_written(found, language, out) for language in LANGUAGES]


def _written(found: TierRules, language: Language, out: Path) -> Path:
    path = out / f"tier_rules.{language}.md"
    lines = [f"- {condition[language]} → **{tier[language]}**" for condition, tier in found.rules]
    write_text(path, "\n".join([*lines, "", found.fidelity[language], ""]))
    return path
