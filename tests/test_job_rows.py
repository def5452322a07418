"""Rows of batch jobs: one bad row is one bad row."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serving.access.customer_scope import EVERYBODY, CustomerScope
from serving.endpoint.problems import ProblemError
from serving.jobs.job_answers import Result, answered, in_chunks
from serving.jobs.job_results import result_file, result_writer
from serving.jobs.job_rows import JobRow, RowLimits, UnreadableError, count_rows, rows_of

LIMITS = RowLimits(rows=10, bytes=2_000)
TODAY = dt.date(2026, 7, 1)


def ndjson(folder: Path, *lines: str | bytes) -> Path:
    path = folder / "rows.ndjson"
    path.write_bytes(b"\n".join(one if isinstance(one, bytes) else one.encode() for one in lines))
    return path


def said(path: Path, form: Any = "ndjson") -> list[tuple[int, str | None, str, str]]:
    """Return number, customer, code and pointer of every row; ok stands for no problem."""
    told = []
    for row in rows_of(path, form, LIMITS):
        code = where = ""
        if isinstance(row.asked, ProblemError):
            code = row.asked.code
            where = row.asked.errors[0].pointer if row.asked.errors else ""
        told.append((row.number, row.customer_id, code or "ok", where))
    return told


def test_each_bad_row_says_what_is_wrong_and_where_and_the_others_are_read(tmp_path):
    sale = {"customer_id": "n", "occurred_at": "2026-06-01", "amount": 1}
    path = ndjson(
        tmp_path,
        '{"customer_id": "a"}',
        "",
        '{"customer_id": ',
        '{"customer_id": "b", "amount": 3}',
        '{"customer_id": "c", "records": {"transactions": [{"amount": NaN}]}}',
        '["d"]',
        json.dumps({"records": {"transactions": [sale]}}),
        json.dumps({"records": {"transactions": [sale, sale | {"customer_id": "m"}]}}),
        json.dumps({"records": {"transactions": [sale | {"amount": "1"}]}}),
        '{"customer_id": "' + "x" * 3_000 + '"}',
        b'{"customer_id": "\xff"}',
        '{"records": {}}',
        '{"customer_id": "z"}',
    )
    assert said(path) == [
        (1, "a", "ok", ""),
        (3, None, "malformed-json", ""),
        (4, "b", "invalid-request", "/amount"),
        (5, None, "not-finite-number", "/records/transactions/0/amount"),
        (6, None, "invalid-request", ""),
        (7, "n", "ok", ""),
        (8, "n", "invalid-request", "/records"),
        (9, "n", "invalid-request", "/records/transactions/0/amount"),
        (10, None, "body-too-large", ""),
        (11, None, "malformed-json", ""),
        (12, None, "invalid-request", "/records"),
        (13, "z", "ok", ""),
    ]
    assert count_rows(path, "ndjson") == 12


def test_the_rows_of_a_parquet_file_are_those_of_json(tmp_path):
    sale = {"customer_id": "n", "occurred_at": dt.datetime(2026, 6, 1, 9), "amount": 1.0}
    rows = [
        {"customer_id": "a", "records": None},
        {"customer_id": None, "records": {"transactions": [sale], "as_of": dt.date(2026, 6, 30)}},
        {"customer_id": None, "records": {"transactions": [sale | {"amount": float("nan")}]}},
        {"customer_id": "b", "records": {"transactions": [sale]}},
    ]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert count_rows(path, "parquet") == 4
    assert said(path, "parquet") == [
        (1, "a", "ok", ""),
        (2, "n", "ok", ""),
        (3, "n", "invalid-request", "/records/transactions/0/amount"),
        (4, "b", "invalid-request", ""),
    ]
    (_, asked, *_) = (row.asked for row in rows_of(path, "parquet", LIMITS))
    assert isinstance(asked, JobRow)
    assert asked.records.as_of == dt.date(2026, 6, 30)


def test_a_value_that_is_none_of_json_fails_its_row_alone(tmp_path):
    texts = pa.array(["a", "b", "c"])
    texts = pa.Array.from_buffers(
        pa.string(), 3, [None, texts.buffers()[1], pa.py_buffer(b"a\xffc")]
    )
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"customer_id": texts}), path)
    assert said(path, "parquet") == [
        (1, "a", "ok", ""), (2, None, "malformed-request", ""), (3, "c", "ok", "")
    ]  # fmt: skip


def test_a_row_that_is_short_on_disk_and_long_in_memory_fails_alone(tmp_path):
    nobody = pa.StructArray.from_arrays([pa.nulls(100_000, pa.string())], ["customer_id"])
    lists = pa.ListArray.from_arrays(pa.array([0, 100_000, 100_000], pa.int32()), nobody)
    records = pa.StructArray.from_arrays([lists], ["transactions"])
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"records": records}), path)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("serving.jobs.job_rows.BATCH_BYTES", 10_000)
        assert [code for _, _, code, _ in said(path, "parquet")] == [
            "body-too-large",
            "invalid-request",
        ]
    assert path.stat().st_size < 2_000


@pytest.mark.parametrize("damage", ["columns", "cut"])
def test_a_file_that_holds_no_rows_of_ours_is_refused_whole(tmp_path, damage):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"customer_id": ["a"], "name": ["Ada"]}), path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-10] + b"PAR1")
    with pytest.raises(UnreadableError) as refused:
        count_rows(path, "parquet")
    assert "Ada" not in refused.value.said.en


class Published:
    """Stands in for what is served: three customers by id, everybody's records but one's."""

    def __init__(self) -> None:
        self.scored: list[list[str]] = []
        self.as_of, self.zone, self.contract = TODAY, dt.UTC, None

    def texts_by_id(self, customer_ids: list[str]) -> dict[str, str]:
        return {one: answer(one) for one in customer_ids if one in ("a", "b", "c")}

    def texts_by_records(self, records: Any, as_of: dt.date) -> list[str]:
        named = [row.customer_id for row in records.customers]
        self.scored.append(named)
        if "poison" in named:
            raise ArithmeticError
        return [answer(one) for one in named]


def answer(customer_id: str) -> str:
    told = {"customer_id": customer_id, "as_of": "2026-07-01", "tier": None, "clv": None}
    return json.dumps(told | {"churn": {"probability": 0.25}}, separators=(",", ":"))


def raw(customer_id: str, **more: Any) -> str:
    return json.dumps({"records": {"customers": [{"customer_id": customer_id} | more]}})


def results_of(
    path: Path, served: Published, scope: CustomerScope = EVERYBODY
) -> list[tuple[str | None, str]]:
    told = []
    for chunk in in_chunks(rows_of(path, "ndjson", LIMITS)):
        for one in answered(served, chunk, scope, TODAY):  # type: ignore[arg-type]
            told.append((one.customer_id, "ok" if one.error is None else one.error["code"]))
    return told


def test_a_row_that_breaks_the_scoring_fails_alone(tmp_path):
    served = Published()
    path = ndjson(tmp_path, raw("n"), raw("poison"), raw("m"), '{"customer_id": "a"}')
    assert results_of(path, served) == [
        *(("n", "ok"), ("poison", "internal-error"), ("m", "ok"), ("a", "ok")),
    ]
    assert served.scored == [["n", "poison", "m"], ["n"], ["poison"], ["m"]]


def test_the_same_customer_in_two_rows_is_scored_for_each_row_alone(tmp_path):
    served = Published()
    path = ndjson(tmp_path, raw("n"), raw("n", signed_up_on="2026-01-01"), raw("m"))
    assert [code for _, code in results_of(path, served)] == ["ok"] * 3
    assert served.scored == [["n", "m"], ["n"]]


def test_customers_outside_the_scope_are_as_if_unknown(tmp_path):
    path = ndjson(tmp_path, '{"customer_id": "a"}', '{"customer_id": "nobody"}', raw("b"))
    told = results_of(path, Published(), CustomerScope(("c*",)))
    assert {code for _, code in told} == {"unknown-customer"}


def test_both_forms_of_the_results_say_the_same_and_appear_when_whole(tmp_path):
    results = [Result(1, "a", answer("a")), Result(2, None, ProblemError("malformed-json"))]
    with result_writer(tmp_path) as writer:
        writer.write(results)
        assert not list(tmp_path.glob("results.*"))
    lines = result_file(tmp_path, "ndjson").read_text().splitlines()
    assert writer.counts == {"ok": 1, "error": 1}
    assert f'"status":"ok","prediction":{answer("a")}}}' in lines[0]
    told = [json.loads(line) for line in lines]
    table = pq.read_table(result_file(tmp_path, "parquet")).to_pylist()
    assert [one["customer_id"] for one in table] == [one["customer_id"] for one in told]
    assert table[0]["prediction"] == answer("a")
    assert table[0]["churn_probability"] == 0.25
    assert table[1]["error_code"] == told[1]["error"]["code"] == "malformed-json"
    assert table[1]["error_zh"] == told[1]["error"]["detail"]["zh"]
