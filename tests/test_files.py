"""Files and generations are whole or absent."""

from __future__ import annotations

import os
import signal

import pytest

from configs.files import (
    live_generation,
    make_live,
    new_generation,
    sweep_drafts,
    write_json,
    written_whole,
)


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(RuntimeError), written_whole(tmp_path / "a.json") as draft:
        draft.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a.json").read_text() == '{\n  "old": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_generation_is_live_only_once_named(tmp_path):
    with new_generation(tmp_path, "one") as draft:
        (draft / "x").write_text("1")
    assert live_generation(tmp_path) is None
    make_live(tmp_path, "one")
    assert live_generation(tmp_path) == tmp_path / "one"


def test_a_failed_generation_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), new_generation(tmp_path, "one") as draft:
        (draft / "x").write_text("1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_generations_are_immutable_and_only_whole_ones_go_live(tmp_path):
    with new_generation(tmp_path, "one"):
        pass
    with pytest.raises(FileExistsError), new_generation(tmp_path, "one"):
        pass
    with pytest.raises(FileNotFoundError, match="cannot be made live"):
        make_live(tmp_path, "two")


def test_a_sweep_takes_what_nobody_is_writing_and_leaves_what_somebody_is(tmp_path):
    (tmp_path / ".dead.0123.draft").mkdir()
    old = tmp_path / ".CURRENT.0123.draft"
    old.write_text("half")
    os.utime(old, (0, 0))
    (tmp_path / ".CURRENT.4567.draft").write_text("being written")
    with new_generation(tmp_path, "one") as draft:
        assert sweep_drafts(tmp_path) == [".CURRENT.0123.draft", ".dead.0123.draft"]
        assert draft.is_dir()
    assert sorted(p.name for p in tmp_path.iterdir()) == [".CURRENT.4567.draft", "one"]


def test_a_draft_is_given_up_with_its_writer(tmp_path):
    child = os.fork()
    if child == 0:
        with new_generation(tmp_path, "one"):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(sweep_drafts(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == []
