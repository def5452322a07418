"""What engines spill goes with their process, however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from features.spark.worker_engine import on_worker
from features.spilling import spill_folder, spill_folder_of_process
from tests.engines import duckdb

SPILLS = """
from features.spilling import spill_folder_of_process
(spill_folder_of_process() / "block").write_text("spilled")
"""
KILLED = SPILLS + "import os; os.kill(os.getpid(), 9)"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the system's temporary files under a folder of this test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def process(code: str, temporary: Path) -> int:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    return subprocess.run([sys.executable, "-c", code], env=environment).returncode


def test_what_a_killed_process_spilled_goes_when_the_next_engine_starts(temporary: Path) -> None:
    assert process(KILLED, temporary) == -signal.SIGKILL
    (left,) = temporary.glob(".*/block")
    with on_worker():
        assert not left.exists()
        assert len(list(temporary.iterdir())) == 1
    assert list(temporary.iterdir()) == []


def test_what_living_processes_spill_stays_and_so_does_what_is_not_an_engines(
    temporary: Path,
) -> None:
    (temporary / ".somebody.0123.draft").mkdir()
    with spill_folder() as living:
        (living / "block").write_text("spilled")
        assert living.stat().st_mode & 0o077 == 0, "nobody else reads it"
        assert process(SPILLS, temporary) == 0
        assert (living / "block").is_file()
    assert [one.name for one in temporary.iterdir()] == [".somebody.0123.draft"]


def test_what_another_machine_spilled_to_a_shared_folder_stays(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert process(KILLED, temporary) == -signal.SIGKILL
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    with spill_folder() as own:
        assert len(list(temporary.glob(".*/block"))) == 1
        assert own.is_dir()


def test_the_engine_of_a_process_spills_to_its_folder() -> None:
    said = duckdb().con.execute("SELECT current_setting('temp_directory')").fetchone()
    assert said == (str(spill_folder_of_process()),)
