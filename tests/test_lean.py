"""The serving process holds nothing that only training needs."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from configs.lean import TRAINING_ONLY
from serving.scores.crew import begin

HEAVY = (
    *TRAINING_ONLY,
    "ibis",
    "sqlglot",
    "scipy.stats",
    "scipy.optimize",
    "pyspark",
    "vl_convert",
    "openpyxl",
)
PROGRAM = """
import importlib, pkgutil, sys
from configs.lean import keep_out
keep_out()
import uvicorn, serving.api, serving.console, serving.endpoint.served, serving.endpoint.serve
for module in pkgutil.walk_packages(serving.console.__path__, "serving.console."):
    importlib.import_module(module.name)
print(*(name for name in sys.argv[1:] if sys.modules.get(name) is not None))
"""


@pytest.mark.slow
def test_what_serves_imports_no_library_that_only_training_uses():
    command = [sys.executable, "-c", PROGRAM, *HEAVY]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


WORK = b"cserving.scores.batches\nscore_batch\n."
"""What unpickles to something that work on a batch needs."""


@pytest.mark.slow
def test_processes_that_score_import_no_library_that_only_training_uses():
    with ProcessPoolExecutor(1, get_context("spawn"), begin, (WORK,)) as pool:
        assert pool.submit(imported, "serving.scores.batches", *HEAVY).result() == [
            "serving.scores.batches"
        ]


def imported(*names):
    return [name for name in names if sys.modules.get(name) is not None]
