"""A company's columns become the contract's: the mapping of one source, applied to raw tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from configs.errors import RecordsError, did_you_mean
from configs.records import Join, Mapped, SnapshotFile, Source
from features.contracts import TABLES, Column, Table
from features.raw.cleaning import AmbiguousDateError, parse_moment, parse_number
from features.raw.columns import (
    Cleaned,
    as_text,
    clean_ids,
    clean_moments,
    clean_numbers,
    clean_texts,
    clean_words,
    order_in,
)
from features.raw.conditions import meets
from features.raw.reading import RawTable, Refusal, read_files, require_columns, visible
from features.raw.vocabulary import OPEN, WORDS

_NO_TEXT = pa.scalar(None, pa.string())


@dataclass
class Rows:
    """Raw rows on their way to a contract: what was refused and what was repaired so far."""

    raw: RawTable
    refused: np.ndarray
    problems: list[tuple[np.ndarray, str, str]] = field(default_factory=list)
    """Rows (positions), reason, raw column."""
    repaired: list[tuple[str, np.ndarray]] = field(default_factory=list)
    future_day: int | None = None
    """The first day that a row refused for lying in the future waits for."""

    @classmethod
    def of(cls, raw: RawTable) -> Rows:
        """Return all rows of ``raw``, none refused."""
        return cls(raw, np.zeros(len(raw.lines), dtype=bool))

    def refuse(self, mask: np.ndarray, reason: str, column: str) -> None:
        """Refuse the rows of ``mask``; the first reason of a row stays its reason."""
        fresh = mask & ~self.refused
        if fresh.any():
            self.problems.append((np.flatnonzero(fresh), reason, column))
            self.refused |= fresh

    def repair(self, mask: np.ndarray, what: str) -> None:
        """Count the rows of ``mask`` as repaired, should they be accepted."""
        if mask.any():
            self.repaired.append((what, mask))

    def note(self, cleaned: Cleaned, column: str) -> None:
        """Take over what cleaning ``column`` refused and repaired."""
        for reason, mask in cleaned.refused.items():
            self.refuse(mask, reason, column)
        for what, mask in cleaned.repaired.items():
            self.repair(mask, what)

    def refusals(self) -> Iterator[Refusal]:
        """Yield the refused rows with the value at fault and the raw text."""
        for rows, reason, column in self.problems:
            texts = self.raw.raw_texts(rows).to_pylist()
            values = self._values(rows, column)
            for row, text, value in zip(rows.tolist(), texts, values, strict=True):
                line = int(self.raw.lines[row])
                yield Refusal(self.raw.source, line, column, reason, visible(text or ""), value)

    def _values(self, rows: np.ndarray, column: str) -> list[str]:
        if column not in self.raw.table.column_names:
            return [""] * len(rows)
        values = as_text(self.raw.table[column].take(pa.array(rows)).combine_chunks())
        return ["" if value is None else visible(value[:80]) for value in values.to_pylist()]


@dataclass(frozen=True)
class Lookup:
    """A joined file: its key texts and the columns that it adds."""

    on: tuple[str, ...]
    keys: pa.Array
    columns: pa.Table

    def added_to(self, table: pa.Table) -> pa.Table:
        """Return ``table`` with the look-up's columns, null where no key matches."""
        found = pc.index_in(_key(table, self.on), value_set=self.keys)
        for name in self.columns.column_names:
            values = self.columns[name].combine_chunks().take(found)
            table = _with(table, name, values)
        return table


def read_lookup(folder: Path, join: Join) -> Lookup:
    """Return the file that ``join`` names, keyed by the columns that it joins on."""
    wanted = (*join.on, *join.columns)
    choice = SnapshotFile(path=join.path)
    parts = list(read_files(folder, choice, wanted, lambda _: False))
    for part in parts:
        require_columns(join.path, part.table.column_names, wanted)
    table = pa.concat_tables([part.table.select(wanted) for part in parts])
    return Lookup(join.on, _key(table, join.on), table.select(join.columns))


def wanted_columns(source: Source) -> tuple[str, ...]:
    """Return the raw columns that the source's file itself must have."""
    names: list[str] = [*source.attributes]
    for mapped in source.columns.values():
        names += _columns_of(mapped if isinstance(mapped, Mapped) else Mapped(column=mapped))
    names += [condition.column for rule in source.leave_out for condition in rule]
    made = set(source.join.columns) if source.join else set()
    if source.join:
        names += source.join.on
    if source.unpivot:
        made |= {"name", "value"}
        names += source.unpivot.columns
    return tuple(dict.fromkeys(name for name in names if name not in made))


def check_mapping(table: Table, source: Source) -> None:
    """Check that the source maps columns that the contract knows and all that it requires.

    Raises:
        RecordsError: it does not; the message lists the right names.
    """
    known = [column.name for column in table.columns]
    for name in source.columns:
        if name not in known:
            raise RecordsError(
                f"sources.{table.name} maps {name!r}, which {table.name} does not have; "
                f"{did_you_mean(name, known)}"
            )
    missing = [name for name in table.required if name not in source.columns]
    if missing:
        raise RecordsError(
            f"sources.{table.name} ({source.path or source.query}) maps no {', '.join(missing)}; "
            f"add columns: {{{missing[0]}: <your column>}}"
        )


def whole_record(table: Table, source: Source) -> Callable[[dict[str, str]], bool]:
    """Return a test whether fields, by raw column, look like a record of their own."""
    telling = [
        (mapped, table.column(name).type)
        for name, mapped in source.columns.items()
        if isinstance(mapped, str) and table.column(name).type != "text"
    ]

    def looks_whole(fields: dict[str, str]) -> bool:
        given = [(fields[column], kind) for column, kind in telling if fields.get(column)]
        return bool(given) and all(_understood(text, kind, source.decimal) for text, kind in given)

    return looks_whole


class Mapper:
    """Applies one source's mapping; remembers what its files showed of their date order."""

    def __init__(self, table: Table, source: Source, zone: ZoneInfo, lookup: Lookup | None) -> None:
        self.table = table
        self.source = source
        self.zone = zone
        self.lookup = lookup
        self._day_first: dict[str, bool | None] = {}

    def prepared(self, raw: RawTable) -> tuple[RawTable, int]:
        """Return the rows meant for Echelon, joined and unpivoted, and how many are not."""
        require_columns(raw.source, raw.table.column_names, wanted_columns(self.source))
        if self.lookup is not None:
            raw = replace(raw, table=self.lookup.added_to(raw.table))
        out = self._left_out(raw.table)
        raw, count = _without(raw, out)
        if self.source.unpivot is None:
            return raw, count
        raw = _unpivoted(raw, self.source.unpivot.columns)
        empty = clean_ids(raw.table["value"].combine_chunks()).is_null
        raw, blanks = _without(raw, empty)
        return raw, count * len(self.source.unpivot.columns) + blanks

    def mapped(self, rows: Rows) -> dict[str, Cleaned]:
        """Return every mapped column, cleaned; what is wrong is noted in ``rows``."""
        made: dict[str, Cleaned] = {}
        for column in self.table.columns:
            if column.name in self.source.columns:
                made[column.name] = self._column(rows, column)
        return made

    def learn_date_order(self, raw: RawTable) -> None:
        """Let the rows of ``raw`` say, as the first ones, whether written dates put the day first.

        Raises:
            RecordsError: ``raw`` lacks a column that is mapped.
        """
        self.mapped(Rows.of(self.prepared(raw)[0]))

    def raw_name(self, column: str) -> str:
        """Return the raw column that people should look at for canonical ``column``."""
        mapped = self.source.columns.get(column)
        names = [mapped] if isinstance(mapped, str) else _columns_of(mapped) if mapped else []
        return names[0] if names else column

    def _left_out(self, table: pa.Table) -> np.ndarray:
        out = np.zeros(len(table), dtype=bool)
        for rule in self.source.leave_out:
            out |= meets(table, rule, self.zone, self.source.decimal)
        return out

    def _column(self, rows: Rows, column: Column) -> Cleaned:
        mapped = self.source.columns[column.name]
        mapped = Mapped(column=mapped) if isinstance(mapped, str) else mapped
        if mapped.product is not None or mapped.total is not None:
            return _scaled(self._computed(rows, mapped), mapped.times)
        array = self._raw(rows.raw.table, mapped)
        name = self.raw_name(column.name)
        cleaned = self._cleaned(array, column, mapped.format, name)
        rows.note(cleaned, name)
        return _scaled(cleaned, mapped.times)

    def _raw(self, table: pa.Table, mapped: Mapped) -> pa.Array:
        if mapped.constant is not None:
            return pa.repeat(str(mapped.constant), len(table))
        if mapped.choose is not None:
            chosen = pa.nulls(len(table), pa.string())
            for choice in reversed(mapped.choose):
                held = meets(table, choice.when, self.zone, self.source.decimal)
                chosen = pc.if_else(pa.array(held), choice.value, chosen)
            return chosen
        array = table[mapped.column].combine_chunks()
        return array if mapped.values is None else _translated(array, mapped)

    def _cleaned(self, array: pa.Array, column: Column, pattern: str | None, name: str) -> Cleaned:
        if column.type in ("timestamp", "date"):
            if self._day_first.get(name) is None:
                self._day_first[name] = order_in(array)
            return clean_moments(array, self.zone, pattern, self._day_first[name])
        if column.type == "number":
            return clean_numbers(array, self.source.decimal)
        key = (self.table.name, column.name)
        if key in WORDS:
            return clean_words(array, WORDS[key], key in OPEN)
        if column.name.endswith("_id"):
            return clean_ids(array)
        return clean_texts(array)

    def _computed(self, rows: Rows, mapped: Mapped) -> Cleaned:
        """Return a product, null where a factor is, or a total, null where all parts are."""
        names = mapped.product or mapped.total or ()
        parts = []
        for name in names:
            part = clean_numbers(rows.raw.table[name].combine_chunks(), self.source.decimal)
            rows.note(part, name)
            parts.append(part.values)
        result = parts[0]
        for part in parts[1:]:
            if mapped.product is not None:
                result = pc.multiply(result, part)
            else:
                both = pc.add(pc.fill_null(result, 0.0), pc.fill_null(part, 0.0))
                nothing = pc.and_(pc.is_null(result), pc.is_null(part))
                result = pc.if_else(nothing, pa.scalar(None, pa.float64()), both)
        return Cleaned(result)


def mapper_of(table_name: str, source: Source, zone: ZoneInfo, folder: Path) -> Mapper:
    """Return the mapper of one source of ``table_name``, its look-up file read.

    Raises:
        RecordsError: the mapping or the look-up is wrong.
    """
    table = TABLES[table_name]
    check_mapping(table, source)
    lookup = read_lookup(folder, source.join) if source.join else None
    return Mapper(table, source, ZoneInfo(source.timezone) if source.timezone else zone, lookup)


def _scaled(cleaned: Cleaned, times: float) -> Cleaned:
    if times != 1.0:
        cleaned.values = pc.multiply(cleaned.values, times)
    return cleaned


def _columns_of(mapped: Mapped) -> list[str]:
    names = [mapped.column] if mapped.column is not None else []
    names += [*(mapped.product or ()), *(mapped.total or ())]
    return names + [test.column for choice in mapped.choose or () for test in choice.when]


def _translated(array: pa.Array, mapped: Mapped) -> pa.Array:
    """Return the text of ``array`` through ``mapped.values``; else ``otherwise``, else itself."""
    values = mapped.values or {}
    text = clean_ids(array).values
    found = pc.index_in(text, value_set=pa.array(list(values), pa.string()))
    translated = pa.array(list(values.values()), pa.string()).take(found)
    rest = text if mapped.otherwise is None else pa.scalar(mapped.otherwise, pa.string())
    return pc.coalesce(translated, rest)


def _understood(text: str, kind: str, decimal: str) -> bool:
    if kind == "number":
        return parse_number(text, decimal) is not None
    try:
        return parse_moment(text) is not None
    except AmbiguousDateError:
        return True


def _key(table: pa.Table, on: tuple[str, ...]) -> pa.Array:
    parts = [clean_ids(table[name].combine_chunks()).values for name in on]
    return pc.binary_join_element_wise(*parts, "\x1f")


def _with(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, values)
    return table.append_column(name, values)


def _without(raw: RawTable, out: np.ndarray) -> tuple[RawTable, int]:
    count = int(out.sum())
    if count == 0:
        return raw, 0
    kept = ~out
    text = None
    if raw.text is not None:
        text = [line for line, keep in zip(raw.text, kept.tolist(), strict=True) if keep]
    table = raw.table.filter(pa.array(kept))
    return replace(raw, table=table, lines=raw.lines[kept], text=text), count


def _unpivoted(raw: RawTable, columns: tuple[str, ...]) -> RawTable:
    """Return one row per column of ``columns``: the row's others, the column's name and value."""
    rows = len(raw.lines)
    where = np.repeat(np.arange(rows), len(columns))
    table = raw.table.take(pa.array(where))
    values = pa.chunked_array([as_text(raw.table[name].combine_chunks()) for name in columns])
    order = np.arange(rows * len(columns)).reshape(len(columns), rows).T.ravel()
    table = _with(table, "name", pa.array(list(columns) * rows, pa.string()))
    table = _with(table, "value", values.take(pa.array(order)).combine_chunks())
    text = None if raw.text is None else [raw.text[row] for row in where.tolist()]
    return replace(raw, table=table, lines=raw.lines[where], text=text)
