"""Delimited text: records with the line that each starts on, whatever is wrong with the file.

A *line* is physical: it ends with LF, CR LF or CR, mixed as they come, and the first is line 1.
Quotes follow RFC 4180. A record that is not whole is refused by its first line alone and reading
goes on with the next line, so one forgotten quote costs one row and not the rest of the file.
"""

from __future__ import annotations

import csv
import gc
import gzip
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from configs.errors import RecordsError

ENCODINGS = {"utf-8": "utf-8", "gb18030": "gb18030", "latin-1": "cp1252"}
DELIMITERS = (",", "\t", ";", "|", "，", "\x01", "^", "~")
_BLOCK = 8 << 20
_LINES = 65_536
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Layout:
    """How a file is written."""

    encoding: str
    delimiter: str
    skips_blanks: bool = False
    """Claims that blanks follow the delimiters, before quotes (`a, "b"`)."""


@dataclass
class Records:
    """Some records of a file: their fields, first lines and raw text; and the refused ones."""

    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    refused: list[tuple[int, str, str, str]] = field(default_factory=list)
    """Line, column, reason, raw text."""


def lines_of(path: Path, from_byte: int = 0) -> Iterator[bytes]:
    """Yield the physical lines of ``path``, each with its end, in bounded memory."""
    rest = b""
    with open_bytes(path) as handle:
        handle.seek(from_byte)
        while block := handle.read(_BLOCK):
            block = rest + block
            lines = block.splitlines(keepends=True)
            rest = lines.pop() if lines else b""
            yield from lines
    if rest:
        yield from rest.splitlines(keepends=True)


def open_bytes(path: Path) -> IO[bytes]:
    """Open ``path`` for reading bytes, unpacked if its name ends in ``.gz``."""
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def detect_layout(path: Path, wanted: Iterable[str], encoding: str, delimiter: str) -> Layout:
    """Return the layout of ``path``; ``auto`` is settled from its bytes and the wanted headers."""
    if encoding == "auto":
        encoding = detect_encoding(path)
    sample = _sample(path, encoding)
    if delimiter == "auto":
        delimiter = detect_delimiter(sample, frozenset(wanted))
    skips = any(f'{delimiter} "' in line for line in sample[:200]) and delimiter != " "
    return Layout(encoding, delimiter.replace("\\t", "\t"), skips)


def detect_encoding(path: Path) -> str:
    """Return ``utf-8``, ``gb18030`` or ``latin-1``, judged on the lines that are not ASCII.

    Raises:
        RecordsError: the file is UTF-16 or a spreadsheet.
    """
    odd = []
    for number, line in enumerate(lines_of(path)):
        if number == 0:
            _check_text(path, line)
        if not line.isascii():
            odd.append(line)
            if len(odd) >= 20_000:
                break
    if 2 * sum(_decodes(line, "utf-8") for line in odd) >= len(odd):
        return "utf-8"
    paired = sum(_paired_bytes(line) for line in odd)
    high = sum(byte >= 0x80 for line in odd for byte in line)
    return "gb18030" if paired >= 0.8 * high else "latin-1"


def detect_delimiter(sample: list[str], wanted: frozenset[str]) -> str:
    """Return the delimiter that finds the wanted headers, else the most consistent one.

    >>> detect_delimiter(["a;b;c", "1,5;2;3", "2,5;3;4"], frozenset())
    ';'
    """
    return max(DELIMITERS, key=lambda mark: _fitness(sample, mark, wanted))


def header_of(path: Path, layout: Layout) -> tuple[list[str], int]:
    """Return the column names and the number of lines that they take, blank ones before included.

    Raises:
        RecordsError: the file is empty.
    """
    decoded = _decoded(lines_of(path), layout.encoding)
    reader = _reader(decoded, layout)
    try:
        for row in reader:
            if any(name.strip() for name in row):
                names = [name.strip().strip("\ufeff").strip() for name in row]
                return _distinct(names), reader.line_num
    except csv.Error as error:
        raise RecordsError(
            f"{path} has a header line that is no delimited text: {error}"
        ) from error
    raise RecordsError(f"{path} is empty: its first line must name the columns")


def records_of(
    path: Path,
    layout: Layout,
    names: list[str],
    skip: int,
    looks_whole: Callable[[list[str]], bool],
    from_byte: int = 0,
) -> Iterator[Records]:
    """Yield the records after the first ``skip`` lines, some ten thousands at a time.

    Where the lines before ``from_byte`` are those ``skip`` lines, they are not read again.

    ``looks_whole`` says whether fields look like a record of their own: where a quoted field has
    swallowed such lines, its quote was never closed.
    """
    scanner = _Scanner(layout, names, looks_whole)
    source = _decoded(lines_of(path, from_byte), layout.encoding)
    for _ in range(0 if from_byte else skip):
        next(source)
    position, lines = skip, []
    at_end = False
    while not at_end:
        fresh = _take(source, _LINES)
        at_end = len(fresh) < _LINES
        lines += fresh
        with _uncollected():
            records, used = scanner.scan(lines, position + 1, at_end)
        position += used
        lines = lines[used:]
        yield records


class _Scanner:
    """Splits lines into records; knows the width that a record must have."""

    def __init__(
        self, layout: Layout, names: list[str], looks_whole: Callable[[list[str]], bool]
    ) -> None:
        self.layout = layout
        self.names = names
        self.looks_whole = looks_whole

    def scan(self, lines: list[str], first_line: int, at_end: bool) -> tuple[Records, int]:
        """Return the records in ``lines`` and how many lines they used up."""
        plain = self._one_line_each(lines, first_line)
        if plain is not None:
            return plain, len(lines)
        records = Records()
        start = 0
        while start < len(lines):
            start, error = self._run(lines, start, first_line, records)
            if error is None:
                break
            if not at_end and "unexpected end" in error:
                return records, start
            reason = "unterminated_quote" if "expected after" not in error else "stray_quote"
            records.refused.append((first_line + start, "", reason, lines[start]))
            start += 1
        return records, len(lines)

    def _one_line_each(self, lines: list[str], first_line: int) -> Records | None:
        """Return the records where every line is a whole one, as most are; else ``None``."""
        reader, width = _reader(lines, self.layout), len(self.names)
        try:
            rows = list(reader)
        except csv.Error:
            return None
        if len(rows) != len(lines) or any(len(row) != width for row in rows):
            return None
        return Records(rows, list(range(first_line, first_line + len(lines))), lines)

    def _run(
        self, lines: list[str], start: int, first_line: int, records: Records
    ) -> tuple[int, str | None]:
        """Read on from ``start`` to the end or to the first malformed record, with its error."""
        base, width = start, len(self.names)
        reader = _reader(lines[start:] if start else lines, self.layout)
        try:
            for row in reader:
                end = base + reader.line_num
                if end - start > 1 and self._swallowed(lines, start, end):
                    return start, "unterminated"
                if len(row) == width:
                    records.rows.append(row)
                    records.lines.append(first_line + start)
                    records.raw.append(
                        lines[start] if end - start == 1 else "".join(lines[start:end])
                    )
                elif any(value.strip() for value in row) or len(row) > 1:
                    raw = "".join(lines[start:end])
                    records.refused.append((first_line + start, "", "wrong_column_count", raw))
                start = end
        except csv.Error as error:
            one_line = base + reader.line_num - start <= 1
            return start, str(error) if one_line or "unexpected" in str(error) else "unterminated"
        return start, None

    def _swallowed(self, lines: list[str], start: int, end: int) -> bool:
        inner = csv.reader(lines[start + 1 : end], delimiter=self.layout.delimiter)
        width = len(self.names)
        return any(len(row) == width and self.looks_whole(row) for row in inner)


def _reader(lines: Iterable[str], layout: Layout) -> Any:
    return csv.reader(
        lines, delimiter=layout.delimiter, strict=True, skipinitialspace=layout.skips_blanks
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the garbage collector, which would walk every row again and again as they appear."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _decoded(lines: Iterable[bytes], encoding: str) -> Iterator[str]:
    """Yield lines as text; bytes of no meaning become lone surrogates, to be refused by row."""
    codec = ENCODINGS[encoding]
    for number, line in enumerate(lines):
        if number == 0:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        yield line.decode(codec, "surrogateescape")


def _take(source: Iterator[str], count: int) -> list[str]:
    return list(itertools.islice(source, count))


def _sample(path: Path, encoding: str) -> list[str]:
    return _take(_decoded(lines_of(path), encoding), 1000)


def _fitness(sample: list[str], mark: str, wanted: frozenset[str]) -> tuple[int, bool, float, int]:
    rows = [row for row in csv.reader(sample[:200], delimiter=mark) if row]
    if not rows:
        return 0, False, 0.0, 0
    header = {name.strip().strip("\ufeff") for name in rows[0]}
    width = len(rows[0])
    agreeing = sum(len(row) == width for row in rows) / len(rows)
    return len(wanted & header), width > 1, round(agreeing, 1), width


def _distinct(names: list[str]) -> list[str]:
    """Return the names with repeated or empty ones told apart: name, name_2, column_3."""
    distinct: list[str] = []
    for position, name in enumerate(names, start=1):
        name = name or f"column_{position}"
        count = sum(1 for known in names[: position - 1] if known == name)
        distinct.append(f"{name}_{count + 1}" if count else name)
    return distinct


def _check_text(path: Path, line: bytes) -> None:
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RecordsError(f"{path} is UTF-16 text; save it as 'CSV UTF-8' and run this again")
    if line.startswith(b"PK\x03\x04"):
        raise RecordsError(f"{path} is a spreadsheet or zip; save the sheet as 'CSV UTF-8'")


def _decodes(line: bytes, codec: str) -> bool:
    try:
        line.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _paired_bytes(line: bytes) -> int:
    """Return how many bytes of ``line`` belong to pairs as GB 2312 writes characters."""
    return 2 * len(_PAIR.findall(line))


_PAIR = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]")
