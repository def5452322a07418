"""The JSON answer about one customer: one shape for published ids and for raw records."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from configs.schema import Config
from configs.section import Text
from serving.scores.scorer import BundleLike
from serving.scores.wording import tier_sentence
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


def answer(score: Mapping[str, Any], reasons: Iterable[Mapping[str, Any]], terms: Terms) -> Answer:
    """Return the answer about one customer, JSON-safe: no NaN, dates as ISO text.

    Args:
        score: a row of the scores table.
        reasons: the customer's rows of the reasons table, in their order.
        terms: what the answer has in common with its publication.

    ``churn`` or ``clv`` is null where there is no such model; ``base`` plus the points of the
    number's reasons (a hundredth of them for churn) is the number.
    """
    return {
        "customer_id": score["customer_id"],
        "as_of": (dt.date(1970, 1, 1) + dt.timedelta(days=score["cutoff"])).isoformat(),
        "versions": terms.versions,
        "churn": _churn(score, terms),
        "clv": _clv(score, terms),
        "tier": _tier(score, terms),
        "lifecycle": score["lifecycle"],
        "segment": score["segment"],
        "reasons": [_reason(reason) for reason in reasons],
        "confidence": {
            "grade": terms.grade,
            "completeness": score["completeness"],
            "fallback": score["fallback"],
        },
        "warnings": score["warnings"],
    }


def answers(scores: pa.Table, reasons: pa.Table, terms: Terms) -> Iterator[Answer]:
    """Yield the answer about each customer of ``scores``, in order.

    ``reasons`` holds the same customers in the same order.
    """
    rows = iter(reasons.to_pylist())
    held = next(rows, None)
    for score in scores.to_pylist():
        own = []
        while held is not None and held["customer_id"] == score["customer_id"]:
            own.append(held)
            held = next(rows, None)
        yield answer(score, own, terms)


def _churn(score: Mapping[str, Any], terms: Terms) -> Answer | None:
    if score["churn_probability"] is None:
        return None
    return {
        "probability": score["churn_probability"],
        "base": score["churn_base"],
        "horizon_days": terms.churn_horizon_days,
        "percentile": _whole(score["churn_percentile"]),
        "band": score["churn_band"],
        "trend": score["churn_trend"],
    }


def _clv(score: Mapping[str, Any], terms: Terms) -> Answer | None:
    if score["clv_expected"] is None:
        return None
    interval = None
    if score["clv_low"] is not None:
        interval = {
            "level": terms.interval_level,
            "low": score["clv_low"],
            "high": score["clv_high"],
        }
    return {
        "currency": terms.currency,
        "horizon_days": terms.clv_horizon_days,
        "expected": score["clv_expected"],
        "base": score["clv_base"],
        "median": score["clv_median"],
        "interval": interval,
    }


def _tier(score: Mapping[str, Any], terms: Terms) -> Answer | None:
    if score["tier"] is None:
        return None
    guard = score["tier_guard"]
    zh, en = tier_sentence(score, terms.policy, terms.currency)
    return {
        "code": score["tier"],
        "name": terms.tier_names[score["tier"]].model_dump(),
        "held_by_hysteresis": score["tier_held"],
        "since": score["tier_since"].isoformat(),
        "previous": score["previous_tier"],
        "guard": None if guard is None else terms.policy.guards[guard].name.model_dump(),
        "falls_below": score["tier_falls_below"],
        "rises_at": score["tier_rises_at"],
        "outlook": _outlook(score, terms),
        "text": {"zh": zh, "en": en},
    }


def _outlook(score: Mapping[str, Any], terms: Terms) -> dict[str, float] | None:
    if score["tier_outlook"] is None:
        return None
    return dict(zip(terms.tier_names, score["tier_outlook"], strict=True))


def _reason(reason: Mapping[str, Any]) -> Answer:
    return {
        "concept": reason["concept"],
        "target": reason["target"],
        "points": reason["points"],
        "text": {"zh": reason["text_zh"], "en": reason["text_en"]},
        "actionable": reason["actionable"],
        "stable": reason.get("stable"),
    }


def _whole(value: float | None) -> int | None:
    return None if value is None or math.isnan(value) else int(value)
