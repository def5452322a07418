"""What changed between two publications, split into data, model and policy without remainder.

Numbers and tiers are followed along one way: as published before → the new data by the old model
and policy → by the new model → by the new policy, which is as published now. Each step changes one
thing, so the steps add up to the whole change. On the new day a customer's past is the one that
the new publication held them against, at every step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.errors import ModelError
from configs.schema import Config
from configs.section import Text
from serving.endpoint.served import bundle_of
from serving.scores.points import break_down
from serving.scores.population import Array, column
from serving.scores.publication import FEATURES_FILE, SCORES_FILE, Publication
from serving.scores.reasons import TARGETS
from serving.scores.scorer import PREVIOUS, BundleLike, before_of, days_of, tiers_by
from serving.scores.wording import Described
from training.anchor import TargetName

Texts = npt.NDArray[np.object_]
PARTS = ("data", "model", "policy")
ROWS_AT_ONCE = 50_000
READ = [
    *("customer_id", "cutoff", "tier", *TARGETS.values()),
    *(f"previous_{name}" for name in PREVIOUS.names[1:]),
]
"""Of scores."""


@dataclass(frozen=True)
class Walk:
    """Customers of both publications along the way; all columns in the order of ``customer_ids``.

    Attributes:
        customer_ids: sorted; of either publication.
        numbers: target → array of shape (4, n_customers): as before, by new data, by the new
            model, as now. Probabilities or money; 0 where a customer is not published, NaN where
            there is no such model or the old one is gone.
        tiers: array of shape (4, n_customers) of codes; ``None`` where not published or unknown.
        is_new: who is published only now.
        is_gone: who was published only before.
    """

    customer_ids: tuple[str, ...]
    numbers: Mapping[TargetName, Array]
    tiers: Texts
    is_new: npt.NDArray[np.bool_]
    is_gone: npt.NDArray[np.bool_]

    def parts(self, target: TargetName) -> dict[str, Array]:
        """Return what data, model and policy add to a number; they sum to its change."""
        steps = np.diff(self.numbers[target], axis=0)
        return dict(zip(PARTS, steps, strict=True))

    def moved_by(self, part: str) -> npt.NDArray[np.bool_]:
        """Return whose tier that part changed; of those published both times."""
        place = PARTS.index(part)
        both = ~self.is_new & ~self.is_gone
        return both & (self.tiers[place] != self.tiers[place + 1])


@dataclass(frozen=True)
class Comparison:
    """Two publications, and the models of the older.

    Attributes:
        old, new: publications; ``new`` is usually the live one.
        old_bundle: the models that made ``old``; ``None`` where they cannot be used on the new
            data: then only the whole change is known.
        why_not_split: says so, in that case.
    """

    old: Publication
    new: Publication
    old_bundle: BundleLike | None
    why_not_split: Text | None = None

    def walk(self, customer_ids: Sequence[str] | None = None) -> Walk:
        """Return the way of these customers, by default of all who are in either publication."""
        before, now = (_read(p, SCORES_FILE, customer_ids, READ) for p in (self.old, self.new))
        ids = _ids_of(before, now)
        was, is_ = (_Side.of(ids, scores) for scores in (before, now))
        columns = _columns(_read(self.new, FEATURES_FILE, customer_ids, self._read_by_old))
        by_data = self._by_old_model(columns, now)
        numbers: dict[TargetName, Array] = {}
        for target, name in TARGETS.items():
            after = column(now, name)
            steps = (by_data[target], after, after)
            numbers[target] = np.stack(
                [was.numbers(column(before, name)), *map(is_.numbers, steps)]
            )
        tiers = (*self._tiers_by_old_policy(by_data["clv"], columns, now), _texts(now["tier"]))
        return Walk(
            tuple(ids.to_pylist()),
            numbers,
            np.stack([was.texts(_texts(before["tier"])), *map(is_.texts, tiers)]),
            is_new=~was.is_there,
            is_gone=~is_.is_there,
        )

    def concepts(
        self, target: TargetName, customer_ids: Sequence[str] | None = None
    ) -> dict[str, float]:
        """Return what each concept adds to the data part, in points, summed over customers.

        They are differences of the old model's contributions for customers published both times:
        percentage points of churn, or money. Their sum is the data part of these customers.
        """
        old, new = (_read(p, FEATURES_FILE, customer_ids) for p in (self.old, self.new))
        kept = pc.is_in(new["customer_id"], old["customer_id"].combine_chunks())
        new = new.filter(kept)
        rows = pc.index_in(new["customer_id"], old["customer_id"].combine_chunks())
        old = old.take(rows)
        totals: dict[str, float] = {}
        for start in range(0, len(new), ROWS_AT_ONCE):
            now = self._points(target, new.slice(start, ROWS_AT_ONCE))
            then = self._points(target, old.slice(start, ROWS_AT_ONCE))
            for name, points in now.items():
                concept = self._concept_of[name]
                moved = float((points - then[name]).sum())
                totals[concept] = totals.get(concept, 0.0) + moved
        return dict(sorted(totals.items(), key=lambda one: -abs(one[1])))

    def _points(self, target: TargetName, matrix: pa.Table) -> dict[str, Array]:
        assert self.old_bundle is not None
        model = self.old_bundle.models[target]
        columns = _columns(matrix)
        base, parts = model.contributions(columns)
        if not parts:
            return {}
        split = break_down(target, base, parts, model.predict(columns), model.inverse_link)
        return dict(zip(split.inputs, split.points, strict=True))

    @property
    def features(self) -> Sequence[Described]:
        """The features of the older models; none where these cannot be used."""
        return () if self.old_bundle is None else self.old_bundle.features

    @cached_property
    def _concept_of(self) -> dict[str, str]:
        return {feature.name: feature.concept for feature in self.features}

    def _tiers_by_old_policy(
        self, by_data: Array, columns: Mapping[str, Array], now: pa.Table
    ) -> tuple[Texts, Texts]:
        """Return the tiers by the old policy, of the old models and of those of now."""
        first = self._tiers_before(by_data, columns, now)
        if self._is_same_model:
            return first, first
        return first, self._tiers_before(column(now, "clv_expected"), columns, now)

    def _tiers_before(self, values: Array, columns: Mapping[str, Array], now: pa.Table) -> Texts:
        """Return the tiers by the old policy, held against the past that ``now`` was held to."""
        if self.old_bundle is None or np.isnan(values).all():
            return np.full(len(values), None, dtype=object)
        policy, days = self.old.manifest.terms.policy, days_of(now["cutoff"])
        return np.asarray(
            tiers_by(policy, values, columns, before_of(now), days).codes, dtype=object
        )

    def _by_old_model(self, columns: Mapping[str, Array], now: pa.Table) -> dict[TargetName, Array]:
        if self._is_same_model:
            return {target: column(now, name) for target, name in TARGETS.items()}
        models = {} if self.old_bundle is None else self.old_bundle.models
        unknown = np.full(len(now), np.nan)
        return {
            target: models[target].predict(columns) if target in models else unknown
            for target in TARGETS
        }

    @property
    def _is_same_model(self) -> bool:
        """Whether what is published now is what the old models give."""
        made_by = self.new.manifest.bundle
        is_same = made_by != "" and made_by == self.old.manifest.bundle
        return is_same and self.old_bundle is not None

    @property
    def _read_by_old(self) -> list[str] | None:
        """Columns of the features that old models and policy read; ``None`` for all."""
        guards = self.old.manifest.terms.policy.guard_inputs
        return ["customer_id", "cutoff", *guards] if self._is_same_model else None


def compare(config: Config, old: Publication, new: Publication) -> Comparison:
    """Return the two publications ready to compare, with the old models where they still do."""
    then, now = old.manifest.terms.features, new.manifest.terms.features
    if then != now:
        return Comparison(old, new, None, _said(OTHERS, then=then, now=now))
    try:
        return Comparison(old, new, bundle_of(old, config))
    except ModelError as error:
        return Comparison(old, new, None, _said(UNUSABLE, error=str(error)))


OTHERS = Text(
    zh="所用特征不同（当时{then}，现在{now}），旧模型读不了新数据",
    en="other features are used ({then}, now {now}): the old model cannot read the new data",
)
UNUSABLE = Text(zh="旧模型不可用：{error}", en="{error}")


def _said(text: Text, **found: str) -> Text:
    return Text(zh=text.zh.format(**found), en=text.en.format(**found))


def _read(
    publication: Publication,
    file: str,
    customer_ids: Sequence[str] | None,
    columns: list[str] | None = None,
) -> pa.Table:
    """Return the rows of these customers, or of all, from one of a publication's tables."""
    if customer_ids is None:
        return pq.read_table(publication.folder / file, columns=columns)
    return _rows_of(publication.folder / file, tuple(customer_ids))


@lru_cache(maxsize=16)
def _rows_of(path: Path, customer_ids: tuple[str, ...]) -> pa.Table:
    """Return some customers' rows; one comparison asks for them thrice, and they never change."""
    wanted = pc.field("customer_id").isin(pa.array(customer_ids, pa.string()))
    return pq.read_table(path, filters=wanted)


def _columns(matrix: pa.Table) -> dict[str, Array]:
    return {name: column(matrix, name) for name in matrix.column_names[2:]}


def _texts(values: pa.ChunkedArray) -> Texts:
    return np.array(values.to_pylist(), dtype=object)


def _ids_of(before: pa.Table, now: pa.Table) -> pa.Array:
    """Return the ids of both, sorted, each once."""
    chunks = [*before["customer_id"].chunks, *now["customer_id"].chunks]
    ids = pc.unique(pa.chunked_array(chunks, pa.string()))
    return ids.take(pc.sort_indices(ids))


@dataclass(frozen=True)
class _Side:
    """Where the customers of one publication lie among those of both.

    Attributes:
        rows: place of each of its customers.
        is_there: of all, who is published in it.
    """

    rows: npt.NDArray[np.int64]
    is_there: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, ids: pa.Array, scores: pa.Table) -> _Side:
        """Return where the customers of ``scores`` lie among ``ids``."""
        rows = pc.index_in(scores["customer_id"], ids).to_numpy().astype(np.int64)
        is_there = np.zeros(len(ids), dtype=np.bool_)
        is_there[rows] = True
        return cls(rows, is_there)

    def numbers(self, values: Array) -> Array:
        """Return the values of its customers among all; 0 where one is not published."""
        placed = np.zeros(len(self.is_there))
        placed[self.rows] = values
        return placed

    def texts(self, values: Texts) -> Texts:
        """Return the words of its customers among all; ``None`` where one is not published."""
        placed = np.full(len(self.is_there), None, dtype=object)
        placed[self.rows] = values
        return placed
