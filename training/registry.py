"""The one module that knows MLflow: runs, registered versions, and which of them is champion.

One *run* per training: parameters, figures, pictures, the configuration, and the signed bundle as
an artifact. A *version* of the registered model points at a run's bundle and is made last, in one
step, so a version is whole or absent.

A *promotion* is one tag of the registered model, written in one step and never changed: the newest
says who is champion, all of them say what was live when. The alias ``champion`` follows, for people
who look at MLflow; should the process end between the two, or somebody move the alias by hand, the
next call puts it back.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import yaml

from configs.errors import ModelError
from configs.files import draft_folder, flush_to_disk, new_generation, sweep_drafts
from configs.redaction import redacted, redacted_text
from configs.schema import Config, Stores
from training.bundle import check_in_child
from training.fitted import Fitted
from training.manifest import AGAIN, Manifest, verified
from training.promotions import Promotion, Way, in_force, later_than, promotions_in, standing
from training.run_record import figures, parameters
from training.signing import public_key

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
CHALLENGER = "challenger"
BUNDLE = "bundle"
PLOTS = "plots"
DIGEST = "bundle_sha256"
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}
"""What MLflow finds before it is imported, where the user sets nothing else."""
PARAMETERS_AT_ONCE = 100
LONGEST_REASON = 1000
ABANDONED_AFTER_SECONDS = 3600


@dataclass(frozen=True)
class RunInfo:
    """A training on record."""

    version: str
    run_id: str


@dataclass(frozen=True)
class Champion:
    """The model version to serve and the folder of its bundle."""

    version: str
    folder: Path


def log_run(
    config: Config, fitted: Fitted, bundle_folder: Path, plots: Sequence[Path] = ()
) -> RunInfo:
    """Record a training as an MLflow run, register its bundle and return the new version.

    The version becomes ``challenger``.

    Raises:
        ModelError: the bundle does not verify, or the registry cannot be reached.
    """
    whole = verified(bundle_folder, public_key(config.stores.keys))
    with _client(config.stores) as client:
        experiment = _experiment(client, config.stores)
        _close_abandoned(client, experiment)
        run = client.create_run(experiment, run_name=f"{config.name} {fitted.as_of}")
        with _ended(client, run.info.run_id):
            values = parameters(config, whole.manifest)
            _log_values(client, run.info.run_id, values, figures(fitted.evaluation))
            _log_files(client, run.info.run_id, config, plots)
            client.log_artifacts(run.info.run_id, str(bundle_folder), BUNDLE)
        version = _register(client, config.stores.model_name, run, whole.digest, whole.manifest)
        client.set_registered_model_alias(config.stores.model_name, CHALLENGER, version)
        return RunInfo(version, run.info.run_id)


def promote(config: Config, version: str = "latest", reason: str = "") -> Promotion:
    """Make ``version`` the champion, once its signature and golden predictions hold.

    Promoting the champion again changes nothing and returns the promotion that made it one.

    Raises:
        ModelError: there is no such version, or its bundle is refused; the champion stays.
    """
    with _client(config.stores) as client:
        found = _version(client, config.stores.model_name, version)
        past = _promotions(client, config.stores.model_name)
        if past and past[0].version == str(found.version):
            _follow(client, config.stores.model_name, past[0].version)
            return past[0]
        return _make_champion(client, config, found, past, reason, "promote")


def rollback(config: Config, reason: str = "") -> Promotion:
    """Make the champion before the present one the champion again.

    A second rollback goes one further back, never forth again.

    Raises:
        ModelError: there is no champion before, or its bundle is refused; the champion stays.
    """
    with _client(config.stores) as client:
        past = _promotions(client, config.stores.model_name)
        versions = standing(past)
        if len(versions) < 2:
            held = f"version {versions[0]} is the first" if versions else "nothing is promoted yet"
            raise ModelError(
                f"there is no champion to go back to: {held}. `echelon history` lists what was "
                "champion; `echelon promote VERSION` takes any version"
            )
        found = _version(client, config.stores.model_name, versions[-2])
        return _make_champion(client, config, found, past, reason, "rollback")


def champion(config: Config) -> Champion:
    """Return the champion and the folder of its bundle, downloaded once and verified.

    Raises:
        ModelError: nothing is promoted yet, or the bundle is refused.
    """
    with _client(config.stores) as client:
        past = _promotions(client, config.stores.model_name)
        if not past:
            raise ModelError(
                f"no version of {config.stores.model_name!r} is promoted in "
                f"{redacted_text(tracking_uri(config.stores))}. Run `echelon train`, then "
                "`echelon promote latest`"
            )
        _follow(client, config.stores.model_name, past[0].version)
        found = _version(client, config.stores.model_name, past[0].version)
        return Champion(past[0].version, _downloaded(client, config.stores, found))


def history(config: Config, at: dt.datetime | None = None) -> list[Promotion]:
    """Return every promotion, the newest first; with ``at``, the one in force then.

    Args:
        config: names the registry, and the time zone of an ``at`` that has none.
        at: a moment; before the first promotion nothing was in force.
    """
    with _client(config.stores) as client:
        past = _promotions(client, config.stores.model_name)
    if at is None:
        return past
    return in_force(past, at if at.tzinfo else at.replace(tzinfo=ZoneInfo(config.timezone)))


def tracking_uri(stores: Stores) -> str:
    """Return the address of the tracking store: the configured one, or SQLite in the store."""
    return stores.tracking_uri or f"sqlite:///{stores.root.resolve() / 'mlflow.db'}"


@contextmanager
def _client(stores: Stores) -> Iterator[MlflowClient]:
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
        first = redacted_text(str(error)).splitlines()[0]
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


def _experiment(client: MlflowClient, stores: Stores) -> str:
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


def _close_abandoned(client: MlflowClient, experiment: str) -> None:
    """End the runs of processes that were killed; recording a run takes seconds."""
    before = int((time.time() - ABANDONED_AFTER_SECONDS) * 1000)
    left = f"attributes.status = 'RUNNING' and attributes.start_time < {before}"
    for run in client.search_runs([experiment], left):
        client.set_terminated(run.info.run_id, "KILLED")


@contextmanager
def _ended(client: MlflowClient, run_id: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)


def _log_values(
    client: MlflowClient, run_id: str, values: Mapping[str, str], figures: Mapping[str, float]
) -> None:
    from mlflow.entities import Metric, Param

    params = [Param(name, value) for name, value in values.items()]
    for start in range(0, len(params), PARAMETERS_AT_ONCE):
        client.log_batch(run_id, params=params[start : start + PARAMETERS_AT_ONCE])
    now = int(time.time() * 1000)
    client.log_batch(run_id, [Metric(name, value, now, 0) for name, value in figures.items()])


def _log_files(client: MlflowClient, run_id: str, config: Config, plots: Sequence[Path]) -> None:
    text = yaml.safe_dump(redacted(config), allow_unicode=True, sort_keys=False)
    client.log_text(run_id, text, "config.yaml")
    for plot in plots:
        client.log_artifact(run_id, str(plot), PLOTS)


def _register(client: MlflowClient, name: str, run: Run, digest: str, manifest: Manifest) -> str:
    """Return the new version: made in one step, tags and all."""
    if not client.search_registered_models(f"name = '{name}'", max_results=1):
        client.create_registered_model(name)
    tags = {
        DIGEST: digest,
        "as_of": manifest.as_of.isoformat(),
        "signed_by": manifest.signed_by,
        **manifest.versions,
    }
    source = f"{run.info.artifact_uri}/{BUNDLE}"
    return str(client.create_model_version(name, source, run.info.run_id, tags).version)


def _promotions(client: MlflowClient, name: str) -> list[Promotion]:
    found = client.search_registered_models(f"name = '{name}'", max_results=1)
    return promotions_in(found[0].tags) if found else []


def _version(client: MlflowClient, name: str, version: str) -> ModelVersion:
    found = _one_version(client, name, version)
    if found is None:
        every = client.search_model_versions(f"name = '{name}'")
        known = ", ".join(sorted((str(v.version) for v in every), key=int))
        raise ModelError(
            f"model {name!r} has no version {version!r}; known: "
            f"{known or 'none; `echelon train` makes one'}"
        )
    if DIGEST not in found.tags:
        raise ModelError(
            f"version {found.version} of model {name!r} is no bundle of Echelon: it has no tag "
            f"{DIGEST}. Promote a version that `echelon train` made"
        )
    return found


def _one_version(client: MlflowClient, name: str, version: str) -> ModelVersion | None:
    one = f"name = '{name}'"
    if version != "latest":
        if not version.isdecimal():
            return None
        one += f" and version_number = {int(version)}"
    newest = ["version_number DESC"]
    found = client.search_model_versions(one, max_results=1, order_by=newest)
    return found[0] if found else None


def _make_champion(
    client: MlflowClient,
    config: Config,
    found: ModelVersion,
    past: Sequence[Promotion],
    reason: str,
    way: Way,
) -> Promotion:
    if len(reason) > LONGEST_REASON:
        raise ModelError(f"the reason has {len(reason)} characters; say it in {LONGEST_REASON}")
    folder = _downloaded(client, config.stores, found)
    check_in_child(folder, public_key(config.stores.keys))
    version = str(found.version)
    made = Promotion(
        version=version, at=later_than(past), reason=reason, way=way, run_id=found.run_id
    )
    client.set_registered_model_tag(config.stores.model_name, made.key, made.model_dump_json())
    _follow(client, config.stores.model_name, version)
    return made


def _follow(client: MlflowClient, name: str, version: str) -> None:
    """Let the aliases say what the newest promotion says."""
    aliases = {alias: str(of) for alias, of in client.get_registered_model(name).aliases.items()}
    if aliases.get(CHAMPION) != version:
        client.set_registered_model_alias(name, CHAMPION, version)
    if aliases.get(CHALLENGER) == version:
        client.delete_registered_model_alias(name, CHALLENGER)


def _downloaded(client: MlflowClient, stores: Stores, found: ModelVersion) -> Path:
    """Return the folder of a version's bundle, verified; a damaged one is fetched anew."""
    folder = stores.bundles / str(found.version)
    sweep_drafts(stores.bundles)
    if folder.exists():
        with suppress(ModelError):
            _check(folder, stores, found)
            return folder
        with draft_folder(stores.bundles, folder.name) as refuse:
            os.rename(folder, refuse / folder.name)
    try:
        _fetch(client, stores, found)
    except OSError as error:
        raise ModelError(
            f"the bundle of version {found.version} cannot be fetched from {found.source}: "
            f"{error}. {AGAIN}"
        ) from error
    return folder


def _fetch(client: MlflowClient, stores: Stores, found: ModelVersion) -> None:
    with new_generation(stores.bundles, str(found.version)) as draft:
        fetched = Path(client.download_artifacts(found.run_id, BUNDLE, str(draft)))
        for file in fetched.iterdir():
            file.rename(draft / file.name)
        fetched.rmdir()
        _check(draft, stores, found)


def _check(folder: Path, stores: Stores, found: ModelVersion) -> None:
    if verified(folder, public_key(stores.keys)).digest != found.tags[DIGEST]:
        raise ModelError(
            f"{folder} is signed, but is not the bundle registered as version {found.version}. "
            f"{AGAIN}"
        )
