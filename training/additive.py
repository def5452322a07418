"""A served number: ``inverse_link(intercept + slope · (anchor + trees))``, explained exactly.

Every step after the anchor and the trees is affine in the link, so exact Shapley values of the
anchor plus TreeSHAP of the trees, times the slope, add up to what is served.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from configs.errors import ModelError
from training.anchor import FREQUENCY, Anchor, Columns, TargetName, Vector
from training.tree_text import UnreadableTreesError
from training.treeshap import TreeShap

Link = Literal["logit", "log"]
LINKS: dict[TargetName, Link] = {"churn": "logit", "clv": "log"}
LINK_BOUND = 30.0
"""Predictions stay within exp(±30), so no link score overflows."""


@dataclass(frozen=True)
class AdditiveModel:
    """A frozen model of one target.

    Attributes:
        target: ``churn`` (probability) or ``clv`` (money).
        horizon_days: what the prediction covers.
        anchor: what the purchase model says, or a constant.
        tree_inputs: columns of the trees, in their order; NaN is "missing".
        trees: LightGBM text; ``None`` where rules only are served.
        intercept, slope: the affine step after the sum.
        threads: used by LightGBM; changes no result.
        resampled: trees learnt anew on resampled customers, to see which reasons keep their place.
    """

    target: TargetName
    horizon_days: int
    anchor: Anchor
    tree_inputs: tuple[str, ...] = ()
    trees: str | None = None
    intercept: float = 0.0
    slope: float = 1.0
    threads: int = 2
    resampled: tuple[str, ...] = ()

    @property
    def link(self) -> Link:
        """The scale on which contributions add up."""
        return LINKS[self.target]

    @property
    def anchor_inputs(self) -> tuple[str, ...]:
        """Columns of the anchor; none for contract customers."""
        return self.anchor.inputs

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every column the model reads, each once."""
        return tuple(dict.fromkeys((*self.anchor_inputs, *self.tree_inputs)))

    @property
    def is_rules_only(self) -> bool:
        """Whether the anchor stands alone: too few customers for trees."""
        return self.trees is None

    def fallback(self, columns: Columns) -> NDArray[np.bool_]:
        """Return who is scored by the base rate of customers without purchases."""
        return self.anchor.never_bought(columns, _rows(columns))

    def link_score(self, columns: Columns) -> Vector:
        """Return intercept + slope · (anchor + trees), one value per customer."""
        n = _rows(columns)
        total = self.anchor.link(columns, n) + self.tree_scores(columns)
        return self.intercept + self.slope * total

    def predict(self, columns: Columns) -> Vector:
        """Return churn probabilities in (0, 1) or expected money, positive."""
        return self.inverse_link(self.link_score(columns))

    def inverse_link(self, scores: Vector) -> Vector:
        """Return probabilities or money for link scores."""
        bounded = np.clip(scores, -LINK_BOUND, LINK_BOUND)
        return expit(bounded) if self.link == "logit" else np.exp(bounded)

    def contributions(self, columns: Columns) -> tuple[float, dict[str, Vector]]:
        """Return the base and each input's contribution, all on the link scale.

        ``base + sum(contributions) == link_score`` to 1e-9 for every customer. The anchor is
        split by exact Shapley values, the trees by TreeSHAP (Lundberg et al. 2020).
        """
        n = _rows(columns)
        bought = ~self.anchor.never_bought(columns, n)
        trees = self._tree_parts(self._by_column(columns), bought)
        return self._together(self.anchor.shapley(columns, n), trees)

    def contributions_of_all(
        self, columns: Columns, group_of: Mapping[str, str]
    ) -> list[tuple[float, dict[str, Vector]]]:
        """Return base and contributions by this model, then by every one learnt anew, in groups.

        Those learnt anew on resampled customers have this model's anchor, calibration and level,
        and trees of their own.

        Args:
            columns: the inputs.
            group_of: every input; the contributions of a group's are added up where only the
                order of groups is asked for.
        """
        n = _rows(columns)
        X, bought = self._by_column(columns), ~self.anchor.never_bought(columns, n)
        base, of_anchor = self.anchor.shapley(columns, n)
        own = self._together((base, of_anchor), self._tree_parts(X, bought))
        grouped = _grouped(of_anchor, group_of)
        anew = (twin._group_parts(X, bought, group_of) for twin in self._twins)
        return [own, *(self._together((base, grouped), trees) for trees in anew)]

    @cached_property
    def _twins(self) -> tuple[AdditiveModel, ...]:
        return tuple(replace(self, trees=trees, resampled=()) for trees in self.resampled)

    def _together(
        self, anchor: tuple[float, dict[str, Vector]], trees: tuple[float, dict[str, Vector]]
    ) -> tuple[float, dict[str, Vector]]:
        (base, of_anchor), (expected, of_trees) = anchor, trees
        parts = dict(of_anchor)
        for name, part in of_trees.items():
            parts[name] = parts[name] + part if name in parts else part
        scaled = {name: self.slope * part for name, part in parts.items()}
        return self.intercept + self.slope * (base + expected), scaled

    def to_files(self) -> dict[str, bytes]:
        """Return the files of the model: ``<target>.json`` and, with trees, ``<target>.txt``.

        Trees learnt anew are beside them, ``<target>_resampled_1.txt`` and on.
        """
        described = {
            "kind": "additive",
            "target": self.target,
            "horizon_days": self.horizon_days,
            "anchor": self.anchor.to_dict(),
            "tree_inputs": list(self.tree_inputs),
            "has_trees": self.trees is not None,
            "resampled": len(self.resampled),
            "intercept": self.intercept,
            "slope": self.slope,
        }
        files = {f"{self.target}.json": json.dumps(described, indent=1).encode()}
        if self.trees is not None:
            files[f"{self.target}.txt"] = self.trees.encode()
        names = _resampled_files(self.target, len(self.resampled))
        return files | dict(zip(names, (one.encode() for one in self.resampled), strict=True))

    @classmethod
    def from_files(cls, target: TargetName, files: Mapping[str, bytes]) -> AdditiveModel:
        """Return the model that ``to_files`` wrote.

        Raises:
            ModelError: a file is missing.
        """
        described = json.loads(_file(files, f"{target}.json"))
        trees = _file(files, f"{target}.txt").decode() if described["has_trees"] else None
        return cls(
            target=target,
            horizon_days=described["horizon_days"],
            anchor=Anchor.from_dict(described["anchor"]),
            tree_inputs=tuple(described["tree_inputs"]),
            trees=trees,
            intercept=described["intercept"],
            slope=described["slope"],
            resampled=tuple(
                _file(files, name).decode()
                for name in _resampled_files(target, described.get("resampled", 0))
            ),
        )

    def on_threads(self, threads: int) -> AdditiveModel:
        """Return the model that uses so many threads; no result changes."""
        return replace(self, threads=threads)

    @cached_property
    def booster(self) -> lgb.Booster:
        """The trees, loaded once."""
        return lgb.Booster(model_str=self.trees)

    @cached_property
    def shap_tables(self) -> TreeShap | None:
        """The trees' Shapley values as tables; ``None`` where LightGBM must walk the trees.

        The model alone decides, never the number of rows, so a customer alone and the same one
        in a publication are explained by the same arithmetic.
        """
        try:
            return None if self.trees is None else TreeShap.from_text(self.trees)
        except UnreadableTreesError:
            return None

    def tree_scores(self, columns: Columns) -> Vector:
        """Return the trees' part before the affine step; 0 for who never bought."""
        n = _rows(columns)
        if self.trees is None or n == 0:
            return np.zeros(n)
        scores = self.booster.predict(
            self._matrix(columns), raw_score=True, num_threads=self.threads
        )
        return np.where(self.anchor.never_bought(columns, n), 0.0, scores)

    def _tree_parts(self, X: Vector, bought: NDArray[np.bool_]) -> tuple[float, dict[str, Vector]]:
        """Return the trees' mean output and their Shapley values; none for who never bought."""
        if self.trees is None:
            return 0.0, {}
        expected, shap = self._tree_shap(X)
        parts = dict(zip(self.tree_inputs, shap.T, strict=True))
        if not bought.all():
            parts = {name: np.where(bought, part, 0.0) for name, part in parts.items()}
            parts[FREQUENCY] = np.where(bought, 0.0, -expected)
        return expected, parts

    def _group_parts(
        self, X: Vector, bought: NDArray[np.bool_], group_of: Mapping[str, str]
    ) -> tuple[float, dict[str, Vector]]:
        """Return what :meth:`_tree_parts` does with the parts of a group added up."""
        if self.shap_tables is None:
            expected, parts = self._tree_parts(X, bought)
            return expected, _grouped(parts, group_of)
        names = tuple(group_of[name] for name in self.tree_inputs)
        if names not in self._summed:
            _, numbers = np.unique(names, return_inverse=True)
            self._summed[names] = self.shap_tables.summed(numbers)
        tables = self._summed[names]
        shap = tables.contributions(X, self.threads).T
        parts = dict(zip(sorted(set(names)), shap, strict=True))
        if not bought.all():
            shap[:, ~bought] = 0.0
            group, nothing = group_of[FREQUENCY], np.zeros(len(X))
            parts[group] = parts.get(group, nothing) + np.where(bought, 0.0, -tables.expected)
        return tables.expected, parts

    @cached_property
    def _summed(self) -> dict[tuple[str, ...], TreeShap]:
        """Tables of groups, by the groups of the trees' inputs."""
        return {}

    def _tree_shap(self, X: Vector) -> tuple[float, Vector]:
        """Return the trees' mean output and their Shapley values, of the shape of ``X``."""
        if self.shap_tables is not None:
            return self.shap_tables.expected, self.shap_tables.contributions(X, self.threads)
        some = X if len(X) else np.full((1, len(self.tree_inputs)), np.nan)
        shap = np.asarray(self.booster.predict(some, pred_contrib=True, num_threads=self.threads))
        return float(shap[0, -1]), shap[: len(X), :-1]

    def _matrix(self, columns: Columns) -> Vector:
        if not self.tree_inputs:
            return np.empty((_rows(columns), 0))
        return np.column_stack([columns[name] for name in self.tree_inputs])

    def _by_column(self, columns: Columns) -> Vector:
        """Return what :meth:`_matrix` does, each column's values side by side, as tables read."""
        if not self.tree_inputs:
            return self._matrix(columns)
        return np.stack([columns[name] for name in self.tree_inputs]).T


def _resampled_files(target: TargetName, n: int) -> list[str]:
    return [f"{target}_resampled_{one}.txt" for one in range(1, n + 1)]


def _grouped(parts: Mapping[str, Vector], group_of: Mapping[str, str]) -> dict[str, Vector]:
    """Return the sums of the parts of each group."""
    summed: dict[str, Vector] = {}
    for name, part in parts.items():
        group = group_of[name]
        summed[group] = summed[group] + part if group in summed else part
    return summed


def _rows(columns: Columns) -> int:
    return len(next(iter(columns.values()))) if columns else 0


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise ModelError(
            f"the model has no file {name!r}; it has {sorted(files)}. "
            "The bundle is incomplete: train again or promote another version"
        )
    return files[name]
