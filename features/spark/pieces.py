"""The Parquet files of a table cut into pieces of about one size: what one task takes in.

A piece is some neighbouring rows in the order of reading: row groups of one file, or small files
together. It follows from the files alone, however many workers there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.records import Source
from features.raw.mapping import Mapper
from features.raw.reading import (
    ROWS_A_BATCH,
    FilePart,
    Start,
    files_of,
    group_sizes,
    groups_together,
    is_parquet,
    name_of,
    open_parquet,
)

ROWS_A_PIECE = 1_000_000
"""Or one row group of more: some 400 MB to sort, raw texts included."""


@dataclass(frozen=True)
class Run:
    """Neighbouring row groups of one file.

    Attributes:
        number: of the source.
        part: of the file, from the first of these rows on.
        name: what people call the file.
        groups: numbers of the row groups.
        first_row: how many rows of the table were read before.
        order: place of the file in the order of reading.
        rows: how many rows are read here.
    """

    number: int
    part: FilePart
    name: str
    groups: tuple[int, ...]
    first_row: int
    order: int
    rows: int


Piece = tuple[Run, ...]


def is_for_spark(folder: Path, sources: Sequence[Source]) -> bool:
    """Return whether all that ``sources`` name is Parquet, which workers read in pieces."""
    return all(
        source.path is not None
        and all(is_parquet(one.path, source.format) for one in files_of(folder, source.path))
        for source in sources
    )


def pieces_of(folder: Path, mappers: Sequence[Mapper]) -> list[Piece]:
    """Return all that the sources of ``mappers`` name, in the order of reading.

    Raises:
        RecordsError: a file is no Parquet, or not whole.
    """
    pieces: list[Piece] = []
    held: list[Run] = []
    for run in _runs(folder, mappers):
        if held and sum(one.rows for one in held) + run.rows > ROWS_A_PIECE:
            pieces.append(tuple(held))
            held = []
        held.append(run)
    return [*pieces, tuple(held)]


def _runs(folder: Path, mappers: Sequence[Mapper]) -> Iterator[Run]:
    """Yield every file in the order of reading, cut between row groups."""
    first_row, places = 0, dict[str, int]()
    for number, mapper in enumerate(mappers):
        unpivot = mapper.source.unpivot
        times = 1 if unpivot is None else len(unpivot.columns)
        for whole in files_of(folder, mapper.source.path or ""):
            sizes, name, before = _sizes(whole.path), name_of(whole.path, folder), 0
            order = places.setdefault(name, len(places))
            for groups in _groups(sizes):
                part = FilePart(whole.path.resolve(), whole.partition, Start(rows=before))
                rows = sum(sizes[group] for group in groups)
                yield Run(number, part, name, groups, first_row, order, rows * times)
                first_row += rows * times
                before += rows


def _sizes(path: Path) -> list[int]:
    with open_parquet(path) as file:
        return group_sizes(file.metadata)


def _groups(sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the row groups of one run after another; one empty run of an empty file.

    Batches of rows are those of one machine, which reads the whole file.
    """
    batches = list(groups_together(range(len(sizes)), sizes, ROWS_A_BATCH))
    rows = [sum(sizes[group] for group in batch) for batch in batches]
    for run in groups_together(range(len(batches)), rows, ROWS_A_PIECE):
        yield tuple(group for one in run for group in batches[one])
    if not sizes:
        yield ()
