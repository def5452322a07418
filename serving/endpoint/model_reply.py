"""What ``/v1/models/current`` answers, as types: versions, inputs, targets, policy, limits."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field

from serving.endpoint.replies import Reply, Versions, Words


class Range(Reply):
    """Between which values 98 of 100 customers lie; values far outside draw a warning."""

    low: float
    high: float
    quantiles: Annotated[
        dict[str, float],
        Field(description="Share of customers below → value, such as `0.5`: the median."),
    ]


class FeatureReply(Reply):
    """One input of the models."""

    name: str
    label: Words
    unit: Words
    unit_code: str
    family: str
    concept: str
    definition: Annotated[str, Field(description="What is computed, as text.")]
    window_days: Annotated[
        int | None, Field(description="Days before the day of the scores; null: all of history.")
    ]
    lag_days: Annotated[int, Field(description="How long before that day the window ends.")]
    when_empty: Annotated[
        float | None, Field(description="Value of who has no record; null: missing.")
    ]
    actionable: bool
    used_by: tuple[Literal["churn", "clv"], ...]
    range: Range | None
    missing: Annotated[
        float | None, Field(ge=0, le=1, description="Share of customers without a value.")
    ]


class TierDescription(Reply):
    """One tier and the money it starts at."""

    code: str
    name: Words
    starts_at: float | None


class GuardDescription(Reply):
    """A rule that caps or lifts a tier by a feature, whatever the expected value."""

    name: Words
    feature: str
    at_least: float | None
    at_most: float | None
    cap: str | None
    lift: str | None


class BandsDescription(Reply):
    """From which churn probability a customer counts as medium or high risk."""

    medium: float
    high: float


class PolicyDescription(Reply):
    """How expected value becomes a tier; amounts are frozen with the model."""

    name: str
    objective: Literal["revenue", "margin", "retention"]
    thresholds_by: str
    tiers: Annotated[tuple[TierDescription, ...], Field(description="The highest first.")]
    hysteresis: Annotated[
        float, Field(description="Share of a threshold by which a value must pass it to move.")
    ]
    minimum_stay_days: int
    guards: tuple[GuardDescription, ...]
    churn_bands: BandsDescription


class GradeDescription(Reply):
    """What a model adds to the best simple rule, on later days or customers it never saw."""

    letter: Literal["A", "B", "C", "D", "N"]
    skill: Annotated[float | None, Field(description="Of what the rule leaves; null for N.")]
    low: Annotated[float | None, Field(description="Of the 95 % interval of skill.")]
    high: float | None
    rule: Annotated[str | None, Field(description="The best rule.")]
    formula: Words
    why: Words


class TargetDescription(Reply):
    """One of the numbers served, and how good it was where it could be measured."""

    unit: Annotated[str, Field(description="`probability`, or the currency.")]
    horizon_days: int
    protocol: Literal["out_of_time", "cross_validated", "none"]
    measured_at: Annotated[dt.date | None, Field(description="Outcomes are of the days after.")]
    customers: Annotated[int, Field(description="On whom it was measured.")]
    learnt_from: Annotated[
        tuple[dt.date, ...], Field(description="The days that the served model learnt from.")
    ]
    metrics: Annotated[dict[str, float], Field(description="Of what is served.")]
    rules: Annotated[
        dict[str, dict[str, float]], Field(description="Of the simple rules, by their name.")
    ]
    served_rule: Annotated[str | None, Field(description="The rule served, if it beat the model.")]
    grade: GradeDescription | None


class RecordsUsed(Reply):
    """Which records the answers rest on."""

    scored: Annotated[str, Field(description="The records generation that was scored.")]
    learnt_until: Annotated[dt.date, Field(description="Last day of records the models know.")]


class FallbackDescription(Reply):
    """Why numbers may not be the model's own."""

    code: str
    text: Words


class Limits(Reply):
    """What a request may hold, and how long it may take."""

    rows_per_request: int
    request_bytes: int
    body_seconds: float
    answer_seconds: float


class SegmentDescription(Reply):
    """One segment of customers who behave alike."""

    code: str
    name: Words
    description: Words


class ModelReply(Reply):
    """What is served now."""

    as_of: dt.date
    versions: Versions
    publication: str
    published_at: dt.datetime
    previous_publication: Annotated[str | None, Field(description="What tiers were held against.")]
    records: RecordsUsed
    currency: str
    interval_level: Annotated[float, Field(description="Share of customers in an interval.")]
    targets: dict[Literal["churn", "clv"], TargetDescription]
    policy: PolicyDescription
    segments: tuple[SegmentDescription, ...]
    features: tuple[FeatureReply, ...]
    fallbacks: tuple[FallbackDescription, ...]
    limits: Limits
    input_schema: Annotated[
        dict[str, dict[str, Any]],
        Field(description="JSON Schema of a row of each table of raw records."),
    ]
