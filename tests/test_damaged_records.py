"""A record file that is damaged in its middle is named by whoever reads it, with how to mend it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs.errors import RecordsError
from configs.files import live_generation
from configs.load import load
from configs.schema import Config
from features.build import feature_matrix
from features.catalogue import FEATURES
from features.intake import take_in
from features.refreshed import take_in_new
from features.sources import open_engine, open_records
from features.stored.generation import parts_of, read_rows
from features.stored.ledger import KEYS_FOLDER
from serving.suppositions.scenarios import rows_in_file

Reader = Callable[[Config, Path], object]
DAY, WHO, KEY = 19_760, "customer_id", "digest"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return the configuration of a company with many orders, taken in on two days."""
    columns = {"customer_id": "id", "occurred_at": "when", "amount": "amount"}
    sources = {"transactions": [{"path": "orders", "columns": columns}]}
    given = {"data": str(tmp_path), "as_of": "2024-06-30", "sources": sources}
    path = tmp_path / "echelon.yaml"
    path.write_text(json.dumps({**given, "stores": {"root": str(tmp_path / "store")}}))
    (tmp_path / "orders").mkdir()
    config = load(path, {})
    for month, take in ((1, take_in), (2, take_in_new)):
        ids = (hashlib.sha256(bytes([month, n % 256, n // 256])).hexdigest() for n in range(999))
        rows = (f"{one},2024-{month:02}-{1 + n % 28:02},{n}" for n, one in enumerate(ids))
        (tmp_path / f"orders/{month}.csv").write_text("\n".join(["id,when,amount", *rows]))
        take(config)
    return config


def generation(config: Config) -> Path:
    folder = live_generation(config.stores.records)
    assert folder is not None
    return folder


def damage(path: Path, column: str) -> None:
    """Overwrite what a Parquet file holds of a column; its footer stays as it was."""
    metadata = pq.read_metadata(path)
    about = metadata.row_group(0).column(metadata.schema.names.index(column))
    starts = (about.dictionary_page_offset, about.data_page_offset)
    first = min(start for start in starts if start is not None)
    held = bytearray(path.read_bytes())
    held[first : first + about.total_compressed_size] = bytes(about.total_compressed_size)
    path.unlink()
    path.write_bytes(held)


def by_engine(config: Config, path: Path) -> object:
    records = open_records(open_engine(config.engine), generation(config))
    return feature_matrix(records, FEATURES[:1], [DAY])


def by_arrow(config: Config, path: Path) -> object:
    return read_rows(parts_of(generation(config), "transactions"))


def by_page(config: Config, path: Path) -> object:
    return rows_in_file(path, pq.read_metadata(path).row_group(0).column(0).statistics.min)


def by_refresh(config: Config, path: Path) -> object:
    orders = config.data / "orders"
    shutil.copy(orders / "1.csv", orders / "3.csv")
    return take_in_new(config)


@pytest.mark.parametrize(
    ("name", "column", "read"),
    [
        ("transactions.parquet", WHO, by_engine),
        ("transactions.since.parquet", WHO, by_engine),
        ("transactions.parquet", WHO, by_arrow),
        ("transactions.parquet", WHO, by_page),
        ("transactions.since.parquet", WHO, by_refresh),
        (f"{KEYS_FOLDER}/transactions.parquet", KEY, by_refresh),
    ],
)
def test_a_record_file_damaged_in_its_middle_is_named_with_how_to_mend_it(
    config: Config, name: str, column: str, read: Reader
) -> None:
    folder = generation(config)
    damage(folder / name, column)
    says = f"{re.escape(str(folder / name))}, a file of the records.*damaged.*Remove {folder} and"
    with pytest.raises(RecordsError, match=says):
        read(config, folder / name)


def test_digests_that_are_not_whole_are_named_before_anything_is_read(config: Config) -> None:
    path = generation(config) / KEYS_FOLDER / "transactions.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordsError, match=f"{path}.*damaged or not whole.*run `echelon intake`"):
        take_in_new(config)


def test_whatever_else_fails_while_records_are_read_is_not_called_damage(config: Config) -> None:
    with pytest.raises(pa.ArrowInvalid, match="No match for FieldRef"):
        read_rows(parts_of(generation(config), "transactions"), filters=[("nothing", "=", 1)])
