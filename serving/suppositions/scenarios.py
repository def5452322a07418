"""Hypothetical records: what a customer's record tables would be after certain events.

Scenarios of one customer become so many customers of one feature build, so a hundred of them cost
little more than one, and every feature moves as it would if the records were real.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.events import AnyEvent, ComplaintResolved, Contact, Order, Survey
from configs.section import Text
from features.contracts import LATER_SOURCES, TABLES
from features.raw.vocabulary import SCALES
from features.sources import contract_schema, date_of
from features.stored.generation import naming_damage, parts_of
from serving.suppositions.supposed import NotSupposableError

LINES_AT_MOST = 20
"""Lines of an order that a hypothetical one repeats."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Placed:
    """An event and the day number it falls on."""

    event: AnyEvent
    day: int


@dataclass(frozen=True)
class Scene:
    """One customer's records as they were known on a day; what scenarios start from.

    Attributes:
        customer_id: whose.
        as_of: day number.
        tables: record tables in the layout of their contracts, ``sentiment`` included.
        zone: the company's time zone.
    """

    customer_id: str
    as_of: int
    tables: Mapping[str, pa.Table]
    zone: ZoneInfo

    def place(self, events: Sequence[AnyEvent], in_days: int) -> tuple[Placed, ...]:
        """Return single events with their days, in the order of days.

        Those without a day are spread evenly over ``in_days``, kind by kind.
        """
        single = [one for event in events for one in [event] * getattr(event, "count", 1)]
        free = Counter(type(one) for one in single if one.in_days is None)
        seen: Counter[type] = Counter()
        placed = []
        for one in single:
            day = one.in_days
            if day is None:
                seen[type(one)] += 1
                day = max(1, round(in_days * seen[type(one)] / (free[type(one)] + 1)))
            placed.append(Placed(one, self.as_of + day))
        return tuple(sorted(placed, key=lambda one: one.day))

    def check(self, placed: Sequence[Placed]) -> None:
        """Check that the events can be supposed of this customer.

        Raises:
            NotSupposableError: a complaint is to be resolved and none is open, an order has
                neither an amount nor orders to take one from, or a score is off its scale.
        """
        for event in (one.event for one in placed):
            if isinstance(event, ComplaintResolved) and not self.open_complaints:
                raise NotSupposableError(
                    Text(zh="该客户没有未解决的投诉", en="the customer has no open complaint"),
                    Text(zh="请去掉complaint_resolved。", en="Leave complaint_resolved out."),
                )
            if isinstance(event, Order) and event.amount is None and self.usual_amount is None:
                raise NotSupposableError(
                    Text(
                        zh="该客户从未下单，没有惯常金额",
                        en="the customer never ordered, so there is no usual amount",
                    ),
                    Text(zh="请给出金额。", en="Give the amount."),
                )
            if isinstance(event, Survey):
                _check_scale(event)

    @cached_property
    def open_complaints(self) -> int:
        """How many complaints are open."""
        return int(pc.sum(self._is_open).as_py() or 0)

    @property
    def _is_open(self) -> pa.ChunkedArray:
        contacts = self.tables["interactions"]
        return pc.and_(pc.equal(contacts["kind"], "complaint"), pc.is_null(contacts["resolved_at"]))

    @cached_property
    def usual_amount(self) -> float | None:
        """The median of the customer's orders in money; ``None`` where there is none."""
        totals: dict[Any, float] = {}
        for row in self._purchases:
            key = row["order_id"] or row["day"]
            totals[key] = totals.get(key, 0.0) + row["amount"]
        positive = [total for total in totals.values() if total > 0]
        return float(np.median(positive)) if positive else None

    @cached_property
    def _purchases(self) -> list[Row]:
        rows = self.tables["transactions"]
        return list(rows.filter(pc.equal(rows["kind"], "purchase")).to_pylist())

    @cached_property
    def _latest_order(self) -> list[Row]:
        """The lines of the latest order with money in it; a bare line where there is none."""
        paid = [row for row in self._purchases if row["amount"] > 0]
        if not paid:
            return [{"amount": 1.0, "kind": "purchase"}]
        last = max(paid, key=lambda row: (row["day"], row["order_id"] or ""))
        same = [r for r in paid if (r["day"], r["order_id"]) == (last["day"], last["order_id"])]
        return same[:LINES_AT_MOST]

    def after(self, scenarios: Sequence[Sequence[Placed]]) -> dict[str, pa.Table]:
        """Return the record tables of as many customers as there are scenarios.

        They are called by :func:`name_of` their place; the first scenario's customer is ``00000``.
        """
        tables = {name: self._repeated(name, scenarios) for name in TABLES}
        made: dict[str, list[Row]] = {name: [] for name in TABLES}
        for place, scenario in enumerate(scenarios):
            for number, one in enumerate(scenario):
                table, rows = self._rows(one, number)
                made[table] += [row | {"customer_id": name_of(place)} for row in rows]
        return {
            name: pa.concat_tables([table, pa.Table.from_pylist(made[name], table.schema)])
            for name, table in tables.items()
        }

    def _repeated(self, name: str, scenarios: Sequence[Sequence[Placed]]) -> pa.Table:
        base = self.tables[name]
        copies = [self._as_resolved(name, base, scenario) for scenario in scenarios]
        whole = pa.concat_tables(copies)
        ids = np.repeat([name_of(place) for place in range(len(scenarios))], len(base))
        at = whole.column_names.index("customer_id")
        return whole.set_column(at, whole.schema.field(at), pa.array(ids, pa.string()))

    def _as_resolved(self, name: str, base: pa.Table, scenario: Sequence[Placed]) -> pa.Table:
        """Return the interactions with open complaints resolved on the scenario's day."""
        days = [one.day for one in scenario if isinstance(one.event, ComplaintResolved)]
        if name != "interactions" or not days:
            return base
        moment = self._moment(days[0])
        hours = pc.divide(
            pc.cast(pc.seconds_between(base["occurred_at"], pa.scalar(moment)), pa.float64()),
            3600.0,
        )
        values = {"resolved_at": moment, "resolution_hours": hours, "resolved_day": days[0]}
        for column, value in values.items():
            field = base.schema.field(column)
            now = pc.if_else(self._is_open, pc.cast(value, field.type), base[column])
            base = base.set_column(base.schema.get_field_index(column), field, now)
        return base

    def _rows(self, placed: Placed, number: int) -> tuple[str, list[Row]]:
        """Return the table and the rows that an event adds; a resolution adds none."""
        event = placed.event
        row: Row = {
            "occurred_at": self._moment(placed.day),
            "day": placed.day,
            "known_day": placed.day,
        }
        if isinstance(event, Order):
            return "transactions", self._lines(event, row, number)
        if isinstance(event, Contact):
            row |= {"kind": event.kind, "direction": event.direction, "channel": self._channel}
            return "interactions", [row]
        if isinstance(event, Survey):
            low, high = SCALES[event.instrument]
            row |= {"instrument": event.instrument, "score": event.score}
            return "satisfaction", [row | {"scale_min": float(low), "scale_max": float(high)}]
        return "interactions", []

    def _lines(self, event: Order, row: Row, number: int) -> list[Row]:
        amount = self.usual_amount if event.amount is None else event.amount
        assert amount is not None
        lines = self._latest_order
        share = amount / sum(line["amount"] for line in lines)
        scaled = ("amount", "margin", "discount")
        return [
            line
            | {name: line[name] * share for name in scaled if line.get(name) is not None}
            | row
            | {"order_id": f"hypothetical-{number}", "recorded_at": None}
            for line in lines
        ]

    @cached_property
    def _channel(self) -> str | None:
        """The channel that the customer used last, where one is on record."""
        contacts = self.tables["interactions"].sort_by("day")
        channels = [channel for channel in contacts["channel"].to_pylist() if channel]
        return channels[-1] if channels else None

    def _moment(self, day: int) -> dt.datetime:
        """Return noon of a local day as the records store keeps moments, in UTC."""
        noon = dt.datetime.combine(date_of(day), dt.time(12), self.zone)
        return noon.astimezone(dt.UTC).replace(tzinfo=None)


def _check_scale(survey: Survey) -> None:
    low, high = SCALES[survey.instrument]
    if not low <= survey.score <= high:
        raise NotSupposableError(
            Text(
                zh=f"{survey.instrument}的评分超出量表",
                en=f"a score of {survey.instrument} is off its scale",
            ),
            Text(zh=f"请给出{low:g}到{high:g}。", en=f"Send {low:g} to {high:g}."),
        )


def name_of(place: int) -> str:
    """Return the id that the customer of a scenario has in the build; ids sort by place."""
    return f"{place:05d}"


def as_known(tables: Mapping[str, pa.Table], as_of: int) -> dict[str, pa.Table]:
    """Return ``tables`` without what was not known on ``as_of``: later rows, and later facts."""
    return {name: _as_known(name, table, as_of) for name, table in tables.items()}


def _as_known(name: str, table: pa.Table, as_of: int) -> pa.Table:
    known = pc.fill_null(pc.less_equal(table["known_day"], as_of), name == "customers")
    table = table.filter(known)
    for later in LATER_SOURCES.values():
        if later.table == name:
            table = _without_later(table, later.columns, _days_of(table, later.moment), as_of)
    return table


def _days_of(table: pa.Table, moment: str) -> pa.ChunkedArray:
    """Return the day numbers of a later fact, as intake noted them where it did."""
    noted = moment.replace("_at", "_day")
    if noted != moment and noted in table.column_names:
        return table[noted]
    return table[moment].cast(pa.date32()).cast(pa.int32())


def _without_later(
    table: pa.Table, columns: Sequence[str], days: pa.ChunkedArray, as_of: int
) -> pa.Table:
    is_known = pc.fill_null(pc.less_equal(days, as_of), False)
    for column in columns:
        field = table.schema.field(column)
        kept = pc.if_else(is_known, table[column], pa.scalar(None, field.type))
        table = table.set_column(table.schema.get_field_index(column), field, kept)
    return table


def stored_tables(folder: Path, customer_id: str) -> dict[str, pa.Table]:
    """Return one customer's record tables from a records generation.

    Raises:
        NotSupposableError: the generation is no longer there.
    """
    if not folder.is_dir():
        raise NotSupposableError(
            Text(
                zh=f"发布所用的记录{folder.name}已不存在",
                en=f"records {folder.name}, which the publication was made from, are gone",
            ),
            Text(
                zh="请运行`echelon score`，按现有记录发布。",
                en="Run `echelon score` to publish from the present ones.",
            ),
        )
    found = {}
    for name in TABLES:
        schema = contract_schema(name)
        rows = [rows_in_file(path, customer_id) for path in parts_of(folder, name)]
        found[name] = pa.concat_tables(
            [schema.empty_table(), *(_in_schema(part, schema) for part in rows)]
        )
    return found


def rows_in_file(path: Path, customer_id: str) -> pa.Table:
    """Return one customer's rows of a file sorted by customer, from the few groups they lie in."""
    with (
        naming_damage([path]),
        pq.ParquetFile(path, metadata=_metadata(path), memory_map=True) as file,
    ):
        metadata = file.metadata
        place = file.schema_arrow.get_field_index("customer_id")
        bounds = [
            metadata.row_group(i).column(place).statistics for i in range(metadata.num_row_groups)
        ]
        groups = [
            number
            for number, bound in enumerate(bounds)
            if bound is None or not bound.has_min_max or bound.min <= customer_id <= bound.max
        ]
        rows = file.read_row_groups(groups, use_threads=False)
    return rows.filter(pc.equal(rows["customer_id"], customer_id))


@lru_cache(maxsize=512)
def _metadata(path: Path) -> pq.FileMetaData:
    """Return the footer of a record file; a generation never changes."""
    return pq.read_metadata(path)


def _in_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
