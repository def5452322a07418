"""Files and databases as raw tables: every row with its file, its line and its raw text.

Nothing is understood here: a raw table holds what the source holds, text from delimited files and
typed columns from Parquet and databases. Rows that are no rows are refused.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.errors import RecordsError, did_you_mean, first_line
from configs.records import SnapshotFile, Source
from features.raw.columns import as_text
from features.raw.delimited import detect_layout, header_of, open_bytes, records_of

ROWS_A_BATCH = 131_072
"""Taken in together, of one file; mended ones come after the others of theirs."""
_BAD_BYTES = re.compile("[\udc80-\udcff]")


FileChoice = Source | SnapshotFile
"""What says how a file is to be read."""
Partition = dict[str, str | None]
"""Values that a file's folders give all its rows; ``None`` where they say that there is none."""
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


class Start(NamedTuple):
    """Where reading a file starts: what comes before was read already."""

    n_bytes: int = 0
    rows: int = 0
    """Lines of a delimited file, rows of a Parquet file."""
    groups: int = 0
    """Row groups of a Parquet file."""


class FilePart(NamedTuple):
    """A file, from ``start`` on, with the values that its Hive folders give every row."""

    path: Path
    partition: Partition
    start: Start = Start()


@dataclass(frozen=True)
class Refusal:
    """One row that cannot be taken in: where, in which column, why, and its raw text."""

    source: str
    line: int
    column: str
    reason: str
    raw: str
    value: str = ""
    fingerprint: str = ""
    """What tells its original text, where ``raw`` is a mended one."""


@dataclass
class RawTable:
    """Some rows of one file as they were read.

    Attributes:
        source: the file's name as people know it.
        table: the raw columns.
        lines: the line that each row starts on; the row's number where a source has no lines.
        text: the raw text of each row of a delimited file.
        refused: rows that could not be read.
        share: how much of the source has been read with this, from 0 to 1.
        header: the file's own columns, in the order of its text.
        delimiter: what separates them in the text.
        partition: values that the file's folders give every row.
    """

    source: str
    table: pa.Table
    lines: np.ndarray
    text: list[str] | None = None
    refused: list[Refusal] = field(default_factory=list)
    share: float = 0.0
    header: tuple[str, ...] = ()
    delimiter: str = ","
    partition: Partition = field(default_factory=dict)

    def raw_texts(self, rows: np.ndarray) -> pa.Array:
        """Return the raw text of ``rows`` (positions): the line, or the values as CSV."""
        if self.text is not None:
            return pa.array([self.text[row].rstrip("\r\n") for row in rows.tolist()], pa.string())
        own = self.table.select(list(self.header)) if self.header else self.table
        return joined_text(own if len(rows) == len(own) else own.take(pa.array(rows)))


def read_files(
    folder: Path,
    choice: FileChoice,
    wanted: Sequence[str],
    looks_whole: Callable[[dict[str, str]], bool],
    parts: Sequence[FilePart] | None = None,
) -> Iterator[RawTable]:
    """Yield every file that ``choice.path`` names, some 100,000 rows at a time, in name order.

    Args:
        folder: where relative paths start.
        choice: path (a file, a folder or a glob), format, encoding, delimiter.
        wanted: raw columns that must be there.
        looks_whole: whether fields, by column, look like a record of their own.
        parts: these parts of them; default: all of every file.

    Raises:
        RecordsError: nothing is there, or a wanted column is not.
    """
    files = files_of(folder, choice.path or "") if parts is None else parts
    for number, part in enumerate(files):
        name = name_of(part.path, folder)
        if is_parquet(part.path, choice.format):
            tables = parquet_rows(part, name)
        else:
            tables = _delimited(part, name, choice, wanted, looks_whole)
        for raw in tables:
            raw.share = (number + raw.share) / len(files)
            yield raw


def name_of(path: Path, folder: Path) -> str:
    """Return what people call the file ``path`` of a company's ``folder``."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def files_of(folder: Path, path: str) -> list[FilePart]:
    """Return the files that ``path`` names with their Hive partition values, sorted by name.

    Folders of a lake that hold no rows (``_delta_log``, ``_temporary``) are passed over.

    Raises:
        RecordsError: there is no such file.
    """
    root = folder / path
    if root.is_dir():
        kinds = (".parquet", ".pq", ".csv", ".txt", ".tsv", ".gz")
        found = [file for file in root.rglob("*") if file.is_file() and file.suffix in kinds]
    else:
        found = [Path(name) for name in glob.glob(str(root), recursive=True)]
        found = [file for file in found if file.is_file()]
    visible = [file for file in found if not _is_hidden(file, root)]
    if not visible:
        raise RecordsError(_nothing_there(root))
    partitions = {file: _partition(file, folder) for file in sorted(visible)}
    absent = dict.fromkeys(key for one in partitions.values() for key in one)
    return [FilePart(file, {**absent, **one}) for file, one in partitions.items()]


def _is_hidden(file: Path, root: Path) -> bool:
    inside = file.relative_to(root).parts if root.is_dir() else (file.name,)
    return any(part.startswith((".", "_")) for part in inside)


def is_parquet(path: Path, choice: str) -> bool:
    """Return whether ``path`` is to be read as Parquet; ``auto`` looks at its first bytes."""
    if choice != "auto":
        return choice == "parquet"
    with open_bytes(path) as handle:
        return handle.read(4) == b"PAR1"


def joined_text(table: pa.Table) -> pa.Array:
    """Return each row as one line of comma-separated text, quoted where it must be."""
    quoted = [_quoted(column.combine_chunks()) for column in table.columns]
    return pc.binary_join_element_wise(*quoted, ",", null_handling="replace", null_replacement="")


def require_columns(source: str, present: Sequence[str], wanted: Sequence[str]) -> None:
    """Check that every wanted column is there.

    Raises:
        RecordsError: one is not; the message lists those that are.
    """
    for name in wanted:
        if name not in present:
            raise RecordsError(
                f"{source} has no column {name!r}; {did_you_mean(name, present)}. "
                f"Correct the column name in the configuration"
            )


def _delimited(
    part: FilePart,
    name: str,
    choice: FileChoice,
    wanted: Sequence[str],
    looks_whole: Callable[[dict[str, str]], bool],
) -> Iterator[RawTable]:
    path, partition, start = part
    layout = detect_layout(path, wanted, choice.encoding, choice.delimiter)
    names, skip = header_of(path, layout)

    def whole(fields: list[str]) -> bool:
        return looks_whole(dict(zip(names, fields, strict=True)))

    size, done = max(path.stat().st_size - start.n_bytes, 1), 0
    for records in records_of(path, layout, names, start.rows or skip, whole, start.n_bytes):
        done += sum(map(len, records.raw))
        refused = [_refusal(name, *problem) for problem in records.refused]
        rows, lines, raw = records.rows, records.lines, records.raw
        spoilt = []
        if _is_spoilt("".join(raw)):
            spoilt = [row for row, text in enumerate(raw) if _is_spoilt(text)]
        if spoilt:
            refused += [_spoilt(name, names, lines[row], rows[row], raw[row]) for row in spoilt]
            gone = set(spoilt)
            whole_rows = [row for row in range(len(rows)) if row not in gone]
            rows = [rows[row] for row in whole_rows]
            lines = [lines[row] for row in whole_rows]
            raw = [raw[row] for row in whole_rows]
        columns = zip(*rows, strict=True) if rows else ([] for _ in names)
        arrays = [pa.array(column, pa.string()) for column in columns]
        table = _with_partition(pa.table(arrays, names=names), partition)
        refused.sort(key=lambda refusal: refusal.line)
        numbers = np.array(lines, dtype=np.int64)
        share = min(done / size, 1.0)
        mark = layout.delimiter
        yield RawTable(name, table, numbers, raw, refused, share, tuple(names), mark, partition)


def parquet_rows(
    part: FilePart, name: str, groups: Sequence[int] | None = None
) -> Iterator[RawTable]:
    """Yield the rows of a Parquet file from where ``part`` starts.

    Args:
        part: of the file.
        name: what people call it.
        groups: numbers of row groups that follow the start; default: all.

    Raises:
        RecordsError: it is no Parquet file, or a damaged one.
    """
    path, partition, start = part
    with open_parquet(path) as file:
        position, sizes = start.rows, group_sizes(file.metadata)
        if groups is None:
            groups = list(range(start.groups, len(sizes)))
        for run in groups_together(groups, sizes, ROWS_A_BATCH):
            for batch in file.iter_batches(batch_size=ROWS_A_BATCH, row_groups=list(run)):
                table = _with_partition(pa.Table.from_batches([batch]), partition)
                lines = np.arange(position + 1, position + 1 + len(table), dtype=np.int64)
                position += len(table)
                share = position / max(file.metadata.num_rows, 1)
                header = tuple(table.column_names)
                yield RawTable(name, table, lines, share=share, header=header)
        if position == 0:
            empty = _with_partition(file.schema_arrow.empty_table(), partition)
            yield RawTable(name, empty, np.zeros(0, dtype=np.int64))


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Yield a Parquet file, opened.

    Raises:
        RecordsError: it is none, it is not whole, or what is read of it is damaged.
    """
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise RecordsError(
            f"{path} cannot be read as Parquet ({first_line(error)}). If it is damaged or not "
            "whole, copy or export it anew; if it is still being written, wait for its end"
        ) from error


def group_sizes(metadata: pq.FileMetaData) -> list[int]:
    """Return how many rows each row group of a Parquet file has."""
    return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]


def groups_together(
    groups: Sequence[int], sizes: Sequence[int], rows: int
) -> Iterator[tuple[int, ...]]:
    """Yield neighbouring row groups of at most ``rows`` rows together, or one of more.

    >>> list(groups_together([0, 1, 2, 3], [50, 40, 30, 200], 100))
    [(0, 1), (2,), (3,)]
    """
    run: list[int] = []
    for group in groups:
        if run and sum(sizes[one] for one in run) + sizes[group] > rows:
            yield tuple(run)
            run = []
        run.append(group)
    if run:
        yield tuple(run)


def _with_partition(table: pa.Table, partition: Partition) -> pa.Table:
    for key, value in partition.items():
        if key not in table.column_names:
            table = table.append_column(key, pa.array([value] * len(table), pa.string()))
    return table


def _partition(file: Path, folder: Path) -> Partition:
    """Return the values that Hive-style folders (``day=2024-01-01``) give every row."""
    above = file.relative_to(folder) if file.is_relative_to(folder) else file
    pairs = [part.split("=", 1) for part in above.parts[:-1] if "=" in part]
    return {unquote(key): None if value == NO_VALUE else unquote(value) for key, value in pairs}


def _is_spoilt(text: str) -> bool:
    return "\0" in text or (not text.isascii() and _BAD_BYTES.search(text) is not None)


def _refusal(name: str, line: int, column: str, reason: str, raw: str) -> Refusal:
    if _BAD_BYTES.search(raw):
        reason = "bad_encoding"
    elif "\0" in raw:
        reason = "nul_byte"
    return Refusal(name, line, column, reason, visible(raw.rstrip("\r\n")))


def _spoilt(name: str, names: list[str], line: int, row: list[str], raw: str) -> Refusal:
    reason = "nul_byte" if not _BAD_BYTES.search(raw) else "bad_encoding"
    column = next((n for n, value in zip(names, row, strict=True) if _is_spoilt(value)), "")
    return Refusal(name, line, column, reason, visible(raw.rstrip("\r\n")))


def visible(text: str) -> str:
    r"""Return ``text`` with NUL and undecodable bytes written out as ``\x00`` and ``\xff``.

    >>> print(visible("a\0b\udcff"))
    a\x00b\xff
    """
    return _BAD_BYTES.sub(lambda m: f"\\x{ord(m[0]) - 0xDC00:02x}", text).replace("\0", "\\x00")


def _quoted(array: pa.Array) -> pa.Array:
    text = as_text(array)
    if _is_plain(array.type):
        return text
    needs = pc.match_substring_regex(text, '[",\r\n]')
    if not pc.any(needs).as_py():
        return text
    doubled = pc.replace_substring(text, '"', '""')
    return pc.if_else(needs, pc.binary_join_element_wise('"', doubled, '"', ""), text)


def _is_plain(kind: pa.DataType) -> bool:
    """Return whether values of ``kind`` are written without quotes and commas."""
    return bool(pa.types.is_primitive(kind))


def _nothing_there(root: Path) -> str:
    parent = root.parent
    while not parent.is_dir():
        parent = parent.parent
    names = sorted(entry.name for entry in parent.iterdir() if not entry.name.startswith("."))
    shown = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
    return (
        f"{root} does not exist or holds no CSV or Parquet file; {parent} holds: "
        f"{shown or 'nothing'}. Set `data` (or ECHELON_DATA) to the folder that paths start from"
    )
