"""Contract customers' own rows, as a request sends them, and the features they become.

Which columns there are is the bundle's to say: those that its features were made of. A row goes the
way of a row of the snapshot file from intake on, so it gives the published answer to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, create_model
from pydantic_core import PydanticCustomError

from features.raw.columns import clean_texts
from serving.endpoint.complaints import refused
from serving.endpoint.requests import Closed, CustomerId, Number, Written
from training.described import DescribedFeature

SNAPSHOT = ("records", "snapshot")
"""Where a request holds the rows."""


def _as_category(value: Any) -> Any:
    """Return a category as the text that intake makes of it: whole numbers without ``.0``."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    raise PydanticCustomError("not_a_category", "is neither text nor number")


Category = Annotated[Written | None, BeforeValidator(_as_category, str | float | bool | None)]


@dataclass(frozen=True)
class ContractRows:
    """Rows of the columns that ``features`` of a bundle of contract customers are made of."""

    features: tuple[DescribedFeature, ...]

    @cached_property
    def levels(self) -> dict[str, dict[str, str]]:
        """Feature by level, by category column."""
        found: dict[str, dict[str, str]] = {}
        for one in self.features:
            if one.name != one.concept:
                level = one.name.removeprefix(f"{one.concept}=")
                found.setdefault(one.concept, {})[level] = one.name
        return found

    @cached_property
    def row(self) -> type[Closed]:
        """The model of one row; its fields are numbered, as columns may be called anything."""
        columns = dict.fromkeys(one.concept for one in self.features)
        fields: Any = {f"column_{i}": self._field(name) for i, name in enumerate(columns)}
        about = "One contract customer: the columns of the snapshot that the model reads."
        return create_model(
            "SnapshotRow",
            __base__=Closed,
            __doc__=about,
            customer_id=(CustomerId, Field()),
            **fields,
        )

    def _field(self, column: str) -> tuple[Any, Any]:
        label = next(one.label for one in self.features if one.concept == column)
        if column not in self.levels:
            title = f"{label['zh']} · {label['en']}"
            return Number | None, Field(default=None, alias=column, title=title)
        known = list(self.levels[column])
        zh, en = (label[code].partition("=")[0] for code in ("zh", "en"))
        about = f"Known: {', '.join(known)}. Any other counts as none of them, with a warning."
        return Category, Field(
            default=None, alias=column, title=f"{zh} · {en}", description=about, examples=known[:3]
        )

    @cached_property
    def fields(self) -> list[str]:
        """The names of the fields of a row, as they are sent."""
        return ["customer_id", *dict.fromkeys(one.concept for one in self.features)]

    def example(self, customer_id: str) -> dict[str, Any]:
        """Return a row that is accepted: 1 in every number, the first of every category."""
        columns = {name: next(iter(self.levels.get(name, {})), 1) for name in self.fields[1:]}
        return {"customer_id": customer_id} | columns

    @cached_property
    def _rows(self) -> TypeAdapter[Any]:
        return TypeAdapter(tuple[self.row, ...])  # type: ignore[name-defined]

    def read(self, sent: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
        """Return the rows that were ``sent``, checked.

        Raises:
            ProblemError: invalid-request with a pointer and a remedy per field.
        """
        try:
            rows: tuple[Any, ...] = self._rows.validate_python(sent)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
            placed = [one | {"loc": (*SNAPSHOT, *one["loc"])} for one in found]
            raise refused(placed, lambda where, event: self.fields) from None
        return rows

    def matrix(self, rows: Sequence[Any], cutoff: int) -> pa.Table:
        """Return ``customer_id, cutoff, <feature>…`` of ``rows``, in their order.

        Args:
            rows: what :meth:`read` returned.
            cutoff: day number that the scores hold for.
        """
        sent = [row.model_dump(by_alias=True) for row in rows]
        columns = {name: self._column(name, sent) for name in self.fields[1:]}
        features = {
            one.name: columns[one.concept]
            if one.name == one.concept
            else _is_at(columns[one.concept], one.name.removeprefix(f"{one.concept}="))
            for one in self.features
        }
        ids = pa.array([row["customer_id"] for row in sent], pa.string())
        days = pa.array(np.full(len(sent), cutoff, dtype=np.int32))
        return pa.table({"customer_id": ids, "cutoff": days, **features})

    def _column(self, name: str, sent: Sequence[Mapping[str, Any]]) -> pa.Array:
        values = [row[name] for row in sent]
        if name not in self.levels:
            return pa.array(values, pa.float64())
        return clean_texts(pa.array(values, pa.string())).values


def _is_at(column: pa.Array, level: str) -> pa.Array:
    return pc.cast(pc.fill_null(pc.equal(column, level), False), pa.float64())


def contract_rows(features: Sequence[DescribedFeature]) -> ContractRows | None:
    """Return the rows that ``features`` are made of; ``None`` where they are made of events."""
    is_contract = bool(features) and all(one.family == "snapshot" for one in features)
    return ContractRows(tuple(features)) if is_contract else None
