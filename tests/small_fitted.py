"""A small training result and the bundle written from it: real models, quickly made."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from configs.schema import Config
from tests.small_bundle import FEATURES, config_in, matrix_of, small_bundle
from training.bundle import write_bundle
from training.evaluate import Evaluation, TargetEvaluation, calibration_curve, figures, lift_curve
from training.fitted import Fitted, column_values, golden_rows
from training.manifest import Manifest
from training.signing import signing_key

PROVENANCE = {"records": "20260101", "data.transactions": "0f" * 32}
DAY = dt.date(2024, 10, 4)


@cache
def small_fitted(intercept: float = 0.1) -> Fitted:
    """Return what training would; the churn intercept tells one from another."""
    bundle = small_bundle()
    models = bundle.models | {"churn": replace(bundle.models["churn"], intercept=intercept)}
    matrix = matrix_of(3_000, seed=1)
    return Fitted(
        models=models,
        policy=bundle.policy,
        segments=bundle.segments,
        intervals=bundle.intervals,
        sentiment=None,
        features=tuple(replace(f, value=_rows) for f in FEATURES),
        evaluation=Evaluation(targets={t: _evaluated(t, models[t], matrix) for t in models}),
        reference=bundle.reference,
        outlook=bundle.outlook,
        portfolio=bundle.portfolio,
        golden=golden_rows(matrix, models, seed=0),
        as_of=DAY,
        cutoffs={"churn": (DAY,), "clv": (DAY,)},
    )


def small_store(root: Path, fitted: Fitted | None = None) -> tuple[Config, Path, Manifest]:
    """Return a configuration with its stores in ``root``, a signed bundle and its manifest."""
    config = config_in(root)
    folder = root / "made"
    key: Ed25519PrivateKey = signing_key(config.stores.keys)
    manifest = write_bundle(fitted or small_fitted(), folder, key, PROVENANCE, config)
    return config, folder, manifest


def _rows(t):
    return t.count()


def _evaluated(target, model, matrix):
    columns = {name: column_values(matrix, name) for name in model.inputs}
    predicted = model.predict(columns)
    outcome = (predicted > 0.5).astype(float) if target == "churn" else predicted * 1.1
    return TargetEvaluation(
        target=target,
        horizon_days=model.horizon_days,
        protocol="out_of_time",
        cutoff=DAY,
        n=len(outcome),
        base_rate=float(outcome.mean()),
        model=figures(target, outcome, predicted),
        baselines={"recency": figures(target, outcome, predicted * 0.9)},
        calibration=calibration_curve(outcome, predicted),
        lift=lift_curve(outcome, predicted),
        rule_lifts={"recency": lift_curve(outcome, predicted[::-1])},
        training_cutoffs=(DAY,),
    )
