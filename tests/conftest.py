"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def echelon_data() -> Path:
    """Return the folder of public data sets named by ECHELON_DATA, or skip."""
    folder = os.environ.get("ECHELON_DATA")
    if not folder:
        pytest.skip("ECHELON_DATA is not set: it names the folder of public data sets")
    return Path(folder)
