"""The JSON answer about one customer: one shape for published ids and for raw records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from configs.schema import Config
from configs.section import Text
from serving.scores import answer_texts as texts
from serving.scores.scorer import BundleLike
from training.anchor import TargetName
from training.grade import Letter
from training.policy import Policy

Answer = dict[str, Any]


class Terms(BaseModel):
    """What every answer of one publication has in common; JSON by ``model_dump_json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    features: str
    currency: str
    churn_horizon_days: int
    clv_horizon_days: int
    interval_level: float
    policy: Policy
    grades: dict[TargetName, Letter] = {}

    @property
    def versions(self) -> dict[str, str]:
        """Versions of model, features and policy."""
        return {"model": self.model, "features": self.features, "policy": self.policy.name}

    @property
    def grade(self) -> Letter | None:
        """The weaker of the targets' grades; N, too little to tell, is the weakest."""
        return max(self.grades.values(), default=None)

    @property
    def tier_names(self) -> dict[str, Text]:
        """Names of the tiers, by code, the highest first."""
        return {tier.code: tier.name for tier in self.policy.tiers}


def terms_of(config: Config, bundle: BundleLike, model: str, features: str) -> Terms:
    """Return the terms of answers by ``bundle``, registered as ``model``."""
    horizons = {target: served.horizon_days for target, served in bundle.models.items()}
    intervals = bundle.intervals
    return Terms(
        model=model,
        features=features,
        currency=config.currency,
        churn_horizon_days=horizons.get("churn", config.churn.horizon_days),
        clv_horizon_days=horizons.get("clv", config.clv.horizon_days),
        interval_level=config.training.interval_level if intervals is None else intervals.level,
        policy=bundle.policy,
        grades={} if bundle.evaluation is None else bundle.evaluation.grades,
    )


def answer_texts(scores: pa.Table, reasons: pa.Table, terms: Terms) -> Iterator[str]:
    """Yield the answer about each customer of ``scores`` as JSON text, in order.

    ``churn`` or ``clv`` is null where there is no such model; ``base`` plus the points of the
    number's reasons (a hundredth of them for churn) is the number.

    Args:
        scores: table of schema ``SCORES``.
        reasons: table of schema ``REASONS``, of the same customers in the same order.
        terms: what the answers have in common with their publication.

    Raises:
        ValueError: a number is not finite.
    """
    versions = json.dumps(terms.versions, ensure_ascii=False, separators=(",", ":"))
    grade = json.dumps(terms.grade)
    columns = (
        texts.written(scores["customer_id"]),
        texts.written(scores["cutoff"].cast(pa.date32())),
        texts.churns(scores, terms.churn_horizon_days),
        texts.values(scores, terms.currency, terms.clv_horizon_days, terms.interval_level),
        texts.tiers(scores, terms.policy, terms.currency),
        texts.written(scores["lifecycle"]),
        texts.written(scores["segment"]),
        texts.by_customer(scores, reasons),
        texts.written(scores["completeness"]),
        texts.written(scores["fallback"]),
        (",".join(one or ()) for one in texts.written_lists(scores["warnings"])),
    )
    for who, day, churn, clv, tier, stage, segment, why, known, fallback, warnings in zip(
        *columns, strict=True
    ):
        yield (
            f'{{"customer_id":{who},"as_of":{day},"versions":{versions},"churn":{churn},'
            f'"clv":{clv},"tier":{tier},"lifecycle":{stage},"segment":{segment},'
            f'"reasons":[{why}],"confidence":{{"grade":{grade},"completeness":{known},'
            f'"fallback":{fallback}}},"warnings":[{warnings}]}}'
        )


def answers(scores: pa.Table, reasons: pa.Table, terms: Terms) -> Iterator[Answer]:
    """Yield what :func:`answer_texts` says as values."""
    return map(json.loads, answer_texts(scores, reasons, terms))
