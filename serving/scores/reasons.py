"""The table of reasons: the strongest concepts of every number, each told in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from configs.section import Text
from serving.scores.points import Breakdown, Ranked, break_down, keeps_its_place, rank
from serving.scores.population import Array, column
from serving.scores.scorer import Scorer, Texts
from serving.scores.wording import FLAGS, REST, RHYTHM, TOLD_BY, Described, Sentences
from training.anchor import TargetName

TARGETS: dict[TargetName, str] = {"churn": "churn_probability", "clv": "clv_expected"}
"""The numbers that reasons are given for, and their columns of the scores."""
REST_CONCEPT = "rest"
ADVERSE: dict[TargetName, int] = {"churn": 1, "clv": -1}
"""The sign of points that speak against a customer: only there is something to be mended."""

REASONS = pa.schema(
    [
        ("customer_id", pa.string()),
        ("target", pa.string()),
        ("rank", pa.int8()),
        ("concept", pa.string()),
        ("feature", pa.string()),
        ("points", pa.float64()),
        ("text_zh", pa.string()),
        ("text_en", pa.string()),
        ("actionable", pa.bool_()),
        ("stable", pa.bool_()),
    ]
)
"""Rows of a customer and target in the order to tell them, ``rest`` last; points of churn are
percentage points, those of clv money. Base plus points is the number shown. ``stable`` claims that
models learnt anew on resampled customers give the reason the same place and direction; null where
none were learnt."""


@dataclass(frozen=True)
class Reasoner:
    """Gives reasons for the scores of one scorer.

    Attributes:
        scorer: whose models and population are spoken of.
        currency: ISO 4217 code of money in sentences.
        units: words of units, ``features.units.UNITS``.
        n: reasons per number.
    """

    scorer: Scorer
    currency: str
    units: Mapping[str, Text]
    n: int = 3

    def reasons(self, matrix: pa.Table, scores: pa.Table) -> pa.Table:
        """Return a table of schema ``REASONS`` in the order of ``scores``.

        Args:
            matrix: the features that were scored.
            scores: what ``Scorer.score`` returned for them.
        """
        columns = self.scorer.columns(matrix)
        teller = self._teller(columns, scores)
        models = self.scorer.bundle.models
        targets = [target for target in TARGETS if target in models and models[target].inputs]
        blocks = [self._block(target, columns, scores, teller) for target in targets]
        return _interleaved(scores["customer_id"], targets, blocks, self.n + 1)

    def sentences(
        self, target: TargetName, matrix: pa.Table, scores: pa.Table
    ) -> dict[str, Mapping[str, Any]]:
        """Return what is told of each concept of one customer, however little it adds.

        Args:
            target: of a model that reads something.
            matrix: the features that were scored, one row.
            scores: what ``Scorer.score`` returned for it.

        Returns:
            by concept: ``text_zh``, ``text_en`` and ``actionable``, as in ``REASONS``.
        """
        columns = self.scorer.columns(matrix)
        teller = self._teller(columns, scores)
        split = self.breakdown(target, columns, scores)
        ranked = rank(split, teller.concept_of, target, len(split.inputs))
        found = (_first(teller, split, ranked, target, i) for i in range(len(ranked.points)))
        return {one["concept"]: one for one in found if one["concept"] is not None}

    def breakdown(
        self, target: TargetName, columns: Mapping[str, Array], scores: pa.Table
    ) -> Breakdown:
        """Return the points of every input for ``target``; they add up to the number shown."""
        model = self.scorer.bundle.models[target]
        return self._split(target, model.contributions(columns), scores)

    def _split(
        self, target: TargetName, own: tuple[float, Mapping[str, Array]], scores: pa.Table
    ) -> Breakdown:
        base, parts = own
        shown = column(scores, TARGETS[target])
        return break_down(
            target, base, parts, shown, self.scorer.bundle.models[target].inverse_link
        )

    def _teller(self, columns: Mapping[str, Array], scores: pa.Table) -> _Teller:
        tiers = scores["tier"].fill_null("").to_pylist()
        return _Teller(self.scorer.bundle.features, self._sentences, columns, tiers)

    @cached_property
    def _sentences(self) -> Sentences:
        medians = self.scorer.population.medians
        return Sentences(self.scorer.bundle.features, self.units, self.currency, medians)

    def _block(
        self,
        target: TargetName,
        columns: Mapping[str, Array],
        scores: pa.Table,
        teller: _Teller,
    ) -> list[dict[str, Any]]:
        """Return columns for each rank of one target, ``rest`` last."""
        own, *anew = self.scorer.bundle.models[target].contributions_of_all(columns)
        breakdown = self._split(target, own, scores)
        ranked = rank(breakdown, teller.concept_of, target, self.n)
        stable = self._stable(target, anew, ranked, teller.concept_of)
        block = []
        for place in range(len(ranked.points)):
            told = teller.told(breakdown, ranked, place, target)
            block.append(told | {"stable": stable[place]})
        return [*block, _rest(ranked.rest)]

    def _stable(
        self,
        target: TargetName,
        anew: Sequence[tuple[float, Mapping[str, Array]]],
        ranked: Ranked,
        concept_of: Mapping[str, str],
    ) -> npt.NDArray[np.object_]:
        """Return whether each reason keeps its place, ``None`` where that was not looked into."""
        model = self.scorer.bundle.models[target]
        again = []
        for base, parts in anew:
            summed = _by_concept(parts, concept_of)
            shown = model.inverse_link(base + np.sum(list(summed.values()), axis=0))
            split = break_down(target, base, summed, shown, model.inverse_link)
            again.append(rank(split, {concept: concept for concept in summed}, target, self.n))
        if not again:
            return np.full(ranked.points.shape, None, dtype=object)
        return np.asarray(keeps_its_place(ranked, again).astype(object))


def _by_concept(parts: Mapping[str, Array], concept_of: Mapping[str, str]) -> dict[str, Array]:
    summed: dict[str, Array] = {}
    for name, part in parts.items():
        concept = concept_of[name]
        summed[concept] = summed[concept] + part if concept in summed else part
    return summed


class _Teller:
    """Finds for each customer and concept the feature to speak of, and its sentence."""

    def __init__(
        self,
        features: Sequence[Described],
        sentences: Sentences,
        columns: Mapping[str, Array],
        tiers: Sequence[str],
    ) -> None:
        self._features = {feature.name: feature for feature in features}
        self._sentences = sentences
        self._columns = columns
        self._tiers = tiers
        self.concept_of = {name: feature.concept for name, feature in self._features.items()}

    def told(
        self, breakdown: Breakdown, ranked: Ranked, place: int, target: TargetName
    ) -> dict[str, Any]:
        """Return concept, feature, points, texts and actionability of one rank."""
        n = len(self._tiers)
        feature = np.full(n, None, dtype=object)
        zh, en = feature.copy(), feature.copy()
        actionable = np.zeros(n, dtype=bool)
        strongest = self._with_taken_levels(breakdown.inputs, ranked, place)
        is_shown = ranked.concept[place] >= 0
        for index in np.unique(strongest[is_shown]):
            name = breakdown.inputs[index]
            rows = np.flatnonzero(is_shown & (strongest == index))
            feature[rows] = name
            actionable[rows] = self._features[self._sentences.subject(name)].actionable
            weighs = -ADVERSE[target] * np.sign(ranked.points[place][rows]).astype(int)
            zh[rows], en[rows] = self._written(name, rows, weighs)
        concepts = np.array([*ranked.concepts, None], dtype=object)[ranked.concept[place]]
        return {
            "concept": concepts,
            "feature": feature,
            "points": ranked.points[place],
            "text_zh": zh,
            "text_en": en,
            "actionable": actionable & (ADVERSE[target] * ranked.points[place] > 0),
        }

    def _written(
        self, name: str, rows: npt.NDArray[np.int64], weighs: npt.NDArray[np.int64]
    ) -> tuple[list[str], list[str]]:
        subject = self._sentences.subject(name)
        written = np.empty(len(rows), dtype=object)
        itself = self._tells_itself(name, subject, rows, weighs)
        for told, chosen in ((subject, ~itself), (name, itself)):
            written[chosen] = self._pairs(told, rows[chosen], weighs[chosen])
        return [zh for zh, _ in written], [en for _, en in written]

    def _pairs(
        self, name: str, rows: npt.NDArray[np.int64], weighs: npt.NDArray[np.int64]
    ) -> Texts:
        """Return the sentence of each row in both languages, a pair each."""
        sibling = self._sentences.sibling(name) if len(rows) else None
        values = self._columns[name][rows].tolist() if len(rows) else []
        befores = [float("nan")] * len(rows)
        if sibling is not None and sibling in self._columns:
            befores = self._columns[sibling][rows].tolist()
        pairs = np.empty(len(rows), dtype=object)
        for i, row in enumerate(rows.tolist()):
            pairs[i] = self._sentences.write(
                name, values[i], befores[i], self._tiers[row], int(weighs[i])
            )
        return pairs

    def _tells_itself(
        self,
        name: str,
        subject: str,
        rows: npt.NDArray[np.int64],
        weighs: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.bool_]:
        """Return where days of silence must not stand for the input whose points are told.

        A silence longer than usual speaks against a customer. Where the points speak for them, or
        the other way round, they come from what the input itself says.
        """
        usual = RHYTHM.get(subject, "")
        if TOLD_BY.get(name) != subject or usual not in self._columns:
            return np.zeros(len(rows), dtype=bool)
        silence = self._columns[subject][rows] - self._columns[usual][rows]
        return np.asarray(silence * weighs > 0)

    def _with_taken_levels(
        self, inputs: Sequence[str], ranked: Ranked, place: int
    ) -> npt.NDArray[np.int64]:
        """Return the strongest features; of a category, the level that the customer has."""
        strongest = ranked.strongest[place].copy()
        by_concept = self._levels(inputs)
        for index, concept in enumerate(ranked.concepts):
            levels = by_concept.get(concept, ())
            if len(levels) < 2:
                continue
            taken = np.stack([self._columns[inputs[i]] >= 0.5 for i in levels])
            rows = (ranked.concept[place] == index) & taken.any(axis=0)
            strongest[rows] = np.array(levels)[taken.argmax(axis=0)[rows]]
        return strongest

    def _levels(self, inputs: Sequence[str]) -> dict[str, list[int]]:
        """Return the inputs that are 1 or 0, by concept."""
        levels: dict[str, list[int]] = {}
        for i, name in enumerate(inputs):
            if self._features[name].unit in FLAGS:
                levels.setdefault(self._features[name].concept, []).append(i)
        return levels


def _first(
    teller: _Teller, split: Breakdown, ranked: Ranked, target: TargetName, place: int
) -> dict[str, Any]:
    """Return what is told of the first customer at one place."""
    told = teller.told(split, ranked, place, target)
    return {name: values[0] for name, values in told.items()}


def _rest(points: Array) -> dict[str, Any]:
    n = len(points)
    return {
        "concept": np.full(n, REST_CONCEPT, dtype=object),
        "feature": np.full(n, None, dtype=object),
        "points": points,
        "text_zh": np.full(n, REST.zh, dtype=object),
        "text_en": np.full(n, REST.en, dtype=object),
        "actionable": np.zeros(n, dtype=bool),
        "stable": np.full(n, None, dtype=object),
    }


def _interleaved(
    customer_ids: pa.ChunkedArray,
    targets: Sequence[TargetName],
    blocks: Sequence[Sequence[dict[str, Any]]],
    ranks: int,
) -> pa.Table:
    """Return rows customer by customer from columns that are target by target, rank by rank."""
    if not blocks or len(customer_ids) == 0:
        return REASONS.empty_table()
    flat = [
        (target, place, part)
        for target, block in zip(targets, blocks, strict=True)
        for place, part in enumerate(block)
    ]
    n = len(customer_ids)
    names = ("concept", "feature", "points", "text_zh", "text_en", "actionable", "stable")
    stacked = {name: np.stack([part[name] for _, _, part in flat]).T.ravel() for name in names}
    lengths = {target: len(block) for target, block in zip(targets, blocks, strict=True)}
    stacked["customer_id"] = np.repeat(np.array(customer_ids.to_pylist(), dtype=object), len(flat))
    stacked["target"] = np.tile(np.array([target for target, _, _ in flat], dtype=object), n)
    places = [ranks if place == lengths[t] - 1 else place + 1 for t, place, _ in flat]
    stacked["rank"] = np.tile(np.array(places, dtype=np.int8), n)
    is_given = np.array([concept is not None for concept in stacked["concept"]])
    arrays = [pa.array(stacked[f.name][is_given], f.type, from_pandas=True) for f in REASONS]
    return pa.table(arrays, schema=REASONS)
