"""The table of reasons: the strongest concepts of every number, each told in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from configs.section import Text
from serving.scores.phrases import FLAGS
from serving.scores.points import Breakdown, Ranked, break_down, keeps_its_place, rank
from serving.scores.population import Array, column
from serving.scores.scorer import Scorer
from serving.scores.wording import REST, RHYTHM, TOLD_BY, Described, Sentences
from training.anchor import TargetName

Codes = npt.NDArray[np.int64]
Claims = npt.NDArray[np.bool_]

TARGETS: dict[TargetName, str] = {"churn": "churn_probability", "clv": "clv_expected"}
"""The numbers that reasons are given for, and their columns of the scores."""
REST_CONCEPT = "rest"
NOTHING = float("nan")
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
        flat = [
            (target, self.n + 1 if told.feature is None else place, told)
            for target, block in zip(targets, blocks, strict=True)
            for place, told in enumerate(block, start=1)
        ]
        return _table(scores["customer_id"], flat, teller)

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
        places = (teller.told(split, ranked, i, target) for i in range(len(ranked.points)))
        return {concept: one for told in places for concept, one in teller.first(told)}

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
    ) -> list[_Told]:
        """Return what is told at each rank of one target, ``rest`` last."""
        model = self.scorer.bundle.models[target]
        own, *anew = model.contributions_of_all(columns, teller.concept_of)
        breakdown = self._split(target, own, scores)
        ranked = rank(breakdown, teller.concept_of, target, self.n)
        told = [
            teller.told(breakdown, ranked, place, target) for place in range(len(ranked.points))
        ]
        if anew:
            stable = self._stable(target, anew, ranked)
            told = [replace(one, stable=own) for one, own in zip(told, stable, strict=True)]
        return [*told, teller.rest(ranked.rest)]

    def _stable(
        self,
        target: TargetName,
        anew: Sequence[tuple[float, Mapping[str, Array]]],
        ranked: Ranked,
    ) -> Claims:
        """Return whether each reason keeps its place, shape (n_reasons, n_customers)."""
        model = self.scorer.bundle.models[target]
        again = []
        for base, summed in anew:
            shown = model.inverse_link(base + np.sum(list(summed.values()), axis=0))
            split = break_down(target, base, summed, shown, model.inverse_link)
            again.append(rank(split, {concept: concept for concept in summed}, target, self.n))
        return keeps_its_place(ranked, again)


@dataclass(frozen=True)
class _Told:
    """What is told of every customer at one place.

    Attributes:
        concept: place among the teller's concepts, -1 where nothing more is worth telling.
        points: of the concept.
        text: place among the teller's texts.
        feature: place among the teller's features; ``None`` where none is spoken of.
        actionable: whether a company can mend it; ``None`` for nobody.
        stable: whether it keeps its place; ``None`` where that was not looked into.
    """

    concept: Codes
    points: Array
    text: Codes
    feature: Codes | None = None
    actionable: Claims | None = None
    stable: Claims | None = None


class _Teller:
    """Finds for each customer and concept the feature to speak of, and its sentence.

    Attributes:
        concepts, features: names, by the places that what is told holds.
        texts: sentences in both languages; of customers who are told the same there is one.
    """

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
        self._tiers = np.array(tiers, dtype=object)
        self.concept_of = {name: feature.concept for name, feature in self._features.items()}
        self.concepts = [REST_CONCEPT, *sorted({feature.concept for feature in features})]
        self.features = list(self._features)
        self.texts = [(REST.zh, REST.en)]
        self._places: dict[str, dict[tuple[Any, ...], int]] = {}

    def told(self, breakdown: Breakdown, ranked: Ranked, place: int, target: TargetName) -> _Told:
        """Return what is told at one rank."""
        n = len(self._tiers)
        text, actionable = np.full(n, -1), np.zeros(n, dtype=bool)
        strongest = self._with_taken_levels(breakdown.inputs, ranked, place)
        is_shown = ranked.concept[place] >= 0
        for index in np.unique(strongest[is_shown]):
            name = breakdown.inputs[index]
            rows = np.flatnonzero(is_shown & (strongest == index))
            actionable[rows] = self._features[self._sentences.subject(name)].actionable
            weighs = -ADVERSE[target] * np.sign(ranked.points[place][rows]).astype(int)
            text[rows] = self._written(name, rows, weighs)
        concepts = np.array([*(self.concepts.index(one) for one in ranked.concepts), -1])
        features = np.array([self.features.index(name) for name in breakdown.inputs])
        return _Told(
            concept=concepts[ranked.concept[place]],
            points=ranked.points[place],
            text=text,
            feature=features[strongest],
            actionable=actionable & (ADVERSE[target] * ranked.points[place] > 0),
        )

    def rest(self, points: Array) -> _Told:
        """Return what is told of everything else."""
        nothing = np.zeros(len(points), dtype=np.int64)
        return _Told(concept=nothing, points=points, text=nothing)

    def first(self, told: _Told) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the concept that the first customer is told of, and what, if anything."""
        if told.concept[0] >= 0:
            zh, en = self.texts[told.text[0]]
            mends = told.actionable is not None and bool(told.actionable[0])
            about = {"text_zh": zh, "text_en": en, "actionable": mends}
            yield self.concepts[told.concept[0]], about

    def _written(self, name: str, rows: Codes, weighs: Codes) -> Codes:
        """Return the place of each row's sentence among the texts."""
        subject = self._sentences.subject(name)
        written = np.empty(len(rows), dtype=np.int64)
        itself = self._tells_itself(name, subject, rows, weighs)
        for told, chosen in ((subject, ~itself), (name, itself)):
            if chosen.any():
                written[chosen] = self._texts_of(told, rows[chosen], weighs[chosen])
        return written

    def _texts_of(self, name: str, rows: Codes, weighs: Codes) -> list[int]:
        sibling = self._sentences.sibling(name)
        befores = [NOTHING] * len(rows)
        if sibling is not None and sibling in self._columns:
            befores = _listed(self._columns[sibling][rows])
        values = _listed(self._columns[name][rows])
        places = self._places.setdefault(name, {})
        found = []
        for key in zip(values, befores, self._tiers[rows], weighs.tolist(), strict=True):
            place = places.get(key)
            if place is None:
                place = places[key] = len(self.texts)
                self.texts.append(self._sentences.write(name, *key))
            found.append(place)
        return found

    def _tells_itself(
        self,
        name: str,
        subject: str,
        rows: Codes,
        weighs: Codes,
    ) -> Claims:
        """Return where days of silence must not stand for the input whose points are told.

        A silence longer than usual speaks against a customer. Where the points speak for them, or
        the other way round, they come from what the input itself says.
        """
        usual = RHYTHM.get(subject, "")
        if TOLD_BY.get(name) != subject or usual not in self._columns:
            return np.zeros(len(rows), dtype=bool)
        silence = self._columns[subject][rows] - self._columns[usual][rows]
        return np.asarray(silence * weighs > 0)

    def _with_taken_levels(self, inputs: Sequence[str], ranked: Ranked, place: int) -> Codes:
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


def _listed(values: Array) -> list[float]:
    """Return values that are told apart as keys are; NaN is not even equal to another NaN."""
    if not np.isnan(values).any():
        return values.tolist()
    return [NOTHING if isnan(value) else value for value in values.tolist()]


def _table(
    customer_ids: pa.ChunkedArray, flat: Sequence[tuple[TargetName, int, _Told]], teller: _Teller
) -> pa.Table:
    """Return rows customer by customer.

    Args:
        customer_ids: of everybody.
        flat: target, rank and what is told there, in the order of a customer's rows.
        teller: whose words what is told stands for.
    """
    if not flat or len(customer_ids) == 0:
        return REASONS.empty_table()
    concept = np.stack([told.concept for _, _, told in flat]).T.ravel()
    given = np.flatnonzero(concept >= 0)
    who, which = np.divmod(given, len(flat))
    nobody = np.zeros(len(customer_ids), dtype=np.int64)

    def of(parts: Iterable[npt.NDArray[Any] | None]) -> npt.NDArray[Any]:
        stacked = np.stack([nobody - 1 if part is None else part for part in parts])
        return stacked.T.ravel()[given]

    text = of(told.text for _, _, told in flat)
    stable = of(told.stable for _, _, told in flat)
    zh, en = zip(*teller.texts, strict=True)
    columns = {
        "customer_id": customer_ids.combine_chunks().take(pa.array(who)),
        "target": _words([target for target, _, _ in flat], which),
        "rank": pa.array(np.array([place for _, place, _ in flat], dtype=np.int8)[which]),
        "concept": _words(teller.concepts, concept[given]),
        "feature": _words(teller.features, of(told.feature for _, _, told in flat)),
        "points": pa.array(of(told.points for _, _, told in flat), from_pandas=True),
        "text_zh": _words(zh, text),
        "text_en": _words(en, text),
        "actionable": pa.array(of(told.actionable for _, _, told in flat) > 0),
        "stable": pa.array(stable > 0, mask=stable < 0),
    }
    return pa.table(columns, schema=REASONS)


def _words(words: Sequence[str], places: Codes) -> pa.StringArray:
    """Return the word at each place, null where it is -1."""
    return pa.array(words, pa.string()).take(pa.array(places, mask=places < 0))
