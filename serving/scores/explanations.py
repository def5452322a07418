"""All that a number is made of: every concept's points, and the trace of the tier."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from serving.scores.answers import Terms
from serving.scores.concept_names import concept_name
from serving.scores.points import Breakdown
from serving.scores.reasons import TARGETS, Reasoner
from serving.scores.tier_trace import tier_trace
from training.anchor import TargetName

Explanation = dict[str, Any]


def explanations(
    matrix: pa.Table, scores: pa.Table, reasoner: Reasoner, terms: Terms
) -> Iterator[Explanation]:
    """Yield the explanation of each customer of ``scores``, in order, JSON-safe.

    Args:
        matrix: the features that were scored, in the same order.
        scores: what ``Scorer.score`` returned for them.
        reasoner: of the models that scored.
        terms: what answers of the publication have in common.

    For ``churn`` and ``clv``: ``base`` plus the points of all ``concepts`` (a hundredth of them
    for churn) is the number, to 1e-6; the points of a concept are those of its ``features``.
    """
    columns = reasoner.scorer.columns(matrix)
    models = reasoner.scorer.bundle.models
    told = {
        target: _Concepts(reasoner, reasoner.breakdown(target, columns, scores))
        for target in TARGETS
        if target in models and models[target].inputs
    }
    guarded = [name for name in terms.policy.guard_inputs if name in matrix.column_names]
    guards = matrix.select(guarded).to_pylist()
    for row, score in enumerate(scores.to_pylist()):
        yield {
            "customer_id": score["customer_id"],
            "as_of": (dt.date(1970, 1, 1) + dt.timedelta(days=score["cutoff"])).isoformat(),
            "versions": terms.versions,
            "churn": _number("churn", score, row, told),
            "clv": _number("clv", score, row, told),
            "tier": tier_trace(score, guards[row], terms.policy, terms.currency),
        }


def _number(
    target: TargetName,
    score: Mapping[str, Any],
    row: int,
    told: Mapping[TargetName, _Concepts],
) -> dict[str, Any] | None:
    if target not in told:
        return None
    return {
        "base": score[f"{target}_base"],
        "shown": score[TARGETS[target]],
        "concepts": told[target].of(row),
    }


class _Concepts:
    """The points of one target by concept and feature, for every customer."""

    def __init__(self, reasoner: Reasoner, breakdown: Breakdown) -> None:
        features = {feature.name: feature for feature in reasoner.scorer.bundle.features}
        self._points = breakdown.points
        self._inputs = breakdown.inputs
        self._labels = {name: dict(features[name].label) for name in breakdown.inputs}
        self._members: dict[str, list[int]] = {}
        for i, name in enumerate(breakdown.inputs):
            self._members.setdefault(features[name].concept, []).append(i)
        self._names = {one: concept_name(one, features.values()) for one in self._members}

    def of(self, row: int) -> list[dict[str, Any]]:
        """Return the concepts of one customer, the strongest first."""
        points = self._points[:, row]
        found = [
            {
                "concept": concept,
                "name": self._names[concept].model_dump(),
                "points": float(points[members].sum()),
                "features": self._features(points, members),
            }
            for concept, members in self._members.items()
        ]
        return sorted(found, key=lambda one: (-abs(one["points"]), one["concept"]))

    def _features(self, points: np.ndarray, members: Sequence[int]) -> list[dict[str, Any]]:
        strongest = sorted(members, key=lambda i: -abs(points[i]))
        return [
            {
                "feature": self._inputs[i],
                "label": self._labels[self._inputs[i]],
                "points": float(points[i]),
            }
            for i in strongest
        ]
