"""From a question about hypothetical events to the body of its answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from configs.events import LONGEST_DAYS, MOST_EVENTS, AnyEvent
from configs.section import Text
from features.sources import day_number
from serving.endpoint.complaints import invalid
from serving.endpoint.live import customers_of, record_tables
from serving.endpoint.predictions import checked, unknown_at
from serving.endpoint.problems import FieldError, ProblemError
from serving.endpoint.replies import as_text
from serving.endpoint.requests import Closed, CustomerId, Records
from serving.suppositions.paths import Goal, find_paths
from serving.suppositions.supposed import NotSupposableError
from serving.suppositions.what_if import IN_DAYS, Supposed, suppose, suppose_published, what_if

if TYPE_CHECKING:
    from serving.access.customer_scope import CustomerScope
    from serving.endpoint.served import Served


def _not_empty(events: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return ``events``; a length limit of pydantic's would count bad ones as absent."""
    if not events:
        raise PydanticCustomError("too_short", "is empty")
    return events


def _of_one_customer(asked: AboutOne) -> None:
    if (asked.customer_id is None) == (asked.records is None):
        raise PydanticCustomError("one_customer", "gives neither or both")


InDays = Annotated[
    int,
    Field(strict=True, ge=1, le=LONGEST_DAYS, description="Days from the scores to the later day."),
]


class AboutOne(Protocol):
    """A question about one customer: published, or with all of their raw records."""

    @property
    def customer_id(self) -> str | None: ...  # noqa: D102
    @property
    def records(self) -> Any: ...  # noqa: D102


class WhatIfRequest(Closed):
    """What the models would say if these events came within ``in_days``."""

    customer_id: CustomerId | None = None
    records: Records | None = None  # type: ignore[valid-type]
    events: Annotated[
        tuple[AnyEvent, ...],
        Field(max_length=MOST_EVENTS, json_schema_extra={"minItems": 1}),
        AfterValidator(_not_empty),
    ]
    in_days: InDays = IN_DAYS

    @model_validator(mode="after")
    def _one_customer(self) -> WhatIfRequest:
        _of_one_customer(self)
        return self


class PathsRequest(Closed):
    """The cheapest actions that reach a goal within ``in_days``."""

    customer_id: CustomerId | None = None
    records: Records | None = None  # type: ignore[valid-type]
    goal: Goal = "next_tier"
    below: Annotated[
        float | None,
        Field(
            strict=True,
            gt=0,
            le=1,
            description="Churn probability to get below; default: where the present band begins.",
        ),
    ] = None
    in_days: InDays = IN_DAYS

    @model_validator(mode="after")
    def _one_customer(self) -> PathsRequest:
        _of_one_customer(self)
        if self.below is not None and self.goal != "below_churn":
            raise PydanticCustomError("below_of_another_goal", "gives below without below_churn")
        return self


def answer_paths(served: Served, asked: PathsRequest, today: dt.date, scope: CustomerScope) -> str:
    """Return the answer to ``asked`` as JSON text.

    Raises:
        ProblemError: unknown-customer; raw-records-not-served; or invalid-request.
    """
    supposed = supposed_of(served, asked, today, scope)
    return as_text(find_paths(supposed, asked.goal, asked.below, asked.in_days))


def answer_what_if(
    served: Served, asked: WhatIfRequest, today: dt.date, scope: CustomerScope
) -> str:
    """Return the answer to ``asked`` as JSON text.

    Raises:
        ProblemError: unknown-customer; raw-records-not-served; or invalid-request, with what the
            events cannot be supposed for.
    """
    supposed = supposed_of(served, asked, today, scope)
    return as_text(mended("/events", lambda: what_if(supposed, asked.events, asked.in_days)))


SEVERAL = FieldError(
    "/records",
    Text(zh="有多位客户", en="names several customers"),
    Text(zh="请只发送一位客户的行。", en="Send the rows of one."),
)


def supposed_of(served: Served, asked: AboutOne, today: dt.date, scope: CustomerScope) -> Supposed:
    """Return the customer that ``asked`` is about; outside ``scope`` is unknown."""
    if served.contract is not None:
        raise ProblemError("raw-records-not-served")
    if asked.customer_id is not None:
        return _published(served, asked.customer_id, scope)
    as_of = checked(served, asked.records, today, scope)
    tables = record_tables(asked.records, served.zone)
    customer_ids = customers_of(tables)["customer_id"].to_pylist()
    if len(customer_ids) != 1:
        raise invalid([SEVERAL])
    return suppose(served, tables, customer_ids[0], day_number(as_of))


def _published(served: Served, customer_id: str, scope: CustomerScope) -> Supposed:
    if customer_id not in scope or served.publication.find(customer_id) is None:
        raise unknown_at("/customer_id")
    return mended("/customer_id", lambda: suppose_published(served, customer_id))


def mended(pointer: str, work: Callable[[], Any]) -> Any:
    """Return what ``work`` returns; what cannot be supposed becomes a problem at ``pointer``."""
    try:
        return work()
    except NotSupposableError as error:
        what = error.what
        detail = Text(zh=f"无法假设：{what.zh}", en=f"cannot be supposed: {what.en}")
        raise invalid([FieldError(pointer, detail, error.remedy)]) from None
