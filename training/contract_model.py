"""Churn of contract customers: a straight line and trees, added on the logit.

``logit p = line(x) + trees(x, derived(x))``. Both parts are sums over columns, so contributions
are exact: the line's are slopes times distances from the mean, the trees' are Shapley values, and
those of derived columns are credited to the raw columns they are made of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.additive import AdditiveModel
from training.anchor import Columns, TargetName, Vector
from training.derived import Derived, with_derived
from training.linear import Line

KIND = "contract_churn"
BLEND = "blend"
"""Key of the line and the derived columns in ``churn.json``, beside the trees' own entries."""


@dataclass(frozen=True)
class ContractChurn:
    """A frozen churn model of contract customers, with the interface of ``AdditiveModel``.

    Attributes:
        boosted: the trees on raw and derived columns; its anchor is a constant.
        line: the logistic regression, already weighted.
        derived: columns made of raw ones, in the order of the trees' inputs.
    """

    boosted: AdditiveModel
    line: Line
    derived: tuple[Derived, ...] = ()

    @property
    def target(self) -> TargetName:
        """What is predicted: churn."""
        return self.boosted.target

    @property
    def horizon_days(self) -> int:
        """What the prediction covers."""
        return self.boosted.horizon_days

    @property
    def link(self) -> str:
        """The scale on which contributions add up."""
        return self.boosted.link

    @property
    def anchor_inputs(self) -> tuple[str, ...]:
        """Contract customers have no purchase model."""
        return ()

    @property
    def tree_inputs(self) -> tuple[str, ...]:
        """Raw columns that the trees read, directly or in a derived one."""
        made = {one.name: one.parts for one in self.derived}
        names = (made.get(name, (name,)) for name in self.boosted.tree_inputs)
        return tuple(dict.fromkeys(name for some in names for name in some))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every raw column the model reads, each once."""
        return tuple(dict.fromkeys((*self.line.inputs, *self.tree_inputs)))

    @property
    def is_rules_only(self) -> bool:
        """Whether there are no trees: never, for then an ``AdditiveModel`` is served."""
        return self.boosted.is_rules_only

    def fallback(self, columns: Columns) -> NDArray[np.bool_]:
        """Return who is scored by a base rate: nobody."""
        return self.boosted.fallback(columns)

    def link_score(self, columns: Columns) -> Vector:
        """Return the logit of the churn probability, one value per customer."""
        trees = self.boosted.link_score(with_derived(columns, self.derived))
        return trees + self.line.link(columns, len(trees))

    def predict(self, columns: Columns) -> Vector:
        """Return churn probabilities in (0, 1)."""
        return self.inverse_link(self.link_score(columns))

    def inverse_link(self, scores: Vector) -> Vector:
        """Return probabilities for link scores."""
        return self.boosted.inverse_link(scores)

    def contributions(self, columns: Columns) -> tuple[float, dict[str, Vector]]:
        """Return the base and each raw column's contribution; base + sum equals ``link_score``."""
        base, of_trees = self.boosted.contributions(with_derived(columns, self.derived))
        parts = {name: np.zeros(len(columns[name])) for name in self.inputs}
        made = {one.name: one for one in self.derived}
        for name, part in of_trees.items():
            dealt = made[name].credit(columns, part) if name in made else {name: part}
            _add(parts, dealt)
        _add(parts, self.line.contributions(columns))
        return base + self.line.level, parts

    def contributions_of_all(
        self, columns: Columns, group_of: Mapping[str, str]
    ) -> list[tuple[float, dict[str, Vector]]]:
        """Return base and contributions by this model alone: none is learnt anew."""
        return [self.contributions(columns)]

    def to_files(self) -> dict[str, bytes]:
        """Return ``churn.json`` and ``churn.txt``."""
        files = self.boosted.to_files()
        described = json.loads(files[f"{self.target}.json"])
        blend = {"line": self.line.to_dict(), "derived": [one.to_dict() for one in self.derived]}
        described |= {"kind": KIND, BLEND: blend}
        return files | {f"{self.target}.json": json.dumps(described, indent=1).encode()}

    @classmethod
    def from_files(cls, target: TargetName, files: Mapping[str, bytes]) -> ContractChurn:
        """Return the model that ``to_files`` wrote.

        Raises:
            ModelError: a file is missing.
        """
        boosted = AdditiveModel.from_files(target, files)
        blend = json.loads(files[f"{target}.json"])[BLEND]
        derived = tuple(Derived.from_dict(one) for one in blend["derived"])
        return cls(boosted, Line.from_dict(blend["line"]), derived)

    def on_threads(self, threads: int) -> ContractChurn:
        """Return the model that uses so many threads; no result changes."""
        return replace(self, boosted=self.boosted.on_threads(threads))


ChurnModel = AdditiveModel | ContractChurn
"""What a value model of contract customers stands on; an ``AdditiveModel`` where data are few."""


def read_churn(files: Mapping[str, bytes]) -> ChurnModel:
    """Return the churn model of either kind from its files.

    Raises:
        ModelError: a file is missing.
    """
    described = json.loads(files.get("churn.json", b"{}"))
    kind = ContractChurn if described.get("kind") == KIND else AdditiveModel
    return kind.from_files("churn", files)


def _add(parts: dict[str, Vector], more: Mapping[str, Vector]) -> None:
    for name, part in more.items():
        parts[name] = parts[name] + part
