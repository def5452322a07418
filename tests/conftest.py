"""Fixtures that every test may use, and ``--forbid-skips`` for places that have everything."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
"""Tests run beside each other: threads that wait must not keep a core from those that work."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A shell starts background jobs deaf to Ctrl-C, and what tests start would be deaf, too.

collect_ignore = ["crash_preload.py", "crash_work.py"]
"""Scripts that tests run in processes of their own."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--forbid-skips", action="store_true", help="fail if any test is skipped")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Keep the tests that share a module's fixture on one worker, so that it is made once."""
    for item in items:
        known = getattr(item, "_fixtureinfo", None)
        made = [] if known is None else [one[-1].scope for one in known.name2fixturedefs.values()]
        if "module" in made and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))
    yield


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


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Return the URL of a PostgreSQL server; mark what uses it `xdist_group("mlflow")`."""
    from tests.postgresql import postgresql_server

    with postgresql_server() as url:
        yield url


@pytest.fixture(scope="session")
def small_company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of a company of 500, gone the whole way; made once for all workers.

    Its store is shared: read it, never change it.
    """
    from configs.load import load, shipped
    from features.simulator import simulate
    from serving.pipeline import run

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    root, path = shared / "small_company", shared / "small_company.yaml"
    with (shared / "small_company.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            simulate(500, seed=5, out=root / "exports", days=1000)
            given = yaml.safe_load(shipped("demo.yaml").read_text(encoding="utf-8"))
            given |= {"data": str(root / "exports"), "stores": {"root": str(root / "store")}}
            given |= {"clv": {"horizon_days": 182}, "training": {"threads": 1}}
            draft = shared / "small_company.draft.yaml"
            draft.write_text(yaml.safe_dump(given, allow_unicode=True), encoding="utf-8")
            run(load(draft, {}))
            draft.rename(path)
    return path


@pytest.fixture(scope="session")
def empty_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state database with its tables and nothing in them, to copy."""
    from configs.schema import Stores
    from serving.endpoint.state import open_state

    root = tmp_path_factory.mktemp("state")
    open_state(Stores(root=root)).close()
    return root / "state.db"
