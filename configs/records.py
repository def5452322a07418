"""Where a company's records are and how they are read: the sections of ``sources``."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field, model_validator

from configs.section import Section, Text, Timezone

TableName = Literal["customers", "transactions", "interactions", "satisfaction", "attributes"]


class Condition(Section):
    """A test on one raw column; all the tests given must hold."""

    column: str
    equals: str | float | None = None
    is_in: tuple[str, ...] | None = None
    not_in: tuple[str, ...] | None = None
    starts_with: str | None = None
    below: float | dt.datetime | dt.date | None = None
    at_most: float | dt.datetime | dt.date | None = None
    at_least: float | dt.datetime | dt.date | None = None
    is_missing: bool | None = None


class Mapped(Section):
    """How one canonical column is made when a plain source column does not do.

    Exactly one of: ``column`` (with optional ``values`` to translate and ``format`` for dates),
    ``constant``, ``product`` of columns, ``total`` (sum) of columns, ``choose`` by condition.
    ``times`` converts units of a number: 0.01 turns cents into money, 60 minutes into seconds.
    """

    column: str | None = None
    values: dict[str, str] | None = None
    otherwise: str | None = None
    format: str | None = None
    constant: str | float | None = None
    product: tuple[str, ...] | None = None
    total: tuple[str, ...] | None = None
    choose: tuple[Choice, ...] | None = None
    times: float = 1.0

    @model_validator(mode="after")
    def _one_way(self) -> Mapped:
        ways = (self.column, self.constant, self.product, self.total, self.choose)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give exactly one of column, constant, product, total, choose")
        return self


class Choice(Section):
    """A value taken where its conditions hold; no condition means otherwise."""

    value: str
    when: tuple[Condition, ...] = ()


class Join(Section):
    """A look-up file whose columns are added before mapping (product → category)."""

    path: str
    on: tuple[str, ...]
    columns: tuple[str, ...]


class Source(Section):
    """One file, folder, glob or database query that becomes rows of one record table."""

    path: str | None = None
    database: str | None = None
    query: str | None = None
    format: Literal["auto", "csv", "parquet"] = "auto"
    encoding: Literal["auto", "utf-8", "gb18030", "latin-1"] = "auto"
    delimiter: str = "auto"
    decimal: Literal[".", ","] = "."
    timezone: Timezone | None = None
    columns: dict[str, str | Mapped]
    attributes: tuple[str, ...] = ()
    """Further raw columns kept as text on ``customers`` (region, industry …)."""
    names: dict[str, Text] = Field(default_factory=dict)
    """What people call the attributes, where figures are split by them."""
    leave_out: tuple[tuple[Condition, ...], ...] = ()
    """Rows not meant for Echelon: a row that meets every condition of one entry is left out."""
    duplicates: Literal["quarantine", "keep"] = "quarantine"
    unique_by: tuple[str, ...] = ()
    join: Join | None = None
    unpivot: Unpivot | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if (self.path is None) == (self.database is None):
            raise ValueError("give either path or database (with query)")
        if self.database is not None and self.query is None:
            raise ValueError("database needs query: the SELECT or table to read")
        return self


class Unpivot(Section):
    """Turns several columns into (name, value) rows, for ``attributes``."""

    columns: tuple[str, ...]


class SnapshotSource(Section):
    """Contract customers whose history is already aggregated: one row each, with a label."""

    source: SnapshotFile
    customer_id: str | None = None
    label: str
    positive: str
    value_per_month: str | None = None
    observed_on: dt.date
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    leave_out_columns: tuple[str, ...] = ()
    monotone: dict[str, Literal[-1, 1]] = Field(default_factory=dict)
    """Numbers with which churn only rises (1) or only falls (-1), where the company is sure."""
    names: dict[str, Text] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _directions_of_numbers(self) -> SnapshotSource:
        unknown = sorted(set(self.monotone) - set(self.numbers))
        if self.numbers and unknown:
            raise ValueError(f"monotone names {unknown[0]!r}, which is not among the numbers")
        return self


class SnapshotFile(Section):
    """The file of a snapshot source."""

    path: str
    format: Literal["auto", "csv", "parquet"] = "auto"
    encoding: Literal["auto", "utf-8", "gb18030", "latin-1"] = "auto"
    delimiter: str = "auto"
    decimal: Literal[".", ","] = "."


class Sources(Section):
    """Every source; only transactions are needed, or a snapshot alone."""

    customers: tuple[Source, ...] = ()
    transactions: tuple[Source, ...] = ()
    interactions: tuple[Source, ...] = ()
    satisfaction: tuple[Source, ...] = ()
    attributes: tuple[Source, ...] = ()
    snapshot: SnapshotSource | None = None

    @model_validator(mode="after")
    def _something_to_score(self) -> Sources:
        if self.snapshot is not None and self.tables:
            raise ValueError("a snapshot source stands alone: remove the event sources or it")
        return self

    @property
    def tables(self) -> dict[str, tuple[Source, ...]]:
        """The event sources that are given, by table."""
        names = ("customers", "transactions", "interactions", "satisfaction", "attributes")
        return {name: getattr(self, name) for name in names if getattr(self, name)}
