"""Ranges of customers that work is cut into: they follow from the records alone, not from workers.

Files are sorted by customer and say where each group of rows begins, so ranges of like size are
found without reading a row. The purchases say where to cut, which nothing is ever added to: so
whatever is computed of the same records is cut into the same ranges.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from features.sources import Files, Records, records_of

if TYPE_CHECKING:
    import ibis

ROWS_A_RANGE = 1_000_000
"""Of all tables: what a task reads, about a quarter of a minute's work at ten cutoffs."""
RANGES_AT_MOST = 4_096
CUT_BY = "transactions"


@dataclass(frozen=True)
class Range:
    """Customers from one id to another, and where their records lie.

    Attributes:
        first: the least id; ``None``: no matter how small.
        end: the id before which they end; ``None``: no matter how large.
        files: those that may hold rows of them, at least one of each table there is.
    """

    first: str | None
    end: str | None
    files: Files

    def records(self, backend: ibis.BaseBackend) -> Records:
        """Return the records of these customers."""
        tables = records_of(backend, self.files).tables
        return Records(backend, {name: self._of(table) for name, table in tables.items()})

    def _of(self, table: ibis.Table) -> ibis.Table:
        if self.first is not None:
            table = table.filter(table.customer_id >= self.first)
        return table if self.end is None else table.filter(table.customer_id < self.end)


@dataclass(frozen=True)
class _Group:
    """Neighbouring rows of a file: the least and the largest id, where the file says so."""

    first: str | None
    last: str | None
    rows: int


def ranges(files: Files) -> list[Range]:
    """Return ranges of customers, rising, that together are everybody in ``files``."""
    groups = {name: {path: _groups(path) for path in paths} for name, paths in files.items()}
    edges = itertools.pairwise([None, *_cuts(groups), None])
    return [Range(first, end, _within(groups, first, end)) for first, end in edges]


Groups = dict[str, dict[Path, list[_Group]]]


def _groups(path: Path) -> list[_Group]:
    metadata = pq.read_metadata(path)
    column = metadata.schema.to_arrow_schema().get_field_index("customer_id")
    return list(_each_group(metadata, column))


def _each_group(metadata: pq.FileMetaData, column: int) -> Iterator[_Group]:
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        said = group.column(column).statistics
        if said is None or not said.has_min_max:
            yield _Group(None, None, group.num_rows)
        else:
            yield _Group(said.min, said.max, group.num_rows)


def _cuts(groups: Groups) -> list[str]:
    """Return the ids at which the second and every further range begins."""
    rows = sum(group.rows for of in groups.values() for some in of.values() for group in some)
    n = min(math.ceil(rows / ROWS_A_RANGE), RANGES_AT_MOST)
    bought = [group for some in groups.get(CUT_BY, {}).values() for group in some]
    firsts = sorted((group.first, group.rows) for group in bought if group.first is not None)
    before = list(itertools.accumulate((size for _, size in firsts), initial=0))
    share = before[-1] / max(n, 1)
    found, k = [], 1
    for (first, _), sum_before in zip(firsts, before, strict=False):
        if k < n and sum_before >= share * k:
            found.append(first)
            k = int(sum_before // share) + 1
    return list(dict.fromkeys(found))


def _within(groups: Groups, first: str | None, end: str | None) -> dict[str, tuple[Path, ...]]:
    """Return the files of each table that may hold customers of a range, or its first one."""
    found = {}
    for name, of in groups.items():
        some = [path for path, each in of.items() if any(_meets(one, first, end) for one in each)]
        found[name] = tuple(some or list(of)[:1])
    return found


def _meets(group: _Group, first: str | None, end: str | None) -> bool:
    too_early = first is not None and group.last is not None and group.last < first
    too_late = end is not None and group.first is not None and group.first >= end
    return not (too_early or too_late)
