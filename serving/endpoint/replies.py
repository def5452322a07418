"""What the endpoint answers, as types: for the OpenAPI document and for the tests of the answers.

The answers are passed on as the publication holds them (``serving/scores/answers.py``); these types
are the promise about them, and a test holds every answer to it.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Reply(BaseModel):
    """A part of an answer: every field is always there, null where there is nothing to say."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class Words(Reply):
    """A text in Chinese and English, or in the one of them that the request prefers."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    zh: Annotated[str, Field(json_schema_extra=_without_default)] = ""
    en: Annotated[str, Field(json_schema_extra=_without_default)] = ""

    @model_validator(mode="after")
    def _said(self) -> Words:
        if not self.model_fields_set:
            raise ValueError("a text without a language")
        return self


class Versions(Reply):
    """What an answer was made with."""

    model: str
    features: str
    policy: str


class ChurnReply(Reply):
    """How likely the customer is to leave within the horizon."""

    probability: Annotated[float, Field(ge=0, le=1)]
    base: Annotated[float, Field(description="Where the reasons' points start from.")]
    horizon_days: int
    percentile: Annotated[int | None, Field(description="Of 100 customers, how many are safer.")]
    band: Literal["low", "medium", "high"]
    trend: Literal["rising", "steady", "falling"] | None


class Interval(Reply):
    """Bounds that hold for ``level`` of customers."""

    level: float
    low: float
    high: float


class ClvReply(Reply):
    """What the customer is expected to bring within the horizon, in ``currency``."""

    currency: str
    horizon_days: int
    expected: float
    base: Annotated[float, Field(description="Where the reasons' points start from.")]
    median: float | None
    interval: Interval | None


class TierReply(Reply):
    """The value tier, why it is held, and the money at its edges."""

    code: str
    name: Words
    held_by_hysteresis: bool
    since: dt.date
    previous: str | None
    guard: Words | None
    falls_below: float | None
    rises_at: float | None
    outlook: Annotated[
        dict[str, Annotated[float, Field(ge=0, le=1)]] | None,
        Field(
            description="Probability of each tier by value in the next horizon of clv, by code, "
            "the highest first; sums to 1. Null where too few customers taught one."
        ),
    ]
    text: Words


class ReasonReply(Reply):
    """One concept and what it adds: percentage points of churn, or money of clv.

    Not ``stable`` is a reason whose place or direction changes in models learnt anew on resampled
    customers; ``null`` where none were learnt.
    """

    concept: str
    target: Literal["churn", "clv"]
    points: float
    text: Words
    actionable: bool
    stable: bool | None = None


class Confidence(Reply):
    """How much the numbers rest on."""

    grade: Annotated[
        Literal["A", "B", "C", "D", "N"] | None,
        Field(
            description="The weaker of the grades of churn and clv against the best simple rule; "
            "N: too little to tell. `/v1/models/current` has both, with intervals and formula."
        ),
    ]
    completeness: Annotated[float, Field(ge=0, le=1, description="Share of model inputs known.")]
    fallback: Annotated[
        str | None,
        Field(
            description="Why the numbers are not the model's own; `/v1/models/current` lists all."
        ),
    ]


class Prediction(Reply):
    """The answer about one customer, the same by id and by raw records."""

    customer_id: str
    as_of: dt.date
    versions: Versions
    churn: ChurnReply | None
    clv: ClvReply | None
    tier: TierReply | None
    lifecycle: str | None
    segment: str | None
    reasons: tuple[ReasonReply, ...]
    confidence: Confidence
    warnings: Annotated[
        tuple[str, ...],
        Field(
            description="`missing:<family>`, `stale:<family>` or `out_of_range:<feature>`; of "
            "contract customers `missing:<column>`."
        ),
    ]


class NotFound(Reply):
    """A customer who was asked for among several and is not published."""

    customer_id: str
    code: Literal["unknown-customer"]
    pointer: str
    detail: Words


class Predictions(Reply):
    """The answer to a request, in the order asked; wholly from one publication."""

    predictions: tuple[Prediction, ...]
    not_found: tuple[NotFound, ...]


class FeaturePoints(Reply):
    """One input of the model and what it adds."""

    feature: str
    label: Words
    points: float


class ConceptPoints(Reply):
    """One concept and what it adds, feature by feature."""

    concept: str
    name: Words
    points: float
    features: tuple[FeaturePoints, ...]


class NumberExplained(Reply):
    """From ``base`` by the points of all concepts to the number ``shown``.

    Points of churn are percentage points, those of clv money.
    """

    base: float
    shown: float
    concepts: tuple[ConceptPoints, ...]


class TraceLine(Reply):
    """One rule of the policy and the tier after it."""

    rule: Literal["value", "hysteresis", "minimum_stay", "guard"]
    tier: str
    moved: bool
    text: Words


class Boundary(Reply):
    """The nearest boundary on one side: the tier beyond, its money and how far it is."""

    tier: str
    at: float
    distance: Annotated[float, Field(description="Positive while it is not crossed.")]
    text: Words


class OutlookLine(Reply):
    """The chance of a value that reaches this tier's threshold in the next horizon."""

    chance: Annotated[float, Field(ge=0, le=1)]
    text: Words


class TierTrace(Reply):
    """The policy's rules in their order; the last line's tier is the one served."""

    tier: str
    lines: tuple[TraceLine, ...]
    above: Boundary | None
    below: Boundary | None
    outlook: OutlookLine | None


class ExplanationReply(Reply):
    """All that a customer's numbers and tier are made of."""

    customer_id: str
    as_of: dt.date
    versions: Versions
    churn: NumberExplained | None
    clv: NumberExplained | None
    tier: TierTrace | None


class Explanations(Reply):
    """The answer to a request for explanations, in the order asked."""

    explanations: tuple[ExplanationReply, ...]
    not_found: tuple[NotFound, ...]


class Outcome(Reply):
    """What the models say on one day."""

    churn: float | None
    churn_band: Literal["low", "medium", "high"] | None
    clv: float | None
    tier: str | None


class ConceptMoved(Reply):
    """One concept and by how many points it moved."""

    concept: str
    name: Words
    points: float


class Effect(Reply):
    """By how much a number differs with the events, concept by concept.

    Percentage points of churn, or money of clv; the concepts sum to the change.
    """

    change: float
    concepts: tuple[ConceptMoved, ...]


class Effects(Reply):
    """With the events against the same later day without them."""

    churn: Effect | None
    clv: Effect | None


class WhatIfReply(Reply):
    """What the models say today, idle on the later day, and with the events on that day."""

    customer_id: str
    as_of: dt.date
    until: dt.date
    versions: Versions
    currency: str
    horizon_days: dict[Literal["churn", "clv"], int]
    events: Annotated[
        tuple[dict[str, Any], ...], Field(description="One by one, with the day of each.")
    ]
    today: Outcome
    idle: Outcome
    with_events: Outcome
    effect: Effects
    note: Words
    warnings: tuple[str, ...]


class ActionTaken(Reply):
    """An action of the menu and how often."""

    code: str
    name: Words
    count: int


class PathReply(Reply):
    """A set of actions that reaches the goal, as scored through the whole pipeline."""

    actions: tuple[ActionTaken, ...]
    cost: float
    events: tuple[dict[str, Any], ...]
    outcome: Outcome


class GoalReply(Reply):
    """What is to be reached: a tier, or a churn probability to be below."""

    kind: Literal["next_tier", "below_churn"]
    at: str | float | None


class PathsReply(Reply):
    """Up to three cheapest paths to the goal, or that there is none."""

    customer_id: str
    as_of: dt.date
    until: dt.date
    versions: Versions
    currency: str
    goal: GoalReply
    today: Outcome
    idle: Outcome | None
    status: Literal["paths", "no_path", "already", "at_the_end"]
    text: Words
    paths: tuple[PathReply, ...]
    tried: Annotated[int, Field(description="Sets of actions that were scored.")]
    is_whole: Annotated[bool, Field(description="Whether no set was left out.")]
    note: Words


class FieldErrorReply(Reply):
    """One place in the request that is wrong."""

    pointer: Annotated[str, Field(description="JSON pointer (RFC 6901) into the request.")]
    detail: str
    remedy: str


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    errors: tuple[FieldErrorReply, ...] = ()
    error_count: int = 0


def as_text(answer: Any) -> str:
    """Return ``answer`` as the JSON text that publications hold."""
    return json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
