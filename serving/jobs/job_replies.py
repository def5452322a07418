"""What batch jobs, histories and webhooks say, as types for the OpenAPI document and the tests."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field

from serving.endpoint.replies import (
    ChurnReply,
    ClvReply,
    Prediction,
    Reply,
    TierReply,
    TraceLine,
    Versions,
    Words,
)


class JobRows(Reply):
    """How many rows a job has, and how many are answered."""

    total: Annotated[int | None, Field(description="Null until they are counted.")]
    done: int
    ok: int
    error: int


class JobReply(Reply):
    """How a batch job stands."""

    id: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled", "expired"]
    created_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    expires_at: Annotated[
        dt.datetime | None, Field(description="When its rows and results are removed.")
    ]
    rows: JobRows
    publication: Annotated[
        str | None, Field(description="The one that every row is answered from, once it has begun.")
    ]
    as_of: dt.date | None
    versions: Versions | None
    failure: Annotated[Words | None, Field(description="Why there are no results.")]
    results: Annotated[str | None, Field(description="Address of the results, once they are.")]


class JobsReply(Reply):
    """Jobs, the newest first."""

    jobs: tuple[JobReply, ...]
    next: Annotated[
        str | None, Field(description="`cursor` of the next page; null on the last one.")
    ]


class RowError(Reply):
    """Why a row has no answer."""

    code: str
    pointer: Annotated[str, Field(description="JSON pointer (RFC 6901) into the row.")]
    detail: Words


class RowResult(Reply):
    """The line of one row in the results: ``prediction`` where it is ok, else ``error``."""

    row: Annotated[int, Field(description="Line of the NDJSON or row of the Parquet file, from 1.")]
    customer_id: Annotated[str | None, Field(description="Null where it cannot be told.")]
    status: Literal["ok", "error"]
    prediction: Prediction | None = None
    error: RowError | None = None


class HistoryEntry(Reply):
    """What one publication says of a customer's tier, and the rules that set it."""

    publication: str
    published_at: dt.datetime
    as_of: dt.date
    versions: Versions
    tier: TierReply | None
    clv: ClvReply | None
    churn: ChurnReply | None
    lines: Annotated[
        tuple[TraceLine, ...] | None,
        Field(description="The policy's rules in their order; the last line's tier is the tier."),
    ]


class TierHistory(Reply):
    """A customer's tiers over time, the newest first."""

    customer_id: str
    entries: tuple[HistoryEntry, ...]
    next: Annotated[
        str | None, Field(description="`cursor` of the next page; null on the last one.")
    ]


class TierBeforeAndNow(Reply):
    """A customer's tier in the publication before and in the new one."""

    before: str
    now: str


class NumberBeforeAndNow(Reply):
    """A customer's number in the publication before and in the new one; null where unknown."""

    before: float | None
    now: float | None


class TierChange(Reply):
    """A customer who is in another tier."""

    customer_id: str
    tier: TierBeforeAndNow
    clv_expected: NumberBeforeAndNow


class ChurnAlert(Reply):
    """A customer whose churn probability has reached the bound."""

    customer_id: str
    churn_probability: NumberBeforeAndNow
    band: Literal["low", "medium", "high"] | None
    tier: str | None
    clv_expected: float | None


class EventData(Reply):
    """What events of one publication have in common; one of ``parts`` messages."""

    publication: str
    previous_publication: str
    as_of: dt.date
    versions: Versions
    part: int
    parts: int


class TierChanges(EventData):
    """At most a hundred customers who are in another tier."""

    customers: tuple[TierChange, ...]


class ChurnAlerts(EventData):
    """At most a hundred customers whose churn probability has reached ``alert_at``."""

    customers: tuple[ChurnAlert, ...]
    alert_at: float


class TierChangedEvent(Reply):
    """A message that tells whose tier changed."""

    type: Literal["tier.changed"]
    timestamp: dt.datetime
    data: TierChanges


class ChurnAlertEvent(Reply):
    """A message that tells who has become likely to leave."""

    type: Literal["churn.alert"]
    timestamp: dt.datetime
    data: ChurnAlerts
