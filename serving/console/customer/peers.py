"""Where a customer stands among those of the same tier, segment and lifecycle stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow.parquet as pq

from configs.section import Text
from serving.console.book import Book, Numbers, Rows, book
from serving.console.customer.asked import Asked
from serving.endpoint.served import Served
from serving.scores.phrases import quantity
from serving.scores.population import column
from serving.scores.publication import FEATURES_FILE

Group = Literal["tier", "segment", "lifecycle", "everybody"]
GROUPS: dict[Group, Text] = {
    "tier": Text(zh="同等级", en="Same tier"),
    "segment": Text(zh="同分群", en="Same segment"),
    "lifecycle": Text(zh="同生命周期", en="Same lifecycle"),
    "everybody": Text(zh="全体客户", en="All customers"),
}
LEAST = 5
"""Among fewer who have the figure, a percentile says nothing."""


@dataclass(frozen=True)
class Measure:
    """A figure by which customers are set beside each other.

    Attributes:
        feature: its name.
        is_better_when_low: few days of silence are better than many.
    """

    feature: str
    is_better_when_low: bool = False


MEASURES = (
    Measure("spend_364d"),
    Measure("order_count_364d"),
    Measure("days_since_last_purchase", is_better_when_low=True),
    Measure("days_since_last_interaction", is_better_when_low=True),
    Measure("csat_latest_364d"),
    Measure("nps_latest_364d"),
)


@dataclass(frozen=True)
class Standing:
    """One figure of the customer among each group.

    Attributes:
        label: of the figure.
        value: the customer's, in words.
        shares: of each group, the share of the others that this customer does better than, ties
            counted half; ``None`` where too few have the figure.
    """

    label: Text
    value: Text
    shares: Mapping[Group, float | None]


@dataclass(frozen=True)
class Peers:
    """Figures and groups.

    Attributes:
        standings: one a figure that the customer has.
        sizes: customers in each group.
    """

    standings: Sequence[Standing]
    sizes: Mapping[Group, int]


def peers(asked: Asked) -> Peers:
    """Return where the customer stands; without figures where the company has none of them."""
    everybody = book(asked.served)
    row = everybody.row_of(asked.customer_id)
    assert row is not None
    groups = _groups(everybody, row)
    columns = asked.visit.kept(asked.served, _columns)
    return Peers(
        [
            _standing(asked, one, columns[one.feature], row, groups)
            for one in MEASURES
            if one.feature in columns and not np.isnan(columns[one.feature][row])
        ],
        {group: len(everybody if rows is None else rows) for group, rows in groups.items()},
    )


def _columns(served: Served) -> dict[str, Numbers]:
    """Return the figures of everybody, read once per publication."""
    path = served.publication.folder / FEATURES_FILE
    there = set(pq.read_schema(path).names)
    names = [one.feature for one in MEASURES if one.feature in there]
    table = pq.read_table(path, columns=names)
    return {name: column(table, name) for name in names}


def _groups(everybody: Book, row: int) -> dict[Group, Rows | None]:
    """Return the rows of each group that the customer is in; ``None`` for everybody."""
    found: dict[Group, Rows | None] = {}
    coded = {
        "tier": everybody.tier,
        "segment": everybody.segment,
        "lifecycle": everybody.lifecycle,
    }
    for name in ("tier", "segment", "lifecycle"):
        codes = coded[name].codes
        if codes[row] >= 0:
            found[name] = np.flatnonzero(codes == codes[row])
    found["everybody"] = None
    return found


def _standing(
    asked: Asked, measure: Measure, values: Numbers, row: int, groups: Mapping[Group, Rows | None]
) -> Standing:
    feature = next(one for one in asked.served.bundle.features if one.name == measure.feature)
    units, currency = asked.served.reasoner.units, asked.terms.currency
    zh, en = (
        quantity(float(values[row]), feature.unit, units, currency, language)
        for language in ("zh", "en")
    )
    shares = {
        group: share_below(
            values if rows is None else values[rows], values[row], measure.is_better_when_low
        )
        for group, rows in groups.items()
    }
    label = Text(zh=feature.label["zh"], en=feature.label["en"])
    return Standing(label, Text(zh=zh, en=en), shares)


def share_below(members: Numbers, own: float, low_is_better: bool) -> float | None:
    """Return the share of the other members that the customer does better than.

    Args:
        members: values of the group, the customer's among them; NaN where unknown.
        own: the customer's.
        low_is_better: whether less is better.

    >>> share_below(np.array([1.0, 2.0, 2.0, 3.0, 4.0, 5.0]), 3.0, False)
    0.6
    """
    n = len(members) - int(np.count_nonzero(np.isnan(members))) - 1
    if n < LEAST:
        return None
    less, same = np.count_nonzero(members < own), np.count_nonzero(members == own) - 1
    better = n - less - same if low_is_better else less
    return float(better + same / 2) / n
