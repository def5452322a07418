"""Parts of the customers that figures are split by: tiers, stages and their attributes.

A model that is good on the whole may be bad for some; slices show for whom. Sensitive attributes,
which are never scored with, are split by like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from configs.schema import Config
from configs.section import Text
from features.contracts import TABLES
from features.sensitive import is_sensitive
from features.stored.generation import parts_of, read_rows
from training.contract import OWN
from training.lifecycle import STAGES
from training.policy import Policy

Rows = NDArray[np.bool_]
MOST_LEVELS = 12
"""An attribute of more values is a name or a note, or a number to be cut in quarters."""
TIER = Text(zh="价值等级", en="Tier")
STAGE = Text(zh="生命周期", en="Lifecycle")


@dataclass(frozen=True)
class Slice:
    """One part of the customers; ``rows`` marks them."""

    axis: Text
    level: Text
    rows: Rows


def slices_of(
    config: Config, predictions: pa.Table, policy: Policy, records: Path | None
) -> tuple[Slice, ...]:
    """Return the parts of ``predictions`` by tier, stage and attribute, highest tier first.

    Args:
        config: whose sources name the attributes.
        predictions: ``customer_id``, ``tier``, ``lifecycle``, one row per customer.
        policy: names of tiers.
        records: folder of records to take attributes from; ``None`` for none.
    """
    tiers = {tier.code: tier.name for tier in policy.tiers}
    found = [
        *_by(TIER, tiers, _texts(predictions, "tier")),
        *_by(STAGE, STAGES, _texts(predictions, "lifecycle")),
    ]
    if records is not None:
        for name, values in attributes_of(config, predictions, records).items():
            levels = sorted({value for value in values if value is not None})
            named = {level: Text(zh=level, en=level) for level in levels}
            found += _by(_title(config, name), named, values)
    return tuple(found)


def attributes_of(
    config: Config, predictions: pa.Table, records: Path
) -> dict[str, list[str | None]]:
    """Return attributes by name, a value for each row of ``predictions``; numbers in quarters."""
    snapshot = config.sources.snapshot
    parts = parts_of(records, "customers" if snapshot is None else "snapshot")
    if not parts:
        return {}
    table = read_rows(parts)
    own = {*OWN, *TABLES["customers"].arrow_schema().names}
    names = [name for name in table.column_names if name not in own]
    if snapshot is not None:
        names = [name for name in names if is_sensitive(name, config.features.sensitive)]
    place = {key: i for i, key in enumerate(table["customer_id"].to_pylist())}
    rows = [place.get(key) for key in predictions["customer_id"].to_pylist()]
    found = {name: _levels(table[name].to_pylist()) for name in names}
    return {
        name: [None if row is None else levels[row] for row in rows]
        for name, levels in found.items()
        if 1 < len(set(levels) - {None}) <= MOST_LEVELS
    }


def _levels(values: list[object]) -> list[str | None]:
    """Return values as text; of many numbers, the quarter that each is in."""
    known = {value for value in values if value is not None}
    if len(known) <= MOST_LEVELS:
        return [None if value is None else str(value) for value in values]
    try:
        numbers = np.array([np.nan if v is None else float(str(v)) for v in values])
    except ValueError:
        return [None] * len(values)
    edges = np.unique(np.nanquantile(numbers, [0.25, 0.5, 0.75]))
    bounds = ["", *(f"{edge:g}" for edge in edges), ""]
    names = [f"{low}–{high}" for low, high in pairwise(bounds)]
    quarters = np.searchsorted(edges, numbers, side="right")
    return [
        None if np.isnan(x) else names[q] for x, q in zip(numbers, quarters.tolist(), strict=True)
    ]


def _title(config: Config, name: str) -> Text:
    snapshot = config.sources.snapshot
    sources = config.sources.customers if snapshot is None else (snapshot,)
    found = (source.names[name] for source in sources if name in source.names)
    return next(found, Text(zh=name, en=name))


def _by(axis: Text, levels: dict[str, Text], values: list[str | None]) -> list[Slice]:
    """Return a slice per level that somebody has; none where all have the same."""
    own = np.array(values, dtype=object)
    found = [Slice(axis, name, own == level) for level, name in levels.items()]
    found = [one for one in found if one.rows.any()]
    return found if len(found) > 1 else []


def _texts(table: pa.Table, name: str) -> list[str | None]:
    values: list[str | None] = table[name].to_pylist()
    return values
