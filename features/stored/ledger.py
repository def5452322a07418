"""What was read to make the live records, so that the next intake can tell what is new.

The ledger lies beside the generations, for it is of the files read and not of the rows: the same
rows from files that were moved are the same generation.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from configs.files import flush_to_disk, live_generation, write_text
from configs.records import Source
from configs.schema import Config
from configs.version import VERSION
from features.raw.delimited import detect_layout, lines_of
from features.raw.mapping import wanted_columns
from features.raw.reading import Start, files_of, is_parquet, open_parquet
from features.stored.report import IntakeReport
from features.stored.tally import Counts

LEDGER_FILE = "ledger.json"
KEYS_FOLDER = "digests"
"""In a generation: digests of what told its rows apart, one file per part of a table."""
BLOCK = 1 << 22


class FileRead(BaseModel):
    """A file as it was when it was read.

    Attributes:
        n_bytes: how much of it holds rows: all of a delimited file, a Parquet file to its footer.
        sha256: of those bytes.
        rows: lines of a delimited file, the header's too; rows of a Parquet file.
        groups: row groups of a Parquet file.
        layout: how a delimited file is written.
        ends_a_line: whether more text can only be more lines.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    size: int
    modified_ns: int
    n_bytes: int
    sha256: str
    rows: int
    groups: int = 0
    layout: str = ""
    ends_a_line: bool = True

    @property
    def end(self) -> Start:
        """Where what is appended starts."""
        return Start(self.n_bytes, self.rows, self.groups)


class TableRead(BaseModel):
    """What became of the files of one table.

    Attributes:
        settings: digest of all that says how they are read.
        files: of each source, in the order of reading; ``None`` for a database.
        counts: of the accepted rows.
        future_day: the first day that a row refused for lying in the future waits for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: str
    files: tuple[tuple[FileRead, ...] | None, ...]
    counts: Counts
    future_day: int | None = None


class Ledger(BaseModel):
    """What was read to make the generation ``generation``, by the clock of day ``clock_day``.

    Rows that were only refused make no other generation, so the report of all read is here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    echelon: str
    generation: str
    clock_day: int
    report: IntakeReport
    tables: dict[str, TableRead]
    digests: dict[str, str]
    """SHA-256 of the generation's record files, by name."""


def read_ledger(store: Path) -> Ledger | None:
    """Return the ledger of the live generation in ``store``, ``None`` where it has none.

    Nor is one of another version of Echelon, which may read and compute otherwise.
    """
    live = live_generation(store)
    try:
        ledger = Ledger.model_validate_json((store / LEDGER_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    is_of_live = live is not None and live.name == ledger.generation
    return ledger if is_of_live and ledger.echelon == VERSION else None


def write_ledger(store: Path, ledger: Ledger) -> None:
    """Write the ledger of the generation just made live."""
    write_text(store / LEDGER_FILE, ledger.model_dump_json(indent=1) + "\n")


def forget_ledger(store: Path) -> None:
    """Remove the ledger while what it tells of is replaced.

    Should that be broken off, everything is read again: it may be half of each.
    """
    (store / LEDGER_FILE).unlink(missing_ok=True)
    if store.is_dir():
        flush_to_disk(store)


def unmoved(table: TableRead) -> TableRead:
    """Return what is remembered of a table, files that changed while they were read as altered."""
    files = (
        None if some is None else tuple(one if _is_still(one) else _altered(one) for one in some)
        for some in table.files
    )
    return table.model_copy(update={"files": tuple(files)})


def _is_still(one: FileRead) -> bool:
    path = Path(one.path)
    if not path.is_file():
        return False
    about = path.stat()
    return (about.st_size, about.st_mtime_ns) == (one.size, one.modified_ns)


def _altered(one: FileRead) -> FileRead:
    return one.model_copy(update={"sha256": "", "modified_ns": 0})


def settings_of(config: Config, sources: tuple[Source, ...]) -> str:
    """Return a digest of all but their own files that the rows of a table follow from."""
    told = [source.model_dump_json() for source in sources]
    for source in sources:
        if source.join is not None:
            joined = files_of(config.data, source.join.path)
            told += [digest_of_start(path, path.stat().st_size) for path, *_ in joined]
    said = (VERSION, duckdb.__version__, config.timezone, config.language, str(config.data), *told)
    return hashlib.sha256("\0".join(said).encode()).hexdigest()


def file_read(path: Path, source: Source) -> FileRead:
    """Return what is remembered of a file."""
    about = path.stat()
    if is_parquet(path, source.format):
        start = end_of_parquet(path)
        layout, ended = "", True
    else:
        start = Start(about.st_size, sum(1 for _ in lines_of(path)))
        layout, ended = layout_of(path, source), ends_a_line(path)
    return FileRead(
        path=str(path),
        size=about.st_size,
        modified_ns=about.st_mtime_ns,
        n_bytes=start.n_bytes,
        sha256=digest_of_start(path, start.n_bytes),
        rows=start.rows,
        groups=start.groups,
        layout=layout,
        ends_a_line=ended,
    )


def layout_of(path: Path, source: Source) -> str:
    """Return how a delimited file is written, as text."""
    wanted = wanted_columns(source)
    return str(detect_layout(path, wanted, source.encoding, source.delimiter))


def end_of_parquet(path: Path) -> Start:
    """Return where the rows of a Parquet file end.

    Raises:
        RecordsError: it is no Parquet file, or not whole.
    """
    with open_parquet(path) as file:
        metadata = file.metadata
        return Start(footer_of(metadata), metadata.num_rows, metadata.num_row_groups)


def footer_of(metadata: pq.FileMetaData) -> int:
    """Return where the rows of a Parquet file end."""
    ends = [4]
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            starts = (column.dictionary_page_offset, column.data_page_offset)
            start = min(one for one in starts if one is not None)
            ends.append(start + column.total_compressed_size)
    return max(ends)


def digest_of_start(path: Path, n_bytes: int) -> str:
    """Return the SHA-256 of the first ``n_bytes`` of a file."""
    digest, left = hashlib.sha256(), n_bytes
    with path.open("rb") as file:
        while left and (block := file.read(min(BLOCK, left))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


def ends_a_line(path: Path) -> bool:
    """Return whether a file's last line has ended, so that more text can only be more lines."""
    if path.suffix == ".gz" or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"
