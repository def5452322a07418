"""The state database: one file or a PostgreSQL, made by whoever comes first, shared by all."""

from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from configs.errors import ServiceError
from configs.schema import Stores
from serving.access import audit, keys
from serving.allocation import plan_book
from serving.console import masking
from serving.console.acting import events
from serving.console.experiments import holdout, trials
from serving.console.review_queue import views
from serving.console.visitors import people, sessions, wrong_sign_ins
from serving.endpoint.state import METADATA, VERSION, open_state
from serving.jobs import idempotency, job_book, outbox
from serving.policies import publishings, review_notes, versions

ROOT = Path(__file__).parents[1]
DECLARING = (masking, views, people, sessions, events, audit, keys, idempotency, job_book, outbox)
DECLARING += (versions, publishings, review_notes)
DECLARING += (holdout, trials, wrong_sign_ins, plan_book)
"""Modules that declare tables; a new one is named here."""


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=[pytest.mark.slow, pytest.mark.xdist_group("mlflow")]),
    ]
)
def stores(request, tmp_path) -> Stores:
    if request.param == "sqlite":
        return Stores(root=tmp_path / "store")
    url = request.getfixturevalue("postgresql")
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    name = f"state_{tmp_path.name.lower().replace('-', '_')}"[:60]
    with server.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    server.dispose()
    return Stores(root=tmp_path, state=url.rpartition("/")[0] + f"/{name}")


def test_the_migrations_make_the_tables_that_modules_declare(stores):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    state = open_state(stores)
    with state.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    state.close()


def test_several_that_open_it_first_at_once_make_it_once(stores):
    with ThreadPoolExecutor(6) as threads:
        opened = list(threads.map(open_state, [stores] * 6))
    for state in opened:
        with state.reading() as connection:
            assert len(connection.execute(sa.select(VERSION.c.version_num)).all()) == 1
        state.close()


def test_writers_at_once_lose_nothing(stores):
    state = open_state(stores)
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda i: keys.create(state, f"k{i}", "manager"), range(20)))
    assert {key.id for key in keys.listed(state)} == {one.key.id for one in made}
    state.close()


OTHER_PROCESS = (
    "import sys; from pathlib import Path; from configs.schema import Stores;"
    "from serving.access import keys; from serving.endpoint.state import open_state;"
    "print(*(one.id for one in keys.listed(open_state(Stores(root=Path(sys.argv[1]))))))"
)


def test_who_opens_it_a_second_time_takes_no_lock_from_the_first(tmp_path):
    first, second = (open_state(Stores(root=tmp_path)) for _ in range(2))
    second.close()

    def seen() -> str:
        command = [sys.executable, "-c", OTHER_PROCESS, str(tmp_path)]
        return subprocess.run(
            command, check=True, cwd=ROOT, capture_output=True, text=True
        ).stdout.strip()

    assert seen() == ""
    kept = keys.create(first, "kept", "manager").key
    assert seen() == kept.id
    first.close()


def test_an_error_keeps_nothing_of_what_was_written(stores):
    state = open_state(stores)
    with pytest.raises(ZeroDivisionError), state.writing() as connection:
        connection.execute(sa.insert(keys.API_KEYS).values(keys.row_of(A_KEY)))
        raise ZeroDivisionError
    assert keys.listed(state) == []
    state.close()


A_KEY = keys.drawn("half", "admin").key


def test_the_file_is_its_owners_alone(tmp_path):
    open_state(Stores(root=tmp_path)).close()
    for file in tmp_path.glob("state.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_database_of_a_later_version_is_left_alone(tmp_path):
    state = open_state(Stores(root=tmp_path))
    with state.writing() as connection:
        connection.execute(sa.update(VERSION).values(version_num="v999"))
    state.close()
    with pytest.raises(ServiceError, match="later Echelon wrote it"):
        open_state(Stores(root=tmp_path))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("oracle9://x", "names no database that can be used"),
        ("postgresql+psycopg://me:hunter2@127.0.0.1:9/x", "cannot be opened"),
    ],
)
def test_a_url_that_leads_nowhere_is_said_without_its_password(tmp_path, url, message):
    with pytest.raises(ServiceError, match=message) as refused:
        open_state(Stores(root=tmp_path, state=url))
    assert "hunter2" not in str(refused.value)


@pytest.mark.slow
def test_what_another_process_wrote_is_seen_though_the_database_was_opened_twice_here(tmp_path):
    """Closing a second handle of the file must not drop the locks of the first."""
    state = open_state(Stores(root=tmp_path))
    keys.create(state, "first", "manager")
    open_state(Stores(root=tmp_path)).close()
    script = (
        "import sys; from pathlib import Path; from configs.schema import Stores;"
        "from serving.access import keys; from serving.endpoint.state import open_state;"
        "state = open_state(Stores(root=Path(sys.argv[1])));"
        "keys.create(state, sys.argv[2], 'manager'); state.close()"
    )
    seen = []
    for name in ("second", "third"):
        command = [sys.executable, "-c", script, str(tmp_path), name]
        subprocess.run(command, check=True, cwd=Path(__file__).parents[1])
        seen.append([key.name for key in keys.listed(state)])
    assert seen == [["first", "second"], ["first", "second", "third"]]
    assert (tmp_path / "state.db-wal").exists()
    state.close()


@pytest.mark.slow
def test_alembic_is_loaded_by_the_first_start_only(tmp_path):
    script = (
        "import sys; from pathlib import Path; from configs.schema import Stores;"
        "from serving.endpoint.state import open_state; open_state(Stores(root=Path(sys.argv[1])));"
        "print('alembic' in sys.modules)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)],
            capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
        ).stdout.strip()
        for _ in range(2)
    ]  # fmt: skip
    assert said == ["True", "False"]


def test_several_first_starts_at_once_make_one_key(stores):
    state = open_state(stores)
    with ThreadPoolExecutor(4) as threads:
        files = list(threads.map(lambda _: keys.first_key(state, stores.root), range(4)))
    assert [file for file in files if file is not None] == [stores.root / "first.key"]
    (key,) = keys.listed(state)
    assert (stores.root / "first.key").read_text().startswith(f"ech_{key.id}_")
    state.close()


def test_several_that_write_the_audit_log_at_once_make_one_chain(stores):
    state = open_state(stores)
    entries = [audit.entry("request", route="predictions", status=200)] * 3
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: audit.record(stores, state, entries), range(8)))
    assert audit.verify(stores, state) == audit.Verdict(24)
    state.close()
