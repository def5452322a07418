"""Intake as a whole: nothing lost, the bad in quarantine, the good accepted, the same each time."""

from __future__ import annotations

import csv
import datetime as dt
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from configs.errors import RecordsError
from configs.files import live_generation
from configs.load import load
from configs.schema import Config
from features.intake import take_in
from features.raw.mending import fingerprint
from features.raw.quarantine import REASONS
from features.stored.report import REPAIRS, show

pytestmark = pytest.mark.filterwarnings(
    "ignore:fetch_arrow_table:DeprecationWarning"  # Ibis 12 on DuckDB 2
)
ORDERS = {"customer_id": "id", "occurred_at": "when", "amount": "amount"}


def config(folder: Path, sources: dict[str, Any], **given: Any) -> Config:
    """Return a configuration of ``sources`` whose files lie in ``folder``."""
    path = folder / "echelon.yaml"
    settings = {"data": str(folder), "stores": {"root": str(folder / "store")}, **given}
    path.write_text(json.dumps({**settings, "sources": sources}), encoding="utf-8")
    return load(path, {})


def orders(folder: Path, text: str, columns: dict[str, Any] | None = None, **source: Any) -> Config:
    """Return a configuration of one transactions file that holds ``text``."""
    (folder / "orders.csv").write_text(text, encoding="utf-8", newline="")
    one = {"path": "orders.csv", "columns": columns or ORDERS, **source}
    return config(folder, {"transactions": [one]})


def accepted(settings: Config, table: str = "transactions") -> list[dict[str, Any]]:
    """Return the live rows of ``table``."""
    folder = live_generation(settings.stores.records)
    assert folder is not None
    return pq.read_table(folder / f"{table}.parquet").to_pylist()


def quarantined(settings: Config, table: str = "transactions") -> list[dict[str, str]]:
    """Return the quarantine's rows of ``table``."""
    path = settings.stores.quarantine / f"{table}.csv"
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


# ---- fifty thousand rows ------------------------------------------------------------------------

GOOD_NOTES = ("", "fine", '"two\nlines, one field"', '"a\r\nb"', '"say ""hi"""', "很满意")
LINE_ENDS = (b"\n", b"\r\n", b"\r")


def good_row(number: int, dice: random.Random) -> list[str]:
    day = dt.datetime(2023, 1, 1) + dt.timedelta(minutes=number)
    amount = f"{dice.randrange(1, 99_999) / 100:.2f}"
    kind, note = dice.choice(("purchase", "refund")), dice.choice(GOOD_NOTES)
    return [f"C{number % 900}", day.isoformat(" "), amount, f"O{number}", "2", kind, note]


def with_field(position: int, value: str):
    def spoil(row: list[str]) -> bytes:
        row = [*row[:6], "x"]
        row[position] = value
        return ",".join(row).encode()

    return spoil


BAD = {
    "missing_customer_id": with_field(0, " "),
    "mangled_id": with_field(0, "1.23457E+11"),
    "bad_date": with_field(1, "2024-02-30"),
    "ambiguous_date": with_field(1, "03/04/2023"),
    "future_date": with_field(1, "2031-01-01 00:00:00"),
    "date_out_of_range": with_field(1, "1901-01-01"),
    "bad_number": with_field(2, "12.5O"),
    "missing_value": with_field(2, ""),
    "number_out_of_range": with_field(2, "99999999999"),
    "negative_quantity": lambda row: with_field(4, "-3")([*row[:5], "purchase", "x"]),
    "negative_amount": lambda row: with_field(2, "-3")([*row[:5], "purchase", "x"]),
    "unknown_kind": with_field(5, "gift"),
    "wrong_column_count": lambda row: ",".join([*row[:6], "x", "y"]).encode(),
    "unterminated_quote": lambda row: ",".join([*row[:6], '"open']).encode(),
    "stray_quote": lambda row: ",".join([*row[:6], '"a "b" c"']).encode(),
    "nul_byte": lambda row: ",".join([*row[:6], "a\0b"]).encode(),
    "bad_encoding": lambda row: ",".join([*row[:6], "x"]).encode() + b"\xff\xfe",
    "duplicate_row": None,
}


def fifty_thousand(path: Path) -> dict[int, str]:
    """Write 40,000 good and 10,000 bad rows; return the line and reason of every bad one."""
    dice = random.Random(7)
    reasons = list(BAD) * (10_000 // len(BAD) + 1)
    plan = [*reasons[:10_000], *[""] * 40_000]
    dice.shuffle(plan)
    content, line, bad, repeatable = [b"id,when,amount,order,qty,kind,note\n"], 2, {}, b""
    for number, reason in enumerate(plan):
        if reason == "duplicate_row" and not repeatable:
            reason = "bad_number"
        row = good_row(number, dice)
        spoil = BAD.get(reason)
        if reason == "duplicate_row":
            record = repeatable
        else:
            record = spoil(row) if spoil else ",".join(row).encode()
        if not reason:
            repeatable = record
        if reason:
            bad[line] = reason
        record += dice.choice(LINE_ENDS)
        if number % 50 == 0:
            record += b"\n" if record[-1:] != b"\r" else b"\r"
        content.append(record)
        line += len(record.splitlines())
    path.write_bytes(b"".join(content))
    return bad


@pytest.mark.slow
def test_ten_thousand_bad_rows_of_fifty_thousand_go_to_quarantine_with_their_lines(tmp_path):
    bad = fifty_thousand(tmp_path / "orders.csv")
    columns = {**ORDERS, "order_id": "order", "quantity": "qty", "kind": "kind"}
    settings = config(
        tmp_path,
        {"transactions": [{"path": "orders.csv", "encoding": "utf-8", "columns": columns}]},
        as_of="2025-01-01",
    )
    report = take_in(settings)
    found = {int(row["line"]): row["reason"] for row in quarantined(settings)}
    assert found == bad
    assert len(set(found.values())) == len(BAD)
    table = report.tables["transactions"]
    assert (table.read, table.accepted, report.quarantined) == (50_000, 40_000, 10_000)
    assert len({row["order_id"] for row in accepted(settings)}) == 40_000

    def stored() -> dict[str, bytes]:
        files = [f for f in settings.stores.root.rglob("*") if f.is_file()]
        return {str(f.relative_to(settings.stores.root)): f.read_bytes() for f in files}

    before = stored()
    assert take_in(settings) == report
    assert stored() == before


# ---- mapping ------------------------------------------------------------------------------------


def test_a_row_is_accepted_in_the_contracts_form(tmp_path):
    settings = orders(tmp_path, 'id,when,amount\n 17850.0 ,2024年3月1日 06:30,"¥1,200"\n')
    report = take_in(settings)
    (row,) = accepted(settings)
    assert row["customer_id"] == "17850"
    assert row["occurred_at"] == dt.datetime(2024, 2, 29, 22, 30)
    assert row["amount"] == 1200.0
    assert row["kind"] == "purchase"
    assert row["day"] == row["known_day"] == (dt.date(2024, 3, 1) - dt.date(1970, 1, 1)).days
    assert report.tables["transactions"].repaired == {
        "chinese_date": 1,
        "currency_sign": 1,
        "id_decimals": 1,
        "thousands_separator": 1,
        "whitespace": 1,
    }


def test_a_message_says_column_value_and_remedy(tmp_path):
    settings = orders(tmp_path, 'id,when,amount\na,2024-03-01,"12,5O"\na,2024-03-01,1\n')
    take_in(settings.model_copy(update={"language": "en"}))
    (row,) = quarantined(settings)
    assert row == {
        "source": "orders.csv",
        "line": "2",
        "column": "amount",
        "reason": "bad_number",
        "message": "amount '12,5O' is not a number; where a comma marks decimals, set decimal: ','",
        "raw": 'a,2024-03-01,"12,5O"',
        "fingerprint": fingerprint('a,2024-03-01,"12,5O"'),
    }


def test_rows_left_out_are_counted_apart_even_where_they_are_bad(tmp_path):
    text = "id,when,amount,state\na,2024-03-01,1,ok\n,2024-03-01,x,test\nb,2024-03-01,0,ok\n"
    rules = [[{"column": "state", "equals": "test"}], [{"column": "amount", "at_most": 0}]]
    report = take_in(orders(tmp_path, text, leave_out=rules))
    table = report.tables["transactions"]
    assert (table.read, table.accepted, table.left_out) == (3, 1, 2)
    assert table.quarantined == {}


@pytest.mark.parametrize(
    ("test", "kept"),
    [
        ({"column": "amount", "below": 2}, ["b", "c", "d"]),
        ({"column": "amount", "at_least": 2}, ["a"]),
        ({"column": "when", "at_least": "2024-03-02"}, ["a"]),
        ({"column": "state", "is_in": ["x", "y"]}, ["c", "d"]),
        ({"column": "state", "not_in": ["x"]}, ["a", "d"]),
        ({"column": "state", "starts_with": "y"}, ["a", "c", "d"]),
        ({"column": "state", "is_missing": True}, ["a", "b", "c"]),
        ({"column": "amount", "equals": 1}, ["b", "c", "d"]),
    ],
)
def test_every_condition_leaves_out_what_it_says(tmp_path, test, kept):
    rows = ["a,2024-03-01,1,x", "b,2024-03-02,2,y", "c,2024-03-03,3,z", "d,2024-03-04,4,"]
    settings = orders(tmp_path, "\n".join(["id,when,amount,state", *rows]), leave_out=[[test]])
    take_in(settings)
    assert [row["customer_id"] for row in accepted(settings)] == kept


def test_columns_are_computed_chosen_translated_and_converted(tmp_path):
    text = "id,when,n,price,fee,state\na,2024-03-01,2,150,,下单\nb,2024-03-01,-1,100,5,取消\n"
    columns = {
        "customer_id": "id",
        "occurred_at": "when",
        "amount": {"product": ["n", "price"], "times": 0.01},
        "discount": {"total": ["fee", "price"]},
        "category": {"column": "state", "values": {"下单": "ordered"}, "otherwise": "other"},
        "order_id": {"constant": "one"},
        "kind": {
            "choose": [
                {"value": "refund", "when": [{"column": "n", "at_most": 0}]},
                {"value": "purchase"},
            ]
        },
    }
    settings = orders(tmp_path, text, columns)
    report = take_in(settings)
    names = ("customer_id", "amount", "discount", "category", "order_id", "kind")
    assert [tuple(row[name] for name in names) for row in accepted(settings)] == [
        ("a", 3.0, 150.0, "ordered", "one", "purchase"),
        ("b", 1.0, 105.0, "other", "one", "refund"),
    ]
    assert report.tables["transactions"].repaired == {"refund_sign": 1}


def test_a_negative_amount_is_a_refund_where_kinds_are_not_mapped(tmp_path):
    settings = orders(tmp_path, "id,when,amount\na,2024-03-01,-5\n")
    report = take_in(settings)
    assert [(row["kind"], row["amount"]) for row in accepted(settings)] == [("refund", 5.0)]
    assert report.tables["transactions"].repaired == {"refund_sign": 1}


def test_a_look_up_adds_columns_and_rows_without_a_match_can_be_left_out(tmp_path):
    (tmp_path / "products.csv").write_text("sku,group\n1,tea\n2,cups\n")
    text = "id,when,amount,sku\na,2024-03-01,1,1.0\nb,2024-03-01,1,9\n"
    settings = orders(
        tmp_path,
        text,
        {**ORDERS, "category": "group"},
        join={"path": "products.csv", "on": ["sku"], "columns": ["group"]},
        leave_out=[[{"column": "group", "is_missing": True}]],
    )
    take_in(settings)
    assert [(row["customer_id"], row["category"]) for row in accepted(settings)] == [("a", "tea")]


def test_columns_become_attributes_by_unpivoting(tmp_path):
    (tmp_path / "orders.csv").write_text("id,when,amount\na,2024-03-01,1\n")
    (tmp_path / "facts.csv").write_text(
        'id,at,粉丝,积分\na,2024-03-01,"1.2万",\nb,2024-03-01,3,x\n'
    )
    columns = {
        "customer_id": "id",
        "observed_at": "at",
        "name": {"column": "name", "values": {"粉丝": "followers", "积分": "points"}},
        "value": "value",
    }
    facts = {"path": "facts.csv", "columns": columns, "unpivot": {"columns": ["粉丝", "积分"]}}
    settings = config(
        tmp_path,
        {"transactions": [{"path": "orders.csv", "columns": ORDERS}], "attributes": [facts]},
    )
    report = take_in(settings)
    found = [(r["customer_id"], r["name"], r["number"]) for r in accepted(settings, "attributes")]
    assert found == [("a", "followers", 12_000.0), ("b", "followers", 3.0), ("b", "points", None)]
    table = report.tables["attributes"]
    assert (table.read, table.accepted, table.left_out) == (4, 3, 1)


def test_a_repeated_row_is_refused_across_files_unless_it_is_kept(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("id,when,amount\na,2024-03-01,1\n")
    source = {"path": "?.csv", "columns": ORDERS}
    settings = config(tmp_path, {"transactions": [source]})
    take_in(settings)
    assert [(r["source"], r["line"], r["reason"]) for r in quarantined(settings)] == [
        ("b.csv", "2", "duplicate_row")
    ]
    settings = config(tmp_path, {"transactions": [{**source, "duplicates": "keep"}]})
    assert take_in(settings).tables["transactions"].accepted == 2


def test_unique_by_keeps_the_first_row_of_each_key(tmp_path):
    text = "id,when,amount,no\na,2024-03-01,1,7\na,2024-03-02,2,7\na,2024-03-02,2,8\n"
    settings = orders(tmp_path, text, {**ORDERS, "order_id": "no"}, unique_by=["order_id"])
    take_in(settings)
    assert [row["amount"] for row in accepted(settings)] == [1.0, 2.0]
    assert [row["line"] for row in quarantined(settings)] == ["3"]


def test_a_customer_is_described_once(tmp_path):
    (tmp_path / "orders.csv").write_text("id,when,amount\na,2024-03-01,1\n")
    (tmp_path / "people.csv").write_text("id,since,city\na,2020-01-01,北京\na,2021-01-01,上海\n")
    people = {
        "path": "people.csv",
        "columns": {"customer_id": "id", "signed_up_on": "since"},
        "attributes": ["city"],
    }
    settings = config(
        tmp_path,
        {"transactions": [{"path": "orders.csv", "columns": ORDERS}], "customers": [people]},
    )
    report = take_in(settings)
    (row,) = accepted(settings, "customers")
    assert (row["signed_up_on"], row["city"]) == (dt.date(2020, 1, 1), "北京")
    assert report.tables["customers"].quarantined == {"duplicate_customer": 1}


# ---- time ---------------------------------------------------------------------------------------


def test_a_row_is_known_when_it_was_recorded_and_days_are_local(tmp_path):
    text = "id,when,amount,at\na,2024-03-01 23:30,1,2024-03-05 00:10\nb,2024-03-01T16:30Z,1,\n"
    settings = orders(tmp_path, text, {**ORDERS, "recorded_at": "at"})
    take_in(settings)
    epoch = dt.date(1970, 1, 1)
    days = [(epoch + dt.timedelta(r["day"]), epoch + dt.timedelta(r["known_day"]))
            for r in accepted(settings)]  # fmt: skip
    assert days == [
        (dt.date(2024, 3, 1), dt.date(2024, 3, 5)),
        (dt.date(2024, 3, 2), dt.date(2024, 3, 2)),
    ]


def test_a_source_may_live_in_a_zone_of_its_own(tmp_path):
    settings = orders(tmp_path, "id,when,amount\na,2024-03-01 23:30,1\n", timezone="UTC")
    take_in(settings)
    assert accepted(settings)[0]["occurred_at"] == dt.datetime(2024, 3, 1, 23, 30)


def test_an_answer_after_midnight_is_of_the_local_day_it_came_on(tmp_path):
    (tmp_path / "orders.csv").write_text("id,when,amount\na,2024-03-01,1\n")
    (tmp_path / "tickets.csv").write_text("id,when,answered\na,2024-03-01 23:30,2024-03-02 01:00\n")
    columns = {"customer_id": "id", "occurred_at": "when", "responded_at": "answered"}
    settings = config(
        tmp_path,
        {
            "transactions": [{"path": "orders.csv", "columns": ORDERS}],
            "interactions": [{"path": "tickets.csv", "columns": columns}],
        },
    )
    take_in(settings)
    [row] = accepted(settings, "interactions")
    assert (row["responded_day"], row["responded_at"].day) == (row["day"] + 1, 1)


def test_interactions_get_response_and_resolution_times(tmp_path):
    (tmp_path / "orders.csv").write_text("id,when,amount\na,2024-03-01,1\n")
    (tmp_path / "tickets.csv").write_text(
        "id,when,kind,answered,closed\n"
        "a,2024-03-01 10:00,投诉,2024-03-01 11:30,2024-03-03 10:00\n"
        "b,2024-03-01 10:00,咨询,2024-03-01,\n"
        "c,2024-03-01 10:00,咨询,,2024-02-01\n"
    )
    columns = {
        **{"customer_id": "id", "occurred_at": "when", "kind": "kind"},
        **{"responded_at": "answered", "resolved_at": "closed"},
    }
    settings = config(
        tmp_path,
        {
            "transactions": [{"path": "orders.csv", "columns": ORDERS}],
            "interactions": [{"path": "tickets.csv", "columns": columns}],
        },
    )
    take_in(settings)
    names = ("kind", "response_hours", "resolution_hours", "responded_day", "resolved_day")
    day = (dt.date(2024, 3, 3) - dt.date(1970, 1, 1)).days
    assert [tuple(r[name] for name in names) for r in accepted(settings, "interactions")] == [
        ("complaint", 1.5, 48.0, day - 2, day),
        ("enquiry", 0.0, None, day - 2, None),
    ]
    assert [r["reason"] for r in quarantined(settings, "interactions")] == ["ends_before_start"]


def test_scores_have_the_scale_of_their_instrument_or_their_own(tmp_path):
    (tmp_path / "orders.csv").write_text("id,when,amount\na,2024-03-01,1\n")
    rows = ["a,2024-03-01,nps,10,", "b,2024-03-01,csat,6,", "c,2024-03-01,满意度,6,10"]
    (tmp_path / "surveys.csv").write_text("\n".join(["id,when,how,score,best", *rows]))
    columns = {
        **{"customer_id": "id", "occurred_at": "when", "instrument": "how"},
        **{"score": "score", "scale_max": "best"},
    }
    settings = config(
        tmp_path,
        {
            "transactions": [{"path": "orders.csv", "columns": ORDERS}],
            "satisfaction": [{"path": "surveys.csv", "columns": columns}],
        },
    )
    take_in(settings)
    names = ("instrument", "score", "scale_min", "scale_max")
    assert [tuple(r[name] for name in names) for r in accepted(settings, "satisfaction")] == [
        ("nps", 10.0, 0.0, 10.0),
        ("csat", 6.0, 1.0, 10.0),
    ]
    assert [(r["line"], r["reason"]) for r in quarantined(settings, "satisfaction")] == [
        ("3", "score_outside_scale")
    ]


# ---- sources of other kinds ---------------------------------------------------------------------


def test_the_same_rows_from_csv_parquet_and_a_database_give_the_same_records(tmp_path):
    import sqlite3

    rows = [("a", "2024-03-01 10:00:00", 1.5), ("b", "2024-03-02 10:00:00", 2.0)]
    text = "".join(f"{a},{b},{c}\n" for a, b, c in rows)
    (tmp_path / "orders.csv").write_bytes(
        ("编号;时间;金额\n" + text.replace(",", ";")).encode("gb18030")
    )
    when = pa.array([dt.datetime.fromisoformat(b) for _, b, _ in rows], pa.timestamp("us"))
    table = {"编号": [a for a, _, _ in rows], "时间": when, "金额": [c for _, _, c in rows]}
    pq.write_table(pa.table(table), tmp_path / "orders.parquet")
    with sqlite3.connect(tmp_path / "orders.db") as connection:
        connection.execute("CREATE TABLE orders (编号 TEXT, 时间 TEXT, 金额 REAL)")
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
    connection.close()
    columns = {"customer_id": "编号", "occurred_at": "时间", "amount": "金额"}
    generations = set()
    for origin in (
        {"path": "orders.csv"},
        {"path": "orders.parquet"},
        {"database": "sqlite:///orders.db", "query": "orders"},
    ):
        settings = config(tmp_path, {"transactions": [{**origin, "columns": columns}]})
        generations.add(take_in(settings).generation)
    assert len(generations) == 1


def test_contract_customers_are_taken_in_with_labels_numbers_and_categories(tmp_path):
    rows = ["1,Yes,10,5.5,DSL", "2,No, ,6,Fibre", "2,No,3,6,Fibre", "3,No,x,6,Fibre", "4,,1,1,DSL"]
    (tmp_path / "contracts.csv").write_text("\n".join(["id,gone,total,fee,net", *rows]))
    snapshot = {
        "source": {"path": "contracts.csv"},
        **{"customer_id": "id", "label": "gone", "positive": "Yes", "value_per_month": "fee"},
        **{"observed_on": "2024-03-31", "numbers": ["total"], "categories": ["net"]},
    }
    settings = config(tmp_path, {"snapshot": snapshot})
    report = take_in(settings)
    assert accepted(settings, "snapshot") == [
        {"customer_id": "1", "label": 1, "value_per_month": 5.5, "total": 10.0, "net": "DSL"},
        {"customer_id": "2", "label": 0, "value_per_month": 6.0, "total": None, "net": "Fibre"},
    ]
    assert [(r["line"], r["reason"]) for r in quarantined(settings, "snapshot")] == [
        ("4", "duplicate_customer"),
        ("5", "bad_number"),
        ("6", "missing_value"),
    ]
    assert report.tables["snapshot"].read == 5


def test_columns_of_contract_customers_are_recognised_where_none_are_listed(tmp_path):
    rows = [f"{n},{'Yes' if n % 3 else 'No'},{n}.5,kind {n % 2},note {n}" for n in range(60)]
    (tmp_path / "contracts.csv").write_text("\n".join(["id,gone,fee,plan,note", *rows]))
    snapshot = {
        "source": {"path": "contracts.csv"},
        **{"label": "gone", "positive": "Yes", "observed_on": "2024-03-31"},
        "leave_out_columns": ["id"],
    }
    settings = config(tmp_path, {"snapshot": snapshot})
    report = take_in(settings)
    row = accepted(settings, "snapshot")[0]
    assert row == {
        **{"customer_id": "row-0000002", "label": 0, "value_per_month": None},
        **{"fee": 0.5, "plan": "kind 0"},
    }
    assert report.tables["snapshot"].notes == (
        "note is left out: neither numbers nor at most 30 categories",
    )


def test_a_label_without_its_positive_value_is_said_with_those_it_has(tmp_path):
    (tmp_path / "contracts.csv").write_text("gone,fee\n1,2\n0,3\n")
    snapshot = {
        "source": {"path": "contracts.csv"},
        **{"label": "gone", "positive": "Yes", "observed_on": "2024-03-31"},
    }
    with pytest.raises(RecordsError, match=r"gone .* is never 'Yes'; it holds: 0, 1"):
        take_in(config(tmp_path, {"snapshot": snapshot}))


# ---- errors -------------------------------------------------------------------------------------


def test_a_wrong_column_name_is_said_with_the_right_ones(tmp_path):
    settings = orders(tmp_path, "id,when,amount\na,2024-03-01,1\n", {**ORDERS, "amount": "amout"})
    with pytest.raises(RecordsError, match=r"no column 'amout'; did you mean 'amount'"):
        take_in(settings)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"customer_id": "id", "occurred_at": "when"}, "maps no amount"),
        ({**ORDERS, "ammount": "amount"}, "did you mean 'amount'"),
    ],
)
def test_a_mapping_that_the_contract_does_not_know_is_refused(tmp_path, columns, words):
    with pytest.raises(RecordsError, match=words):
        take_in(orders(tmp_path, "id,when,amount\na,2024-03-01,1\n", columns))


def test_records_stay_live_when_a_later_intake_can_accept_nothing(tmp_path):
    settings = orders(tmp_path, "id,when,amount\na,2024-03-01,1\n")
    take_in(settings)
    before = accepted(settings)
    (tmp_path / "orders.csv").write_text("id,when,amount\na,yesterday,1\n")
    with pytest.raises(RecordsError, match=r"none of 1 rows .*most often: bad_date"):
        take_in(settings)
    assert accepted(settings) == before
    assert not list(settings.stores.root.glob(".intake*"))


def test_no_source_is_said_to_be_missing(tmp_path):
    with pytest.raises(RecordsError, match="echelon init"):
        take_in(config(tmp_path, {}))


# ---- report -------------------------------------------------------------------------------------


def test_too_short_a_history_is_said_with_the_horizon_that_fits(tmp_path):
    days = [dt.date(2022, 1, 1) + dt.timedelta(n) for n in range(620)]
    text = "".join(f"c{n % 250},{day},{n}\n" for n, day in enumerate(days))
    report = take_in(orders(tmp_path, "id,when,amount\n" + text))
    churn, clv = report.trainable
    assert (churn.target, churn.horizon_days, churn.possible) == ("churn", 90, True)
    assert (clv.possible, clv.offered_days) == (False, 182)
    assert clv.reason.en == "needs 30 months and has 20: 182 d offered"
    assert "可用 182 天" in clv.reason.zh


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_report_shows_every_count_in_both_languages(tmp_path, language):
    text = "id,when,amount\na,2024-03-01,¥1\nb,2024-03-01,x\n"
    report = take_in(orders(tmp_path, text))
    console = Console(width=200, record=True)
    console.print(show(report, language))
    shown = console.export_text()
    assert REASONS["bad_number"][language] in shown
    assert REPAIRS["currency_sign"][language] in shown


def test_the_report_lies_beside_the_records_and_says_how_fresh_and_complete_they_are(tmp_path):
    (tmp_path / "orders.csv").write_text("id,when,amount,n\na,2024-03-01,1,2\nb,2024-03-03,1,\n")
    (tmp_path / "visits.csv").write_text("id,when\na,2024-03-01\n")
    visits = {"path": "visits.csv", "columns": {"customer_id": "id", "occurred_at": "when"}}
    bought = {"path": "orders.csv", "columns": {**ORDERS, "quantity": "n"}}
    settings = config(tmp_path, {"transactions": [bought], "interactions": [visits]})
    report = take_in(settings)
    folder = live_generation(settings.stores.records)
    assert folder.name == report.generation
    stored = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert stored == report.model_dump(mode="json")
    assert report.as_of == dt.date(2024, 3, 3)
    assert report.coverage == {"interactions": 0.5}
    assert report.tables["interactions"].days_behind == 2
    assert report.tables["transactions"].completeness["quantity"] == 0.5


# ---- mending ------------------------------------------------------------------------------------


def mend(settings: Config, changes: dict[str, str], table: str = "transactions") -> None:
    """Change the raw text of quarantined rows, by line, as a person with an editor would."""
    rows = quarantined(settings, table)
    for row in rows:
        row["raw"] = changes.get(row["line"], row["raw"])
    path = settings.stores.quarantine / f"{table}.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)


SPOILT = 'id,when,amount\na,2024-03-01,1\nb,2024-03-01,x\nc,2024-03-01,"2\nd,2024-03-01,y\n'


def test_mended_rows_are_taken_in_on_a_retry_and_ever_after(tmp_path):
    settings = orders(tmp_path, SPOILT)
    assert take_in(settings).tables["transactions"].accepted == 1
    mend(settings, {"3": "b,2024-03-01,7", "4": "c,2024-03-01,2"})
    for retry in (True, False, True):
        report = take_in(settings, retry=retry)
        assert [(r["customer_id"], r["amount"]) for r in accepted(settings)] == [
            *(("a", 1.0), ("b", 7.0), ("c", 2.0))
        ]
        assert [row["line"] for row in quarantined(settings)] == ["5"]
        assert report.tables["transactions"].read == 4
        assert report.tables["transactions"].repaired == {"mended": 2}


def test_without_a_retry_a_mend_waits(tmp_path):
    settings = orders(tmp_path, SPOILT)
    take_in(settings)
    mend(settings, {"3": "b,2024-03-01,7"})
    assert take_in(settings).tables["transactions"].accepted == 1


def test_a_mend_that_does_not_mend_is_refused_again_and_can_be_mended_again(tmp_path):
    settings = orders(tmp_path, SPOILT)
    take_in(settings)
    mend(settings, {"3": "b,2024-02-30,7", "5": "d,too,many,fields"})
    take_in(settings, retry=True)
    assert [(r["line"], r["reason"], r["raw"]) for r in quarantined(settings)] == [
        ("3", "bad_date", "b,2024-02-30,7"),
        ("4", "unterminated_quote", 'c,2024-03-01,"2'),
        ("5", "wrong_column_count", "d,too,many,fields"),
    ]
    mend(settings, {"3": "b,2024-03-02,7", "5": "d,2024-03-02,8"})
    assert take_in(settings, retry=True).tables["transactions"].accepted == 3


def test_a_mend_is_never_given_to_another_row_of_a_file_that_changed(tmp_path):
    settings = orders(tmp_path, SPOILT)
    take_in(settings)
    mend(settings, {"3": "b,2024-03-01,7"})
    (tmp_path / "orders.csv").write_text("id,when,amount\na,2024-03-01,1\nz,2024-03-01,z\n")
    take_in(settings, retry=True)
    assert [row["customer_id"] for row in accepted(settings)] == ["a"]
    assert [row["raw"] for row in quarantined(settings)] == ["z,2024-03-01,z"]


def test_rows_of_parquet_are_mended_as_text(tmp_path):
    table = {"id": ["a", "b"], "when": ["2024-03-01", "soon"], "amount": [1.0, 2.0]}
    pq.write_table(pa.table(table), tmp_path / "orders.parquet")
    settings = config(tmp_path, {"transactions": [{"path": "orders.parquet", "columns": ORDERS}]})
    take_in(settings)
    assert [row["raw"] for row in quarantined(settings)] == ["b,soon,2"]
    mend(settings, {"2": "b,2024-03-02,2"})
    assert take_in(settings, retry=True).tables["transactions"].accepted == 2
