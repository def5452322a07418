"""The rows of a batch job, read one after the other from its file: NDJSON or Parquet.

A row is what one customer of ``POST /v1/predictions`` would be: ``{"customer_id": …}``, or
``{"records": …}`` with the records of one customer. A row that cannot be read is a row all the
same, with the problem in place of the question, so that it fails nobody else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from configs.section import Text
from serving.endpoint.complaints import invalid
from serving.endpoint.predictions import NOBODY
from serving.endpoint.problems import ProblemError
from serving.endpoint.requests import ROWS, Closed, CustomerId, Records, read_as
from serving.endpoint.strict_json import strict_json
from serving.endpoint.supposing import SEVERAL

RowFormat = Literal["ndjson", "parquet"]
FORMATS: dict[str, RowFormat] = {
    "application/x-ndjson": "ndjson",
    "application/vnd.apache.parquet": "parquet",
}
"""Media types of rows, in and out."""

PARQUET_ROWS_AT_ONCE = 500
GROUP_BYTES = 1 << 30
"""The largest row group, uncompressed, that is read: it is held in memory whole."""
BATCH_BYTES = 64 << 20
"""A larger batch is taken row by row."""
WIDER = 8
"""How many times the bytes of a row as JSON it may take in columns, empty ones included."""
PANDAS_INDEX = "__index_level_"


class UnreadableError(Exception):
    """The rows cannot be read at all; ``said`` tells why in both languages."""

    def __init__(self, said: Text) -> None:
        super().__init__(said.en)
        self.said = said


class JobRow(Closed):
    """One customer of a batch job: by id, or with all of their raw records."""

    customer_id: CustomerId | None = None
    records: Records | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _one_customer(self) -> JobRow:
        if (self.customer_id is None) == (self.records is None):
            raise PydanticCustomError("one_customer", "gives neither or both")
        return self


@dataclass(frozen=True)
class Row:
    """One row as it was sent.

    Attributes:
        number: of the line in the file, or of the row in the table, from 1.
        customer_id: who it names, as far as that can be told.
        asked: what it asks, or the problem with it.
        size: bytes, about.
    """

    number: int
    customer_id: str | None
    asked: JobRow | ProblemError
    size: int


@dataclass(frozen=True)
class RowLimits:
    """What one row may hold: as much as one request to ``/v1/predictions``."""

    rows: int
    bytes: int


def count_rows(path: Path, form: RowFormat) -> int:
    """Return how many rows the file holds.

    Raises:
        UnreadableError: it is no Parquet file, or one that cannot be taken.
    """
    if form == "parquet":
        with _parquet(path) as file:
            return int(file.metadata.num_rows)
    with path.open("rb") as lines:
        return sum(1 for line in _lines(lines, limit=64) if line[0].strip())


def rows_of(path: Path, form: RowFormat, limits: RowLimits) -> Iterator[Row]:
    """Yield the rows of the file in their order; never more than a few are held in memory.

    Raises:
        UnreadableError: it is no Parquet file, or one that cannot be taken.
    """
    return _of_parquet(path, limits) if form == "parquet" else _of_ndjson(path, limits)


def _of_ndjson(path: Path, limits: RowLimits) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, (line, is_whole) in enumerate(_lines(file, limits.bytes), start=1):
            if not is_whole:
                yield Row(number, None, ProblemError("body-too-large", TOO_LONG), len(line))
            elif line.strip():
                yield _row(number, line, limits)


def _lines(file: BinaryIO, limit: int) -> Iterator[tuple[bytes, bool]]:
    """Yield each line, cut off at ``limit`` bytes, and whether that is all of it."""
    while line := file.readline(limit + 1):
        is_whole = len(line) <= limit or line.endswith(b"\n")
        rest = line
        while not rest.endswith(b"\n") and (rest := file.readline(1 << 16)):
            pass
        yield line, is_whole


def _row(number: int, line: bytes, limits: RowLimits) -> Row:
    try:
        document = strict_json(line)
    except ProblemError as problem:
        return Row(number, None, problem, len(line))
    return _asked(number, document, len(line), limits)


def _asked(number: int, document: Any, size: int, limits: RowLimits) -> Row:
    named = _named(document)
    try:
        asked = read_as(JobRow, document, limits.rows)
        customer_id = asked.customer_id or only_customer(asked.records)
    except ProblemError as problem:
        return Row(number, named, problem, size)
    return Row(number, customer_id, asked, size)


RECORD_TABLES = (*ROWS, "snapshot")


def only_customer(records: Any) -> str | None:
    """Return the one customer whose rows ``records`` hold; ``None`` where a row names none.

    Raises:
        ProblemError: invalid-request: there is no row, or they are of several customers.
    """
    sent = [row for table in RECORD_TABLES for row in getattr(records, table)]
    if not sent:
        raise invalid([NOBODY])
    named = [id_in(row) for row in sent]
    if any(one != named[0] for one in named):
        raise invalid([SEVERAL])
    return named[0] if isinstance(named[0], str) else None


def id_in(row: Any) -> Any:
    """Return what a row of records names its customer; rows of contracts are not checked yet."""
    return row.get("customer_id") if isinstance(row, dict) else row.customer_id


_ID = TypeAdapter(CustomerId)


def _named(document: Any) -> str | None:
    """Return the customer that a row names which cannot be read otherwise."""
    if not isinstance(document, dict):
        return None
    records = document.get("records")
    tables = records.values() if isinstance(records, dict) else ()
    sent = [row for rows in tables if isinstance(rows, list) for row in rows]
    found = [document, *(row for row in sent if isinstance(row, dict))]
    named = next((one["customer_id"] for one in found if "customer_id" in one), None)
    try:
        return str(_ID.validate_python(named))
    except ValidationError:
        return None


def _of_parquet(path: Path, limits: RowLimits) -> Iterator[Row]:
    with _parquet(path) as file:
        names = [name for name in file.schema_arrow.names if not name.startswith(PANDAS_INDEX)]
        number = 0
        for batch in _batches(file, names):
            each = batch.nbytes // max(batch.num_rows, 1)
            for document in _documents(batch, limits):
                number += 1
                if isinstance(document, ProblemError):
                    yield Row(number, None, document, each)
                else:
                    yield _asked(number, document, each, limits)


def _documents(batch: pa.RecordBatch, limits: RowLimits) -> list[Any]:
    """Return the rows of ``batch`` as JSON has them, or what is wrong with one of them.

    Nothing has checked what is in a file: text that is no UTF-8, a day in the year 90,000, a
    list that is short on disk and takes gigabytes as objects of Python.
    """
    is_one = batch.num_rows == 1
    if batch.nbytes <= (limits.bytes * WIDER if is_one else BATCH_BYTES):
        try:
            return [_plain(document) for document in batch.to_pylist()]
        except Exception:  # noqa: BLE001  whatever one row does, it fails no other row
            if is_one:
                return [ProblemError("malformed-request", NO_VALUES)]
    elif is_one:
        return [ProblemError("body-too-large", TOO_LONG)]
    rows = (batch.slice(row, 1) for row in range(batch.num_rows))
    return [one for row in rows for one in _documents(row, limits)]


def _batches(file: pq.ParquetFile, names: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        yield from file.iter_batches(PARQUET_ROWS_AT_ONCE, columns=names, use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableError(DAMAGED) from error


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableError(DAMAGED) from error
    try:
        _check(file)
    except UnreadableError:
        file.close()
        raise
    return file


def _check(file: pq.ParquetFile) -> None:
    names = [name for name in file.schema_arrow.names if not name.startswith(PANDAS_INDEX)]
    if not names or not set(names) <= set(JobRow.model_fields):
        raise UnreadableError(OTHER_COLUMNS)
    sizes = [file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)]
    if max(sizes, default=0) > GROUP_BYTES:
        raise UnreadableError(LARGE_GROUPS)


NO_VALUES = Text(
    zh="该行含有无法读出的值（非UTF-8文本，或超出范围的日期）。",
    en="The row holds a value that cannot be read: text that is no UTF-8, or a day out of range.",
)
TOO_LONG = Text(
    zh="一行的字节数超过serving.request_bytes；请减少其中的记录。",
    en="The row holds more than serving.request_bytes bytes; send fewer records in it.",
)
DAMAGED = Text(
    zh="文件不是完整的Parquet文件；请重新写出，或发送NDJSON。",
    en="The file is no whole Parquet file; write it again, or send NDJSON.",
)
OTHER_COLUMNS = Text(
    zh="文件应只有customer_id列、records列，或两者都有。",
    en="The file must have the columns customer_id, records or both, and no others.",
)
LARGE_GROUPS = Text(
    zh="文件的行组过大（超过1 GiB）；请用较小的row_group_size写出。",
    en="A row group of the file holds more than 1 GiB; write smaller ones (row_group_size).",
)


def _plain(value: Any) -> Any:
    """Return a value of Parquet as JSON has it; what is null is left out."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, dt.date) else value
