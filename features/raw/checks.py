"""The contract's rules on cleaned columns: what is required, in range, possible and consistent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.contracts import ARROW_TYPES, DERIVED_COLUMNS, LARGEST_NUMBER, Table
from features.raw.columns import Cleaned, as_mask, clean_ids, clean_numbers
from features.raw.localtime import HOUR
from features.raw.mapping import Mapper, Rows
from features.raw.vocabulary import SCALES

_OPEN_END_DAY = 2_900_000
"""Days from here on (year 9909) mean "no end", as in 9999-12-31."""
_MOMENT = pa.timestamp("us")


@dataclass(frozen=True)
class Clock:
    """The last day on which something can have happened, in days since 1970-01-01."""

    last_possible_day: int


def contract_table(rows: Rows, mapper: Mapper, clock: Clock) -> pa.Table:
    """Return the contract's table of all ``rows``; which are refused stands in ``rows``."""
    made = mapper.mapped(rows)
    table = mapper.table
    _check_required(rows, mapper, made)
    _check_ranges(rows, mapper, made, clock)
    _fill_defaults(table, made, len(rows.refused))
    if table.name == "transactions":
        _check_transactions(rows, mapper, made)
    if table.name == "interactions":
        _check_interactions(rows, mapper, made)
    if table.name == "satisfaction":
        _check_satisfaction(rows, mapper, made)
    if table.name == "attributes":
        made["number"] = Cleaned(clean_numbers(made["value"].values).values)
    return _assembled(rows, mapper, made)


def _check_required(rows: Rows, mapper: Mapper, made: dict[str, Cleaned]) -> None:
    for name in mapper.table.required:
        reason = "missing_customer_id" if name == "customer_id" else "missing_value"
        rows.refuse(made[name].is_null, reason, mapper.raw_name(name))
    mangled = as_mask(pc.match_substring_regex(made["customer_id"].values, r"^\d\.\d+[eE]\+\d+$"))
    rows.refuse(mangled, "mangled_id", mapper.raw_name("customer_id"))


def _check_ranges(rows: Rows, mapper: Mapper, made: dict[str, Cleaned], clock: Clock) -> None:
    for column in mapper.table.columns:
        cleaned = made.get(column.name)
        if cleaned is None:
            continue
        name = mapper.raw_name(column.name)
        if column.type == "number":
            beyond = pc.greater(pc.abs(cleaned.values), LARGEST_NUMBER)
            rows.refuse(as_mask(beyond), "number_out_of_range", name)
        elif cleaned.days is not None:
            _check_days(rows, cleaned, column.name, name, clock)


def _check_days(rows: Rows, cleaned: Cleaned, column: str, name: str, clock: Clock) -> None:
    days = cleaned.days
    assert days is not None
    if column in ("resolved_at", "ended_on"):
        open_end = days > _OPEN_END_DAY
        rows.repair(open_end, "open_end")
        cleaned.values = pc.if_else(open_end, pa.scalar(None, _MOMENT), cleaned.values)
    elif column != "responded_at":
        future = ~cleaned.is_null & (days > clock.last_possible_day)
        rows.refuse(future, "future_date", name)
        if future.any():
            rows.future_day = _earliest(rows.future_day, int(days[future].min()))
    if column in ("occurred_at", "observed_at"):
        rows.refuse(~cleaned.is_null & (days < 0), "date_out_of_range", name)


def _earliest(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)


def _fill_defaults(table: Table, made: dict[str, Cleaned], count: int) -> None:
    for column in table.columns:
        if column.name not in made:
            nothing = pa.nulls(
                count, _MOMENT if column.type == "date" else ARROW_TYPES[column.type]
            )
            made[column.name] = Cleaned(nothing, days=np.zeros(count, dtype=np.int32))
        if column.default is not None:
            cleaned = made[column.name]
            cleaned.values = pc.fill_null(cleaned.values, column.default)


def _check_transactions(rows: Rows, mapper: Mapper, made: dict[str, Cleaned]) -> None:
    amount, kind, quantity = made["amount"], made["kind"], made["quantity"]
    negative = as_mask(pc.less(amount.values, 0))
    if "kind" not in mapper.source.columns:
        kind.values = pc.if_else(negative, "refund", kind.values)
        rows.repair(negative, "refund_sign")
    refund = as_mask(pc.equal(kind.values, "refund"))
    rows.refuse(negative & ~refund, "negative_amount", mapper.raw_name("amount"))
    fewer = as_mask(pc.less(quantity.values, 0))
    rows.refuse(fewer & ~refund, "negative_quantity", mapper.raw_name("quantity"))
    if "kind" in mapper.source.columns:
        rows.repair((negative | fewer) & refund, "refund_sign")
    for name in ("amount", "quantity"):
        made[name].values = pc.if_else(refund, pc.abs(made[name].values), made[name].values)


def _check_interactions(rows: Rows, mapper: Mapper, made: dict[str, Cleaned]) -> None:
    duration = made["duration_seconds"]
    rows.refuse(
        as_mask(pc.less(duration.values, 0)),
        "negative_duration",
        mapper.raw_name("duration_seconds"),
    )
    for name, hours in (("responded_at", "response_hours"), ("resolved_at", "resolution_hours")):
        made[hours] = _hours_since_start(rows, made, name, mapper.raw_name(name))
    for name, day in (("responded_at", "responded_day"), ("resolved_at", "resolved_day")):
        made[day] = Cleaned(pa.array(made[name].days, pa.int32(), mask=made[name].is_null))


def _hours_since_start(rows: Rows, made: dict[str, Cleaned], name: str, raw: str) -> Cleaned:
    """Return hours from start to ``name``; a time earlier on the same day is taken as 0 h."""
    start, end = made["occurred_at"], made[name]
    elapsed = pc.subtract(end.values.cast(pa.int64()), start.values.cast(pa.int64()))
    early = as_mask(pc.less(elapsed, 0))
    same_day = early & (start.days == end.days)
    rows.repair(same_day, "same_day_end")
    rows.refuse(early & ~same_day, "ends_before_start", raw)
    hours = pc.divide(elapsed.cast(pa.float64()), float(HOUR))
    return Cleaned(pc.if_else(same_day, 0.0, hours))


def _check_satisfaction(rows: Rows, mapper: Mapper, made: dict[str, Cleaned]) -> None:
    instruments = pa.array(list(SCALES), pa.string())
    which = pc.index_in(made["instrument"].values, value_set=instruments)
    for position, name in enumerate(("scale_min", "scale_max")):
        usual = pa.array([scale[position] for scale in SCALES.values()], pa.float64()).take(which)
        made[name].values = pc.coalesce(made[name].values, usual)
    score = made["score"].values
    outside = pc.or_(
        pc.less(score, made["scale_min"].values), pc.greater(score, made["scale_max"].values)
    )
    rows.refuse(as_mask(outside), "score_outside_scale", mapper.raw_name("score"))


def _assembled(rows: Rows, mapper: Mapper, made: dict[str, Cleaned]) -> pa.Table:
    table, count = mapper.table, len(rows.refused)
    columns: dict[str, pa.Array] = {}
    for column in table.columns:
        values = made[column.name].values
        if column.type == "date":
            values = pa.array(made[column.name].days, pa.int32(), mask=as_mask(values.is_null()))
        columns[column.name] = values.cast(ARROW_TYPES[column.type])
    for name in mapper.source.attributes:
        cleaned = clean_ids(rows.raw.table[name].combine_chunks())
        rows.note(cleaned, name)
        columns[name] = cleaned.values
    for name in DERIVED_COLUMNS.get(table.name, {}):
        columns[name] = made[name].values
    time = made[table.time]
    days = time.days if time.days is not None else np.zeros(count, dtype=np.int32)
    columns["day"] = pa.array(days, pa.int32(), mask=time.is_null)
    columns["known_day"] = pa.array(_known(days, made, time), pa.int32(), mask=time.is_null)
    return pa.table(columns)


def _known(days: np.ndarray, made: dict[str, Cleaned], time: Cleaned) -> np.ndarray:
    recorded = made.get("recorded_at")
    if recorded is None or recorded.days is None:
        return days
    return np.where(recorded.is_null, days, np.maximum(days, recorded.days)).astype(np.int32)
