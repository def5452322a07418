"""Run the notebooks beside this file, as ``make notebooks`` does; nothing is written back."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = sorted(Path(__file__).parent.glob("*.ipynb"))
CELL_SECONDS = 120


def execute(path: Path) -> nbformat.NotebookNode:
    """Return the notebook at ``path`` with its outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=CELL_SECONDS).execute(cwd=str(path.parent))
    return notebook


if __name__ == "__main__":
    for path in NOTEBOOKS:
        execute(path)
        print(f"{path.name}: ran")
