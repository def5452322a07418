"""Expected against actual: past publications whose horizon has closed, and what happened since.

Labels are those of training (``features/labels.py``), of the days after a publication's day. What
was published is read as it was; nothing is predicted anew.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from configs.schema import Config
from configs.section import Text
from features.labels import CONTRACT_END, MARGIN, NO_PURCHASE, SPEND, Label, label_table
from features.sources import Records, day_number
from serving.monitoring import monitor_words as words
from serving.monitoring.findings import Finding
from serving.monitoring.outcome import (
    BESIDE,
    MAIN,
    ORDER_LOST,
    Outcome,
    TierOutcome,
)
from serving.scores.publication import MANIFEST_FILE, SCORES_FILE, Publication, open_publication
from training import metrics
from training.anchor import TargetName
from training.columns import column_values
from training.evaluate import Evaluation
from training.fitted import SCORES

Vector = NDArray[np.float64]
TARGETS: tuple[TargetName, ...] = ("churn", "clv")
NORMAL_95 = 1.96


def closed_outcomes(
    config: Config, records: Records, last: int, evaluations: dict[str, Evaluation]
) -> tuple[Outcome, ...]:
    """Return the outcomes of every publication and target whose horizon closed by ``last``.

    Of several publications of one day by one model, the latest counts.

    Args:
        config: the store and how churn and value are counted.
        records: today's.
        last: the last day that records are complete to.
        evaluations: model version → its figures at training.
    """
    found = []
    for publication in published(config.stores.publications):
        for target in TARGETS:
            outcome = _outcome(config, records, last, publication, target)
            if outcome is not None:
                then = evaluations.get(outcome.model)
                found.append(outcome.model_copy(update={"then": _figures(then, target)}))
    return tuple(sorted(found, key=lambda one: (one.model, one.target, one.as_of)))


def published(store: Path) -> tuple[Publication, ...]:
    """Return the latest publication of each day and model version, the oldest first."""
    latest: dict[tuple[dt.date, str], Publication] = {}
    for manifest in sorted(store.glob(f"[!.]*/{MANIFEST_FILE}")):
        one = open_publication(manifest.parent)
        latest[one.manifest.as_of, one.manifest.terms.versions["model"]] = one
    return tuple(latest[key] for key in sorted(latest))


def outcome_findings(outcomes: Sequence[Outcome]) -> list[Finding]:
    """Return the outcomes that ask for something."""
    found = []
    for one in outcomes:
        day, bias = one.as_of.isoformat(), one.bias
        if one.is_level_off and bias is not None:
            text = words.level_off(one.target, bias, day)
            found.append(_finding(one, bias, one.expected, one.actual, text))
        if one.order_lost >= ORDER_LOST:
            main = MAIN[one.target]
            then, now = one.then[main], one.figures[main]
            text = words.order_lost(one.target, main, then, now, day)
            found.append(_finding(one, -one.order_lost, then, now, text))
    return found


def _finding(one: Outcome, size: float, before: float, now: float, text: Text) -> Finding:
    return Finding(
        kind="outcome",
        name=f"{one.publication}:{one.target}",
        label=words.TARGETS[one.target],
        size=size,
        before=before,
        now=now,
        is_alarm=True,
        text=text,
        advice=words.ADVICE["outcome"],
    )


def _outcome(
    config: Config, records: Records, last: int, publication: Publication, target: TargetName
) -> Outcome | None:
    manifest = publication.manifest
    terms = manifest.terms
    horizon = terms.churn_horizon_days if target == "churn" else terms.clv_horizon_days
    day = day_number(manifest.as_of)
    if day + horizon > last:
        return None
    label = _label(config, target)
    table = label_table(records, [label], [day], horizon, last)
    folder = publication.folder
    expected, actual, tiers = joined(folder / SCORES_FILE, table, SCORES[target], label.name)
    if not len(actual):
        return None
    spread = NORMAL_95 * math.sqrt(len(actual)) * float((actual - expected).std())
    total = float(actual.sum())
    return Outcome(
        publication=manifest.id,
        model=terms.versions["model"],
        target=target,
        as_of=manifest.as_of,
        closed_on=manifest.as_of + dt.timedelta(days=horizon),
        n=len(actual),
        expected=float(expected.sum()),
        actual=total,
        actual_low=max(total - spread, 0.0),
        actual_high=total + spread,
        figures=_measured(target, actual, expected),
        tiers=tuple(
            TierOutcome(
                code=tier.code,
                name=tier.name,
                n=int(own.sum()),
                expected=float(expected[own].sum()),
                actual=float(actual[own].sum()),
            )
            for tier in terms.policy.tiers
            if (own := tiers == tier.code).any()
        ),
    )


def joined(
    scores: Path, labels: pa.Table, column: str, label: str
) -> tuple[Vector, Vector, NDArray[np.object_]]:
    """Return predictions, labels and published tiers of the customers who have both, in one order.

    Customers who had not bought are left out, as they are at training; a tier may be ``None``.
    """
    published = pq.read_table(scores, columns=["customer_id", "fallback", "tier", column])
    has_bought = pc.not_equal(pc.fill_null(published["fallback"], ""), "no_purchases")
    published = published.filter(has_bought).select(["customer_id", "tier", column])
    both = published.join(labels.select(["customer_id", label]), "customer_id", join_type="inner")
    both = both.sort_by("customer_id")
    predicted, actual = column_values(both, column), column_values(both, label)
    complete = ~np.isnan(predicted) & ~np.isnan(actual)
    tiers = np.array(both["tier"].to_pylist(), dtype=object)
    return predicted[complete], actual[complete], tiers[complete]


def _label(config: Config, target: TargetName) -> Label:
    if target == "churn":
        return NO_PURCHASE if config.churn.rule == "no_purchase" else CONTRACT_END
    return SPEND if config.clv.measure == "spend" else MARGIN


def _measured(target: TargetName, actual: Vector, expected: Vector) -> dict[str, float]:
    if target == "churn":
        named = {
            "auc": metrics.auc(actual, expected),
            "ece15": metrics.calibration_error(actual, expected),
        }
    else:
        named = {
            "ngini": metrics.normalised_gini(actual, expected),
            "bias": metrics.bias(actual, expected),
        }
    return {name: value for name, value in named.items() if math.isfinite(value)}


def _figures(evaluation: Evaluation | None, target: TargetName) -> dict[str, float]:
    if evaluation is None or target not in evaluation.targets:
        return {}
    model = evaluation.targets[target].model
    return {name: model[name] for name in (MAIN[target], BESIDE[target]) if name in model}
