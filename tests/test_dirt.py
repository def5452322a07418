"""Laws of dirty exports: the list names every dirty line, and all other rows are whole."""

from __future__ import annotations

import csv
import datetime as dt
import io
import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.files import live_generation
from configs.load import load
from features.intake import take_in
from features.raw.cleaning import is_missing, parse_id, parse_moment, parse_number
from features.simulated import dirt
from features.simulated.sources import FileLayout, dirty_layouts
from features.simulator import simulate

Listing = dict[str, dict[int, dict[str, object]]]
MOMENTS = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2035, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)
MONEY = st.integers(100, 10**9).map(lambda fen: fen / 100)
CHANCES = st.integers(0, 99).map(random.Random)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    simulate(300, seed=9, out=folder / "dirty", dirty=True, dirt_share=0.2)
    simulate(300, seed=9, out=folder / "clean")
    return folder


def listing(exports: Path) -> Listing:
    """Return what was dirtied by file and first line."""
    by_file: Listing = {}
    for row in pq.read_table(exports / "dirty" / "dirt.parquet").to_pylist():
        by_file.setdefault(row["file"], {})[row["line"]] = row
    return by_file


def physical_lines(exports: Path, layout: FileLayout) -> list[str]:
    """Return the lines of a file without their ends, the header first."""
    content = (exports / "dirty" / layout.file).read_bytes().removeprefix(layout.starts_with)
    text = content.decode(layout.encoding, "surrogateescape")
    return text.replace("\r\n", "\n").split("\n")[:-1]


def as_written(table: pa.Table, layout: FileLayout) -> list[list[str]]:
    """Return the clean rows as the export writes them."""
    rows = []
    for row in table.to_pylist():
        cells = ["" if value is None else _text(value) for value in row.values()]
        for position, name in enumerate(row):
            cells[position] = layout.words.get(name, {}).get(cells[position], cells[position])
        rows.append(cells + [""] * layout.blank_columns)
    return rows


def _text(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("layout", dirty_layouts().values(), ids=lambda layout: layout.table)
def test_every_line_that_is_not_listed_is_the_clean_row(exports: Path, layout: FileLayout) -> None:
    clean = as_written(pq.read_table(exports / "clean" / f"{layout.table}.parquet"), layout)
    lines, dirty = physical_lines(exports, layout), listing(exports)[layout.file]
    number, kept = 2, 0
    for row in clean:
        noted = dirty.get(number)
        if noted is None:
            (read,) = csv.reader([lines[number - 1]], delimiter=layout.delimiter)
            assert read == row
            kept += 1
        is_pair = (noted or {}).get("kind") == "broken_line" or is_copy(dirty.get(number + 1))
        number = (int(str(noted["last_line"])) if noted else number) + (2 if is_pair else 1)
    assert number == len(lines) + 1
    assert kept > 0.6 * len(clean)


def is_copy(noted: dict[str, object] | None) -> bool:
    return noted is not None and noted["kind"] == "duplicate"


def test_at_least_twelve_kinds_of_bad_rows_and_eight_that_can_be_repaired(exports: Path) -> None:
    rows = pq.read_table(exports / "dirty" / "dirt.parquet").to_pylist()
    assert len({row["kind"] for row in rows if row["reason"]}) >= 12
    assert len({row["kind"] for row in rows if not row["reason"]}) >= 8


def test_files_differ_in_encoding_line_ends_delimiter_and_blank_columns(exports: Path) -> None:
    files = {
        name: (exports / "dirty" / layout.file).read_bytes()
        for name, layout in dirty_layouts().items()
    }
    assert "客户编号" in files["customers"].decode("gb18030", "replace")
    with pytest.raises(UnicodeDecodeError):
        files["customers"].decode("utf-8")
    assert files["transactions"].startswith(b"\xef\xbb\xbf")
    crlf = files["transactions"].count(b"\r\n")
    assert 0 < crlf < files["transactions"].count(b"\n")
    assert files["interactions"].splitlines()[0].count(b";") == 9
    assert files["attributes"].splitlines()[0].endswith(b",,")


def test_the_configuration_beside_them_maps_every_header(exports: Path) -> None:
    config = load(exports / "dirty" / "echelon.yaml", environment={})
    for name, (source,) in config.sources.tables.items():
        layout = dirty_layouts()[name]
        assert config.data / str(source.path) == exports / "dirty" / layout.file
        header = physical_lines(exports, layout)[0].split(layout.delimiter)
        mapped = [
            column if isinstance(column, str) else column.column
            for column in source.columns.values()
        ]
        assert {*mapped, *source.attributes} == {name for name in header if name}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12 on DuckDB 2
def test_intake_quarantines_the_listed_lines_and_takes_in_all_others_whole(exports: Path) -> None:
    dirty, clean = (load(exports / name / "echelon.yaml", {}) for name in ("dirty", "clean"))
    take_in(dirty)
    take_in(clean)
    beyond = {
        (file, line): plain_reason(row["reason"])
        for file, rows in listing(exports).items()
        for line, row in rows.items()
        if row["reason"]
    }
    assert quarantined(dirty.stores.quarantine) == beyond
    for layout in dirty_layouts().values():
        lost = [row for row in listing(exports)[layout.file].values() if row["reason"]]
        halves = sum(row["kind"] == "broken_line" for row in lost)
        n_lost = sum(row["kind"] not in ("broken_line", "duplicate") for row in lost) + halves // 2
        expected, found = (accepted(config.stores.records, layout) for config in (clean, dirty))
        assert found <= expected
        assert found.total() == expected.total() - n_lost


def quarantined(folder: Path) -> dict[tuple[str, int], str]:
    """Return the reason of each refused row by file and line."""
    refused = {}
    for path in folder.glob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as handle:
            for row in csv.DictReader(handle):
                refused[row["source"], int(row["line"])] = plain_reason(row["reason"])
    return refused


def plain_reason(reason: object) -> str:
    """Return the reason, the two about quotes as one: which it is depends on the lines after."""
    return "quote" if reason in ("stray_quote", "unterminated_quote") else str(reason)


def accepted(store: Path, layout: FileLayout) -> Counter[tuple[object, ...]]:
    """Return the records taken in, amounts to the millionth and texts by their first line."""
    generation = live_generation(store)
    assert generation is not None
    table = pq.read_table(generation / f"{layout.table}.parquet")
    table = table.rename_columns(
        {theirs: ours for ours, theirs in layout.headers.items() if theirs in table.column_names}
    )
    return Counter(tuple(_comparable(value) for value in row.values()) for row in table.to_pylist())


def _comparable(value: object) -> object:
    if isinstance(value, float):
        return round(value, 6)
    return value.split("\n")[0] if isinstance(value, str) else value


@given(moment=MOMENTS, chance=CHANCES)
@pytest.mark.parametrize(
    "write", [dirt.slashed_date, dirt.chinese_date, dirt.compact_date, dirt.excel_date]
)
def test_another_way_to_write_a_moment_names_the_same_moment(
    write: dirt.ChangeText, moment: dt.datetime, chance: random.Random
) -> None:
    understood = parse_moment(write(str(moment), chance))
    assert understood is not None
    assert understood.microseconds == (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(
        microseconds=1
    )


@given(amount=MONEY, chance=CHANCES)
@pytest.mark.parametrize(
    "write", [dirt.currency, dirt.ten_thousands, dirt.wide_digits, dirt.padded]
)
def test_another_way_to_write_an_amount_says_the_same_amount(
    write: dirt.ChangeText, amount: float, chance: random.Random
) -> None:
    understood = parse_number(write(f"{amount:.2f}", chance))
    assert understood is not None
    assert understood.value == pytest.approx(amount, rel=1e-14)


@given(amount=MONEY, moment=MOMENTS, chance=CHANCES)
def test_what_is_beyond_repair_is_not_understood(
    amount: float, moment: dt.datetime, chance: random.Random
) -> None:
    assert parse_number(dirt.bad_number(f"{amount:.2f}", chance)) is None
    assert parse_moment(dirt.impossible_date(str(moment), chance)) is None
    assert is_missing(dirt.nothing("C0000001", chance))
    assert parse_id(dirt.padded("C0000001", chance))[0] == "C0000001"


def test_a_negative_quantity_is_dirt_in_purchases_only() -> None:
    (kind,) = [kind for kind in dirt.BEYOND_REPAIR if kind.kind == "negative_quantity"]
    assert kind.column_in("transactions", {"kind": "purchase", "quantity": "2"}) == "quantity"
    assert kind.column_in("transactions", {"kind": "refund", "quantity": "2"}) is None


def test_text_in_two_lines_is_quoted_and_counts_two_lines(exports: Path) -> None:
    layout = dirty_layouts()["satisfaction"]
    lines = physical_lines(exports, layout)
    noted = [row for row in listing(exports)[layout.file].values() if row["kind"] == "two_lines"]
    assert noted
    for row in noted:
        first, last = int(str(row["line"])), int(str(row["last_line"]))
        text = "\n".join(lines[first - 1 : last])
        (read,) = csv.reader(io.StringIO(text))
        assert last == first + 1
        assert len(read) == 8
        assert "\n" in read[6]
