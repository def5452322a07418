"""Takes in a snapshot source: contract customers, one row each, with ready columns and a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from configs.errors import RecordsError
from configs.records import SnapshotSource
from features.contracts import LARGEST_NUMBER
from features.raw.cleaning import parse_number
from features.raw.columns import Cleaned, as_mask, clean_ids, clean_numbers, clean_texts
from features.raw.mapping import Rows
from features.raw.reading import RawTable, read_files, require_columns

_MOSTLY_NUMBERS = 0.99
_MOST_CATEGORIES = 30


@dataclass
class SnapshotRows:
    """The accepted rows of a snapshot and what was noted of the others."""

    table: pa.Table
    lines: np.ndarray
    rows: Rows
    labels: dict[str, int]
    notes: tuple[str, ...]
    repaired: Counter[str] = field(default_factory=Counter)


def wanted_of(source: SnapshotSource) -> tuple[str, ...]:
    """Return the raw columns that a snapshot file must have."""
    given = (source.customer_id, source.label, source.value_per_month)
    names = [name for name in given if name is not None]
    return tuple(dict.fromkeys([*names, *source.numbers, *source.categories]))


def read_snapshot(folder: Path, source: SnapshotSource) -> RawTable:
    """Return the whole file of a snapshot source as one raw table.

    Raises:
        RecordsError: it is missing, lacks a column, or holds no row.
    """

    def looks_whole(fields: dict[str, str]) -> bool:
        numbers = [fields.get(name) or "0" for name in source.numbers]
        readable = all(parse_number(text, source.source.decimal) for text in numbers)
        return readable and 0 < len(fields.get(source.label, "")) <= 30

    parts = list(read_files(folder, source.source, wanted_of(source), looks_whole))
    if len({part.source for part in parts}) > 1:
        raise RecordsError(f"{source.source.path} names several files; a snapshot is one file")
    text = [line for part in parts for line in part.text or ()]
    raw = RawTable(
        parts[0].source,
        pa.concat_tables([part.table for part in parts], promote_options="permissive"),
        np.concatenate([part.lines for part in parts]),
        text if parts[0].text is not None else None,
        [refusal for part in parts for refusal in part.refused],
        1.0,
    )
    require_columns(raw.source, raw.table.column_names, wanted_of(source))
    if len(raw.lines) == 0:
        raise RecordsError(f"{raw.source} holds no row that can be read")
    return raw


def snapshot_rows(source: SnapshotSource, raw: RawTable) -> SnapshotRows:
    """Return the contract's columns of a whole snapshot file.

    ``customer_id`` (text; made of the row's line where none is mapped), ``label`` (int8),
    ``value_per_month`` (float64), then numbers (float64) and categories (text).

    Raises:
        RecordsError: the label never has its positive value.
    """
    rows = Rows.of(raw)
    labels = _labels(source, rows)
    numbers, categories, notes = _chosen(source, raw.table)
    columns = {
        "customer_id": _ids(source, rows),
        "label": labels.astype(np.int8),
        "value_per_month": _value(source, rows),
    }
    for name in numbers:
        columns[name] = _number(rows, name, source.source.decimal)
    for name in categories:
        columns[name] = _category(rows, name)
    _refuse_repeated(source, rows, columns["customer_id"])
    good = ~rows.refused
    counts = Counter(clean_ids(_raw(rows, source.label)).values.filter(pa.array(good)).to_pylist())
    repaired: Counter[str] = Counter()
    for what, mask in rows.repaired:
        repaired[what] += int((mask & good).sum())
    table = pa.table(columns).filter(pa.array(good))
    labelled = dict(sorted(counts.items()))
    return SnapshotRows(table, raw.lines[good], rows, labelled, notes, repaired)


def _raw(rows: Rows, name: str) -> pa.Array:
    return rows.raw.table[name].combine_chunks()


def _labels(source: SnapshotSource, rows: Rows) -> np.ndarray:
    """Return 1 where the label has its positive value; a missing label is refused."""
    label = clean_ids(_raw(rows, source.label))
    rows.refuse(label.is_null, "missing_value", source.label)
    found = sorted(value for value in pc.unique(label.values).to_pylist() if value is not None)
    if source.positive not in found:
        raise RecordsError(
            f"{source.label} in {rows.raw.source} is never {source.positive!r}; it holds: "
            f"{', '.join(found[:10])}. Correct sources.snapshot.positive"
        )
    return as_mask(pc.equal(label.values, source.positive))


def _ids(source: SnapshotSource, rows: Rows) -> pa.Array:
    if source.customer_id is None:
        return pa.array([f"row-{line:07d}" for line in rows.raw.lines.tolist()], pa.string())
    ids = clean_ids(_raw(rows, source.customer_id))
    rows.note(ids, source.customer_id)
    rows.refuse(ids.is_null, "missing_customer_id", source.customer_id)
    return ids.values


def _value(source: SnapshotSource, rows: Rows) -> pa.Array:
    if source.value_per_month is None:
        return pa.nulls(len(rows.refused), pa.float64())
    return _number(rows, source.value_per_month, source.source.decimal)


def _number(rows: Rows, name: str, decimal: str) -> pa.Array:
    numbers = clean_numbers(_raw(rows, name), decimal)
    rows.note(numbers, name)
    beyond = as_mask(pc.greater(pc.abs(numbers.values), LARGEST_NUMBER))
    rows.refuse(beyond, "number_out_of_range", name)
    return numbers.values


def _category(rows: Rows, name: str) -> pa.Array:
    texts: Cleaned = clean_texts(_raw(rows, name))
    rows.note(texts, name)
    return texts.values


def _refuse_repeated(source: SnapshotSource, rows: Rows, ids: pa.Array) -> None:
    """Refuse later rows about the same customer, or, without ids, rows that repeat another."""
    named = source.customer_id is not None
    everything = np.arange(len(rows.refused))
    keys = ids if named else rows.raw.raw_texts(everything)
    codes = pc.fill_null(keys.dictionary_encode().indices, -1).to_numpy(zero_copy_only=False)
    candidates = np.flatnonzero(~rows.refused & (codes >= 0))
    _, first = np.unique(codes[candidates], return_index=True)
    repeated = np.zeros(len(rows.refused), dtype=bool)
    repeated[np.delete(candidates, first)] = True
    reason = "duplicate_customer" if named else "duplicate_row"
    rows.refuse(repeated, reason, source.customer_id or "")


def _chosen(
    source: SnapshotSource, table: pa.Table
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return number columns, category columns and notes; inferred where none are listed."""
    if source.numbers or source.categories:
        return source.numbers, source.categories, ()
    taken = {source.customer_id, source.label, *source.leave_out_columns}
    numbers, categories, rest = inferred_columns(table, taken, source.source.decimal)
    left = "is left out: neither numbers nor at most 30 categories"
    return numbers, categories, tuple(f"{name} {left}" for name in rest)


def inferred_columns(
    table: pa.Table, taken: Collection[str | None], decimal: str = "."
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return which columns hold numbers, which categories (at most 30), and which neither."""
    found: dict[str | None, list[str]] = {"number": [], "category": [], None: []}
    for name in table.column_names:
        if name not in taken:
            found[_kind(table[name].combine_chunks(), decimal)].append(name)
    return tuple(found["number"]), tuple(found["category"]), tuple(found[None])


def _kind(column: pa.Array, decimal: str) -> str | None:
    texts = clean_texts(column).values
    given = max(len(texts) - texts.null_count, 1)
    numbers = clean_numbers(column, decimal).values
    if len(numbers) - numbers.null_count >= _MOSTLY_NUMBERS * given and texts.null_count < len(
        texts
    ):
        return "number"
    distinct = len(pc.unique(texts.drop_null()))
    return "category" if 1 <= distinct <= _MOST_CATEGORIES else None
