"""Fixtures that every test may use, and ``--forbid-skips`` for places that have everything."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from serving.endpoint.served import Served
    from tests.console import Office

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
"""Tests run beside each other: threads that wait must not keep a core from those that work."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A shell starts background jobs deaf to Ctrl-C, and what tests start would be deaf, too.

collect_ignore = ["crash_preload.py", "crash_work.py"]
"""Scripts that tests run in processes of their own."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--forbid-skips", action="store_true", help="fail if any test is skipped")


COMPANIES = {"small_company", "returning_company"}
"""Fixtures that train a company; whoever asks for one is slow."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Keep the tests that share a module's fixture on one worker, so that it is made once.

    Those of Spark share a session, which takes half a minute to start.
    """
    for item in items:
        if COMPANIES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("spark") and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group("spark"))
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


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that ``make`` has filled; one worker makes it, the others wait."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / f"{name}.made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (shared / f"{name}.made").touch()
    return folder


@pytest.fixture(scope="session")
def small_company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of a company of 500, gone the whole way; made once for all workers.

    Its store is shared: read it, never change it; ``tests/companies.py`` copies it.
    """
    from tests.companies import whole_way

    return made_once(tmp_path_factory, "small_company", whole_way) / "company.yaml"


@pytest.fixture(scope="session")
def returning_company(small_company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of the small company four weeks ago and today; shared, too."""
    from tests.companies import four_weeks_later, own_copy

    def make(folder: Path) -> None:
        four_weeks_later(own_copy(small_company, folder))

    return made_once(tmp_path_factory, "returning_company", make) / "company.yaml"


@pytest.fixture(scope="session")
def empty_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state database with its tables and nothing in them, to copy."""
    from configs.schema import Stores
    from serving.endpoint.state import open_state

    root = tmp_path_factory.mktemp("state")
    open_state(Stores(root=root)).close()
    return root / "state.db"


@pytest.fixture(scope="session")
def returning_served(returning_company: Path) -> Served:
    """Return what is published of the returning company."""
    from tests.console import served_by

    return served_by(returning_company)


@pytest.fixture
def office(
    returning_company: Path, returning_served: Served, empty_state: Path, tmp_path: Path
) -> Iterator[Office]:
    """Yield the console over the returning company; ``tests/console.py`` says how it is used."""
    from tests.console import opened

    made = opened(returning_company, returning_served, empty_state, tmp_path / "store")
    yield made
    made.state.close()
