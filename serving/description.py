"""What is served now, in words and figures: the answer of ``/v1/models/current``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.units import UNITS
from serving.publication import Manifest
from serving.requests import ROWS
from training.bundle import Bundle
from training.described import DescribedFeature
from training.policy import Policy

NO_UNIT = {"zh": "", "en": ""}


def described(manifest: Manifest, bundle: Bundle, takes_records: bool) -> dict[str, Any]:
    """Return versions, tiers, segments, features with units and ranges, and the evaluation.

    Args:
        manifest: of the publication that is served.
        bundle: the models that made it.
        takes_records: whether raw records are scored; then their form is told.
    """
    terms = manifest.terms
    return {
        "as_of": manifest.as_of.isoformat(),
        "versions": terms.versions,
        "publication": manifest.id,
        "published_at": manifest.created_at.isoformat(),
        "currency": terms.currency,
        "horizon_days": {"churn": terms.churn_horizon_days, "clv": terms.clv_horizon_days},
        "tiers": _tiers(terms.policy),
        "segments": [segment.model_dump() for segment in manifest.segments],
        "features": [_feature(one, bundle) for one in bundle.features],
        "evaluation": bundle.evaluation.model_dump(mode="json")["targets"],
        "records": _row_schemas() if takes_records else None,
    }


def _tiers(policy: Policy) -> list[dict[str, Any]]:
    """Return the tiers, the highest first, with the money each starts at."""
    starts = [*reversed(policy.thresholds), None]
    return [
        {"code": tier.code, "name": tier.name.model_dump(), "starts_at": start}
        for tier, start in zip(policy.tiers, starts, strict=True)
    ]


def _feature(feature: DescribedFeature, bundle: Bundle) -> dict[str, Any]:
    unit = UNITS.get(feature.unit)
    return {
        "name": feature.name,
        "label": dict(feature.label),
        "unit": NO_UNIT if unit is None else unit.model_dump(),
        "unit_code": feature.unit,
        "family": feature.family,
        "concept": feature.concept,
        "actionable": feature.actionable,
        "used_by": [
            target for target, model in bundle.models.items() if feature.name in model.inputs
        ],
        "range": _range(bundle.reference.quantiles, feature.name),
    }


def _range(quantiles: Mapping[str, tuple[float, ...]], name: str) -> dict[str, float] | None:
    seen = quantiles.get(name)
    return {"low": seen[0], "high": seen[-1]} if seen else None


def _row_schemas() -> dict[str, Any]:
    return {name: row.model_json_schema() for name, row in ROWS.items()}
