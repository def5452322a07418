"""The serving process holds nothing that only training needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from configs.lean import TRAINING_ONLY

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
