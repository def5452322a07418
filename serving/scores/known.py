"""How much is known of a customer: what is missing, stale, or unlike all that was learnt from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from serving.scores.population import Array
from serving.scores.wording import Described

if TYPE_CHECKING:
    from serving.scores.scorer import BundleLike

Texts = npt.NDArray[np.object_]

SINCE_THE_LAST = {
    "interaction": "days_since_last_interaction",
    "satisfaction": "days_since_last_survey",
}
"""Families whose last record may be too old to tell of today, by the feature that says how old.

Purchases are not among them: a long silence there is what churn is about.
"""
STALE_DAYS = 364
"""The longest window: what came before it is in no feature but how long ago it was."""


@dataclass(frozen=True)
class Known:
    """What the models of a bundle know of customers.

    Attributes:
        bundle: models, features, and the values that were seen in training.
        inputs: every feature that a model reads.
    """

    bundle: BundleLike
    inputs: tuple[str, ...]

    def completeness(self, columns: Mapping[str, Array], n: int) -> Array:
        """Return which share of the inputs is known of each customer."""
        missing = np.zeros(n)
        for name in self.inputs:
            missing = missing + np.isnan(columns[name])
        return 1.0 - missing / max(len(self.inputs), 1)

    def fallback(self, columns: Mapping[str, Array], n: int) -> Texts:
        """Return what each customer is scored by in place of a model; ``None`` where by one."""
        fallback = np.full(n, None, dtype=object)
        for model in self.bundle.models.values():
            if model.is_rules_only:
                fallback[:] = "rules_only"
        for model in self.bundle.models.values():
            fallback[model.fallback(columns)] = "no_purchases"
        fallback[self._nothing_known(columns, n)] = "nothing_known"
        return fallback

    def _nothing_known(self, columns: Mapping[str, Array], n: int) -> npt.NDArray[np.bool_]:
        """Return of which contract customers no column that a model reads is known."""
        numbers = [one.name for one in self._read() if one.family == "snapshot"]
        levels = [name for names in self._categories().values() for name in names]
        numbers = [name for name in numbers if name not in levels]
        if not numbers and not levels:
            return np.zeros(n, dtype=bool)
        return _all_missing(columns, numbers, n) & _at_none(columns, levels, n)

    def warnings(self, columns: Mapping[str, Array], n: int) -> list[list[str]]:
        """Return what each customer's numbers have to be taken with care for, as codes."""
        warnings: list[list[str]] = [[] for _ in range(n)]
        for name in self.inputs:
            low, high = _usual(self.bundle.reference.quantiles.get(name, ()))
            for row in np.flatnonzero((columns[name] < low) | (columns[name] > high)):
                warnings[row].append(f"out_of_range:{name}")
        for family, names in self._families().items():
            for row in np.flatnonzero(_all_missing(columns, names, n)):
                warnings[row].append(f"missing:{family}")
        for category, names in self._categories().items():
            for row in np.flatnonzero(_at_none(columns, names, n)):
                warnings[row].append(f"missing:{category}")
        for family, name in SINCE_THE_LAST.items():
            if name in columns and family in {one.family for one in self._read()}:
                for row in np.flatnonzero(columns[name] > STALE_DAYS):
                    warnings[row].append(f"stale:{family}")
        return warnings

    def _read(self) -> Iterator[Described]:
        """Yield the features that a model reads."""
        used = set(self.inputs)
        return (one for one in self.bundle.features if one.name in used)

    def _categories(self) -> dict[str, list[str]]:
        """Return the levels of each category column of contract customers that a model reads."""
        read = {one.concept for one in self._read() if one.family == "snapshot"}
        levels: dict[str, list[str]] = {}
        for one in self.bundle.features:
            if one.concept in read and _is_level(one):
                levels.setdefault(one.concept, []).append(one.name)
        return levels

    def _families(self) -> dict[str, list[str]]:
        """Return the model inputs that can be missing and were seen in training, by family.

        A number column of contract customers stands for itself.
        """
        families: dict[str, list[str]] = {}
        for feature in self._read():
            was_seen = bool(self.bundle.reference.quantiles.get(feature.name))
            if not was_seen or feature.when_empty is not None or _is_level(feature):
                continue
            name = feature.concept if feature.family == "snapshot" else feature.family
            families.setdefault(name, []).append(feature.name)
        return families


def _usual(quantiles: Sequence[float]) -> tuple[float, float]:
    """Return bounds beyond which a value is unlike any customer of the training.

    They lie outside the 1 % and 99 % quantiles by the distance between the two.
    """
    if len(quantiles) == 0 or quantiles[0] == quantiles[-1]:
        return -np.inf, np.inf
    spread = quantiles[-1] - quantiles[0]
    return quantiles[0] - spread, quantiles[-1] + spread


def _all_missing(
    columns: Mapping[str, Array], names: Sequence[str], n: int
) -> npt.NDArray[np.bool_]:
    missing = np.ones(n, dtype=bool)
    for name in names:
        missing &= np.isnan(columns[name])
    return missing


def _is_level(feature: Described) -> bool:
    """Return whether ``feature`` says if a contract customer's category is at one level."""
    return feature.family == "snapshot" and feature.name != feature.concept


def _at_none(columns: Mapping[str, Array], levels: Sequence[str], n: int) -> npt.NDArray[np.bool_]:
    """Return who is at none of ``levels``: without the category, or at one never seen."""
    none = np.ones(n, dtype=bool)
    for name in levels:
        none &= columns[name] == 0.0
    return none
