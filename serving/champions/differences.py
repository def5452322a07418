"""What two model versions were made of: settings, data and features that differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from configs.section import Text
from training.bundle import Bundle
from training.described import DescribedFeature

WHERE_IT_RUNS = ("stores.", "engine.", "serving.", "promotion.", "training.threads", "language")
"""Settings that change no number; they are not told."""
DEFINES = (
    "churn.horizon_days",
    "churn.rule",
    "clv.horizon_days",
    "clv.measure",
    "currency",
    "sources.snapshot.label",
    "sources.snapshot.positive",
)
"""Settings that say what is predicted: where they differ, figures mean different things."""
TOLD = ("family", "source", "window_days", "lag_days", "inputs", "when_empty", "unit", "definition")


@dataclass(frozen=True)
class Difference:
    """One thing that differs; ``None`` where a version does not have it."""

    key: str
    champion: str | None
    challenger: str | None


@dataclass(frozen=True)
class FeatureChanges:
    """Features that only the challenger has, that only the champion has, and changed ones."""

    added: tuple[DescribedFeature, ...]
    removed: tuple[DescribedFeature, ...]
    changed: tuple[Difference, ...]


DATA_KEYS: dict[str, Text] = {
    "as_of": Text(zh="评分日", en="as of"),
    "records": Text(zh="记录批次", en="records generation"),
    "data": Text(zh="数据指纹", en="fingerprint"),
    "rows": Text(zh="行数", en="rows"),
    "scored": Text(zh="评分客户数", en="customers scored"),
    "measured": Text(zh="评估客户数", en="customers judged on"),
    "cutoffs": Text(zh="训练截止日", en="training cutoffs"),
    "evaluation": Text(zh="评估截止日", en="evaluation cutoff"),
}


def config_changes(champion: Bundle, challenger: Bundle) -> tuple[Difference, ...]:
    """Return the settings that differ, by their full keys, defaults included."""
    found = _differences(_flat(champion.config), _flat(challenger.config))
    return tuple(one for one in found if not one.key.startswith(WHERE_IT_RUNS))


def changed_meaning(champion: Bundle, challenger: Bundle) -> tuple[Difference, ...]:
    """Return the differing settings that say what is predicted."""
    return tuple(one for one in config_changes(champion, challenger) if one.key in DEFINES)


def data_changes(champion: Bundle, challenger: Bundle) -> tuple[Difference, ...]:
    """Return what differs of the data: days, fingerprints, rows, customers, cutoffs."""
    return _differences(_data_of(champion), _data_of(challenger))


def feature_changes(champion: Bundle, challenger: Bundle) -> FeatureChanges:
    """Return the features that were added, removed, or are computed otherwise now."""
    before = {feature.name: feature for feature in champion.features}
    now = {feature.name: feature for feature in challenger.features}
    changed = [
        Difference(f"{name}.{one.key}", one.champion, one.challenger)
        for name in sorted(before.keys() & now.keys())
        for one in _differences(_told(before[name]), _told(now[name]))
    ]
    return FeatureChanges(
        added=tuple(now[name] for name in now if name not in before),
        removed=tuple(before[name] for name in before if name not in now),
        changed=tuple(changed),
    )


def _data_of(bundle: Bundle) -> dict[str, str]:
    manifest = bundle.manifest
    known = {"as_of": manifest.as_of.isoformat(), **manifest.provenance}
    known["scored"] = f"{bundle.reference.n_customers:,}"
    for target, days in manifest.cutoffs.items():
        known[f"cutoffs.{target}"] = " ".join(day.isoformat() for day in days)
    for target, one in bundle.evaluation.targets.items():
        known[f"measured.{target}"] = f"{one.n:,}"
        known[f"evaluation.{target}"] = "–" if one.cutoff is None else one.cutoff.isoformat()
    return known


def _told(feature: DescribedFeature) -> dict[str, str]:
    return {name: str(getattr(feature, name)) for name in TOLD}


def _differences(
    champion: Mapping[str, str], challenger: Mapping[str, str]
) -> tuple[Difference, ...]:
    return tuple(
        Difference(key, champion.get(key), challenger.get(key))
        for key in dict.fromkeys([*champion, *challenger])
        if champion.get(key) != challenger.get(key)
    )


def _flat(tree: Mapping[str, Any] | Sequence[Any], prefix: str = "") -> dict[str, str]:
    """Return leaves by dotted key; a list of plain values is one leaf."""
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
    flat: dict[str, str] = {}
    for key, value in items:
        if isinstance(value, Mapping) or (_is_list(value) and any(map(_is_tree, value))):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _is_tree(value: Any) -> bool:
    return isinstance(value, Mapping) or _is_list(value)
