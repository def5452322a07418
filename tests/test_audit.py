"""The audit log: a chain that several processes write, and that shows what was done to it."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configs.errors import ServiceError
from configs.load import load
from configs.schema import Stores
from serving.access import audit, key_office
from serving.access.audit import Verdict, entry, record, verify
from serving.access.audit_archive import archive
from serving.access.audit_writer import AuditWriter
from serving.access.keys import drawn
from serving.endpoint.gate import KEY, ROW
from serving.endpoint.route import PUBLIC, Row
from serving.endpoint.state import State, open_state

ASKED = Row("/v1/predictions", ("POST",), frozenset({"application"}), "predictions")


@pytest.fixture
def stores(tmp_path) -> Stores:
    return Stores(root=tmp_path)


@pytest.fixture
def state(stores) -> Iterator[State]:
    opened = open_state(stores)
    yield opened
    opened.close()


def lines_of(stores: Stores) -> list[bytes]:
    return b"".join(file.read_bytes() for file in log_of(stores)).splitlines(keepends=True)


def log_of(stores: Stores) -> list[Path]:
    return sorted(stores.audit.glob("*.jsonl"))


def written(stores: Stores, state: State, n: int) -> None:
    record(stores, state, [entry("request", route="predictions", status=200)] * n)


def test_every_line_holds_the_hash_of_the_one_before(stores, state):
    for _ in range(3):
        written(stores, state, 4)
    lines = [json.loads(line) for line in lines_of(stores)]
    assert [line["n"] for line in lines] == list(range(1, 13))
    assert lines[0]["previous"] == "0" * 64
    assert len({line["previous"] for line in lines}) == 12
    assert verify(stores, state) == Verdict(12)


def altered(line: bytes, at: bytes) -> bytes:
    """Return ``line`` with the byte after ``at``, or the last of it, changed."""
    place = line.index(at) + len(at) - at.endswith(b"0")
    return line[:place] + (b"1" if line[place : place + 1] != b"1" else b"2") + line[place + 1 :]


@pytest.mark.parametrize(
    ("harm", "whole", "broken_at"),
    [
        (lambda lines: [*lines[:4], altered(lines[4], b'":200'), *lines[5:]], 4, 5),
        (lambda lines: [*lines[:4], altered(lines[4], b'"previous":"'), *lines[5:]], 4, 5),
        (lambda lines: [*lines[:9], altered(lines[9], b'":200')], 9, 10),
        (lambda lines: [*lines[:9], altered(lines[9], b'"previous":"')], 9, 10),
        (lambda lines: [altered(lines[0], b'"previous":"'), *lines[1:]], 0, 1),
        (lambda lines: [*lines[:4], *lines[5:]], 4, 5),
        (lambda lines: lines[1:], 0, 1),
        (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], 4, 5),
        (lambda lines: [*lines[:4], lines[3], *lines[4:]], 4, 5),
        (lambda lines: lines[:7], 7, 7),
        (lambda lines: [*lines[:9], lines[9][:20]], 9, 10),
        (lambda lines: [*lines[:4], b"[]\n", *lines[4:]], 4, 5),
    ],
)
def test_the_first_line_that_is_not_as_written_is_found(stores, state, harm, whole, broken_at):
    written(stores, state, 10)
    (file,) = log_of(stores)
    file.write_bytes(b"".join(harm(lines_of(stores))))
    found = verify(stores, state)
    assert (found.n_lines, found.broken_at) == (whole, f"{file}:{broken_at}")


def test_a_log_that_is_gone_or_written_anew_with_right_hashes_is_found(stores, state, tmp_path):
    written(stores, state, 10)
    (file,) = log_of(stores)
    forged = Stores(root=tmp_path / "forger")
    other = open_state(forged)
    record(forged, other, [entry("request", route="predictions", status=404)] * 10)
    other.close()
    file.write_bytes(log_of(forged)[0].read_bytes())
    assert verify(stores, state).why == "was altered, or all before it written anew"
    file.unlink()
    assert "10 lines that are missing" in str(verify(stores, state).why)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_byte_can_be_changed_unseen(stores, state, data):
    if not log_of(stores):
        written(stores, state, 6)
    (file,) = log_of(stores)
    content = file.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda one: one != content[place]))
    file.write_bytes(content[:place] + bytes([byte]) + content[place + 1 :])
    assert verify(stores, state).broken_at is not None
    file.write_bytes(content)
    assert verify(stores, state) == Verdict(6)


def test_a_process_killed_within_a_line_or_before_the_database_knows_breaks_nothing(stores, state):
    written(stores, state, 3)
    end = audit.End(3, audit._hash(lines_of(stores)[-1]))
    (late,) = audit._lines([entry("request", route="model", status=200)], end)
    with log_of(stores)[0].open("ab") as file:
        file.write(late + b'{"n":5,"previ')
    written(stores, state, 2)
    assert verify(stores, state) == Verdict(6)


def test_old_days_are_put_elsewhere_and_the_chain_is_verified_with_and_without_them(
    stores, state, tmp_path
):
    elsewhere = tmp_path / "elsewhere"
    for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
        written(stores, state, 4)
        log_of(stores)[-1].rename(stores.audit / f"{day}.jsonl")
    moved = archive(stores, state, dt.date(2026, 1, 3), elsewhere)
    assert [file.name for file in moved] == ["2026-01-01.jsonl", "2026-01-02.jsonl"]
    written(stores, state, 2)
    assert verify(stores, state) == verify(stores, state, elsewhere) == Verdict(15)
    assert archive(stores, state, dt.date(2026, 1, 3), elsewhere) == []
    (_, second), kept = moved, log_of(stores)[0]
    second.write_bytes(second.read_bytes().replace(b'":200', b'":404', 1))
    assert verify(stores, state) == Verdict(15)
    assert verify(stores, state, elsewhere).broken_at == f"{second}:1"
    kept.write_bytes(b"".join(kept.read_bytes().splitlines(keepends=True)[1:]))
    assert verify(stores, state).broken_at == f"{kept}:1"


def test_what_does_not_fit_on_the_disk_is_not_half_in_the_log(stores, state, monkeypatch):
    written(stores, state, 2)
    whole, write = lines_of(stores), os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda handle, data: write(handle, data[: len(data) // 2]))
        with pytest.raises(OSError, match="written whole"):
            written(stores, state, 3)
    assert lines_of(stores) == whole
    written(stores, state, 1)
    assert verify(stores, state) == Verdict(3)


@pytest.mark.slow
def test_processes_that_write_at_once_make_one_chain(stores, state):
    script = """
import sys
from pathlib import Path
from configs.schema import Stores
from serving.access.audit import entry, record
from serving.endpoint.state import open_state
stores = Stores(root=Path(sys.argv[1]))
state = open_state(stores)
for i in range(20):
    record(stores, state, [entry("request", route="predictions", status=200)] * 3)
state.close()
"""
    command = [sys.executable, "-c", script, str(stores.root)]
    here = Path(__file__).parents[1]
    for process in [subprocess.Popen(command, cwd=here) for _ in range(4)]:
        assert process.wait(60) == 0
    assert verify(stores, state) == Verdict(4 * 20 * 3)


def test_requests_are_on_record_by_key_and_route_and_nothing_they_said(stores, state):
    key = drawn("shop of zoe@example.org", "application", ["zoe*"]).key
    writer = AuditWriter(stores, state)
    scope: dict[str, Any] = {"path": "/v1/customers/zoe@example.org", "query_string": b"q=zoe"}
    writer.answered(scope | {ROW: ASKED, KEY: key}, 200, 3)
    writer.answered(scope | {ROW: ASKED}, 401, None)
    writer.answered(scope | {ROW: Row("/livez", ("GET",), PUBLIC, "livez"), KEY: None}, 200, None)
    writer.answered(scope, 404, None)
    writer.watch()
    writer.stop()
    first, second = (json.loads(line) for line in lines_of(stores))
    assert {name: first[name] for name in ("key", "role", "route", "status", "customers")} == {
        "key": key.id, "role": "application", "route": "predictions", "status": 200, "customers": 3
    }  # fmt: skip
    assert (second["key"], second["status"]) == ("none", 401)
    assert b"zoe" not in b"".join(lines_of(stores))


def test_what_cannot_be_written_now_is_written_later_in_order(stores, state):
    writer = AuditWriter(stores, state)
    stores.audit.write_text("in the way")
    writer.answered({ROW: ASKED, KEY: None}, 401, None)
    writer.write()
    stores.audit.unlink()
    writer.answered({ROW: ASKED, KEY: None}, 403, None)
    writer.stop()
    assert [json.loads(line)["status"] for line in lines_of(stores)] == [401, 403]


def test_keys_made_and_revoked_are_on_record_and_not_their_secrets(tmp_path):
    config = load(None, {"ECHELON_STORES__ROOT": str(tmp_path)})
    made = key_office.create(config, "shop", "application", (), None)
    key_office.revoke(config, made.key.id)
    with pytest.raises(ServiceError):
        key_office.revoke(config, made.key.id)
    lines = [json.loads(line) for line in lines_of(config.stores)]
    assert [(line["what"], line["key"], line["uid"]) for line in lines] == [
        ("key-created", made.key.id, os.getuid()),
        ("key-revoked", made.key.id, os.getuid()),
    ]
    assert made.text[15:].encode() not in b"".join(lines_of(config.stores))
    assert key_office.verify_audit(config) == Verdict(2)
    assert oct(log_of(config.stores)[0].stat().st_mode & 0o777) == "0o600"
