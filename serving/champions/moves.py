"""Who would be in another tier under the challenger, and what moves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from configs.schema import Config
from configs.section import Text
from features.units import UNITS
from serving.scores.concept_names import concept_name
from serving.scores.matrix import matrix_to_score
from serving.scores.matrix_file import day_of
from serving.scores.population import Array, column
from serving.scores.publication import Publication
from serving.scores.publish import published_before
from serving.scores.reasons import Reasoner
from serving.scores.scorer import Scorer, previous_of
from training.bundle import Bundle

SHOWN = 12
"""Customers whose move is told, those of most money first."""


@dataclass(frozen=True)
class Scored:
    """All customers as one version scores them: their features and their scores."""

    bundle: Bundle
    matrix: pa.Table
    scores: pa.Table


@dataclass(frozen=True)
class Mover:
    """A customer in another tier: the value and the concept whose part of it changed most."""

    customer_id: str
    tier_before: str
    tier_now: str
    value_before: float
    value_now: float
    concept: Text
    points_before: float
    points_now: float


@dataclass(frozen=True)
class Moves:
    """Tiers of all customers under both versions.

    Attributes:
        names: tier code → name, the highest first; of both policies.
        counts: (tier by the champion, tier by the challenger) → customers.
        movers: those of most change in money.
        value: expected value of everybody, by the champion and by the challenger.
        churn: mean churn probability by both.
    """

    names: dict[str, Text]
    counts: dict[tuple[str, str], int]
    movers: tuple[Mover, ...]
    value: tuple[float, float]
    churn: tuple[float, float]

    @property
    def n(self) -> int:
        """Customers of both."""
        return sum(self.counts.values())

    @property
    def changed(self) -> int:
        """Customers who would be in another tier."""
        return sum(n for (before, now), n in self.counts.items() if before != now)

    @property
    def share(self) -> float:
        """Share of customers who would be in another tier."""
        return self.changed / self.n if self.n else 0.0


def scored_by(config: Config, bundle: Bundle, records: Path) -> Scored:
    """Return all customers of the live ``records`` by ``bundle``, held against the same past."""
    matrix = matrix_to_score(config, bundle, records)
    day = day_of(matrix["cutoff"].unique().to_pylist(), len(matrix))
    before = published_before(config.stores.publications, day)
    past = None if before is None else previous_of(before.scores())
    return Scored(bundle, matrix, Scorer(bundle, config.lifecycle).score(matrix, past))


def scored_in(publication: Publication, bundle: Bundle) -> Scored:
    """Return all customers as a publication, or a shadow, has them."""
    return Scored(bundle, publication.features(), publication.scores())


def moves_between(config: Config, champion: Scored, challenger: Scored) -> Moves:
    """Return who changes tier; customers of one side alone are left out."""
    one, other = _common(champion, challenger)
    before, now = (side.scores["tier"].fill_null("").to_pylist() for side in (one, other))
    counts: dict[tuple[str, str], int] = {}
    for pair in zip(before, now, strict=True):
        counts[pair] = counts.get(pair, 0) + 1
    values = [column(side.scores, "clv_expected") for side in (one, other)]
    churns = [column(side.scores, "churn_probability") for side in (one, other)]
    return Moves(
        names=_names(champion.bundle, challenger.bundle),
        counts=counts,
        movers=_movers(config, one, other, before, now, values),
        value=(float(np.nansum(values[0])), float(np.nansum(values[1]))),
        churn=(_mean(churns[0]), _mean(churns[1])),
    )


def _common(champion: Scored, challenger: Scored) -> tuple[Scored, Scored]:
    ids = [set(side.matrix["customer_id"].to_pylist()) for side in (champion, challenger)]
    both = pa.array(sorted(ids[0] & ids[1]), pa.string())
    return _of(champion, both), _of(challenger, both)


def _of(side: Scored, customer_ids: pa.Array) -> Scored:
    place = {key: i for i, key in enumerate(side.matrix["customer_id"].to_pylist())}
    rows = pa.array([place[key] for key in customer_ids.to_pylist()], pa.int64())
    return Scored(side.bundle, side.matrix.take(rows), side.scores.take(rows))


def _movers(
    config: Config,
    one: Scored,
    other: Scored,
    before: Sequence[str],
    now: Sequence[str],
    values: Sequence[Array],
) -> tuple[Mover, ...]:
    moved = np.flatnonzero(np.array(before, dtype=object) != np.array(now, dtype=object))
    if len(moved) == 0:
        return ()
    change = np.nan_to_num(np.abs(values[1] - values[0]))
    rows = moved[np.argsort(-change[moved], kind="stable")][:SHOWN]
    parts = [_by_concept(config, side, rows) for side in (one, other)]
    features = (*one.bundle.features, *other.bundle.features)
    movers = []
    for place, row in enumerate(rows.tolist()):
        concept = max(
            sorted(parts[0].keys() | parts[1].keys()),
            key=lambda name: abs(_part(parts[1], name, place) - _part(parts[0], name, place)),
            default="",
        )
        movers.append(
            Mover(
                customer_id=one.matrix["customer_id"][row].as_py(),
                tier_before=before[row],
                tier_now=now[row],
                value_before=float(values[0][row]),
                value_now=float(values[1][row]),
                concept=concept_name(concept, features),
                points_before=_part(parts[0], concept, place),
                points_now=_part(parts[1], concept, place),
            )
        )
    return tuple(movers)


def _by_concept(config: Config, side: Scored, rows: np.ndarray) -> dict[str, Array]:
    """Return the money that each concept contributes to the value of the customers ``rows``."""
    if "clv" not in side.bundle.models:
        return {}
    picked = pa.array(rows, pa.int64())
    scorer = Scorer(side.bundle, config.lifecycle)
    reasoner = Reasoner(scorer, config.currency, UNITS)
    columns = scorer.columns(side.matrix.take(picked))
    split = reasoner.breakdown("clv", columns, side.scores.take(picked))
    concept_of = {feature.name: feature.concept for feature in side.bundle.features}
    parts: dict[str, Array] = {}
    for name, points in zip(split.inputs, split.points, strict=True):
        concept = concept_of[name]
        parts[concept] = parts.get(concept, np.zeros(len(rows))) + points
    return parts


def _part(parts: dict[str, Array], concept: str, place: int) -> float:
    return float(parts[concept][place]) if concept in parts else 0.0


def _names(champion: Bundle, challenger: Bundle) -> dict[str, Text]:
    tiers = (*champion.policy.tiers, *challenger.policy.tiers)
    names: dict[str, Text] = {}
    for tier in tiers:
        names.setdefault(tier.code, tier.name)
    return names


def _mean(values: Array) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
