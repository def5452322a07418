"""The daily intake: only what is new is read, and the records are what a whole intake gives."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from configs.errors import ConfigError, RecordsError
from configs.files import held_alone, live_generation
from configs.load import load
from configs.schema import Config
from features import intake
from features.build import feature_matrix
from features.catalogue import FEATURES
from features.contracts import TABLES
from features.intake import take_in
from features.refreshed import Refreshed, take_in_new
from features.sources import (
    date_of,
    day_number,
    open_engine,
    open_records,
    records_from_arrow,
)
from features.stored import runs, staging
from features.stored.generation import parts_of, read_rows
from features.stored.ledger import KEYS_FOLDER
from features.stored.report import IntakeReport
from serving.refresh_shown import told
from tests.histories import answer, fact, interaction, later, moment, transaction

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"  # Ibis 12 on DuckDB 2
)
HEADER = "id,when,amount\n"
ORDERS = {"customer_id": "id", "occurred_at": "when", "amount": "amount"}


def company(folder: Path, store: str = "store", **given: Any) -> Config:
    """Return a configuration of the orders and customers that lie in ``folder``."""
    sources = {
        "transactions": [{"path": "orders", "columns": ORDERS}],
        "customers": [
            {"path": "people.csv", "columns": {"customer_id": "id"}, "attributes": ["city"]}
        ],
    }
    path = folder / f"{store}.yaml"
    made = {"data": str(folder), "stores": {"root": str(folder / store)}, "as_of": "2024-06-30"}
    path.write_text(json.dumps({**made, "sources": sources, **given}), encoding="utf-8")
    return load(path, {})


def write(folder: Path, name: str, text: str, mode: str = "w") -> None:
    """Write or append ``text``; another moment for each, as on other days."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    with path.open(mode, encoding="utf-8", newline="") as file:
        file.write(text)
    moment = path.stat().st_mtime_ns + random.randrange(1, 1 << 30)
    os.utime(path, ns=(moment, moment))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "people.csv", "id,city\nada,Paris\nbo,Rome\n")
    write(tmp_path, "orders/2024-01.csv", HEADER + "ada,2024-01-05,10\nbo,2024-01-06,x\n")
    return tmp_path


def rows_of(config: Config, table: str = "transactions") -> list[str]:
    """Return the live rows of ``table`` in an order of their own."""
    return sorted(map(str, read_rows(parts_of(live_of(config), table)).to_pylist()))


def live_of(config: Config) -> Path:
    """Return the live generation of records."""
    live = live_generation(config.stores.records)
    assert live is not None
    return live


def refused(config: Config, table: str = "transactions") -> list[tuple[str, ...]]:
    """Return the rows of quarantine in an order of their own.

    Of rows that are the same to the letter one is refused; which, depends on the order they came.
    """
    with (config.stores.quarantine / f"{table}.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    return sorted(("", "", *row[2:]) if "duplicate_row" in row else tuple(row) for row in rows)


def same_as_whole(folder: Path, refreshed: Refreshed, config: Config, **given: Any) -> None:
    """Check that a whole intake into another store gives the same."""
    other = company(folder, "whole", **given)
    report = take_in(other)
    assert rows_of(config) == rows_of(other)
    assert rows_of(config, "customers") == rows_of(other, "customers")
    assert refused(config) == refused(other)
    assert _told(refreshed.report) == _told(report)


def _told(report: IntakeReport) -> dict[str, Any]:
    return report.model_dump(exclude={"generation"})


def test_what_came_since_is_sorted_a_range_of_customers_at_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = company(folder)
    take_in(config)
    lines = [f"c{n:02},2024-02-01,{n}\n" for n in range(40)]
    write(folder, "orders/2024-02.csv", HEADER + "".join(lines))
    take_in_new(config)
    held: list[int] = []

    def watched(*given: Any) -> Iterator[pa.Table]:
        for table in runs.read_ranges(*given):
            held.append(len(table))
            yield table

    monkeypatch.setattr(runs, "RANGE_BYTES", 500)
    monkeypatch.setattr(runs, "_SAMPLED_EVERY", 2)
    monkeypatch.setattr(staging, "read_ranges", watched)
    write(folder, "orders/2024-03.csv", HEADER + "ada,2024-03-01,3\n")
    refreshed = take_in_new(config)
    assert sum(held) == 41
    assert max(held) < 12
    same_as_whole(folder, refreshed, config)


def test_only_new_files_and_appended_lines_are_read(folder: Path) -> None:
    config = company(folder)
    take_in(config)
    write(folder, "orders/2024-01.csv", "bo,2024-01-31,7\n", "a")
    write(folder, "orders/2024-02.csv", HEADER + "cy,2024-02-01,5\ncy,2024-02-02,?\n")
    refreshed = take_in_new(config)
    assert (refreshed.rows, refreshed.files, refreshed.whole) == (3, 2, {})
    assert refreshed.customers is not None
    assert refreshed.customers.to_pylist() == ["bo", "cy"]
    assert ("orders/2024-01.csv", "3") in {(row[0], row[1]) for row in refused(config)}
    same_as_whole(folder, refreshed, config)


def test_rows_are_known_again_by_128_bits_of_their_text(folder: Path) -> None:
    config = company(folder)
    take_in(config)
    keys = live_of(config) / KEYS_FOLDER
    (digest,) = duckdb.read_parquet(str(keys / "transactions.parquet")).fetchall()[0]
    key = "\x1f".join(["0", "ada,2024-01-05,10"])
    known_by = hashlib.md5(key.encode(), usedforsecurity=False).digest()
    assert digest.bytes == known_by[::-1]
    shutil.rmtree(keys)
    assert take_in_new(config).before is None
    assert take_in_new(config).before is not None


@pytest.mark.slow
def test_a_second_refresh_adds_to_the_first(folder: Path) -> None:
    config = company(folder)
    take_in(config)
    for day in ("2024-02-01", "2024-02-02", "2024-02-03"):
        write(folder, f"orders/{day}.csv", f"{HEADER}ada,{day},1\nada,2024-01-05,10\n")
        refreshed = take_in_new(config)
        assert refreshed.report.tables["transactions"].quarantined["duplicate_row"] >= 1
    live = live_generation(config.stores.records)
    assert live is not None
    assert len(parts_of(live, "transactions")) == 2
    same_as_whole(folder, refreshed, config)


def test_nothing_new_reads_nothing_and_keeps_the_generation(folder: Path) -> None:
    config = company(folder)
    before = take_in(config).generation
    refreshed = take_in_new(config)
    assert (refreshed.rows, refreshed.files) == (0, 0)
    assert refreshed.report.generation == before
    assert refreshed.customers is not None
    assert len(refreshed.customers) == 0


def test_a_dump_of_all_customers_is_read_again_and_only_who_differs_is_named(
    folder: Path,
) -> None:
    config = company(folder)
    take_in(config)
    write(folder, "people.csv", "id,city\nada,Paris\nbo,Oslo\n")
    refreshed = take_in_new(config)
    assert refreshed.whole["customers"].en.endswith("people.csv was altered")
    assert refreshed.customers is not None
    assert refreshed.customers.to_pylist() == ["bo"]
    same_as_whole(folder, refreshed, config)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: write(f, "orders/2024-01.csv", HEADER + "ada,2024-01-05,11\n"), "altered"),
        (lambda f: (f / "orders/2024-01.csv").rename(f / "orders/moved.csv"), "is gone"),
    ],
)
def test_an_altered_or_removed_file_makes_its_table_be_read_again(
    folder: Path, change: Any, reason: str
) -> None:
    config = company(folder)
    take_in(config)
    change(folder)
    refreshed = take_in_new(config)
    assert reason in refreshed.whole["transactions"].en
    assert "customers" not in refreshed.whole
    same_as_whole(folder, refreshed, config)


def test_without_an_account_of_the_last_time_everything_is_read(folder: Path) -> None:
    refreshed = take_in_new(company(folder))
    assert refreshed.before is None
    assert "no account" in refreshed.whole["transactions"].en


def test_files_that_are_copied_anew_each_day_are_not_taken_for_others(folder: Path) -> None:
    config = company(folder)
    take_in(config)
    text = (folder / "orders/2024-01.csv").read_text(encoding="utf-8")
    for day in ("2024-02-01", "2024-02-02", "2024-02-03"):
        write(folder, "orders/2024-01.csv", text)
        write(folder, "people.csv", "id,city\nada,Paris\nbo,Rome\n")
        write(folder, f"orders/{day}.csv", f"{HEADER}ada,{day},1\n")
        refreshed = take_in_new(config)
        assert (refreshed.rows, refreshed.whole) == (1, {})


def test_rows_refused_for_lying_in_the_future_are_read_again_when_due(folder: Path) -> None:
    write(folder, "orders/2024-02.csv", HEADER + "cy,2024-07-05,5\n")
    take_in(company(folder))
    later = company(folder, as_of="2024-07-04")
    assert take_in_new(later).whole == {}
    due = company(folder, as_of="2024-07-05")
    refreshed = take_in_new(due)
    assert "due by now" in refreshed.whole["transactions"].en
    same_as_whole(folder, refreshed, due, as_of="2024-07-05")


def test_rows_added_to_a_parquet_file_are_read_alone(tmp_path: Path) -> None:
    write(tmp_path, "people.csv", "id,city\nada,Paris\n")
    (tmp_path / "orders").mkdir()
    path = tmp_path / "orders" / "all.parquet"
    first = pa.table({"id": ["ada"], "when": ["2024-01-01"], "amount": [1.0]})
    more = pa.table({"id": ["bo"], "when": ["2024-01-02"], "amount": [2.0]})
    pq.write_table(first, path, row_group_size=1)
    config = company(tmp_path)
    take_in(config)
    pq.write_table(pa.concat_tables([first, more]), path, row_group_size=1)
    refreshed = take_in_new(config)
    assert (refreshed.rows, refreshed.whole) == (1, {})
    same_as_whole(tmp_path, refreshed, config)


def test_removing_the_generation_before_leaves_the_shared_files(folder: Path) -> None:
    config = company(folder)
    take_in(config)
    before = live_generation(config.stores.records)
    assert before is not None
    write(folder, "orders/2024-02.csv", HEADER + "cy,2024-02-01,5\n")
    take_in_new(config)
    for file in sorted(before.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    assert len(rows_of(config)) == 2


@pytest.mark.slow
def test_an_intake_killed_while_it_publishes_leaves_no_row_refused_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = company(folder)
    take_in(config)
    write(folder, "orders/2024-02.csv", HEADER + "cy,2024-02-01,5\ncy,2024-02-02,?\n")
    with monkeypatch.context() as patched:
        patched.setattr(intake, "make_live", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            take_in_new(config)
    assert len(refused(config)) == 1 + 2
    same_as_whole(folder, take_in_new(config), config)


def test_rows_are_put_under_a_quarantine_file_whose_last_line_an_editor_left_open(
    folder: Path,
) -> None:
    config = company(folder)
    take_in(config)
    file = config.stores.quarantine / "transactions.csv"
    file.write_text(file.read_text(encoding="utf-8").rstrip(), encoding="utf-8")
    write(folder, "orders/2024-02.csv", HEADER + "cy,2024-02-01,?\n")
    same_as_whole(folder, take_in_new(config), config)


def test_one_intake_runs_at_a_time_and_the_next_removes_what_a_killed_one_left(
    folder: Path,
) -> None:
    config = company(folder)
    take_in(config)
    left = [folder / "store" / ".intake.0.draft", config.stores.records / ".a.0.draft"]
    for one in left:
        one.mkdir()
    with held_alone(config.stores.records / intake.LOCK):
        for attempt in (take_in, take_in_new):
            with pytest.raises(RecordsError, match=r"another process .* then try again"):
                attempt(config)
        assert all(one.exists() for one in left)
    take_in_new(config)
    assert not any(one.exists() for one in left)


def test_on_spark_it_is_said_what_to_run_instead_before_anything_is_read(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"Run `echelon intake` and then `echelon score`"):
        take_in_new(company(folder, engine={"name": "spark"}))
    assert not (folder / "store").exists()


KEPT = {
    "transactions": "kind order_id product_id category quantity margin discount recorded_at",
    "interactions": "kind channel direction duration_seconds responded_at resolved_at recorded_at",
    "satisfaction": "instrument scale_min scale_max recorded_at",
    "attributes": "recorded_at",
}
FOLDERS = {
    "customers": ("signed_up_on", "ended_on"),
    "transactions": ("occurred_at", "amount", *KEPT["transactions"].split()),
    "interactions": ("occurred_at", *KEPT["interactions"].split()),
    "satisfaction": ("occurred_at", "score", *KEPT["satisfaction"].split()),
    "attributes": ("observed_at", "name", "value", *KEPT["attributes"].split()),
}
"""Columns of each table, beside the customer's; its files lie in a folder of its name."""
MARCH = day_number(dt.date(2024, 3, 1))


def line(table: str, random: random.Random) -> str:
    """Return a row of ``table``: of a known or a new customer, dated or not, good or refused."""
    tables = {"interactions": interaction, "satisfaction": answer, "attributes": fact}
    if table == "customers":
        days = (None, *(date_of(random.randint(MARCH - 60, MARCH + 40)) for _ in range(2)))
        row: dict[str, Any] = {name: random.choice(days) for name in FOLDERS[table]}
    else:
        occurred = moment(random, MARCH - 60, MARCH + 40)
        row = {"occurred_at": occurred, "recorded_at": None}
        row |= tables.get(table, transaction)(random, occurred)
        if random.random() < 0.3:
            row["recorded_at"] = later(random, occurred, 20)
    who = random.choice(("ada", "bo", "cy", "di", ""))
    cells = [row[name] for name in FOLDERS[table]]
    if random.random() < 0.1:
        cells[0] = "no day"
    return ",".join("" if cell is None else str(cell) for cell in (who, *cells)) + "\n"


LINES = {name: [line(name, random.Random(f"{name}{n}")) for n in range(30)] for name in FOLDERS}
"""So few that the same rows come again, in the same file and in others."""
COMES = st.tuples(st.sampled_from(sorted(FOLDERS)), st.sampled_from("abc"), st.integers(0, 29))
DAYS = st.lists(st.lists(COMES, min_size=1, max_size=12), min_size=1, max_size=2)


def come(folder: Path, rows: list[tuple[str, str, int]]) -> None:
    """Append rows to the files of their tables."""
    for table, file, number in rows:
        path = folder / table / f"{file}.csv"
        header = "" if path.is_file() else ",".join(("id", *FOLDERS[table])) + "\n"
        write(folder, f"{table}/{file}.csv", header + LINES[table][number], "a")


def whole_company(folder: Path, store: str, day: int) -> Config:
    """Return a configuration of all record tables, as of a day."""
    sources = {
        name: [{"path": name, "columns": {"customer_id": "id"} | {one: one for one in columns}}]
        for name, columns in FOLDERS.items()
    }
    return company(folder, store, sources=sources, as_of=str(date_of(day)))


def features(stores: dict[str, Config], day: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Return every feature of everybody known on a day: by store, by customer; built in one go."""
    tables = {}
    for table in FOLDERS:
        parts = []
        for store, config in stores.items():
            rows = read_rows(parts_of(live_of(config), table))
            ids = [f"{store}:{one}" for one in rows["customer_id"].to_pylist()]
            parts.append(rows.set_column(0, "customer_id", pa.array(ids, pa.string())))
        tables[table] = pa.concat_tables(parts, promote_options="permissive")
    records = records_from_arrow(open_engine(stores["daily"].engine), tables)
    found: dict[str, dict[str, dict[str, Any]]] = {store: {} for store in stores}
    for row in feature_matrix(records, FEATURES, [day]).to_pylist():
        store, _, who = row.pop("customer_id").partition(":")
        found[store][who] = row
    return found


EVERYTHING = [(name, "b", number) for name in sorted(FOLDERS) for number in range(15)]
MORE = [(name, file, number) for name in sorted(FOLDERS) for number, file in ((20, "b"), (3, "c"))]


@pytest.mark.slow
@settings(
    max_examples=1, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(days=DAYS, moved=st.sampled_from([0, 1, 30]))
@example(days=[MORE, [("transactions", "a", 21), ("customers", "a", 22)]], moved=0)
def test_whatever_comes_records_and_all_features_are_those_of_a_whole_intake(
    tmp_path_factory: pytest.TempPathFactory, days: list[list[tuple[str, str, int]]], moved: int
) -> None:
    folder, day = tmp_path_factory.mktemp("company"), MARCH + moved
    come(folder, EVERYTHING)
    take_in(whole_company(folder, "daily", MARCH))
    daily, whole = (whole_company(folder, store, day) for store in ("daily", "whole"))
    before = whole_company(folder, "before", day)
    shutil.copytree(daily.stores.root, before.stores.root)
    touched: set[str] = set()
    for rows in days:
        come(folder, rows)
        refreshed = take_in_new(daily)
        assert refreshed.customers is not None
        touched |= set(refreshed.customers.to_pylist())
    report = take_in(whole)
    assert _told(refreshed.report) == _told(report)
    for table in FOLDERS:
        assert rows_of(daily, table) == rows_of(whole, table)
        assert refused(daily, table) == refused(whole, table)
    found = features({"daily": daily, "whole": whole, "before": before}, day)
    assert found["daily"] == found["whole"]
    for customer_id in found["whole"].keys() - touched:
        assert found["before"][customer_id] == found["whole"][customer_id]


def test_it_is_said_what_was_read_whom_it_touched_and_why_more_was_read(folder: Path) -> None:
    config = company(folder)
    first = take_in_new(config)
    assert told(first, 2, "en") == [
        "everything was read again (4 rows): there is no account of what was read last time"
    ]
    write(folder, "orders/2024-02.csv", HEADER + "ada,2024-02-01,5\nada,2024-02-02,6\n")
    write(folder, "people.csv", "id,city\nada,Paris\nbo,Oslo\n")
    refreshed = take_in_new(config)
    zh, en = told(refreshed, 1_000, "zh"), told(refreshed, 1_000, "en")
    assert zh[0] == "读入2个文件中的4行，涉及2位客户，其余998位没有新记录"
    assert en[0] == "read 4 rows of 2 files, 2 customers affected, 998 without new records"
    assert zh[1].startswith("客户已全部重读：")
    assert en[1].endswith("people.csv was altered")


@pytest.mark.parametrize("read", [take_in, take_in_new])
def test_a_source_file_that_is_not_whole_is_named_and_nothing_changes(tmp_path: Path, read) -> None:
    write(tmp_path, "people.csv", "id,city\na,x\n")
    path = tmp_path / "orders" / "all.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"id": ["a"], "when": ["2024-03-01"], "amount": [1.0]}), path)
    config = company(tmp_path)
    before = take_in(config).generation
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordsError, match=r"all\.parquet cannot be read as Parquet \(.+export it"):
        read(config)
    assert live_of(config).name == before


def test_a_file_of_the_records_that_is_not_whole_is_named_and_comes_back_as_it_was(
    tmp_path: Path,
) -> None:
    write(tmp_path, "people.csv", "id,city\na,x\n")
    write(tmp_path, "orders/1.csv", HEADER + "a,2024-03-01,1\n")
    config = company(tmp_path)
    before = take_in(config).generation
    path = live_of(config) / "transactions.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    says = rf"{path}, a file of the records.*damaged.*Remove {live_of(config)} and run"
    with pytest.raises(RecordsError, match=says):
        open_records(open_engine(config.engine), live_of(config))
    with pytest.raises(RecordsError, match=says):
        take_in_new(config)
    shutil.rmtree(live_of(config))
    assert take_in(config).generation == before
    assert len(open_records(open_engine(config.engine), live_of(config)).tables) == len(TABLES)
