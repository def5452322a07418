"""Every declared feature, the choice of a configuration among them, and their fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

from configs.errors import ConfigError, did_you_mean
from configs.learning import FeatureChoice
from features.declared.basket import BASKET
from features.declared.behaviour import ANCHOR, BEHAVIOUR
from features.declared.complaints import COMPLAINTS
from features.declared.interaction import INTERACTION
from features.declared.profile import PROFILE
from features.declared.satisfaction import SATISFACTION
from features.spec import Feature

FEATURES: tuple[Feature, ...] = (
    *BEHAVIOUR,
    *BASKET,
    *INTERACTION,
    *SATISFACTION,
    *COMPLAINTS,
    *PROFILE,
)

ANCHOR_INPUTS = tuple(feature.name for feature in ANCHOR)
"""Inputs of the purchase models, in their order; every selection has them."""


def by_name() -> dict[str, Feature]:
    """Return every declared feature by its name."""
    return {feature.name: feature for feature in FEATURES}


def select(choice: FeatureChoice) -> tuple[Feature, ...]:
    """Return the features that ``choice`` asks for, in the order of the catalogue.

    The inputs of the purchase models are always among them, and so is every feature that a chosen
    one is derived from, though it be of another family.

    Raises:
        ConfigError: a name in ``leave_out`` is no feature, or something kept is derived from it.
    """
    known = by_name()
    for name in choice.leave_out:
        if name not in known:
            raise ConfigError(f"features.leave_out names {name!r}; {did_you_mean(name, known)}")
    wanted = {f.name for f in FEATURES if f.family in choice.families} - set(choice.leave_out)
    _refuse_left_out_inputs(wanted | set(ANCHOR_INPUTS), choice, known)
    return with_inputs({*ANCHOR_INPUTS, *wanted})


def with_inputs(names: Iterable[str]) -> tuple[Feature, ...]:
    """Return the named features and all that they are derived from, in catalogue order.

    >>> [feature.name for feature in with_inputs(["spend_trend_84d"])]
    ['spend_84d', 'spend_84d_before', 'spend_trend_84d']
    """
    known = by_name()
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += known[name].inputs
    return tuple(feature for feature in FEATURES if feature.name in needed)


def _refuse_left_out_inputs(
    wanted: Iterable[str], choice: FeatureChoice, known: dict[str, Feature]
) -> None:
    left_out = set(choice.leave_out)
    if anchors := sorted(left_out & set(ANCHOR_INPUTS)):
        raise ConfigError(
            f"features.leave_out names {', '.join(anchors)}, which the purchase models need; "
            "take the names out of the list"
        )
    for name in sorted(wanted):
        if missing := sorted(left_out & set(known[name].inputs)):
            raise ConfigError(
                f"features.leave_out names {', '.join(missing)}, but {name} is derived from it; "
                f"leave out {name} as well, or neither"
            )


def fingerprint(features: Sequence[Feature]) -> str:
    """Return a hexadecimal digest (64 characters) of what ``features`` compute.

    It is of names, sources, windows and the expressions themselves, so it is the same in every
    process, and a change of label or documentation leaves it alone. Order does not matter.
    """
    from features.definition import structure

    stated = [
        (
            feature.name,
            feature.source,
            feature.window_days,
            feature.lag_days,
            feature.inputs,
            feature.when_empty,
            structure(feature),
        )
        for feature in sorted(features, key=lambda feature: feature.name)
    ]
    return hashlib.sha256(json.dumps(stated, ensure_ascii=False).encode()).hexdigest()
