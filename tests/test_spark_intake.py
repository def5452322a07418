"""What Spark's workers do of intake, done here by turns: what one machine does, in other pieces."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from configs.errors import RecordsError
from configs.files import live_generation
from configs.load import load
from configs.schema import Config
from features.intake import Intake, take_in
from features.raw import reading
from features.spark import intake as spark_intake
from features.spark import pieces
from features.stored.generation import parts_of, read_rows
from features.stored.report import IntakeReport

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"  # Ibis 12 on DuckDB 2
)
ORDERS = {"customer_id": "id", "occurred_at": "when", "amount": "amount", "order_id": "no"}
PEOPLE = {"customer_id": "id", "signed_up_on": "since"}
Task = Callable[[int], dict[str, Any]]


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have tasks done here, each twice, as where a worker is lost; return the steps."""
    steps: list[str] = []

    def spread(session: None, n: int, work: Task, step: str, progress: object) -> list[Any]:
        steps.append(f"{step}: {n}")
        for number in range(n):
            work(number)
        return [json.loads(json.dumps(work(number))) for number in reversed(range(n))][::-1]

    monkeypatch.setattr(spark_intake, "spread", spread)
    monkeypatch.setattr(Intake, "_spark", None)
    return steps


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have batches, pieces and parts of a few rows."""
    monkeypatch.setattr(reading, "ROWS_A_BATCH", 4)
    monkeypatch.setattr(pieces, "ROWS_A_BATCH", 4)
    monkeypatch.setattr(pieces, "ROWS_A_PIECE", 10)
    monkeypatch.setattr(spark_intake, "EVENTS_A_PART", 15)


def orders(rows: list[tuple[str, int, float, str]]) -> pa.Table:
    """Return orders: whose, days since 2024, amount, number."""
    ids, days, amounts, numbers = zip(*rows, strict=True) if rows else ((), (), (), ())
    when = [dt.date(2024, 1, 1) + dt.timedelta(days=day) for day in days]
    kinds = [pa.string(), pa.date32(), pa.float64(), pa.string()]
    columns = [pa.array(c, k) for c, k in zip((ids, when, amounts, numbers), kinds, strict=True)]
    return pa.table(columns, names=["id", "when", "amount", "no"])


def company(folder: Path, engine: str, sources: dict[str, Any]) -> Config:
    """Return the configuration of a company whose files lie in ``folder``."""
    path, root = folder / f"{engine}.yaml", folder / engine
    given = {"data": str(folder), "stores": {"root": str(root)}, "engine": {"name": engine}}
    path.write_text(json.dumps({**given, "sources": sources}), encoding="utf-8")
    return load(path, {})


def taken(config: Config, retry: bool = False) -> tuple[IntakeReport, dict[str, pa.Table], str]:
    """Return the report, all records, and what stands in quarantine."""
    report = take_in(config, retry=retry)
    live = live_generation(config.stores.records)
    assert live is not None
    records = {name: read_rows(parts_of(live, name)) for name in report.tables}
    refused = [config.stores.quarantine / f"{name}.csv" for name in report.tables]
    return report, records, "".join(path.read_text("utf-8") for path in refused)


def assert_equal(folder: Path, sources: dict[str, Any], retry: bool = False) -> IntakeReport:
    """Check that both engines make the same of ``sources``; return the report of Spark's."""
    one, other = (company(folder, engine, sources) for engine in ("duckdb", "spark"))
    (report, records, refused), (theirs, parts, quarantine) = taken(one, retry), taken(other, retry)
    assert theirs.model_dump(exclude={"generation"}) == report.model_dump(exclude={"generation"})
    for name, rows in records.items():
        assert parts[name].equals(rows.cast(parts[name].schema)), name
    assert quarantine == refused
    return theirs


ROW = st.tuples(
    st.sampled_from(["ada", "bob", "cy", "dee", "王", "", "3"]),
    st.integers(0, 3) | st.just(40_000),
    st.sampled_from([-1.0, 1.0, 2.0]),
    st.sampled_from(["1", "2", "3", "4"]),
)


@pytest.mark.slow
@given(
    files=st.lists(st.lists(ROW, max_size=30), min_size=1, max_size=3),
    group=st.integers(1, 12),
    rule=st.sampled_from(
        [{}, {"duplicates": "keep"}, {"unique_by": ["order_id"]}, {"unique_by": ["customer_id"]}]
    ),
)
@hypothesis(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_pieces_make_the_same_records_and_the_same_quarantine_as_all_at_once(
    tmp_path_factory, turns, small, files, group, rule
):
    folder = tmp_path_factory.mktemp("company")
    (folder / "orders").mkdir()
    files.append([("eve", 1, 5.0, "9"), ("fay", 2, 5.0, "10")])  # something is accepted
    for number, rows in enumerate(files):
        pq.write_table(orders(rows), folder / "orders" / f"{number}.parquet", row_group_size=group)
    assert_equal(folder, {"transactions": [{"path": "orders", "columns": ORDERS, **rule}]})


@pytest.mark.slow
def test_of_an_order_number_of_two_customers_the_first_row_read_stays(tmp_path, turns, small):
    rows = [(f"c{n:02}", 1, 1.0, str(n)) for n in range(40, 0, -1)]
    rows[-1] = ("c01", 1, 1.0, "40")  # read last, sorted first
    pq.write_table(orders(rows), tmp_path / "orders.parquet", row_group_size=5)
    source = {"path": "orders.parquet", "columns": ORDERS, "unique_by": ["order_id"]}
    report = assert_equal(tmp_path, {"transactions": [source]})
    assert report.tables["transactions"].quarantined == {"duplicate_row": 1}
    quarantine = (tmp_path / "spark" / "quarantine" / "transactions.csv").read_text("utf-8")
    assert "orders.parquet,40," in quarantine
    assert turns == ["reading transactions: 4", "sorting transactions: 3"]


@pytest.mark.slow
def test_a_customer_described_twice_is_the_one_read_first(tmp_path, turns, small):
    pq.write_table(orders([("ada", 1, 1.0, "1")]), tmp_path / "orders.parquet")
    since = [dt.date(2020, 1, 1) + dt.timedelta(days=n) for n in range(24)]
    people = pa.table({"id": [f"c{n % 12}" for n in range(24)], "since": since})
    pq.write_table(people, tmp_path / "people.parquet", row_group_size=5)
    sources = {
        "customers": [{"path": "people.parquet", "columns": PEOPLE}],
        "transactions": [{"path": "orders.parquet", "columns": ORDERS}],
    }
    report = assert_equal(tmp_path, sources)
    assert report.tables["customers"].quarantined == {"duplicate_customer": 12}
    assert report.coverage == {"customers": 0.0}


@pytest.mark.slow
def test_rows_mended_in_quarantine_take_their_place_as_on_one_machine(tmp_path, turns, small):
    rows = [("ada", 1, float(n), str(n)) for n in range(30)]
    rows[6], rows[20] = ("", 1, 6.0, "6"), ("", 1, 20.0, "20")
    pq.write_table(orders(rows), tmp_path / "orders.parquet", row_group_size=3)
    sources = {"transactions": [{"path": "orders.parquet", "columns": ORDERS}]}
    assert_equal(tmp_path, sources)
    for engine in ("duckdb", "spark"):
        path = tmp_path / engine / "quarantine" / "transactions.csv"
        text = path.read_text("utf-8").replace('",2024-01-02,', '"ada,2024-01-02,')
        path.write_text(text, encoding="utf-8")
    report = assert_equal(tmp_path, sources, retry=True)
    assert report.tables["transactions"].repaired["mended"] == 2


@pytest.mark.slow
def test_small_files_are_taken_in_together_and_large_ones_in_pieces(tmp_path, turns, small):
    (tmp_path / "orders").mkdir()
    for number, count in enumerate([2, 2, 2, 30, 0, 3]):
        rows = [("ada", 1, 1.0, f"{number}-{n}") for n in range(count)]
        file = tmp_path / "orders" / f"{number}.parquet"
        pq.write_table(orders(rows), file, row_group_size=4)
    assert_equal(tmp_path, {"transactions": [{"path": "orders", "columns": ORDERS}]})
    assert turns[0] == "reading transactions: 5"


def test_rows_refused_of_a_file_that_two_sources_name_stand_as_on_one_machine(
    tmp_path, turns, small
):
    rows = [("" if n % 3 == 0 else "ada", 1, float(n), str(n)) for n in range(20)]
    pq.write_table(orders(rows), tmp_path / "orders.parquet", row_group_size=4)
    source = {"path": "orders.parquet", "columns": ORDERS}
    assert_equal(tmp_path, {"transactions": [source, {**source, "duplicates": "keep"}]})


def test_a_damaged_file_is_named_before_anything_is_read(tmp_path, turns):
    pq.write_table(orders([("ada", 1, 1.0, "1")] * 1000), tmp_path / "orders.parquet")
    whole = (tmp_path / "orders.parquet").read_bytes()
    (tmp_path / "orders.parquet").write_bytes(whole[: len(whole) // 2])
    source = {"path": "orders.parquet", "columns": ORDERS}
    with pytest.raises(RecordsError, match=r"orders\.parquet cannot be read.*export it anew"):
        take_in(company(tmp_path, "spark", {"transactions": [source]}))
    assert turns == []
    assert not (tmp_path / "spark" / "records" / "CURRENT").exists()


def test_a_file_damaged_in_its_middle_is_named_by_the_worker_that_reads_it(tmp_path, turns, small):
    rows = [(f"c{n:02}", n, float(n), str(n)) for n in range(40)]
    path = tmp_path / "orders.parquet"
    pq.write_table(orders(rows), path, row_group_size=10, compression="zstd")
    column = pq.read_metadata(path).row_group(3).column(0)
    damaged, place = bytearray(path.read_bytes()), column.dictionary_page_offset or 0
    damaged[place : place + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(bytes(damaged))
    source = {"path": "orders.parquet", "columns": ORDERS}
    with pytest.raises(RecordsError, match=r"orders\.parquet cannot be read.*export it anew"):
        take_in(company(tmp_path, "spark", {"transactions": [source]}))
    assert not (tmp_path / "spark" / "records" / "CURRENT").exists()
