"""The daily intake: only what is new is read, and the records are what a whole intake gives."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from configs.errors import RecordsError
from configs.files import held_alone, live_generation
from configs.load import load
from configs.schema import Config
from features import intake
from features.behaviour import BEHAVIOUR
from features.build import feature_matrix
from features.generation import parts_of, read_rows
from features.intake import take_in
from features.refreshed import Refreshed, take_in_new
from features.report import IntakeReport
from features.sources import day_number, open_engine, open_records
from serving.refresh_shown import told

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


def rows(config: Config, table: str = "transactions") -> list[str]:
    """Return the live rows of ``table`` in an order of their own."""
    live = live_generation(config.stores.records)
    assert live is not None
    return sorted(map(str, read_rows(parts_of(live, table)).to_pylist()))


def refused(config: Config) -> list[tuple[str, ...]]:
    """Return the rows of quarantine in an order of their own.

    Of rows that are the same to the letter one is refused; which, depends on the order they came.
    """
    with (config.stores.quarantine / "transactions.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    return sorted(("", "", *row[2:]) if "duplicate_row" in row else tuple(row) for row in rows)


def same_as_whole(folder: Path, refreshed: Refreshed, config: Config, **given: Any) -> None:
    """Check that a whole intake into another store gives the same."""
    other = company(folder, "whole", **given)
    report = take_in(other)
    assert rows(config) == rows(other)
    assert rows(config, "customers") == rows(other, "customers")
    assert refused(config) == refused(other)
    assert _told(refreshed.report) == _told(report)


def _told(report: IntakeReport) -> dict[str, Any]:
    return report.model_dump(exclude={"generation"})


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
    assert len(rows(config)) == 2


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


NAMES = ("days_since_last_purchase", "days_since_first_purchase", "order_count_84d", "spend_84d")
FEATURES = tuple(one for one in BEHAVIOUR if one.name in NAMES)


def features(config: Config, as_of: int) -> pa.Table:
    """Return some features of everybody known on a day."""
    live = live_generation(config.stores.records)
    assert live is not None
    return feature_matrix(open_records(open_engine(config.engine), live), FEATURES, [as_of])


LINE = st.tuples(
    st.sampled_from(["ada", "bo", "cy", "di", ""]),
    st.integers(1, 28),
    st.sampled_from(["1", "2", "x"]),
).map(lambda one: f"{one[0]},2024-03-{one[1]:02},{one[2]}\n")
LINES = st.lists(LINE, max_size=6).map("".join)
DAYS = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), LINES), min_size=1, max_size=3)


@pytest.mark.slow
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=LINES, days=DAYS, moved=st.integers(0, 30))
@example(first="bo,2024-03-01,1\n", days=[("a", "bo,2024-03-01,1\n")], moved=0)
def test_whatever_comes_records_and_features_are_those_of_a_whole_intake(
    tmp_path_factory: pytest.TempPathFactory, first: str, days: list[tuple[str, str]], moved: int
) -> None:
    folder = tmp_path_factory.mktemp("company")
    write(folder, "people.csv", "id,city\nada,Paris\n")
    write(folder, "orders/b.csv", HEADER + "ada,2024-01-05,10\n" + first)
    take_in(company(folder, as_of="2024-03-14"))
    day = dt.date(2024, 3, 14) + dt.timedelta(days=moved)
    config = company(folder, as_of=str(day))
    for name, text in days:
        path = folder / "orders" / f"{name}.csv"
        write(folder, f"orders/{name}.csv", text if path.is_file() else HEADER + text, "a")
        refreshed = take_in_new(config)
    same_as_whole(folder, refreshed, config, as_of=str(day))
    other = company(folder, "whole", as_of=str(day))
    assert features(config, day_number(day)).equals(features(other, day_number(day)))


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
