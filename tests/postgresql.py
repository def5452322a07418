"""A real PostgreSQL for tests, started on loopback."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

PLACES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql*/bin")


@contextmanager
def postgresql_server() -> Iterator[str]:
    """Yield the URL of a server of our own on a free port, gone afterwards with its folder.

    The folder is not pytest's, which nobody but its owner may enter: PostgreSQL refuses root.
    """
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="echelon-postgresql-"))
    port = free_port()
    as_owner = _owner(folder)
    data = folder / "data"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    options += " -c fsync=off"
    _run([*as_owner, programs / "initdb", "-D", data, "-U", "echelon", "-A", "trust", "-E", "UTF8"])
    log = folder / "log"
    _run([*as_owner, programs / "pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start"])
    try:
        yield f"{_dialect()}://echelon@127.0.0.1:{port}/postgres"
    finally:
        _run([*as_owner, programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"])
        shutil.rmtree(folder)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _dialect() -> str:
    """Return PostgreSQL's dialect with a driver that is installed."""
    for driver in ("psycopg", "psycopg2"):
        if importlib.util.find_spec(driver):
            return f"postgresql+{driver}"
    pytest.skip("no PostgreSQL driver is installed: pip install 'echelon[postgresql]'")


def _programs() -> Path:
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve()] if on_path else []
    for place in PLACES:
        found += sorted(Path("/").glob(f"{place}/initdb"), reverse=True)
    if not found:
        pytest.skip("PostgreSQL's initdb is not installed (Debian: apt-get install postgresql)")
    return found[0].parent


def _owner(folder: Path) -> list[str]:
    """Give the folder to who may run PostgreSQL, and return how to become them."""
    if os.getuid() != 0:
        return []
    shutil.chown(folder, "postgres", "postgres")
    return ["runuser", "-u", "postgres", "--"]


def _run(command: list[object]) -> None:
    done = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/"
    )
    assert done.returncode == 0, done.stdout.decode()
