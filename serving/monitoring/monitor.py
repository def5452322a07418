"""Monitoring: what the live publication looks like beside what its model learnt from.

Columns are read one at a time, so memory holds a number per customer whatever their features are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.errors import ModelError, PublicationError, did_you_mean
from configs.files import live_generation, write_text
from configs.progress import Progress, silent
from configs.schema import Config
from configs.section import Text
from features.mix import record_mixes, snapshot_mixes
from features.sources import Records, day_number, last_day, open_engine, open_records
from serving.monitoring.findings import (
    FeatureDrift,
    Finding,
    category_findings,
    column_findings,
    in_order,
    score_findings,
    tier_findings,
)
from serving.monitoring.found import Monitoring
from serving.monitoring.outcome import Outcome
from serving.monitoring.outcomes import closed_outcomes, outcome_findings, published
from serving.scores.matrix import SNAPSHOT_FILE
from serving.scores.population import column
from serving.scores.publication import (
    FEATURES_FILE,
    SCORES_FILE,
    Publication,
    open_live,
    open_publication,
)
from training.bundle import Bundle, read_bundle
from training.contract import listed
from training.drift import distribution_of
from training.evaluate import Evaluation
from training.fitted import SCORES, Reference
from training.signing import public_key

ALARM_EXIT_CODE = 10


def monitor(config: Config, since: str | None = None, progress: Progress = silent) -> Monitoring:
    """Return what has changed for the live publication, and keep it beside the publications.

    Args:
        config: the stores, and how churn and value are counted.
        since: id of a publication to compare with; default: what the model learnt from.
        progress: told the share done of ``drift`` and ``outcomes``.

    Raises:
        PublicationError: nothing is published, or ``since`` is not a publication.
        ModelError: the model keeps no distributions to compare with: it is older than monitoring.
    """
    publication = open_live(config.stores.publications)
    bundle = _bundle(config, publication.manifest.terms.versions["model"])
    reference = _reference(config, bundle, since)
    drifts, findings = drift(publication, bundle, reference, progress)
    outcomes: tuple[Outcome, ...] = ()
    if config.sources.snapshot is None:
        progress("outcomes", 0.0)
        records, last = _records(config)
        findings += _category_findings(reference, records, publication, config)
        outcomes = closed_outcomes(config, records, last, _evaluations(config))
        findings += outcome_findings(outcomes)
        progress("outcomes", 1.0)
    else:
        findings += _snapshot_findings(config, reference, publication)
    found = _monitoring(publication, since, reference, drifts, findings, outcomes)
    write_text(_path(config, found), found.model_dump_json(indent=1))
    return found


def drift(
    publication: Publication, bundle: Bundle, reference: Reference, progress: Progress = silent
) -> tuple[list[FeatureDrift], list[Finding]]:
    """Return how features, scores and tiers of ``publication`` differ from ``reference``.

    Tiers by another policy than the model learnt with are not held against what it learnt.
    """
    features = pq.ParquetFile(publication.folder / FEATURES_FILE)
    watched = watched_features(bundle)
    known = [f for f in bundle.features if f.name in reference.distributions]
    drifts: list[FeatureDrift] = []
    findings: list[Finding] = []
    for done, feature in enumerate(known):
        progress("drift", done / len(known))
        values = column(features.read(columns=[feature.name]), feature.name)
        label = Text(zh=feature.label["zh"], en=feature.label["en"])
        is_watched = feature.name in watched
        one, found = column_findings(reference, feature.name, label, values, is_watched)
        drifts.append(one)
        findings += found
    scores = pq.ParquetFile(publication.folder / SCORES_FILE)
    for name in SCORES.values():
        findings += score_findings(reference, name, column(scores.read(columns=[name]), name))
    manifest = publication.manifest
    customers, terms = manifest.counts["customers"], manifest.terms
    if reference is not bundle.reference or terms.policy.tells_tiers_like(bundle.policy):
        findings += tier_findings(reference, tier_shares(publication), customers, terms.tier_names)
    progress("drift", 1.0)
    return drifts, findings


def watched_features(bundle: Bundle) -> set[str]:
    """Return the features that something served reads and that stay put by declaration."""
    read = {name for model in bundle.models.values() for name in model.inputs}
    read |= {*bundle.segments.inputs, *bundle.policy.guard_inputs}
    return {feature.name for feature in bundle.features if feature.stationary} & read


def reference_of(publication: Publication, names: Iterable[str]) -> Reference:
    """Return the summary of an earlier publication, to compare a later one with."""
    features = pq.ParquetFile(publication.folder / FEATURES_FILE)
    scores = pq.ParquetFile(publication.folder / SCORES_FILE)
    present = [name for name in names if name in features.schema_arrow.names]
    quantiles, missing, distributions = {}, {}, {}
    for name in present:
        values = column(features.read(columns=[name]), name)
        known = values[~np.isnan(values)]
        quantiles[name] = (float(np.median(known)),) if len(known) else ()
        missing[name] = float(np.isnan(values).mean())
        distributions[name] = distribution_of(values)
    served = {name: column(scores.read(columns=[name]), name) for name in SCORES.values()}
    return Reference(
        n_customers=scores.metadata.num_rows,
        quantiles=quantiles,
        missing=missing,
        tier_medians={},
        distributions=distributions,
        scores={name: distribution_of(values) for name, values in served.items()},
        tiers=tier_shares(publication),
    )


def _reference(config: Config, bundle: Bundle, since: str | None) -> Reference:
    if since is not None:
        earlier = open_publication(_folder(config, since))
        return reference_of(earlier, bundle.feature_names)
    if not bundle.reference.distributions:
        raise ModelError(
            "the live model keeps no distributions to compare with, as it was trained before "
            "`echelon monitor` was there. Run `echelon train`, promote and score; or compare with "
            "an earlier publication by --since"
        )
    return bundle.reference


def _folder(config: Config, since: str) -> Path:
    store = config.stores.publications
    folder = store / since
    if not folder.is_dir():
        names = [one.manifest.id for one in published(store)]
        raise PublicationError(f"no publication {since!r} in {store}; {did_you_mean(since, names)}")
    return folder


def tier_shares(publication: Publication) -> dict[str, float]:
    """Return tier code → its share of the customers who have a tier."""
    table = pq.read_table(publication.folder / SCORES_FILE, columns=["tier"])
    codes, counts = pc.value_counts(table["tier"].drop_null()).flatten()
    total = max(sum(counts.to_pylist()), 1)
    pairs = zip(codes.to_pylist(), counts.to_pylist(), strict=True)
    return {str(code): n / total for code, n in pairs}


def _bundle(config: Config, version: str) -> Bundle:
    return read_bundle(config.stores.bundles / version, public_key(config.stores.keys))


def _evaluations(config: Config) -> dict[str, Evaluation]:
    """Return the figures at training of every version that was published and is kept."""
    found = published(config.stores.publications)
    versions = dict.fromkeys(one.manifest.terms.versions["model"] for one in found)
    kept = [version for version in versions if (config.stores.bundles / version).is_dir()]
    return {version: _bundle(config, version).evaluation for version in kept}


def _records(config: Config) -> tuple[Records, int]:
    folder = live_generation(config.stores.records)
    if folder is None:
        raise PublicationError(
            f"no records under {config.stores.records} to hold forecasts against; run "
            "`echelon intake`"
        )
    records = open_records(open_engine(config.engine), folder)
    return records, last_day(records)


def _category_findings(
    reference: Reference, records: Records, publication: Publication, config: Config
) -> list[Finding]:
    if not reference.mixes:
        return []
    day = day_number(publication.manifest.as_of)
    return category_findings(reference.mixes, record_mixes(records, day))


def _snapshot_findings(
    config: Config, reference: Reference, publication: Publication
) -> list[Finding]:
    path = config.stores.records / publication.manifest.records / SNAPSHOT_FILE
    if config.sources.snapshot is None or not reference.mixes or not path.is_file():
        return []
    table = pq.read_table(path)
    columns = listed(config.sources.snapshot, table).categories
    return category_findings(reference.mixes, snapshot_mixes(table, columns))


def _monitoring(
    publication: Publication,
    since: str | None,
    reference: Reference,
    drifts: list[FeatureDrift],
    findings: list[Finding],
    outcomes: tuple[Outcome, ...],
) -> Monitoring:
    manifest = publication.manifest
    names = manifest.terms.tier_names
    return Monitoring(
        publication=manifest.id,
        as_of=manifest.as_of,
        made_at=dt.datetime.now(dt.UTC),
        model=manifest.terms.versions["model"],
        since=since,
        customers=manifest.counts["customers"],
        reference_customers=reference.n_customers,
        findings=in_order(findings),
        features=tuple(sorted(drifts, key=lambda one: -one.psi)),
        tier_names=names,
        tiers=_ordered(tier_shares(publication), names),
        reference_tiers=_ordered(reference.tiers, names),
        outcomes=outcomes,
    )


def _ordered(shares: Mapping[str, float], names: Mapping[str, Text]) -> dict[str, float]:
    return {code: shares.get(code, 0.0) for code in names}


def _path(config: Config, found: Monitoring) -> Path:
    name = found.publication if found.since is None else f"{found.publication}.since.{found.since}"
    return config.stores.monitoring / f"{name}.json"
