"""Simulated tables written as dirty CSV exports, with a list of what was dirtied where."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from configs.files import written_whole
from features.simulated.dirt import BEYOND_REPAIR, BROKEN, REPAIRABLE, CellDirt, Cells, LineDirt
from features.simulated.sources import FileLayout

LISTING = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("last_line", pa.int64()),
        ("kind", pa.string()),
        ("column", pa.string()),
        ("reason", pa.string()),
    ]
)
"""``dirt.parquet``: physical lines from 1, the header included; ``column`` is the file's header;
``reason`` is the quarantine reason to expect, null where the row is to be taken in. A quote never
closed may as well count as a stray one, which depends on the lines after it."""


@dataclass
class Dirtied:
    """What is to be dirtied and what was so far, in the order of :data:`LISTING`.

    Each row is dirtied with probability ``share``; half of these can be repaired, half cannot.
    """

    seed: int
    share: float
    rows: list[tuple[str, int, int, str, str | None, str | None]] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write the list as Parquet, wholly or not at all."""
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(LISTING)
        arrays = [
            pa.array(values, kind) for values, kind in zip(columns, LISTING.types, strict=True)
        ]
        with written_whole(path) as draft:
            pq.write_table(pa.Table.from_arrays(arrays, schema=LISTING), draft)


class DirtyFile:
    """One dirty export being written, its rows noted in ``dirtied``."""

    def __init__(
        self, file: BinaryIO, layout: FileLayout, columns: list[str], dirtied: Dirtied
    ) -> None:
        self._file = file
        self._layout = layout
        self._columns = columns
        self._dirtied = dirtied
        self._chance = random.Random(f"{dirtied.seed} {layout.table}")
        self._next_line = 1
        self._file.write(layout.starts_with)
        self._put([self._line({name: layout.header(name) for name in columns})])

    def write(self, table: pa.Table) -> None:
        """Append the rows of ``table``, some of them dirty."""
        for values in zip(*_written(table), strict=True):
            cells = dict(zip(self._columns, values, strict=True))
            if self._chance.random() < self._dirtied.share:
                self._put_dirty(cells)
            else:
                self._put([self._line(self._in_their_words(cells))])

    def _put_dirty(self, cells: Cells) -> None:
        dirt = self._chance.choice(self._kinds_for(cells))
        if isinstance(dirt, LineDirt):
            line = self._line(self._in_their_words(cells))
            self._put_noted(dirt.change(line, self._layout.delimiter, self._chance), dirt, None)
            return
        column = dirt.column_in(self._layout.table, cells)
        assert column is not None
        written = self._in_their_words(cells)
        written[column] = dirt.change(written[column], self._chance)
        self._put_noted([self._line(written)], dirt, column)

    def _kinds_for(self, cells: Cells) -> list[CellDirt | LineDirt]:
        """Return repairable kinds or the others, by the toss of a coin, that suit the row."""
        if self._chance.random() < 0.5:
            return self._suiting(REPAIRABLE, cells)
        return [*self._suiting(BEYOND_REPAIR, cells), *BROKEN]

    def _suiting(self, kinds: tuple[CellDirt, ...], cells: Cells) -> list[CellDirt | LineDirt]:
        return [dirt for dirt in kinds if dirt.column_in(self._layout.table, cells)]

    def _put_noted(self, lines: list[str], dirt: CellDirt | LineDirt, column: str | None) -> None:
        """Write the lines and note them: the copy of a duplicate, both halves of a broken line."""
        first = self._next_line
        self._put(lines)
        is_second_customer = dirt.kind == "duplicate" and self._layout.table == "customers"
        reason = "duplicate_customer" if is_second_customer else dirt.reason
        header = None if column is None else self._layout.header(column)
        spots = [(first, self._next_line - 1)]
        if len(lines) == 2:
            spots = [(first + 1, first + 1)]
            if dirt.kind != "duplicate":
                spots.insert(0, (first, first))
        for line, last in spots:
            noted = (self._layout.file, line, last, dirt.kind, header, reason)
            self._dirtied.rows.append(noted)

    def _put(self, lines: list[str]) -> None:
        for line in lines:
            text = line + self._chance.choice(self._layout.line_ends)
            self._file.write(text.encode(self._layout.encoding, "surrogateescape"))
            self._next_line += 1 + line.count("\n")

    def _in_their_words(self, cells: Cells) -> Cells:
        words = self._layout.words
        return cells | {name: words[name][cells[name]] for name in words if cells[name]}

    def _line(self, cells: Cells) -> str:
        delimiter = self._layout.delimiter
        written = [_quoted(cells[name], delimiter) for name in self._columns]
        return delimiter.join(written) + delimiter * self._layout.blank_columns


def _written(table: pa.Table) -> list[list[str]]:
    """Return the columns of ``table`` as people write them, nothing as an empty text."""
    columns = []
    for column in table.columns:
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("s"))
        columns.append([value or "" for value in column.cast(pa.string()).to_pylist()])
    return columns


def _quoted(text: str, delimiter: str) -> str:
    if delimiter in text or '"' in text or "\n" in text:
        return '"' + text.replace('"', '""') + '"'
    return text
