"""Delimited files, Parquet and databases as raw tables with right line numbers."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.errors import RecordsError
from configs.records import Source
from features.raw import reading
from features.raw.databases import read_database
from features.raw.delimited import Layout, detect_encoding, detect_layout, header_of, records_of
from features.raw.reading import RawTable, joined_text, read_files

COMMA = Layout("utf-8", ",")


def scanned(path: Path, content: bytes | str, layout: Layout = COMMA):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    names, skip = header_of(path, layout)
    rows, refused = [], []
    for records in records_of(path, layout, names, skip, lambda fields: fields[0].isdigit()):
        rows += list(zip(records.lines, records.rows, strict=True))
        refused += [(line, reason) for line, _, reason, _ in records.refused]
    return rows, refused


def read(folder: Path, path: str, **choice: str) -> list[RawTable]:
    source = Source(path=path, columns={}, **choice)
    return list(read_files(folder, source, (), lambda fields: False))


def test_lines_are_counted_through_newlines_in_quotes_blank_lines_and_mixed_line_ends(tmp_path):
    content = 'id,text\n1,"a\nb\r\nc"\r\n\n2,x\r3,y\r\n\r\n4,z'
    rows, refused = scanned(tmp_path / "a.csv", content)
    assert rows == [
        (2, ["1", "a\nb\r\nc"]),
        (6, ["2", "x"]),
        (7, ["3", "y"]),
        (9, ["4", "z"]),
    ]
    assert refused == []


def test_a_quote_that_never_closes_costs_its_own_row_and_no_other(tmp_path):
    content = 'id,name,text\n1,a,x\n2,"b,y\n3,c,z\n4,d,"fine, here"\n5,"e,w\n6,f,v\n'
    rows, refused = scanned(tmp_path / "a.csv", content)
    assert [line for line, _ in rows] == [2, 4, 5, 7]
    assert refused == [(3, "unterminated_quote"), (6, "unterminated_quote")]


def test_two_open_quotes_at_line_ends_do_not_swallow_the_rows_between(tmp_path):
    content = 'id,name\n1,"\n2,b\n3,c\n4,"\n5,d\n'
    rows, refused = scanned(tmp_path / "a.csv", content)
    assert [line for line, _ in rows] == [3, 4, 6]
    assert refused == [(2, "unterminated_quote"), (5, "unterminated_quote")]


def test_a_stray_quote_and_a_wrong_width_are_told_apart(tmp_path):
    content = 'id,text\n1,"say "hi" now"\n2,a,b\n3\n4,"15"" screen"\n5,15" screen\n'
    rows, refused = scanned(tmp_path / "a.csv", content)
    assert refused == [(2, "stray_quote"), (3, "wrong_column_count"), (4, "wrong_column_count")]
    assert [row for _, row in rows] == [["4", '15" screen'], ["5", '15" screen']]


def test_a_record_across_the_reading_blocks_stays_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("features.raw.delimited._BLOCK", 7)
    monkeypatch.setattr("features.raw.delimited._LINES", 2)
    rows, refused = scanned(tmp_path / "a.csv", 'id,t\r\n1,"a\r\nb\r\nc\r\nd"\r\n2,x\r\n')
    assert rows == [(2, ["1", "a\r\nb\r\nc\r\nd"]), (6, ["2", "x"])]
    assert refused == []


field = st.text(st.sampled_from('ab,"\n\r é'), max_size=6)


@settings(deadline=None)
@given(
    st.lists(st.tuples(field, field, st.sampled_from(["\n", "\r\n", "\r"])), max_size=12),
    st.integers(2, 9),
)
def test_whatever_is_written_is_read_back_on_the_line_it_starts(tmp_path_factory, rows, block):
    text, expected, line = "id,text\n", [], 2
    for first, second, end in rows:
        record = ",".join('"' + value.replace('"', '""') + '"' for value in (first, second)) + end
        expected.append((line, [first, second]))
        line += len(record.encode().splitlines())
        text += record
    path = tmp_path_factory.mktemp("written") / "a.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("features.raw.delimited._BLOCK", block)
        patch.setattr("features.raw.delimited._LINES", 3)
        path.write_bytes(text.encode())
        names, skip = header_of(path, COMMA)
        found = [
            pair
            for records in records_of(path, COMMA, names, skip, lambda fields: False)
            for pair in zip(records.lines, records.rows, strict=True)
        ]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "codec", "encoding"),
    [
        ("编号,备注\n1,很满意，谢谢\n2,一般\n", "gb18030", "gb18030"),
        ("编号,备注\n1,很满意\n", "utf-8", "utf-8"),
        ("编号,备注\n1,很满意\n", "utf-8-sig", "utf-8"),
        ("id,name\n1,José Muñoz\n2,Zoë Brontë\n", "cp1252", "latin-1"),
        ("id,name\n1,plain\n", "ascii", "utf-8"),
    ],
)
def test_the_encoding_is_found_from_the_bytes(tmp_path, text, codec, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(codec))
    assert detect_encoding(path) == encoding
    layout = detect_layout(path, [], "auto", "auto")
    assert header_of(path, layout)[0] == text.splitlines()[0].split(",")


def test_some_spoilt_lines_do_not_change_the_encoding(tmp_path):
    good = "".join(f"{i},很满意\n" for i in range(50)).encode()
    path = tmp_path / "a.csv"
    path.write_bytes("编号,备注\n".encode() + good + b"51,\xff\xfe\n52,\xc4\xe3\n")
    assert detect_encoding(path) == "utf-8"


@pytest.mark.parametrize("mark", [",", ";", "\t", "|", "，"])
def test_the_delimiter_is_found(tmp_path, mark):
    path = tmp_path / "a.csv"
    path.write_text(f"id{mark}amount{mark}note\n1{mark}2.5{mark}a b\n2{mark}3.5{mark}c\n")
    assert detect_layout(path, [], "auto", "auto").delimiter == mark


def test_the_wanted_headers_decide_between_delimiters(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b;c,d\n1,2;3,4\n")
    assert detect_layout(path, ["c,d"], "auto", "auto").delimiter == ";"


def test_nul_bytes_and_unknown_bytes_are_refused_with_line_and_column(tmp_path):
    content = b"id,text\n1,ok\n2,a\0b\n3,\xff\n4,ok\n"
    (tmp_path / "a.csv").write_bytes(content)
    (raw,) = read(tmp_path, "a.csv", encoding="utf-8")
    assert raw.lines.tolist() == [2, 5]
    assert [(r.line, r.column, r.reason, r.raw) for r in raw.refused] == [
        (3, "text", "nul_byte", "2,a\\x00b"),
        (4, "text", "bad_encoding", "3,\\xff"),
    ]


def test_a_folder_of_hive_partitions_gives_rows_their_partition_values(tmp_path):
    for day in ("2024-01-02", "2024-01-01"):
        folder = tmp_path / "orders" / f"day={day}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"id": [1, 2]}), folder / "part-0.parquet")
    tables = read(tmp_path, "orders")
    assert [t.source for t in tables] == [
        "orders/day=2024-01-01/part-0.parquet",
        "orders/day=2024-01-02/part-0.parquet",
    ]
    assert tables[0].table.to_pydict() == {"id": [1, 2], "day": ["2024-01-01"] * 2}


def test_partition_values_are_decoded_and_the_default_partition_has_none(tmp_path):
    rows = pa.table({"id": [1, 2], "shop": ["a/b 店", None]})
    pq.write_to_dataset(rows, tmp_path / "orders", partition_cols=["shop"])
    (tmp_path / "orders" / "plain.parquet").symlink_to(
        next((tmp_path / "orders").glob("shop=a*/*.parquet"))
    )
    found = [(t.table["id"].to_pylist(), t.table["shop"].to_pylist()) for t in read(tmp_path, ".")]
    assert sorted(found, key=str) == [([1], ["a/b 店"]), ([1], [None]), ([2], [None])]


def test_folders_of_a_lake_that_hold_no_rows_are_passed_over(tmp_path):
    for name in ("part-0", "_delta_log/checkpoint", "_temporary/0/part-1", ".hidden/part-2"):
        file = tmp_path / "orders" / f"{name}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"id": [1]}), file)
    assert [t.source for t in read(tmp_path, "orders")] == ["orders/part-0.parquet"]


def test_a_glob_reads_its_files_in_name_order_and_gzip_is_unpacked(tmp_path):
    import gzip

    (tmp_path / "b.csv").write_text("id\n2\n")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"id\n1\n"))
    tables = read(tmp_path, "*.csv*")
    assert [t.table["id"].to_pylist() for t in tables] == [["1"], ["2"]]


def test_nothing_there_is_said_with_what_is(tmp_path):
    (tmp_path / "orders.csv").write_text("id\n1\n")
    with pytest.raises(RecordsError, match=r"order\.csv does not exist.*holds: orders\.csv"):
        read(tmp_path, "order.csv")


@pytest.mark.parametrize(("start", "word"), [(b"\xff\xfei\0", "UTF-16"), (b"PK\x03\x04", "CSV")])
def test_files_of_another_kind_are_refused_with_the_way_out(tmp_path, start, word):
    (tmp_path / "a.csv").write_bytes(start)
    with pytest.raises(RecordsError, match=word):
        read(tmp_path, "a.csv")


def truncated(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def overwritten(whole: bytes) -> bytes:
    return whole[:100] + b"\xff" * 400 + whole[500:]


@pytest.mark.parametrize(
    "damage", [truncated, overwritten, lambda whole: b"PAR1", lambda whole: b"PAR1" + whole[-9:]]
)
def test_a_damaged_parquet_file_is_named_with_what_is_wrong_and_how_to_mend_it(tmp_path, damage):
    path = tmp_path / "a.parquet"
    texts = [hashlib.sha256(bytes([n % 256, n // 256])).hexdigest() for n in range(1000)]
    pq.write_table(pa.table({"id": texts}), path, compression="zstd", use_dictionary=False)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RecordsError, match=r"a\.parquet cannot be read as Parquet \(.+export it"):
        read(tmp_path, "a.parquet")


def test_memory_that_runs_out_is_not_taken_for_a_damaged_file(tmp_path, monkeypatch):
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "a.parquet")

    def too_much(*_: object, **__: object) -> None:
        raise pa.ArrowMemoryError("malloc of size 64 failed")

    monkeypatch.setattr(reading, "group_sizes", too_much)
    with pytest.raises(MemoryError, match="malloc"):
        read(tmp_path, "a.parquet")


def test_an_error_that_says_nothing_is_told_by_its_kind(tmp_path, monkeypatch):
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "a.parquet")

    def fails(*_: object) -> None:
        raise pa.ArrowInvalid("")

    monkeypatch.setattr(reading, "group_sizes", fails)
    with pytest.raises(RecordsError, match=r"as Parquet \(ArrowInvalid\)"):
        read(tmp_path, "a.parquet")


def test_typed_rows_are_written_as_one_line_of_text():
    table = pa.table({"id": [1.0, None], "name": ['a "b", c', "d"]})
    assert joined_text(table).to_pylist() == ['1,"a ""b"", c"', ",d"]


def test_sqlite_and_duckdb_queries_are_read(tmp_path):
    with sqlite3.connect(tmp_path / "crm.db") as connection:
        connection.execute("CREATE TABLE orders (id TEXT, amount REAL)")
        connection.executemany("INSERT INTO orders VALUES (?, ?)", [("a", 1.5), ("b", None)])
    connection.close()
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
        connection.execute("CREATE TABLE orders AS SELECT 'a' AS id, 1.5 AS amount")
    (raw,) = read_database(tmp_path, "sqlite:///crm.db", "orders")
    assert raw.table.to_pydict() == {"id": ["a", "b"], "amount": [1.5, None]}
    assert raw.lines.tolist() == [1, 2]
    (raw,) = read_database(tmp_path, "duckdb:///crm.duckdb", "SELECT amount FROM orders")
    assert raw.table.to_pydict() == {"amount": [1.5]}


def test_a_database_that_is_not_there_or_refuses_is_said_so(tmp_path):
    with pytest.raises(RecordsError, match=r"crm\.db does not exist"):
        list(read_database(tmp_path, "sqlite:///crm.db", "orders"))
    sqlite3.connect(tmp_path / "crm.db").close()
    with pytest.raises(RecordsError, match="no such table: orders"):
        list(read_database(tmp_path, "sqlite:///crm.db", "orders"))
