"""Hypothetical events: what may be supposed of a customer, by configuration or by request."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

LONGEST_DAYS = 365
MOST_EVENTS = 50

InDays = Annotated[
    int | None,
    Field(
        strict=True,
        ge=1,
        le=LONGEST_DAYS,
        description="Days from the day of the scores; left out: events of a kind spread evenly.",
    ),
]
Count = Annotated[int, Field(strict=True, ge=1, le=MOST_EVENTS)]
ContactKind = Literal["visit", "enquiry", "event", "click", "referral", "share"]


class Event(BaseModel):
    """Something that may happen to a customer: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    in_days: InDays = None


class Order(Event):
    """Orders by the customer, each like the latest one but for the amount."""

    event: Literal["order"] = "order"
    amount: Annotated[
        float | None,
        Field(
            strict=True,
            gt=0,
            le=1e9,
            allow_inf_nan=False,
            description="Money an order; left out: the customer's own median.",
        ),
    ] = None
    count: Count = 1


class ComplaintResolved(Event):
    """Every complaint that is open now is resolved."""

    event: Literal["complaint_resolved"] = "complaint_resolved"


class Survey(Event):
    """An answer to a survey, on the instrument's usual scale."""

    event: Literal["survey"] = "survey"
    instrument: Literal["csat", "nps", "ces", "review"] = "nps"
    score: Annotated[float, Field(strict=True, ge=0, le=10, allow_inf_nan=False)]


class Contact(Event):
    """Contacts of a kind; by the customer, or outbound."""

    event: Literal["contact"] = "contact"
    kind: ContactKind = "visit"
    direction: Literal["inbound", "outbound"] = "inbound"
    count: Count = 1


AnyEvent = Annotated[Order | ComplaintResolved | Survey | Contact, Field(discriminator="event")]
KINDS: dict[str, type[Event]] = {
    "order": Order,
    "complaint_resolved": ComplaintResolved,
    "survey": Survey,
    "contact": Contact,
}
