"""Fixtures that every test may use, and ``--forbid-skips`` for places that have everything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--forbid-skips", action="store_true", help="fail if any test is skipped")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--forbid-skips") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def echelon_data() -> Path:
    """Return the folder of public data sets named by ECHELON_DATA, or skip."""
    folder = os.environ.get("ECHELON_DATA")
    if not folder:
        pytest.skip("ECHELON_DATA is not set: it names the folder of public data sets")
    return Path(folder)
