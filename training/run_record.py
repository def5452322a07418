"""What a training leaves on record: its settings and its figures, as flat names and values."""

from __future__ import annotations

from typing import Any

from configs.redaction import redacted
from configs.schema import Config
from training.evaluate import Evaluation
from training.manifest import Manifest

SETTINGS = ("as_of", "features", "churn", "clv", "snapshots", "training", "policy", "lifecycle")
"""Sections that are parameters of a run; the configuration kept beside it has them all."""


def parameters(config: Config, manifest: Manifest) -> dict[str, str]:
    """Return settings, versions, cutoffs and digests of the data: ``training.seed`` → ``0``."""
    kept = redacted(config)
    values = _flat({name: kept[name] for name in SETTINGS})
    values |= _flat({"version": manifest.versions}) | manifest.provenance
    for target, days in manifest.cutoffs.items():
        values[f"cutoffs.{target}"] = " ".join(day.isoformat() for day in days)
    return {name: str(value) for name, value in values.items()}


def figures(evaluation: Evaluation) -> dict[str, float]:
    """Return every figure of models and rules: ``churn.model.auc``, ``clv.spend_rate.mae``."""
    named: dict[str, float] = {}
    for target, measured in evaluation.targets.items():
        named[f"{target}.n"] = measured.n
        if measured.base_rate is not None:
            named[f"{target}.base_rate"] = measured.base_rate
        grade = measured.grade
        if grade is not None and grade.skill is not None:
            own = {"skill": grade.skill, "low": grade.low, "high": grade.high}
            named |= {f"{target}.grade.{name}": v for name, v in own.items() if v is not None}
        for who, values in {**measured.baselines, "model": measured.model}.items():
            named |= {f"{target}.{who}.{metric}": value for metric, value in values.items()}
    return named


def grades(evaluation: Evaluation) -> dict[str, str]:
    """Return letters, the rules compared with, and the rules served: ``churn.grade`` → ``B``."""
    named: dict[str, str] = {}
    for target, measured in evaluation.targets.items():
        if measured.grade is not None:
            named[f"{target}.grade"] = measured.grade.letter
            named[f"{target}.grade.rule"] = str(measured.grade.rule)
        named[f"{target}.served"] = measured.served_rule or "model"
    return named


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            flat[f"{prefix}{key}"] = value
    return flat
