"""MLflow as the registry reaches it: its address, its client, its experiment and its runs.

With ``training/registry.py`` this is all that knows MLflow; nothing of it is imported before it is
asked for. What goes wrong in the store becomes a ``ModelError`` that says how to mend it.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from configs.errors import ModelError, first_line
from configs.files import draft_folder, flush_to_disk, sweep_drafts
from configs.redaction import redacted_text
from configs.schema import Stores

if TYPE_CHECKING:
    from mlflow import MlflowClient

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}
"""What MLflow finds before it is imported, where the user sets nothing else."""
ABANDONED_AFTER_SECONDS = 3600


def tracking_uri(stores: Stores) -> str:
    """Return the address of the tracking store: the configured one, or SQLite in the store."""
    return stores.tracking_uri or f"sqlite:///{stores.root.resolve() / 'mlflow.db'}"


@contextmanager
def client_of(stores: Stores) -> Iterator[MlflowClient]:
    """Yield a client of the tracking store; what goes wrong there becomes a ``ModelError``."""
    _quieten()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    uri = tracking_uri(stores)
    try:
        if uri.startswith("sqlite:///"):
            _create_database(Path(uri.removeprefix("sqlite:///")))
        yield _connect(uri)
    except ModuleNotFoundError as error:
        raise ModelError(
            f"the registry at {redacted_text(uri)} needs a driver that is not installed "
            f"({error.name}). Run `pip install 'echelon[postgresql]'`, or name an installed driver "
            "in the address (postgresql+psycopg2://…)"
        ) from error
    except (MlflowException, SQLAlchemyError) as error:
        first = redacted_text(first_line(error))
        raise ModelError(
            f"the registry at {redacted_text(uri)} does not do what it is asked: {first}. Check "
            "that it runs and that stores.tracking_uri (MLFLOW_TRACKING_URI) is its address; an "
            "older store is brought up to date by `mlflow db upgrade`"
        ) from error


def _quieten() -> None:
    """Set what MLflow reads at import: nothing is sent anywhere, nothing is unpickled."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for logger in ("mlflow", "alembic"):
        logging.getLogger(logger).setLevel(logging.WARNING)


def _connect(uri: str) -> MlflowClient:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _create_database(path: Path) -> None:
    """Make the tables of a new SQLite store beside it: MLflow cannot mend half of them."""
    if path.exists():
        return
    sweep_drafts(path.parent)
    with draft_folder(path.parent, path.name) as draft:
        _connect(f"sqlite:///{draft / path.name}")
        flush_to_disk(draft / path.name)
        with suppress(FileExistsError):
            os.link(draft / path.name, path)
        flush_to_disk(path.parent)


def experiment_of(client: MlflowClient, stores: Stores) -> str:
    """Return the id of the experiment, created at the first training."""
    found = client.get_experiment_by_name(stores.model_name)
    if found is None:
        made = client.create_experiment(stores.model_name, _artifacts(stores))
        return str(made)
    return str(found.experiment_id)


def _artifacts(stores: Stores) -> str | None:
    """Return where artifacts go; a server decides itself unless told."""
    if stores.artifacts is not None:
        return stores.artifacts
    if tracking_uri(stores).startswith(("http://", "https://")):
        return None
    return (stores.root / "mlartifacts").resolve().as_uri()


def close_abandoned(client: MlflowClient, experiment: str) -> None:
    """End the runs of processes that were killed; recording a run takes seconds."""
    before = int((time.time() - ABANDONED_AFTER_SECONDS) * 1000)
    left = f"attributes.status = 'RUNNING' and attributes.start_time < {before}"
    for run in client.search_runs([experiment], left):
        client.set_terminated(run.info.run_id, "KILLED")


@contextmanager
def ended(client: MlflowClient, run_id: str) -> Iterator[None]:
    """End the run when the block ends, as failed where it fails."""
    try:
        yield
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)
