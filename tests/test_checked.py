"""Whether a bundle was tried in a child process is remembered, and only where it went well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from configs.errors import ModelError
from training import checked
from training.manifest import Verified

NOTHING: Any = None
WHOLE = Verified("a" * 64, NOTHING, {})


def asked(verdicts: Path, monkeypatch: pytest.MonkeyPatch, digest: str | None) -> int:
    """Return how often a child that says ``digest``, or crashes for ``None``, was started."""
    started = []

    def child(folder: Path, key: object) -> str:
        started.append(folder)
        if digest is None:
            raise ModelError("it crashed")
        return digest

    monkeypatch.setattr(checked, "check_in_child", child)
    try:
        checked.check_once(Path("bundle"), WHOLE, NOTHING, verdicts)
    except ModelError:
        return -len(started)
    return len(started)


def test_a_child_that_crashes_or_read_other_bytes_is_asked_again_and_a_good_one_is_not(
    tmp_path, monkeypatch
):
    assert asked(tmp_path, monkeypatch, None) == -1
    assert asked(tmp_path, monkeypatch, "b" * 64) == -1
    assert asked(tmp_path, monkeypatch, WHOLE.digest) == 1
    assert asked(tmp_path, monkeypatch, None) == 0


def test_with_other_libraries_the_child_is_asked_again(tmp_path, monkeypatch):
    assert asked(tmp_path, monkeypatch, WHOLE.digest) == 1
    monkeypatch.setattr(checked, "libraries", lambda: {"lightgbm": "0"})
    assert asked(tmp_path, monkeypatch, None) == -1
