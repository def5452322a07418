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


def answer_texts(scores: pa.Table, reasons: pa.Table, terms: Terms) -> texts.Written:
    """Return the answer about each customer of ``scores`` as JSON text, in order.

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
    here, level = texts.HERE, terms.interval_level
    warnings, sizes = texts.written_lists(scores["warnings"])
    names = ("customer_id", "lifecycle", "segment", "completeness", "fallback")
    who, stage, segment, known, fallback = (texts.written(scores[name]) for name in names)
    return texts.joined(
        f'{{"customer_id":{here},"as_of":{here},"versions":{versions},"churn":{here},'
        f'"clv":{here},"tier":{here},"lifecycle":{here},"segment":{here},'
        f'"reasons":[{here}],"confidence":{{"grade":{json.dumps(terms.grade)},'
        f'"completeness":{here},"fallback":{here}}},"warnings":[{here}]}}',
        who,
        texts.written(scores["cutoff"].cast(pa.date32())),
        texts.churns(scores, terms.churn_horizon_days),
        texts.values(scores, terms.currency, terms.clv_horizon_days, level),
        texts.tiers(scores, terms.policy, terms.currency),
        *(stage, segment, texts.by_customer(scores, reasons), known, fallback),
        texts.grouped(warnings, [size or 0 for size in sizes]),
    )


def answers(scores: pa.Table, reasons: pa.Table, terms: Terms) -> Iterator[Answer]:
    """Yield what :func:`answer_texts` says as values."""
    return map(json.loads, texts.as_list(answer_texts(scores, reasons, terms)))
