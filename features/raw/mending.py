"""Rows that people mend in the quarantine files, and every later intake remembers.

A mend belongs to one row of one file: its line and the fingerprint of its original text must both
agree, so that a file which has changed since is never given a mend that was meant for another row.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from features.raw.reading import RawTable, Refusal

COLUMNS = ("source", "line", "fingerprint", "raw")
Place = tuple[str, int, str]


def fingerprint(raw: str) -> str:
    r"""Return what tells a row's text from another's, whatever an editor makes of line ends.

    >>> fingerprint("a\r\nb") == fingerprint("a\nb") != fingerprint("a b")
    True
    """
    text = raw.replace("\r\n", "\n").replace("\r", "\n")
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@dataclass
class Mends:
    """The mends of one table: those known and those that were used, by place."""

    known: dict[Place, str]
    used: dict[Place, str] = field(default_factory=dict)

    def of(self, refusal: Refusal) -> str | None:
        """Return the mended text of a refused row, or ``None``; the mend then counts as used."""
        place = (refusal.source, refusal.line, fingerprint(refusal.raw))
        mended = self.known.get(place)
        if mended is not None:
            self.used[place] = mended
        return mended


def read_mends(kept: Path, quarantine: Path, retry: bool) -> Mends:
    """Return the mends in ``kept`` and, on a retry, the rows changed in ``quarantine``."""
    known = dict(_rows(kept))
    if retry:
        for place, raw in _rows(quarantine):
            if fingerprint(raw) != place[2]:
                known[place] = raw
    return Mends(known)


def write_mends(path: Path, mends: Mends) -> None:
    """Write the mends that were used, by file and line."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(COLUMNS)
        for (source, line, mark), raw in sorted(mends.used.items()):
            writer.writerow((source, line, mark, raw))


def mended_rows(
    raw: RawTable, refusals: Iterable[Refusal], mends: Mends
) -> tuple[list[Refusal], RawTable | None]:
    """Return the rows that stay refused and, as a raw table, those that a mend makes readable."""
    rest: list[Refusal] = []
    rows: list[tuple[int, list[str], str]] = []
    for refusal in refusals:
        text = mends.of(refusal)
        if text is None:
            rest.append(refusal)
            continue
        fields = _fields(text, raw)
        if isinstance(fields, str):
            mark = fingerprint(refusal.raw)
            rest.append(replace(refusal, column="", reason=fields, raw=text, fingerprint=mark))
        else:
            rows.append((refusal.line, fields, text))
    return rest, _table(raw, rows) if rows else None


def with_first_fingerprints(
    refusals: Iterable[Refusal], before: Sequence[Refusal]
) -> Iterator[Refusal]:
    """Yield refusals of mended rows with the fingerprints that their original texts had."""
    marks = {refusal.line: fingerprint(refusal.raw) for refusal in before}
    for refusal in refusals:
        yield replace(refusal, fingerprint=marks[refusal.line])


def _rows(path: Path) -> Iterator[tuple[Place, str]]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8-sig", newline="") as handle:
        for row in csv.DictReader(handle):
            yield (row["source"], int(row["line"]), row["fingerprint"]), row["raw"]


def _fields(text: str, raw: RawTable) -> list[str] | str:
    """Return the fields of a mended row, or the reason that it still is none."""
    lines = text.splitlines(keepends=True)
    try:
        rows = list(csv.reader(lines, delimiter=raw.delimiter, strict=True))
    except csv.Error:
        return "stray_quote"
    if len(rows) != 1 or len(rows[0]) != len(raw.header):
        return "wrong_column_count"
    return rows[0]


def _table(raw: RawTable, rows: list[tuple[int, list[str], str]]) -> RawTable:
    lines, fields, texts = zip(*rows, strict=True)
    columns = [pa.array(column, pa.string()) for column in zip(*fields, strict=True)]
    table = pa.table(columns, names=list(raw.header))
    for name in raw.table.column_names:
        if name not in table.column_names:
            same = raw.partition.get(name)
            table = table.append_column(name, pa.array([same] * len(rows), pa.string()))
    numbers = np.array(lines, dtype=np.int64)
    return replace(raw, table=table, lines=numbers, text=list(texts), refused=[])
