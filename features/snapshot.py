"""Contract customers whose history is already aggregated: their columns are the features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from configs.errors import FeatureError, did_you_mean
from configs.records import SnapshotSource
from configs.section import Text
from features.layout import in_layout
from features.spec import Feature


@dataclass(frozen=True)
class Pick:
    """The value of a snapshot feature: a column, or whether a column is at a level.

    Called with an Arrow table it gives the values; as text it is the feature's definition.
    """

    column: str
    level: str | None = None

    def __call__(self, table: pa.Table) -> Any:
        """Return the values as float64; a missing category is at no level."""
        values = table[self.column]
        if self.level is not None:
            values = pc.fill_null(pc.equal(values, self.level), False)
        return pc.cast(values, pa.float64())

    def __str__(self) -> str:
        return self.column if self.level is None else f"{self.column} = {self.level!r}"


def snapshot_features(snapshot: SnapshotSource, table: pa.Table) -> tuple[Feature, ...]:
    """Return a feature per number column and per level of each category column.

    Levels are those of ``table``, in alphabetical order; a level not among them is 0 in all.

    Raises:
        FeatureError: a column of the configuration is not in ``table``.
    """
    for column in (*snapshot.numbers, *snapshot.categories):
        _require(table, column)
    numbers = [_number(snapshot, column) for column in snapshot.numbers]
    levels = [
        _level(snapshot, column, level)
        for column in snapshot.categories
        for level in sorted(set(table[column].to_pylist()) - {None})
    ]
    return (*numbers, *levels)


def snapshot_matrix(features: Sequence[Feature], table: pa.Table, cutoff: int = 0) -> pa.Table:
    """Return ``customer_id, cutoff, <feature>…`` in the layout of ``feature_matrix``.

    Args:
        features: what :func:`snapshot_features` returned.
        table: rows with ``customer_id`` and the raw columns.
        cutoff: day number of ``observed_on``.

    Raises:
        FeatureError: a raw column is missing.
    """
    for feature in features:
        _require(table, feature.concept)
    columns: dict[str, Any] = {feature.name: feature.value(table) for feature in features}
    days = pa.array(np.full(len(table), cutoff, dtype=np.int32))
    return in_layout(pa.table({"customer_id": table["customer_id"], "cutoff": days, **columns}))


def _require(table: pa.Table, column: str) -> None:
    if column not in table.column_names:
        raise FeatureError(
            f"snapshot column {column!r} is not in the records; "
            + did_you_mean(column, table.column_names)
        )


def _number(snapshot: SnapshotSource, column: str) -> Feature:
    return Feature(
        name=column,
        value=Pick(column),
        family="snapshot",
        source="snapshot",
        concept=column,
        unit="number",
        label=_label(snapshot, column).model_dump(),
        monotone={"churn": snapshot.monotone[column]} if column in snapshot.monotone else {},
    )


def _level(snapshot: SnapshotSource, column: str, level: str) -> Feature:
    label = _label(snapshot, column)
    return Feature(
        name=f"{column}={level}",
        value=Pick(column, level),
        family="snapshot",
        source="snapshot",
        concept=column,
        unit="yes_no",
        label={"zh": f"{label.zh}={level}", "en": f"{label.en}={level}"},
    )


def _label(snapshot: SnapshotSource, column: str) -> Text:
    return snapshot.names.get(column, Text(zh=column, en=column))
