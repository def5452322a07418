"""A bundle: one folder with everything that one model version needs, signed, without pickles.

Signature and digests (``training/manifest.py``) are checked before anything else is parsed, because
a damaged LightGBM text crashes its process. What is parsed are the very bytes that were checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from pydantic import BaseModel, ConfigDict

from configs.child import child_environment
from configs.errors import ModelError, first_line
from configs.redaction import redacted
from configs.schema import Config
from configs.version import VERSION
from features.spec import Feature
from training.anchor import TargetName, Vector
from training.described import DescribedFeature, described
from training.evaluate import Evaluation
from training.fitted import Fitted, Reference, column_values
from training.intervals import Intervals
from training.manifest import (
    AGAIN,
    Manifest,
    Verified,
    canonical_json,
    changed_libraries,
    manifest_of,
    verified,
    write_signed,
)
from training.models import Model, read_model
from training.outlook import TierOutlook, outlook_at, read_outlook
from training.policy import Policy
from training.portfolio import Portfolio
from training.segments import Segments
from training.signing import pem_of

if TYPE_CHECKING:
    from features.sentiment import SentimentModel

STATEMENT_FILE = "feature_build.json"
GOLDEN_ROWS = 50
GOLDEN_TOLERANCE = 1e-12
"""Largest difference of a golden link score, relative to the larger of 1 and the score."""
CHECK_SECONDS = 300


class Golden(BaseModel):
    """Feature rows of real customers, without their ids, and the link scores they must give."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, tuple[float | None, ...]]
    links: dict[TargetName, tuple[float, ...]]
    reach: tuple[tuple[float, ...], ...] = ()
    """Customers × thresholds of the tier outlook; empty without one."""


@dataclass(frozen=True)
class Bundle:
    """A bundle read and verified.

    ``digest`` is the SHA-256 of its manifest, hence of it all. ``statement`` builds the features of
    single customers; without it they are planned anew from the declarations.
    """

    digest: str
    manifest: Manifest
    models: Mapping[TargetName, Model]
    policy: Policy
    segments: Segments
    intervals: Intervals
    sentiment: SentimentModel | None
    features: tuple[DescribedFeature, ...]
    reference: Reference
    evaluation: Evaluation
    golden: Golden
    config: Mapping[str, Any]
    outlook: TierOutlook | None = None
    portfolio: Portfolio | None = None
    statement: str | None = None

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of every feature to build for scoring, in order."""
        return tuple(feature.name for feature in self.features)

    def under(self, policy: Policy) -> Bundle:
        """Return the same models with tiers by ``policy``.

        The outlook of tiers is left out where the models of the bundle know other thresholds.
        """
        before, after = self.policy.thresholds, policy.thresholds
        if before == after:
            return replace(self, policy=policy)
        portfolio = None if self.portfolio is None else self.portfolio.divided(before, after)
        outlook = outlook_at(self.outlook, after)
        return replace(self, policy=policy, outlook=outlook, portfolio=portfolio)

    def on_threads(self, threads: int) -> Bundle:
        """Return the same models on so many threads each; no result changes."""
        models = {target: model.on_threads(threads) for target, model in self.models.items()}
        return replace(self, models=models)

    def check_features(self, features: tuple[Feature, ...]) -> None:
        """Check that ``features`` compute what the models learnt from.

        Raises:
            ModelError: a declaration changed since.
        """
        from features.catalogue import fingerprint

        now, then = fingerprint(features), self.manifest.versions["features"]
        if now != then:
            raise ModelError(
                f"the features declared now ({now[:12]}) are not those that the model learnt from "
                f"({then[:12]}). Train again, or go back to the version of Echelon that made the "
                f"model ({self.manifest.libraries['echelon']})"
            )


def write_bundle(
    fitted: Fitted,
    folder: Path,
    key: Ed25519PrivateKey,
    provenance: Mapping[str, str],
    config: Config,
    statement: str | None = None,
) -> Manifest:
    """Write ``fitted`` to the empty folder ``folder``, signed, and return its manifest.

    Args:
        fitted: what training ended in.
        folder: created if missing; must be empty.
        key: signs the manifest.
        provenance: where the data came from, see :func:`provenance_of`.
        config: kept beside the models, passwords left out.
        statement: what builds the features of single customers, see ``features.statement``.

    Raises:
        ModelError: the folder is not empty, or what was written does not read back the same.
    """
    from features.catalogue import fingerprint

    files = _files_of(fitted, config)
    if statement is not None:
        files[STATEMENT_FILE] = statement.encode()
    manifest = manifest_of(
        files,
        key.public_key(),
        as_of=fitted.as_of,
        cutoffs=fitted.cutoffs,
        versions={"features": fingerprint(fitted.features), "policy": fitted.policy.name},
        provenance=provenance,
    )
    write_signed(folder, files, manifest, key)
    check_golden(read_bundle(folder, key.public_key()))
    return manifest


def read_bundle(folder: Path, public_key: Ed25519PublicKey) -> Bundle:
    """Return the bundle in ``folder``; LightGBM sees no byte before all are checked.

    Raises:
        ModelError: see :func:`training.manifest.verified`; or a file is of a form that this
            version of Echelon does not know.
    """
    return parsed(folder, verified(folder, public_key))


def parsed(folder: Path, whole: Verified) -> Bundle:
    """Return the bundle whose bytes were read from ``folder`` and checked.

    Raises:
        ModelError: a file is of a form that this version of Echelon does not know.
    """
    try:
        return _parsed(whole)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder} is signed and whole, but Echelon {whole.manifest.libraries['echelon']} made "
            f"it in a form that {VERSION} does not know "
            f"({first_line(error)}). {AGAIN}"
        ) from error


def check_golden(bundle: Bundle) -> None:
    """Check that the models give the link scores they gave when they were made.

    Raises:
        ModelError: a score differs; with the libraries that changed since.
    """
    columns = {name: _floats(values) for name, values in bundle.golden.columns.items()}
    for target, model in bundle.models.items():
        then = _floats(bundle.golden.links[target])
        now = model.link_score(columns)
        off = np.abs(now - then) > GOLDEN_TOLERANCE * np.maximum(1.0, np.abs(then))
        if off.any() or not np.isfinite(now).all():
            row = int(np.argmax(off))
            given, once = float(now[row]), float(then[row])
            raise ModelError(
                f"the {target} model does not give what it gave when it was made: {off.sum()} of "
                f"{len(then)} golden rows differ (row {row}: {given}, then {once}). "
                f"{changed_libraries(bundle.manifest)}. {AGAIN}"
            )
    if bundle.outlook is not None:
        now, then = bundle.outlook.reach(columns), np.array(bundle.golden.reach)
        if now.shape != then.shape or not np.allclose(now, then, rtol=0.0, atol=GOLDEN_TOLERANCE):
            raise ModelError(
                "the tier outlook does not give what it gave when it was made. "
                f"{changed_libraries(bundle.manifest)}. {AGAIN}"
            )


def check_in_child(folder: Path, public_key: Ed25519PublicKey) -> str:
    """Return the digest of a bundle that gives its golden rows in a process of its own.

    A crash does no harm there. The process has one thread and stands back behind answers.

    Raises:
        ModelError: the child refused the bundle, crashed, or did not end in five minutes.
    """
    command = [sys.executable, "-P", "-m", "training.check_bundle", str(folder)]
    try:
        child = subprocess.run(
            command,
            input=pem_of(public_key),
            capture_output=True,
            timeout=CHECK_SECONDS,
            env=child_environment() | {"OMP_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"loading {folder} did not end within {CHECK_SECONDS} seconds. {AGAIN}"
        ) from error
    said = child.stderr.decode("utf-8", "replace").strip()
    if child.returncode == ModelError.exit_code:
        raise ModelError(said)
    if child.returncode != 0:
        last = said.splitlines()[-1] if said else "it said nothing"
        raise ModelError(
            f"loading {folder} ended its process with code {child.returncode} ({last}). {AGAIN}"
        )
    return child.stdout.decode("utf-8", "replace").strip()


def _files_of(fitted: Fitted, config: Config) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for model in fitted.models.values():
        files |= model.to_files()
    if fitted.outlook is not None:
        files |= fitted.outlook.to_files()
    if fitted.portfolio is not None:
        files["portfolio.json"] = fitted.portfolio.model_dump_json().encode()
    parts = {
        "policy": fitted.policy,
        "segments": fitted.segments,
        "intervals": fitted.intervals,
        "reference": fitted.reference,
        "evaluation": fitted.evaluation,
        "golden": _golden_of(fitted),
    }
    files |= {
        f"{name}.json": canonical_json(part.model_dump(mode="json")) for name, part in parts.items()
    }
    files["features.json"] = canonical_json([described(f).model_dump() for f in fitted.features])
    files["config.json"] = canonical_json(redacted(config))
    if fitted.sentiment is not None:
        files["sentiment.json"] = fitted.sentiment.to_json().encode()
    return files


def _golden_of(fitted: Fitted) -> Golden:
    rows = fitted.golden.slice(0, GOLDEN_ROWS)
    columns = {f.name: column_values(rows, f.name) for f in fitted.features}
    links = {target: column_values(rows, f"{target}_link") for target in fitted.models}
    return Golden(
        columns={
            name: tuple(None if np.isnan(value) else float(value) for value in values)
            for name, values in columns.items()
        },
        links={target: tuple(values.tolist()) for target, values in links.items()},
        reach=() if fitted.outlook is None else _rows(fitted.outlook.reach(columns)),
    )


def _rows(values: Vector) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in values.tolist())


def _parsed(whole: Verified) -> Bundle:
    files = whole.files
    features = json.loads(files["features.json"])
    golden = Golden.model_validate_json(files["golden.json"])
    models = {target: read_model(target, files) for target in golden.links}
    return Bundle(
        digest=whole.digest,
        manifest=whole.manifest,
        models=models,
        policy=Policy.model_validate_json(files["policy.json"]),
        segments=Segments.model_validate_json(files["segments.json"]),
        intervals=Intervals.model_validate_json(files["intervals.json"]),
        sentiment=_sentiment(files.get("sentiment.json")),
        features=tuple(DescribedFeature.model_validate(feature) for feature in features),
        reference=Reference.model_validate_json(files["reference.json"]),
        evaluation=Evaluation.model_validate_json(files["evaluation.json"]),
        golden=golden,
        config=json.loads(files["config.json"]),
        outlook=read_outlook(files, models),
        portfolio=_portfolio(files.get("portfolio.json")),
        statement=_text(files.get(STATEMENT_FILE)),
    )


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode()


def _portfolio(text: bytes | None) -> Portfolio | None:
    return None if text is None else Portfolio.model_validate_json(text)


def _sentiment(text: bytes | None) -> SentimentModel | None:
    if text is None:
        return None
    from features.sentiment import SentimentModel

    return SentimentModel.from_json(text.decode())


def _floats(values: Sequence[float | None]) -> Vector:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
