"""What has moved since a model learnt: features, missing values, categories, scores, tiers.

A change is told by its size; that it is more than chance is asked besides. The sizes that raise an
alarm are the constants below, each with its reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from configs.section import Text
from serving.monitoring import monitor_words as words
from training.drift import (
    Size,
    counted,
    factor,
    level_of,
    mean_of,
    mix_moved,
    moved,
    ratio,
    share_moved,
)
from training.fitted import Reference

Vector = NDArray[np.float64]
Kind = Literal["feature", "missing", "category", "score", "tier", "outcome"]

MOVED_PSI = 0.1
"""Population stability index from which a distribution counts as moved: the usual first step
(below .1 nothing, from .25 major). A shift by a third of a standard deviation is .1."""
LEVEL_FACTOR = 1.25
"""Change of the usual size, either way, that counts: prices, seasons and growth rarely move a
feature by a quarter between two trainings, a changed unit or a doubled import always does."""
MISSING_POINTS = 0.1
"""Change of the missing share that counts. Trees send the missing their own way, so a tenth of
the customers changes its scores at once."""
TIER_POINTS = 0.05
"""Change of a tier's share of customers that counts: with hysteresis at most a twentieth of them
should change tier at a refresh, in all directions together."""
NEW_CATEGORY_SHARE = 0.01
"""Share of rows from which a category that training never saw counts."""
GONE_CATEGORY_SHARE = 0.05
"""Share of rows that a category had at training for its absence to count."""


class Finding(BaseModel):
    """One thing that has changed.

    Attributes:
        kind: what sort of thing.
        name: the feature, column or tier.
        label: its name as people read it.
        size: PSI, change of a share, or share of a new category; see ``text``.
        factor: by what the usual size is multiplied, for features and scores.
        before, now: typical values or shares.
        is_alarm: claims that somebody should look.
        text: what changed, by how much and in which direction.
        advice: what to do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    name: str
    label: Text
    size: float
    factor: float | None = None
    before: float | None = None
    now: float | None = None
    is_alarm: bool
    text: Text
    advice: Text


class FeatureDrift(BaseModel):
    """The sizes of one column's change, whether or not it counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: Text
    psi: float
    factor: float
    missing_before: float
    missing_now: float
    is_watched: bool


def column_findings(
    reference: Reference, name: str, label: Text, values: Vector, is_watched: bool
) -> tuple[FeatureDrift, list[Finding]]:
    """Return how a feature has moved, and what of it counts.

    Args:
        reference: the summary to compare with; must know the feature.
        name: the feature.
        label: as people read it.
        values: of today's customers, NaN for missing.
        is_watched: whether an alarm may come of it: something served reads it, and it does not
            grow with time by its nature.
    """
    before = reference.distributions[name]
    missing_before, missing_now = reference.missing[name], _missing(values)
    psi = moved(before.bins.counts, counted(values, before.bins.edges))
    level = factor(before.level, level_of(values))
    gap = share_moved(missing_before, reference.n_customers, missing_now, len(values))
    found = []
    if _counts(psi, level):
        typical = (_middle(reference.quantiles[name]), _median(values))
        text = words.moved(label, *typical, level.size, psi.size)
        found.append(_finding("feature", name, label, psi, level, typical, is_watched, text))
    if abs(gap.size) >= MISSING_POINTS and gap.is_sure:
        shares = (missing_before, missing_now)
        text = words.missing(label, *shares)
        found.append(_finding("missing", name, label, gap, None, shares, is_watched, text))
    drift = FeatureDrift(
        name=name,
        label=label,
        psi=psi.size,
        factor=level.size,
        missing_before=missing_before,
        missing_now=missing_now,
        is_watched=is_watched,
    )
    return drift, found


def score_findings(reference: Reference, name: str, values: Vector) -> list[Finding]:
    """Return whether the published scores ``name`` have moved."""
    if name not in reference.scores:
        return []
    before = reference.scores[name]
    psi = moved(before.bins.counts, counted(values, before.bins.edges))
    level = ratio(before.mean, mean_of(values))
    if not _counts(psi, level):
        return []
    label = words.SCORES[name]
    text = words.score_moved(label, level.size, psi.size)
    return [_finding("score", name, label, psi, level, (None, _median(values)), True, text)]


def tier_findings(
    reference: Reference, now: Mapping[str, float], n: int, names: Mapping[str, Text]
) -> list[Finding]:
    """Return the tiers that hold another share of ``n`` customers than at training."""
    if not reference.tiers or not n:
        return []
    changes = mix_moved(reference.tiers, reference.n_customers, now, n)
    found = []
    for code, change in changes.items():
        if abs(change.size) >= TIER_POINTS and change.is_sure:
            label = names.get(code, Text(zh=code, en=code))
            shares = (reference.tiers.get(code, 0.0), now.get(code, 0.0))
            text = words.tier_moved(label, *shares)
            found.append(_finding("tier", code, label, change, None, shares, True, text))
    return found


def category_findings(
    before: Mapping[str, Mapping[str, float]], now: Mapping[str, Mapping[str, float]]
) -> list[Finding]:
    """Return categories of the records that training never saw, and those that have vanished."""
    found = []
    for column, then in before.items():
        today = now.get(column, {})
        for category in [*today, *(name for name in then if name not in today)]:
            shares = (then.get(category, 0.0), today.get(category, 0.0))
            is_new = shares[0] == 0.0 and shares[1] >= NEW_CATEGORY_SHARE
            is_gone = shares[1] == 0.0 and shares[0] >= GONE_CATEGORY_SHARE
            if is_new or is_gone:
                label = Text(zh=f"{column}={category}", en=f"{column}={category}")
                change = Size(size=shares[1] - shares[0], is_sure=True)
                text = words.category(column, category, *shares)
                name = f"{column}={category}"
                found.append(_finding("category", name, label, change, None, shares, True, text))
    return found


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return alarms first, then by kind, the largest first."""
    kinds = ("tier", "score", "outcome", "category", "missing", "feature")

    def place(one: Finding) -> tuple[bool, int, float]:
        weight = abs(one.size) + (abs(math.log(one.factor)) if one.factor else 0.0)
        return not one.is_alarm, kinds.index(one.kind), -weight

    return tuple(sorted(findings, key=place))


def _counts(psi: Size, level: Size) -> bool:
    by_level = abs(math.log(level.size)) >= math.log(LEVEL_FACTOR) and level.is_sure
    return by_level or (psi.size >= MOVED_PSI and psi.is_sure)


def _finding(
    kind: Kind,
    name: str,
    label: Text,
    change: Size,
    level: Size | None,
    sides: tuple[float | None, float | None],
    is_alarm: bool,
    text: Text,
) -> Finding:
    return Finding(
        kind=kind,
        name=name,
        label=label,
        size=change.size,
        factor=None if level is None else level.size,
        before=sides[0],
        now=sides[1],
        is_alarm=is_alarm,
        text=text,
        advice=words.ADVICE[kind] if is_alarm else words.NO_ALARM,
    )


def _missing(values: Vector) -> float:
    return float(np.isnan(values).mean()) if len(values) else 0.0


def _middle(quantiles: Sequence[float]) -> float | None:
    return quantiles[len(quantiles) // 2] if quantiles else None


def _median(values: Vector) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None
