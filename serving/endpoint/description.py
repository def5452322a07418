"""What is served now, in words and figures: the answer of ``/v1/models/current``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from configs.service import Serving
from features.units import UNITS
from serving.endpoint.contract_rows import ContractRows
from serving.endpoint.requests import ROWS
from serving.endpoint.route import ANSWER_SECONDS, BODY_SECONDS
from serving.scores.publication import Manifest
from serving.scores.wording import FALLBACKS
from training.anchor import TargetName
from training.bundle import Bundle
from training.described import DescribedFeature
from training.evaluate import NOT_SERVED, TargetEvaluation
from training.fitted import QUANTILES
from training.policy import Policy

NO_UNIT = {"zh": "", "en": ""}


def described(
    manifest: Manifest, bundle: Bundle, contract: ContractRows | None, serving: Serving
) -> dict[str, Any]:
    """Return versions, inputs with units and ranges, targets with grades, policy and limits.

    Args:
        manifest: of the publication that is served.
        bundle: the models that made it.
        contract: contract customers' rows, where records are those.
        serving: the limits.
    """
    terms = manifest.terms
    return {
        "as_of": manifest.as_of.isoformat(),
        "versions": terms.versions,
        "publication": manifest.id,
        "published_at": manifest.created_at.isoformat(),
        "previous_publication": manifest.previous,
        "records": {
            "scored": manifest.records,
            "learnt_until": bundle.manifest.as_of.isoformat(),
        },
        "currency": terms.currency,
        "interval_level": terms.interval_level,
        "targets": {name: _target(name, manifest, bundle) for name in bundle.models},
        "policy": _policy(terms.policy),
        "segments": [segment.model_dump() for segment in manifest.segments],
        "features": [_feature(one, bundle) for one in bundle.features],
        "fallbacks": [
            {"code": code, "text": text.model_dump()} for code, text in FALLBACKS.items()
        ],
        "limits": {
            "rows_per_request": serving.rows_per_request,
            "request_bytes": serving.request_bytes,
            "body_seconds": BODY_SECONDS,
            "answer_seconds": ANSWER_SECONDS,
        },
        "input_schema": _row_schemas(contract),
    }


def _target(name: TargetName, manifest: Manifest, bundle: Bundle) -> dict[str, Any]:
    told = bundle.evaluation.targets.get(name) or TargetEvaluation(
        target=name, horizon_days=bundle.models[name].horizon_days, protocol="none"
    )
    days = bundle.manifest.cutoffs.get(name, ())
    return {
        "unit": "probability" if name == "churn" else manifest.terms.currency,
        "horizon_days": bundle.models[name].horizon_days,
        "protocol": told.protocol,
        "measured_at": None if told.cutoff is None else told.cutoff.isoformat(),
        "customers": told.n,
        "learnt_from": [day.isoformat() for day in days],
        "metrics": told.model,
        "rules": {rule: found for rule, found in told.baselines.items() if rule != NOT_SERVED},
        "served_rule": told.served_rule,
        "grade": None if told.grade is None else told.grade.model_dump(),
    }


def _policy(policy: Policy) -> dict[str, Any]:
    """Return the policy, its tiers with the money each starts at."""
    starts = [*reversed(policy.thresholds), None]
    return {
        "name": policy.name,
        "objective": policy.objective,
        "thresholds_by": policy.thresholds_by,
        "tiers": [
            {"code": tier.code, "name": tier.name.model_dump(), "starts_at": start}
            for tier, start in zip(policy.tiers, starts, strict=True)
        ],
        "hysteresis": policy.hysteresis,
        "minimum_stay_days": policy.minimum_stay_days,
        "guards": [guard.model_dump() for guard in policy.guards],
        "churn_bands": policy.churn_bands.model_dump(),
    }


def _feature(feature: DescribedFeature, bundle: Bundle) -> dict[str, Any]:
    unit = UNITS.get(feature.unit)
    return {
        "name": feature.name,
        "label": dict(feature.label),
        "unit": NO_UNIT if unit is None else unit.model_dump(),
        "unit_code": feature.unit,
        "family": feature.family,
        "concept": feature.concept,
        "definition": feature.definition,
        "window_days": feature.window_days,
        "lag_days": feature.lag_days,
        "when_empty": feature.when_empty,
        "actionable": feature.actionable,
        "used_by": [
            target for target, model in bundle.models.items() if feature.name in model.inputs
        ],
        "range": _range(bundle.reference.quantiles, feature.name),
        "missing": bundle.reference.missing.get(feature.name),
    }


def _range(quantiles: Mapping[str, tuple[float, ...]], name: str) -> dict[str, Any] | None:
    seen = quantiles.get(name)
    if not seen:
        return None
    named = {f"{share:g}": value for share, value in zip(QUANTILES, seen, strict=True)}
    return {"low": seen[0], "high": seen[-1], "quantiles": named}


def _row_schemas(contract: ContractRows | None) -> dict[str, Any]:
    if contract is not None:
        return {"snapshot": contract.row.model_json_schema()}
    return {name: row.model_json_schema() for name, row in ROWS.items()}
