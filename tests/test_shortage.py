"""Where disk or memory runs out, the command line says so and how to mend it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from configs.shortage import shortage
from serving import cli


def fills_the_disk() -> None:
    with Path("/dev/full").open("w") as file:
        file.write("x")


def takes_more_memory_than_the_engine_has() -> None:
    connection = duckdb.connect(config={"memory_limit": "1MB"})
    connection.execute("SELECT list(range) FROM range(1000000)").fetchone()


def takes_more_memory_than_there_is() -> None:
    bytearray(1 << 62)


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (takes_more_memory_than_there_is, "End what else runs on it"),
        (fills_the_disk, "a disk is full"),
        (takes_more_memory_than_the_engine_has, "Raise engine.memory_limit_gib"),
    ],
)
def test_a_shortage_is_said_with_how_to_mend_it(
    work: object,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "app", work)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert words in capsys.readouterr().err


def test_a_temporary_folder_that_takes_no_more_is_a_full_disk() -> None:
    error = duckdb.OutOfMemoryException("Out of Memory Error: failed to offload data block of …")
    told = shortage(error)
    assert told is not None
    assert "TMPDIR" in told


def test_any_other_error_is_not_taken_for_a_shortage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "app", Path("/nowhere/at/all").read_text)
    with pytest.raises(FileNotFoundError):
        cli.main()
