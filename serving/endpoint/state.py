"""The state database: API keys, jobs and what else the endpoint must remember.

The one module that knows how it is opened. SQLite in the stores' folder by default, PostgreSQL by
``stores.state``; several processes share it. Tables are declared on :data:`METADATA` by the
modules that use them, and made by the migrations of ``serving/endpoint/migrations``.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from configs.errors import ServiceError
from configs.schema import Stores

METADATA = sa.MetaData()
MIGRATIONS = Path(__file__).parent / "migrations"
VERSION = sa.table("alembic_version", sa.column("version_num"))
MIGRATION_LOCK = 0x_EC4E_1017
"""PostgreSQL's number of the lock that migrations hold."""

AWAY = (sa.exc.OperationalError, sa.exc.TimeoutError)
"""What is raised while the database cannot be reached, is held by others, or has no room."""

_making = threading.Lock()

BUSY_SECONDS = 10.0
"""How long a process waits for another one's write to SQLite."""


class Moment(TypeDecorator[dt.datetime]):
    """A moment with its time zone, kept in UTC."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """Return ``value`` in UTC as the database keeps it."""
        return None if value is None else value.astimezone(dt.UTC).replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """Return what the database keeps with its time zone."""
        return None if value is None else value.replace(tzinfo=dt.UTC)


class State:
    """An open state database; share one in a process, threads included.

    >>> import tempfile
    >>> state = open_state(Stores(root=Path(tempfile.mkdtemp())))
    >>> with state.reading() as rows:
    ...     rows.execute(sa.text("SELECT 1")).scalar()
    1
    >>> state.close()
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(writes=True)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Yield a connection that sees one state of everything; nothing it writes may be kept."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Yield a connection whose changes are kept together, or not at all after an error.

        When it returns they are on disk: neither a killed process nor a power cut loses them.

        On SQLite one writer at a time is let in, so what it read first still holds when it writes;
        on PostgreSQL lock the rows you read (``with_for_update``).
        """
        with self._writing.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def open_state(stores: Stores) -> State:
    """Return the state database of ``stores``, its tables brought up to date.

    Raises:
        ServiceError: it cannot be opened, or was written by a later version of Echelon.
    """
    engine = _sqlite(stores.root / "state.db") if stores.state is None else _by_url(stores.state)
    state = State(engine)
    try:
        _migrate(state)
    except ServiceError:
        state.close()
        raise
    except sa.exc.OperationalError as error:
        state.close()
        raise ServiceError(
            f"the state database {engine.url.render_as_string(hide_password=True)} cannot be "
            f"opened: {str(error.orig).strip()}. Check stores.state, and that it runs"
        ) from error
    return state


def versions(stores: Stores) -> tuple[str | None, str]:
    """Return the version of the state database and the one known here; nothing is changed.

    ``None`` where there is no database yet.

    Raises:
        ServiceError: it cannot be opened.
    """
    path = stores.root / "state.db"
    if stores.state is None and not path.exists():
        return None, _newest()
    state = State(_sqlite(path) if stores.state is None else _by_url(stores.state))
    try:
        with state.reading() as connection:
            return _version(connection), _newest()
    except sa.exc.DatabaseError as error:
        raise ServiceError(
            f"the state database cannot be read: {str(error.orig).strip()}. Restore it from a "
            "backup, or check stores.state"
        ) from error
    finally:
        state.close()


def _newest() -> str:
    return max(path.stem.partition("_")[0] for path in MIGRATIONS.glob("versions/v*.py"))


def _sqlite(path: Path) -> sa.Engine:
    """Return an engine on a file that its owner alone may read.

    A file that is there is not opened here: closing it would end the locks that other connections
    of this process hold on it (POSIX), and the next process to leave would take it for unused and
    remove its log under them (SQLite, How to corrupt a database, section 2.2).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _making, contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    url = sa.URL.create("sqlite", database=str(path))
    return _settled(sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS}))


def _by_url(url: str) -> sa.Engine:
    try:
        engine = sa.create_engine(url, pool_pre_ping=True)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise ServiceError(
            f"stores.state names no database that can be used ({error}). Give a URL such as "
            "postgresql+psycopg://user@host/echelon; its driver comes with "
            "`pip install 'echelon[postgresql]'`"
        ) from error
    return _settled(engine) if engine.dialect.name == "sqlite" else engine


def _settled(engine: sa.Engine) -> sa.Engine:
    """Set up every connection of SQLite; transactions begin as :class:`State` says."""

    @sa.event.listens_for(engine, "connect")
    def connect(connection: Any, record: object) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _migrate(state: State) -> None:
    """Bring the tables up to date, one process at a time; the usual start only looks."""
    newest = _newest()
    with state.reading() as connection:
        if _version(connection) == newest:
            return
    with state.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        found = _version(connection)
        if found is not None and found > newest:
            raise ServiceError(
                f"the state database is of version {found} and this Echelon knows {newest}: a "
                "later Echelon wrote it. Install that one"
            )
        if found != newest:
            _upgrade(connection, found)


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION.name):
        return None
    return connection.execute(sa.select(VERSION.c.version_num)).scalar()


def _upgrade(connection: sa.Connection, found: str | None) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    context = MigrationContext.configure(connection)
    scripts = ScriptDirectory(str(MIGRATIONS))
    with Operations.context(context):
        for script in reversed(list(scripts.iterate_revisions("head", found or "base"))):
            script.module.upgrade()
            context.stamp(scripts, script.revision)
