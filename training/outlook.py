"""Tier outlook: how likely a customer's value in the next horizon reaches each tier's threshold.

For each threshold one binary model, ``P(value ≥ threshold) = σ(line + trees)``, where the line is
linear in log E[X(H)] and in log expected spend, both from the purchase models, and small
trees correct it. A higher threshold is never likelier than a lower one: the probabilities of one
customer are sorted, which brings no estimate further from the truth (Chernozhukov,
Fernández-Val, Galichon 2009, Improving point and interval estimators of monotone functions by
rearrangement, Biometrika 96, proposition 1).

Contract customers either stay and bring their monthly value, or leave and bring nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from training.anchor import FREQUENCY, VALUE_INPUTS, Columns, signal
from training.contract import ContractValue
from training.purchase import GammaGamma, PurchaseModel, described, from_description

Vector = NDArray[np.float64]
FILE = "outlook.json"


@dataclass(frozen=True)
class Reach:
    """The model of one threshold, on the logit.

    Attributes:
        level, of_purchases, of_spend: the line in log E[X(H)] and log E[M].
        without_purchases: logit of customers who have never bought.
        trees: LightGBM text; ``None`` where too few reached the threshold, or all did.
    """

    level: float
    of_purchases: float
    of_spend: float
    without_purchases: float
    trees: str | None = None

    @cached_property
    def booster(self) -> lgb.Booster:
        """The trees, loaded once."""
        return lgb.Booster(model_str=self.trees)


@dataclass(frozen=True)
class Outlook:
    """The outlook of event customers.

    Attributes:
        horizon_days: what "next" means.
        purchase, spend: the purchase models at the as-of day.
        tree_inputs: columns of the trees, in their order.
        reaches: one model per threshold, the lowest threshold first.
    """

    horizon_days: int
    purchase: PurchaseModel
    spend: GammaGamma
    tree_inputs: tuple[str, ...]
    reaches: tuple[Reach, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every column the outlook reads."""
        return tuple(dict.fromkeys((*VALUE_INPUTS, *self.tree_inputs)))

    def logits(self, columns: Columns) -> Vector:
        """Return customers × thresholds on the logit, each by its own model, not yet sorted."""
        never = np.isnan(columns[FREQUENCY])
        purchases, spend = signals(self.purchase, self.spend, self.horizon_days, columns)
        X = self._matrix(columns)
        scores = np.empty((len(never), len(self.reaches)))
        for place, one in enumerate(self.reaches):
            own = line(one, purchases, spend) + _corrected(one, X)
            scores[:, place] = np.where(never, one.without_purchases, own)
        return scores

    def reach(self, columns: Columns) -> Vector:
        """Return customers × thresholds: probabilities, never rising with the threshold."""
        return sorted_down(expit(self.logits(columns)))

    def _matrix(self, columns: Columns) -> Vector:
        if not any(one.trees for one in self.reaches) or not self.tree_inputs:
            return np.empty((len(columns[FREQUENCY]), 0))
        return np.column_stack([columns[name] for name in self.tree_inputs])

    def to_files(self) -> dict[str, bytes]:
        """Return ``outlook.json`` and the trees of each threshold that has some."""
        parts: list[dict[str, Any]] = []
        files: dict[str, bytes] = {}
        for place, one in enumerate(self.reaches):
            own = {name: getattr(one, name) for name in NUMBERS}
            if one.trees is not None:
                files[f"outlook_{place + 1}.txt"] = one.trees.encode()
            parts.append(own | {"has_trees": one.trees is not None})
        told = {
            "kind": "events",
            "horizon_days": self.horizon_days,
            "purchase": described(self.purchase),
            "spend": self.spend.to_dict(),
            "tree_inputs": list(self.tree_inputs),
            "reaches": parts,
        }
        return files | {FILE: json.dumps(told, indent=1).encode()}


NUMBERS = ("level", "of_purchases", "of_spend", "without_purchases")


@dataclass(frozen=True)
class ContractOutlook:
    """The outlook of contract customers: full value while they stay, nothing if they leave."""

    value: ContractValue
    thresholds: tuple[float, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every column the outlook reads."""
        return self.value.inputs

    def reach(self, columns: Columns) -> Vector:
        """Return customers × thresholds: the chance to stay where staying reaches it, else 0."""
        stays = 1.0 - self.value.churn.predict(columns)
        return stay_and_reach(stays, self.value.predict(columns) / stays, self.thresholds)

    def to_files(self) -> dict[str, bytes]:
        """Return ``outlook.json``; the models' own files are needed beside it."""
        told = {"kind": "contract", "thresholds": list(self.thresholds)}
        return {FILE: json.dumps(told, indent=1).encode()}


TierOutlook = Outlook | ContractOutlook


def outlook_at(outlook: TierOutlook | None, thresholds: tuple[float, ...]) -> TierOutlook | None:
    """Return the outlook for other thresholds than it was made for; ``None`` where not known.

    Of contract customers it follows from the models; of others each threshold has a model of its
    own, which the next training makes.
    """
    if isinstance(outlook, ContractOutlook):
        return replace(outlook, thresholds=thresholds)
    return None


def read_outlook(files: Mapping[str, bytes], models: Mapping[Any, Any]) -> TierOutlook | None:
    """Return the outlook in the files of a bundle; ``None`` where it has none."""
    if FILE not in files:
        return None
    told = json.loads(files[FILE])
    if told["kind"] == "contract":
        return ContractOutlook(models["clv"], tuple(told["thresholds"]))
    reaches = []
    for place, one in enumerate(told["reaches"]):
        text = files[f"outlook_{place + 1}.txt"].decode() if one["has_trees"] else None
        reaches.append(Reach(trees=text, **{name: one[name] for name in NUMBERS}))
    return Outlook(
        horizon_days=told["horizon_days"],
        purchase=from_description(told["purchase"]),
        spend=GammaGamma.from_dict(told["spend"]),
        tree_inputs=tuple(told["tree_inputs"]),
        reaches=tuple(reaches),
    )


def shares_of_tiers(reach: Vector) -> Vector:
    """Return customers × tiers, the lowest first: probabilities that sum to 1.

    >>> shares_of_tiers(np.array([[0.75, 0.25]]))
    array([[0.25, 0.5 , 0.25]])
    """
    ends = np.ones((len(reach), 1)), np.zeros((len(reach), 1))
    steps = np.hstack([ends[0], reach, ends[1]])
    shares: Vector = steps[:, :-1] - steps[:, 1:]
    return shares


def signals(
    purchase: PurchaseModel, spend: GammaGamma, horizon_days: int, columns: Columns
) -> tuple[Vector, Vector]:
    """Return log E[X(H)] and log E[M]; of no meaning for customers who have never bought."""
    known = {name: np.nan_to_num(columns[name], nan=1.0) for name in VALUE_INPUTS}
    money = spend.expected_spend(known[FREQUENCY] + 1.0, known["monetary_value"])
    smallest = np.finfo(float).tiny
    return signal(purchase, None, horizon_days, known), np.log(np.maximum(money, smallest))


def line(one: Reach, purchases: Vector, spend: Vector) -> Vector:
    """Return the line of one threshold on the logit."""
    return one.level + one.of_purchases * purchases + one.of_spend * spend


def stay_and_reach(stays: Vector, full: Vector, thresholds: tuple[float, ...]) -> Vector:
    """Return the chance to stay where the full value reaches a threshold, 0 elsewhere."""
    return np.where(full[:, None] >= np.array(thresholds)[None, :], stays[:, None], 0.0)


def sorted_down(reach: Vector) -> Vector:
    """Return each row from the highest to the lowest."""
    return -np.sort(-reach, axis=1)


def _corrected(one: Reach, X: Vector) -> Vector:
    if one.trees is None or len(X) == 0:
        return np.zeros(len(X))
    return np.asarray(one.booster.predict(X, raw_score=True, num_threads=1), dtype=np.float64)
