"""The command line: help with examples, documented exit codes, a clean Ctrl-C."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from configs import errors
from serving.cli import EXIT_CODES, app
from serving.console_output import show_history

ECHELON = [sys.executable, "-m", "serving.cli"]
HEAVY = {"ibis", "duckdb", "pandas", "lightgbm", "mlflow", "shap", "sklearn", "bentoml", "scipy"}


def commands() -> list[list[str]]:
    """Return the words of every command: ``[["init"], …, ["config", "check"]]``."""
    found = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found += [[name, word] for word in inner] if inner else [[name]]
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example_that_names_it(words):
    shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert re.search(rf"Example: echelon {' '.join(words)}\b", shown.output)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from serving.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "print('LOADED', *sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(shown.stdout.split("LOADED")[1].split())
    assert not HEAVY & loaded


def test_every_exit_code_is_documented_in_help_and_readme():
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    tree = [e for e in vars(errors).values() if isinstance(e, type)]
    codes = {e.exit_code for e in tree if issubclass(e, errors.EchelonError)} - {1}
    for code in {0, 2, 130} | codes:
        assert re.search(rf"\b{code} \w", EXIT_CODES)
        assert re.search(rf"\b{code} \w", readme.split("Exit codes:")[1].split("\n\n")[0])


def test_every_command_is_in_the_readme():
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    table = readme.split("## Commands")[1].split("\n## ")[0]
    missing = [words for words in commands() if words[-1] not in table]
    assert not missing


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["config", "check", "-c", "none.yaml"], 3, "neither a file here nor a shipped"),
        (["explain", "ada", "-c", "datasets/telco.yaml"], 8, "echelon score"),
        (["score", "-c", "datasets/telco.yaml"], 7, "echelon promote"),
        (["train", "-c", "datasets/telco.yaml"], 4, "echelon intake"),
        (["intake", "-c", "datasets/telco.yaml"], 4, "telco.parquet"),
        (["simulate", "--customers", "0"], 2, "--customers"),
        (["explain", "ada", "--language", "fr", "-c", "datasets/telco.yaml"], 2, "zh or en"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_ends_with_its_exit_code_and_says_how_to_mend_it(tmp_path, arguments, code, said):
    ended = subprocess.run(
        [*ECHELON, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "ECHELON_DATA": str(tmp_path), "COLUMNS": "200"},
    )
    assert (ended.returncode, said in ended.stderr) == (code, True), ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_leaves_nothing_half_written(tmp_path):
    command = [*ECHELON, "simulate", "--customers", "2000000", "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=6)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert not list(tmp_path.rglob("*.draft"))


def test_history_says_so_where_no_model_was_champion(capsys):
    show_history([], ZoneInfo("Asia/Shanghai"))
    assert capsys.readouterr().out == "No model was champion; `echelon promote` makes one\n"
