"""Rows are sorted and repeated ones found a piece at a time, as if all were held at once."""

from __future__ import annotations

import itertools
import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configs.load import load
from features.intake import take_in
from features.sources import write_in_order
from features.stored import repeats, runs
from features.stored.repeats import sharing_rows
from features.stored.runs import RunFile, Runs, in_order, read_ranges
from tests.engines import duckdb

LOADED = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
Drawn = list[tuple[str, int | None]]
SCHEMA = pa.schema([("customer_id", pa.string()), ("day", pa.int32()), ("place", pa.int64())])
ROWS = st.lists(st.tuples(st.sampled_from("abcdé中"), st.none() | st.integers(-3, 3)), max_size=40)


def table(rows: Drawn) -> pa.Table:
    columns = [*map(list, zip(*rows, strict=True))] if rows else [[], []]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=False)]
    return pa.table([*arrays, pa.array(range(len(rows)), pa.int64())], schema=SCHEMA)


def by_hand(given: pa.Table) -> list[int]:
    """Return the places of rows in the order of customer, day (nulls last), reading."""
    rows = given.to_pylist()
    rows.sort(key=lambda r: (r["customer_id"].encode(), r["day"] is None, r["day"] or 0))
    return [row["place"] for row in rows]


@LOADED
@given(ROWS)
def test_rows_are_sorted_by_bytes_with_nulls_last_and_ties_as_they_came(rows: Drawn) -> None:
    given = table(rows)
    assert in_order(given, ("customer_id", "day"))["place"].to_pylist() == by_hand(given)


@LOADED
@given(ROWS, st.integers(1, 200), st.integers(1, 400), st.integers(1, 2))
def test_ranges_out_of_runs_are_the_whole_sorted_however_small_they_are(
    rows: Drawn, run: int, part: int, threads: int
) -> None:
    given = table(rows)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, value in {"RUN_BYTES": run, "RANGE_BYTES": part, "_SAMPLED_EVERY": 2}.items():
            patch.setattr(runs, name, value)
        patch.setattr(runs, "ROWS_A_RUN_GROUP", 3)
        written = Runs(Path(folder) / "runs.parquet", SCHEMA, long=(), threads=threads)
        for start in range(0, len(given), 4):
            written.add(given.slice(start, 4))
        written.close()
        ranges = written.ranges()
        read = read_ranges([RunFile(written.path)], ranges, SCHEMA, ("customer_id", "day"))
        parts = list(read)
    assert pa.concat_tables(parts)["place"].to_pylist() == by_hand(given)
    assert len(parts) == len(ranges)
    several = [set(one["customer_id"].to_pylist()) for one in parts]
    assert sum(map(len, several)) == len(set().union(*several))


def test_row_groups_that_reach_beyond_a_range_are_read_alone_and_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "ROWS_A_RUN_GROUP", 100)
    monkeypatch.setattr(runs, "RUN_BYTES", 1)
    written = Runs(tmp_path / "runs.parquet", SCHEMA, long=())
    for _ in range(20):
        written.add(table([(f"c{n:03}", n) for n in range(650)]))
    written.close()
    read: list[int] = []

    def noting(self: Any, groups: list[int], **how: Any) -> pa.Table:
        read.append(len(groups))
        return whole(self, groups, **how)

    whole = pq.ParquetFile.read_row_groups
    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", noting)
    bounds: list[runs.Range] = [("c149", "c449")]
    (found,) = read_ranges([RunFile(written.path)], bounds, SCHEMA, ("customer_id",))
    assert found["day"].to_pylist() == sorted(20 * [*range(150, 450)])
    assert read == 20 * [1, 2, 1], "an end of every run, what lies between, the other end"


def test_the_same_rows_give_the_same_bytes_however_they_are_cut_into_tables(
    tmp_path: Path,
) -> None:
    rows = pa.table({"customer_id": [f"c{n:06}" for n in range(230_000)]})
    cuts = [[0, 230_000], [0, 70_001, 70_002, 230_000], [0, 99_999, 200_000, 230_000]]
    for number, cut in enumerate(cuts):
        tables = [rows.slice(a, b - a) for a, b in itertools.pairwise(cut)]
        write_in_order(duckdb(), rows.schema, tables, tmp_path / f"{number}.parquet", 16_384)
    written = [(tmp_path / f"{number}.parquet").read_bytes() for number in range(3)]
    assert written[0] == written[1] == written[2]


def test_long_texts_are_gathered_for_one_group_of_rows_at_a_time(tmp_path: Path) -> None:
    schema = pa.schema([("customer_id", pa.string()), ("text", pa.string())])
    held, before = [], pa.total_allocated_bytes()

    def tables() -> Iterator[pa.Table]:
        for number in range(16):
            ids = [f"c{number:02}{row:03}" for row in range(1_000)]
            yield pa.table([ids, pa.array([f"{one}{'x' * 2_000}" for one in ids])], schema=schema)
            held.append(pa.total_allocated_bytes() - before)

    write_in_order(duckdb(), schema, tables(), tmp_path / "records.parquet", 1_000)
    assert max(held) < 8 * 2_000 * 1_000, "as it came, cut, and on its way to disk on two threads"


def test_a_row_that_repeats_another_is_known_by_one_bit() -> None:
    drawn = np.random.default_rng(1).integers(0, 10_000, 3_000)
    repeated = repeats.RowNumbers(10_000, [pa.array(drawn[:10]), pa.array(drawn[10:])])
    others = repeated.others(pa.chunked_array([np.arange(4_000), np.arange(4_000, 10_000)]))
    assert set(np.flatnonzero(~others)) == set(drawn)


@LOADED
@given(st.lists(st.integers(0, 9).map(lambda n: n * 0x1999_9999_9999_9999), max_size=40))
def test_rows_that_share_a_digest_are_found_a_part_of_the_digests_at_a_time(
    digests: list[int],
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "AT_ONCE", 4)
        path = Path(folder) / "digests.parquet"
        rows = np.arange(len(digests))[::-1]
        wide = [digest.to_bytes(8) + bytes(8) for digest in digests]
        pq.write_table(pa.table({"row": rows, "digest": pa.array(wide, pa.binary(16))}), path)
        found = sharing_rows(path, "row", "digest").to_pylist()
    often = {digest for digest, count in Counter(digests).items() if count > 1}
    pairs = zip(rows.tolist(), digests, strict=True)
    assert found == sorted(row for row, digest in pairs if digest in often)


def test_records_are_the_same_bytes_however_small_the_runs_and_ranges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = random.Random(1)
    days = [f"2024-01-{day:02}" for day in range(1, 31)]
    lines = [f"c{drawn.randrange(40)},{drawn.choice(days)},{n % 7}" for n in range(900)]
    (tmp_path / "orders.csv").write_text("id,date,sum\n" + "\n".join(lines) + "\n")
    columns = {"customer_id": "id", "occurred_at": "date", "amount": "sum"}
    sources = {"transactions": [{"path": "orders.csv", "columns": columns}]}

    def taken(store: str, threads: int = 2) -> tuple[str, int]:
        engine = {"threads": threads}
        given = {"engine": engine, "data": str(tmp_path), "as_of": "2024-02-01", "sources": sources}
        path = tmp_path / f"{store}.yaml"
        path.write_text(json.dumps({**given, "stores": {"root": str(tmp_path / store)}}))
        report = take_in(load(path, {}))
        return report.generation, report.tables["transactions"].quarantined["duplicate_row"]

    whole = taken("whole")
    assert taken("by one thread", threads=1) == whole
    monkeypatch.setattr(runs, "RUN_BYTES", 5_000)
    monkeypatch.setattr(runs, "RANGE_BYTES", 3_000)
    monkeypatch.setattr(runs, "_SAMPLED_EVERY", 8)
    assert taken("pieces") == whole
    assert whole[1] == len(lines) - len(set(lines))
