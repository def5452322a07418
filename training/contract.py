"""Value of contract customers: what they pay while they stay.

``expected = value_per_month · months · (1 − churn probability)``, written on the log link so that
it is explained like every other number: the monthly value's own part, and the churn model's
contributions scaled to what they do to log(1 − p).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from configs.errors import ConfigError, ModelError, did_you_mean
from configs.records import SnapshotSource
from training.additive import LINK_BOUND
from training.anchor import Columns, TargetName, Vector
from training.contract_model import ChurnModel, read_churn

DAYS_PER_MONTH = 365.25 / 12.0
SMALLEST_VALUE = 0.01
"""Monthly values at or below this count as this, so that the logarithm exists."""

LABEL = "label"
OWN = ("customer_id", LABEL, "value_per_month")
"""Columns that intake writes for every snapshot, beside the raw ones."""


@dataclass(frozen=True)
class ContractValue:
    """A frozen value model of contract customers, with the interface of ``AdditiveModel``.

    Attributes:
        horizon_days: days that value is counted over.
        churn: the churn model, whose probability is taken as that of the same horizon.
        value_input: column of monthly money; ``None`` counts months instead of money.
        typical_value: median monthly money, the start of contributions and the stand-in for
            a missing one.
    """

    horizon_days: int
    churn: ChurnModel
    value_input: str | None
    typical_value: float = 1.0
    target: TargetName = "clv"

    @property
    def link(self) -> str:
        """The scale on which contributions add up."""
        return "log"

    @property
    def anchor_inputs(self) -> tuple[str, ...]:
        """Contract customers have no purchase model."""
        return ()

    @property
    def tree_inputs(self) -> tuple[str, ...]:
        """Columns that the churn model's trees read."""
        return self.churn.tree_inputs

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every column the model reads, each once."""
        own = () if self.value_input is None else (self.value_input,)
        return tuple(dict.fromkeys((*self.churn.inputs, *own)))

    @property
    def is_rules_only(self) -> bool:
        """Whether the churn model has no trees."""
        return self.churn.is_rules_only

    def fallback(self, columns: Columns) -> NDArray[np.bool_]:
        """Return who is scored by a base rate: nobody."""
        return self.churn.fallback(columns)

    def link_score(self, columns: Columns) -> Vector:
        """Return log expected money, one value per customer."""
        stays = _log_stays(self.churn.link_score(columns))
        return self._log_full_value() + self._log_relative_value(columns, len(stays)) + stays

    def predict(self, columns: Columns) -> Vector:
        """Return expected money in the horizon, positive."""
        return self.inverse_link(self.link_score(columns))

    def inverse_link(self, scores: Vector) -> Vector:
        """Return money for link scores."""
        bounded: Vector = np.exp(np.clip(scores, -LINK_BOUND, LINK_BOUND))
        return bounded

    def contributions(self, columns: Columns) -> tuple[float, dict[str, Vector]]:
        """Return the base and each input's contribution; base + sum equals ``link_score``.

        log(1 − p) moves with the churn link from its base to its score; every churn contribution
        gets the mean slope of that way.
        """
        start, of_churn = self.churn.contributions(columns)
        score = self.churn.link_score(columns)
        slope = _mean_slope(start, score)
        parts = {name: slope * part for name, part in of_churn.items()}
        if self.value_input is not None:
            own = self._log_relative_value(columns, len(score))
            parts[self.value_input] = parts.get(self.value_input, 0.0) + own
        return self._log_full_value() + float(_log_stays(np.array([start]))[0]), parts

    def contributions_of_all(
        self, columns: Columns, group_of: Mapping[str, str]
    ) -> list[tuple[float, dict[str, Vector]]]:
        """Return base and contributions by this model alone: none is learnt anew."""
        return [self.contributions(columns)]

    def to_files(self) -> dict[str, bytes]:
        """Return ``clv.json``; the churn model's own files are needed beside it."""
        described = {
            "kind": "contract",
            "horizon_days": self.horizon_days,
            "value_input": self.value_input,
            "typical_value": self.typical_value,
        }
        return {"clv.json": json.dumps(described, indent=1).encode()}

    def on_threads(self, threads: int) -> ContractValue:
        """Return the model that uses so many threads; no result changes."""
        return replace(self, churn=self.churn.on_threads(threads))

    @classmethod
    def from_files(cls, target: TargetName, files: Mapping[str, bytes]) -> ContractValue:
        """Return the model that ``to_files`` wrote beside its churn model's files.

        Raises:
            ModelError: a file is missing.
        """
        if f"{target}.json" not in files:
            raise ModelError(f"the model has no file '{target}.json'; it has {sorted(files)}")
        described = json.loads(files[f"{target}.json"])
        return cls(
            horizon_days=described["horizon_days"],
            churn=read_churn(files),
            value_input=described["value_input"],
            typical_value=described["typical_value"],
        )

    def _log_full_value(self) -> float:
        return float(np.log(self.typical_value * self.horizon_days / DAYS_PER_MONTH))

    def _log_relative_value(self, columns: Columns, n: int) -> Vector:
        if self.value_input is None:
            return np.zeros(n)
        value = columns[self.value_input]
        known = np.where(np.isnan(value), self.typical_value, np.maximum(value, SMALLEST_VALUE))
        relative: Vector = np.log(known / self.typical_value)
        return relative


def listed(snapshot: SnapshotSource, table: pa.Table) -> SnapshotSource:
    """Return ``snapshot`` with its columns named: where none are, all that intake kept.

    Raises:
        ConfigError: the monthly value, or a column with a direction, is not among the numbers.
    """
    if not (snapshot.numbers or snapshot.categories):
        raw = table.drop_columns([name for name in OWN if name in table.column_names]).schema
        texts = tuple(field.name for field in raw if pa.types.is_string(field.type))
        numbers = tuple(field.name for field in raw if field.name not in texts)
        snapshot = snapshot.model_copy(update={"numbers": numbers, "categories": texts})
    for name in snapshot.monotone:
        if name not in snapshot.numbers:
            raise ConfigError(
                f"sources.snapshot.monotone names {name!r}, which is no number column; "
                + did_you_mean(name, snapshot.numbers)
            )
    value = snapshot.value_per_month
    if value is not None and value not in snapshot.numbers:
        raise ConfigError(
            f"sources.snapshot.value_per_month is {value!r}, which is not among "
            f"sources.snapshot.numbers; add it there: {did_you_mean(value, snapshot.numbers)}"
        )
    return snapshot


def typical_monthly_value(values: Vector) -> float:
    """Return the median of the known monthly values, at least ``SMALLEST_VALUE``."""
    known = values[~np.isnan(values)]
    return max(float(np.median(known)), SMALLEST_VALUE) if len(known) else 1.0


def _log_stays(churn_link: Vector) -> Vector:
    """Return log(1 − p) for the logit of p, exact for p near 1."""
    return -np.logaddexp(0.0, churn_link)


def _mean_slope(start: float, score: Vector) -> Vector:
    """Return Δ log(1 − p) / Δ link; its limit −p where the two coincide."""
    way = score - start
    near = np.abs(way) < 1e-6
    change = _log_stays(score) - _log_stays(np.array([start]))
    middle = (score + start) / 2.0
    limit = -1.0 / (1.0 + np.exp(-np.clip(middle, -LINK_BOUND, LINK_BOUND)))
    return np.where(near, limit, change / np.where(near, 1.0, way))
