"""What may be asked of the endpoint: typed, unknown fields refused at any depth.

The rows of raw records are the record tables of ``features/contracts.py``, column for column, so a
column added to a contract is accepted here, documented and tested without another line.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    ValidationError,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from configs.events import KINDS
from configs.section import Text
from features.contracts import LARGEST_NUMBER, TABLES, Column, Table
from features.raw.vocabulary import OPEN, WORDS
from serving.endpoint.complaints import Known, refused
from serving.endpoint.problems import ProblemError
from serving.endpoint.tracing import span

EARLIEST = dt.date(1900, 1, 1)
LATEST = dt.date(2200, 1, 1)
EXAMPLE_DAY = "2026-11-20"


def _as_date(value: Any) -> dt.date:
    """Return the date that an ISO text names."""
    if isinstance(value, str) and len(value) == len("2026-11-20"):
        try:
            return _in_range(dt.date.fromisoformat(value))
        except ValueError:
            pass
    raise PydanticCustomError("not_a_date", "is no date")


def _as_moment(value: Any) -> dt.datetime:
    """Return the moment that an ISO text names; a date alone is its midnight."""
    if isinstance(value, str) and 10 <= len(value) <= 40 and value[4:5] == "-":
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            _in_range(moment.date())
            return moment
    raise PydanticCustomError("not_a_moment", "is no date and time")


def _in_range(day: dt.date) -> dt.date:
    if not EARLIEST <= day <= LATEST:
        raise PydanticCustomError("day_out_of_range", "lies outside 1900 to 2200")
    return day


def _not_empty(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``values``; a length limit of pydantic's would count bad ones as absent."""
    if not values:
        raise PydanticCustomError("too_short", "is empty")
    return values


def _as_text(value: Any) -> Any:
    """Return a number as the text of it; the values of attributes may come either way."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return repr(value) if is_number else value


CustomerId = Annotated[
    StrictStr,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="The company's own customer number, as in its records.",
        examples=["C0001"],
    ),
]
Written = Annotated[StrictStr, Field(max_length=10_000)]
Number = Annotated[
    float, Field(strict=True, allow_inf_nan=False, ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)
]
Date = Annotated[dt.date, BeforeValidator(_as_date), Field(examples=[EXAMPLE_DAY])]
Moment = Annotated[
    dt.datetime,
    BeforeValidator(_as_moment),
    WithJsonSchema(
        {
            "type": "string",
            "description": "ISO 8601 date, or date and time; local unless it has an offset.",
            "examples": [f"{EXAMPLE_DAY}T09:30:00", f"{EXAMPLE_DAY}T01:30:00Z", EXAMPLE_DAY],
        }
    ),
]
CustomerIds = Annotated[
    tuple[CustomerId, ...],
    AfterValidator(_not_empty),
    Field(json_schema_extra={"minItems": 1}),
]
TYPES: dict[str, Any] = {"text": Written, "number": Number, "timestamp": Moment, "date": Date}


class Closed(BaseModel):
    """Immutable; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _kind(table: str, column: Column) -> Any:
    if column.name == "customer_id":
        return CustomerId
    if (table, column.name) == ("attributes", "value"):
        return Annotated[Written, BeforeValidator(_as_text, str | float)]
    if (table, column.name) in WORDS and (table, column.name) not in OPEN:
        return Literal[tuple(WORDS[table, column.name])]
    return TYPES[column.type]


def _field(table: str, column: Column) -> tuple[Any, Any]:
    kind = _kind(table, column)
    about = column.name.replace("_", " ").capitalize()
    if column.required:
        return kind, Field(title=column.zh, description=about)
    return kind | None, Field(default=column.default, title=column.zh, description=about)


def row_model(table: Table) -> type[Closed]:
    """Return the model of one row of ``table`` as a client sends it."""
    columns = [c for c in table.columns if (table.name, c.name) not in COMPUTED]
    fields: Any = {column.name: _field(table.name, column) for column in columns}
    name = f"{table.name.capitalize().removesuffix('s')}Row"
    about = f"One row of {table.name}."
    return create_model(name, __base__=Closed, __doc__=about, **fields)


COMPUTED = {("attributes", "number")}
"""Columns that intake and the endpoint fill in themselves."""

ROWS: dict[str, type[Closed]] = {name: row_model(table) for name, table in TABLES.items()}


def records_model() -> type[Closed]:
    """Return the model of ``records``: a list of rows per table and the day they are scored at."""
    about = "Day the scores hold for; default: the live publication's."
    fields: Any = {name: (tuple[row, ...], Field(default=())) for name, row in ROWS.items()}  # type: ignore[valid-type]
    snapshot = "Rows of contract customers, in the columns that their model was learnt from."
    fields["snapshot"] = (tuple[dict[str, Any], ...], Field(default=(), description=snapshot))
    return create_model(
        "Records",
        __base__=Closed,
        __doc__="Records of customers to score as they are; any table may be left out.",
        as_of=(Date | None, Field(default=None, description=about)),
        **fields,
    )


Records = records_model()


Request = TypeVar("Request", bound=Closed)


class PredictionRequest(Closed):
    """Either ids to look up in the live publication, or raw records to score now."""

    customer_ids: CustomerIds | None = None
    records: Records | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _one_way(self) -> PredictionRequest:
        if (self.customer_ids is None) == (self.records is None):
            raise PydanticCustomError(
                "one_way", "gives neither or both of customer_ids and records"
            )
        return self


def read(document: Any, rows_at_most: int) -> PredictionRequest:
    """Return the request that ``document``, parsed JSON, holds.

    Raises:
        ProblemError: too-many-rows, or invalid-request with a pointer and a remedy per field.
    """
    return read_as(PredictionRequest, document, rows_at_most)


def read_as(model: type[Request], document: Any, rows_at_most: int) -> Request:
    """Return the request of type ``model`` that ``document`` holds; see :func:`read`."""
    n_rows = count_rows(document)
    if n_rows > rows_at_most:
        raise ProblemError("too-many-rows", too_many(n_rows, rows_at_most))
    try:
        with span("validation"):
            return model.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        raise refused(found, known_fields(model)) from None


def too_many(n_rows: int, at_most: int) -> Text:
    """Return that ``n_rows`` are more than are taken."""
    return Text(
        zh=f"发送了{n_rows:,}行，最多接受{at_most:,}行；请拆分请求。",
        en=f"{n_rows:,} rows were sent and {at_most:,} are taken; split the request.",
    )


def count_rows(document: Any) -> int:
    """Return how many ids or rows ``document`` asks for, whatever else is wrong with it.

    >>> count_rows({"records": {"customers": [{}], "transactions": [{}, {}]}})
    3
    """
    if not isinstance(document, dict):
        return 0
    records = document.get("records")
    lists = [document.get("customer_ids")]
    lists += records.values() if isinstance(records, dict) else []
    return sum(len(rows) for rows in lists if isinstance(rows, list))


def known_fields(model: type[Closed], rows: Mapping[str, type[Closed]] = ROWS) -> Known:
    """Return what tells the fields accepted at a place of a request of type ``model``."""

    def known(where: Sequence[int | str], event: str | None) -> list[str]:
        names = [part for part in where if isinstance(part, str)]
        if not names:
            return list(model.model_fields)
        if event is not None:
            return list(KINDS[event].model_fields)
        return list((rows[names[1]] if len(names) > 1 else Records).model_fields)

    return known
