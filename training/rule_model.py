"""A rule served in a model's place: the same interface, explained as exactly.

Rules read three facts at most, so the Shapley value of each is computed from every subset, the
facts left out held at a typical customer's (Shapley 1953).
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy.special import expit, logit

from configs.errors import ModelError
from training.additive import LINK_BOUND, LINKS, Link
from training.anchor import FREQUENCY, Columns, TargetName, Vector
from training.rules import RECENCY, LearntRule, columns_of, facts_of

RULE: TypeAdapter[LearntRule] = TypeAdapter(LearntRule)
NEAREST = 1e-12
"""Probabilities stay this far from 0 and 1, so that their logit exists."""


@dataclass(frozen=True)
class RuleModel:
    """A frozen rule of one target, with the interface of ``AdditiveModel``.

    Attributes:
        target: ``churn`` (probability) or ``clv`` (money).
        horizon_days: what the prediction covers.
        rule: gives the number of who has bought.
        reference: the facts of the customer that contributions start from.
        without_purchases: link value of who has never bought.
    """

    target: TargetName
    horizon_days: int
    rule: LearntRule
    reference: Mapping[str, float]
    without_purchases: float

    @property
    def link(self) -> Link:
        """The scale on which contributions add up."""
        return LINKS[self.target]

    @property
    def anchor_inputs(self) -> tuple[str, ...]:
        """A rule has no purchase model."""
        return ()

    @property
    def tree_inputs(self) -> tuple[str, ...]:
        """A rule has no trees."""
        return ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every column the rule reads, each once; ``frequency`` tells who has bought."""
        return columns_of(self.rule.players)

    @property
    def is_rules_only(self) -> bool:
        """Whether no trees are served: always."""
        return True

    def fallback(self, columns: Columns) -> NDArray[np.bool_]:
        """Return who is scored by the base rate of customers without purchases."""
        return np.isnan(columns[FREQUENCY])

    def link_score(self, columns: Columns) -> Vector:
        """Return the rule's number on the link scale, one value per customer."""
        score = self._link_of(facts_of(columns) if RECENCY in columns else columns)
        return np.where(self.fallback(columns), self.without_purchases, score)

    def predict(self, columns: Columns) -> Vector:
        """Return churn probabilities in (0, 1) or expected money, positive."""
        return self.inverse_link(self.link_score(columns))

    def inverse_link(self, scores: Vector) -> Vector:
        """Return probabilities or money for link scores."""
        bounded = np.clip(scores, -LINK_BOUND, LINK_BOUND)
        return expit(bounded) if self.link == "logit" else np.exp(bounded)

    def contributions(self, columns: Columns) -> tuple[float, dict[str, Vector]]:
        """Return the base and each input's contribution; base + sum equals ``link_score``.

        What sets a customer without purchases apart belongs to ``frequency``.
        """
        facts = facts_of(columns) if RECENCY in columns else columns
        n, never = len(columns[FREQUENCY]), self.fallback(columns)
        at = {present: self._mixed(facts, present, n) for present in self._subsets()}
        base = float(self._mixed(facts, frozenset(), 1)[0])
        parts = {name: np.where(never, 0.0, self._shapley(name, at)) for name in self.rule.players}
        own = parts.get(FREQUENCY, np.zeros(n))
        return base, parts | {FREQUENCY: np.where(never, self.without_purchases - base, own)}

    def contributions_of_all(
        self, columns: Columns, group_of: Mapping[str, str]
    ) -> list[tuple[float, dict[str, Vector]]]:
        """Return base and contributions by this model alone: none is learnt anew."""
        return [self.contributions(columns)]

    def to_files(self) -> dict[str, bytes]:
        """Return ``<target>.json``, all there is."""
        described = {
            "kind": "rule",
            "target": self.target,
            "horizon_days": self.horizon_days,
            "rule": self.rule.model_dump(mode="json"),
            "reference": dict(self.reference),
            "without_purchases": self.without_purchases,
        }
        return {f"{self.target}.json": json.dumps(described, indent=1).encode()}

    def on_threads(self, threads: int) -> RuleModel:
        """Return the rule itself, which uses one."""
        return self

    @classmethod
    def from_files(cls, target: TargetName, files: Mapping[str, bytes]) -> RuleModel:
        """Return the rule that ``to_files`` wrote.

        Raises:
            ModelError: the file is missing.
        """
        if f"{target}.json" not in files:
            raise ModelError(f"the model has no file '{target}.json'; it has {sorted(files)}")
        described = json.loads(files[f"{target}.json"])
        return cls(
            target=target,
            horizon_days=described["horizon_days"],
            rule=RULE.validate_python(described["rule"]),
            reference=described["reference"],
            without_purchases=described["without_purchases"],
        )

    def _link_of(self, facts: Columns) -> Vector:
        number = self.rule.number(facts)
        if self.link == "log":
            return np.log(number)
        scores: Vector = logit(np.clip(number, NEAREST, 1.0 - NEAREST))
        return scores

    def _mixed(self, facts: Columns, present: frozenset[str], n: int) -> Vector:
        """Return the link of customers whose facts ``present`` are their own, the rest typical."""
        typical = {name: np.full(n, value) for name, value in self.reference.items()}
        return self._link_of({**typical, **{name: facts[name] for name in present}})

    def _shapley(self, name: str, at: Mapping[frozenset[str], Vector]) -> Vector:
        players = len(self.rule.players)
        total = np.zeros_like(next(iter(at.values())))
        for present in (subset for subset in at if name not in subset):
            weight = 1.0 / (players * math.comb(players - 1, len(present)))
            total = total + weight * (at[present | {name}] - at[present])
        return total

    def _subsets(self) -> list[frozenset[str]]:
        players = self.rule.players
        sizes = range(len(players) + 1)
        return [frozenset(s) for size in sizes for s in itertools.combinations(players, size)]
