"""Finds segments: axes, their number, names from what stands out, rules in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from configs.section import Text
from features.spec import Feature
from training.anchor import FREQUENCY, Columns
from training.carried_over import carried_over
from training.partition import partition
from training.segment_names import WORDS, in_words, names_of
from training.segments import Axis, Segment, Segments, nearest, scaled, standardised

Vector = NDArray[np.float64]
Codes = NDArray[np.int64]

FEWEST_TO_DIVIDE = 60
KNOWN_SHARE = 0.3
"""An axis needs a value for at least this share of customers."""
LOGGED_UNITS = frozenset({"currency", "orders", "times", "days", "products", "items", "hours"})
AXES_AT_MOST = 8


PROSPECTS = Segment(
    code="not_yet_bought",
    name=Text(zh="尚未购买客户", en="Not yet bought"),
    description=Text(zh="没有购买记录", en="No purchase so far"),
    centre=(),
    share=0.0,
)


def find_segments(
    columns: Columns,
    features: Sequence[Feature],
    expected_values: Vector,
    at_most: int,
    seed: int,
    previous: Segments | None = None,
) -> Segments:
    """Return segments of the customers, the highest mean expected value first.

    Of the numbers up to ``at_most`` that are repeatable and that a few rules state, the one with
    the best silhouette is taken (see :mod:`training.partition`). Customers without a purchase
    form a group of their own.

    Args:
        columns: features of the customers by name.
        features: their declarations.
        expected_values: money by customer.
        at_most: the largest number of segments.
        seed: of samples and resamples.
        previous: the segments in use. The refit starts from their centres along their axes,
            while these still divide well; whichever way, a segment that holds mostly the same
            customers keeps its code and name, and if all do, their order.
    """
    n = len(expected_values)
    bought = ~np.isnan(columns[FREQUENCY]) if FREQUENCY in columns else np.ones(n, dtype=bool)
    told_by = _inputs(features, previous)
    buyers = {name: columns[name][bought] for name in told_by if name in columns}
    old = None if previous is None else _in_use(previous, buyers)
    axes = choose_axes(buyers, features) if old is None else old.axes
    prospects = _prospects(bought)
    if int(bought.sum()) < FEWEST_TO_DIVIDE or not axes:
        return Segments(segments=(_everybody(bought),), prospects=prospects)
    points = standardised(axes, buyers)
    start = None if old is None else np.array([segment.centre for segment in old.segments])
    found = partition(points, at_most, seed, start)
    order = _by_value(found.centres, points, expected_values[bought])
    labels = {feature.name: feature.label for feature in features}
    units = {feature.name: feature.unit for feature in features}
    names = names_of(axes, found.centres[order], labels)
    if old is not None:
        groups = nearest(points, found.centres[order])
        names, kept = carried_over(old, old.assign(buyers, len(points)), groups, names)
        order, names = order[kept], [names[i] for i in kept]
    centres = found.centres[order]
    groups = nearest(points, centres)
    descriptions, agreement = in_words(axes, points, groups, labels, units, seed)
    segments = tuple(
        Segment(
            code=names[i][0],
            name=names[i][1],
            description=descriptions.get(i, names[i][1]),
            centre=tuple(round(float(x), 9) for x in centre),
            share=float(bought.mean() * (groups == i).mean()),
        )
        for i, centre in enumerate(centres)
    )
    return Segments(
        axes=axes,
        segments=segments,
        prospects=prospects,
        stability=found.stability,
        agreement=agreement,
    )


def _by_value(centres: Vector, points: Vector, value: Vector) -> Codes:
    """Return the order of the groups, the highest mean expected value first."""
    groups = nearest(points, centres)
    means = [value[groups == i].mean() if (groups == i).any() else 0.0 for i in range(len(centres))]
    return np.argsort(means)[::-1]


def _in_use(previous: Segments, columns: Columns) -> Segments | None:
    """Return the segments of those who bought, if their axes can be measured still."""
    known = all(
        axis.feature in columns and (~np.isnan(columns[axis.feature])).mean() >= KNOWN_SHARE
        for axis in previous.axes
    )
    return previous.model_copy(update={"prospects": None}) if previous.axes and known else None


def _inputs(features: Sequence[Feature], previous: Segments | None) -> list[str]:
    """Return the columns that segments may be told by."""
    in_use = () if previous is None else previous.inputs
    return list(dict.fromkeys([*in_use, *(feature.name for feature in _eligible(features))]))


def _eligible(features: Sequence[Feature]) -> list[Feature]:
    """Return the features with words of their own; for contract customers, the numbers."""
    by_name = {feature.name: feature for feature in features}
    wanted = [by_name[name] for name in WORDS if name in by_name]
    return wanted or [f for f in features if f.family == "snapshot" and "=" not in f.name]


def choose_axes(columns: Columns, features: Sequence[Feature]) -> tuple[Axis, ...]:
    """Return axes along the features that may tell segments, as far as they do."""
    axes = [_axis(feature, columns[feature.name]) for feature in _eligible(features)]
    return tuple(axis for axis in axes if axis is not None)[:AXES_AT_MOST]


def _axis(feature: Feature, values: Vector) -> Axis | None:
    known = values[~np.isnan(values)]
    if len(known) == 0 or len(known) < KNOWN_SHARE * len(values) or len(np.unique(known)) < 3:
        return None
    low, high = (float(q) for q in np.quantile(known, (0.01, 0.99)))
    is_logged = feature.unit in LOGGED_UNITS or float(known.max()) > 100.0
    inside = scaled(is_logged, np.clip(known, low, high))
    if float(inside.std()) < 1e-9:
        return None
    return Axis(
        feature=feature.name,
        is_logged=is_logged,
        middle=float(inside.mean()),
        spread=float(inside.std()),
        low=low,
        high=high,
    )


def _prospects(bought: NDArray[np.bool_]) -> Segment | None:
    if bought.all():
        return None
    return PROSPECTS.model_copy(update={"share": float((~bought).mean())})


def _everybody(bought: NDArray[np.bool_]) -> Segment:
    return Segment(
        code="all_customers",
        name=Text(zh="全部客户", en="All customers"),
        description=Text(zh="客户太少，不再细分", en="Too few customers to divide"),
        centre=(),
        share=float(bought.mean()) if len(bought) else 1.0,
    )
