"""The notebooks run, and hold no logic of their own."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest
import yaml

from configs.load import load
from notebooks.execute import NOTEBOOKS, execute
from serving.pages.shap_view import shap_view
from serving.scores.publication import open_live


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:zmq", "ignore::DeprecationWarning:jupyter")
def test_it_runs_to_the_end_and_shows_something(path, small_company, monkeypatch):
    root = yaml.safe_load(small_company.read_text(encoding="utf-8"))["stores"]["root"]
    monkeypatch.setenv("ECHELON_STORES__ROOT", root)
    monkeypatch.delenv("ECHELON_DATA", raising=False)
    cells = [cell for cell in execute(path).cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in cells[1:])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_imports_and_shows_only(path):
    cells = nbformat.read(path, as_version=4).cells
    code = "\n".join(c.source for c in cells if c.cell_type == "code").replace("%cd", "# %cd")
    defined = [
        n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.FunctionDef | ast.ClassDef)
    ]
    assert not defined
    assert not any(cell.get("outputs") for cell in cells)


def test_there_is_one_for_each_stage():
    stages = [path.stem for path in NOTEBOOKS]
    assert stages == ["01_data", "02_features", "03_models", "04_tiers_and_reasons"]


def test_they_are_kept_without_paths_of_a_machine():
    for path in NOTEBOOKS:
        assert str(Path.home()) not in path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_shap_draws_adds_up_to_the_number_published(small_company):
    config = load(small_company, {})
    scores = open_live(config.stores.publications).scores()
    first, shown = scores["customer_id"][7].as_py(), scores["clv_expected"][7].as_py()
    view = shap_view(config, "clv", "zh", first=first)
    assert view.base_values[0] + view.values[0].sum() == pytest.approx(shown)
    assert view.values.shape == view.data.shape
