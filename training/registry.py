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
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import yaml

from configs.errors import ModelError
from configs.files import draft_folder, new_generation, sweep_drafts
from configs.redaction import redacted, redacted_text
from configs.schema import Config, Stores
from training.bundle import check_in_child
from training.champion_known import Known, keep, recall, state_of
from training.fitted import Fitted
from training.manifest import AGAIN, Verified, verified
from training.promotions import (
    GateOutcome,
    Promotion,
    Way,
    in_force,
    later_than,
    promotions_in,
    standing,
)
from training.run_record import figures, grades, parameters
from training.signing import public_key
from training.tracking import client_of, close_abandoned, ended, experiment_of, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
CHALLENGER = "challenger"
BUNDLE = "bundle"
PLOTS = "plots"
DIGEST = "bundle_sha256"
PARAMETERS_AT_ONCE = 100
LONGEST_REASON = 1000
LONGEST_DESCRIPTION = 5000
"""Characters that every store of MLflow holds."""


@dataclass(frozen=True)
class RunInfo:
    """A training on record."""

    version: str
    run_id: str


@dataclass(frozen=True)
class Registered:
    """A model version and the folder of its bundle, verified."""

    version: str
    folder: Path


def log_run(
    config: Config,
    fitted: Fitted,
    bundle_folder: Path,
    plots: Sequence[Path] = (),
    beside: Sequence[Path] = (),
    description: str = "",
) -> RunInfo:
    """Record a training as an MLflow run, register its bundle and return the new version.

    The version becomes ``challenger``.

    Args:
        config: kept with the run, passwords left out.
        fitted: what was trained; its figures become the run's.
        bundle_folder: the signed bundle.
        plots: pictures.
        beside: further folders to keep with the run under their own names.
        description: what MLflow shows of the version, in Markdown.

    Raises:
        ModelError: the bundle does not verify, or the registry cannot be reached.
    """
    whole = verified(bundle_folder, public_key(config.stores.keys))
    with client_of(config.stores) as client:
        experiment = experiment_of(client, config.stores)
        close_abandoned(client, experiment)
        run = client.create_run(experiment, run_name=f"{config.name} {fitted.as_of}")
        with ended(client, run.info.run_id):
            values = parameters(config, whole.manifest) | grades(fitted.evaluation)
            _log_values(client, run.info.run_id, values, figures(fitted.evaluation))
            _log_files(client, run.info.run_id, config, plots)
            for folder in beside:
                client.log_artifacts(run.info.run_id, str(folder), folder.name)
            client.log_artifacts(run.info.run_id, str(bundle_folder), BUNDLE)
        version = _register(client, config.stores.model_name, run, whole, description)
        client.set_registered_model_alias(config.stores.model_name, CHALLENGER, version)
        return RunInfo(version, run.info.run_id)


def promote(
    config: Config,
    version: str = "latest",
    reason: str = "",
    gates: tuple[GateOutcome, ...] = (),
) -> Promotion:
    """Make ``version`` the champion, once its signature and golden predictions hold.

    Promoting the champion again changes nothing and returns the promotion that made it one.
    What ``gates`` said is put on record; whether they let it through is the caller's to heed.

    Raises:
        ModelError: there is no such version, or its bundle is refused; the champion stays.
    """
    with client_of(config.stores) as client:
        found = _version(client, config.stores.model_name, version)
        past = _promotions(client, config.stores.model_name)
        if past and past[0].version == str(found.version):
            _follow(client, config.stores.model_name, past[0].version)
            return past[0]
        return _make_champion(client, config, found, past, reason, "promote", gates)


def rollback(config: Config, reason: str = "") -> Promotion:
    """Make the champion before the present one the champion again.

    A second rollback goes one further back, never forth again.

    Raises:
        ModelError: there is no champion before, or its bundle is refused; the champion stays.
    """
    with client_of(config.stores) as client:
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


def champion(config: Config) -> Registered:
    """Return the champion and the folder of its bundle, downloaded once and verified.

    A registry that nobody has written to since it was last asked is not asked again.

    Raises:
        ModelError: nothing is promoted yet, or the bundle is refused.
    """
    state = state_of(config.stores)
    known = recall(config.stores, state)
    if known is not None and _holds(config.stores, known):
        return Registered(known.version, config.stores.bundles / known.version)
    with client_of(config.stores) as client:
        past = _promotions(client, config.stores.model_name)
        if not past:
            raise ModelError(
                f"no version of {config.stores.model_name!r} is promoted in "
                f"{redacted_text(tracking_uri(config.stores))}. Run `echelon train`, then "
                "`echelon promote latest`"
            )
        _follow(client, config.stores.model_name, past[0].version)
        found = _version(client, config.stores.model_name, past[0].version)
        folder = _downloaded(client, config.stores, found)
    keep(config.stores, state, past[0].version, found.tags[DIGEST])
    return Registered(past[0].version, folder)


def registered(config: Config, version: str = "latest") -> Registered:
    """Return a version and the folder of its bundle, downloaded once and verified.

    Args:
        config: names the registry.
        version: a number, ``latest``, ``challenger`` or ``champion``.

    Raises:
        ModelError: there is no such version, or its bundle is refused.
    """
    if version == CHAMPION:
        return champion(config)
    with client_of(config.stores) as client:
        found = _version(client, config.stores.model_name, version)
        return Registered(str(found.version), _downloaded(client, config.stores, found))


def fetch_beside(config: Config, version: str, name: str, into: Path) -> Path | None:
    """Return the folder ``name`` kept beside a version's bundle, fetched into the folder ``into``.

    ``None`` where the version's training left none.

    Raises:
        ModelError: there is no such version, or the registry cannot be reached.
    """
    with client_of(config.stores) as client:
        run_id = _version(client, config.stores.model_name, version).run_id
        if name not in {file.path for file in client.list_artifacts(run_id)}:
            return None
        return Path(client.download_artifacts(run_id, name, str(into)))


def history(config: Config, at: dt.datetime | None = None) -> list[Promotion]:
    """Return every promotion, the newest first; with ``at``, the one in force then.

    Args:
        config: names the registry, and the time zone of an ``at`` that has none.
        at: a moment; before the first promotion nothing was in force.
    """
    with client_of(config.stores) as client:
        past = _promotions(client, config.stores.model_name)
    if at is None:
        return past
    return in_force(past, at if at.tzinfo else at.replace(tzinfo=ZoneInfo(config.timezone)))


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


def _register(client: MlflowClient, name: str, run: Run, whole: Verified, description: str) -> str:
    """Return the new version: made in one step, tags and all."""
    manifest = whole.manifest
    if not client.search_registered_models(f"name = '{name}'", max_results=1):
        client.create_registered_model(name)
    tags = {
        DIGEST: whole.digest,
        "as_of": manifest.as_of.isoformat(),
        "signed_by": manifest.signed_by,
        **manifest.versions,
    }
    source = f"{run.info.artifact_uri}/{BUNDLE}"
    made = client.create_model_version(
        name, source, run.info.run_id, tags, description=description[:LONGEST_DESCRIPTION]
    )
    return str(made.version)


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
    if version == CHALLENGER:
        version = _challenger(client, name) or version
    elif version == CHAMPION:
        version = next((past.version for past in _promotions(client, name)), version)
    if version != "latest":
        if not version.isdecimal():
            return None
        one += f" and version_number = {int(version)}"
    newest = ["version_number DESC"]
    found = client.search_model_versions(one, max_results=1, order_by=newest)
    return found[0] if found else None


def _challenger(client: MlflowClient, name: str) -> str | None:
    found = client.search_registered_models(f"name = '{name}'", max_results=1)
    at = found[0].aliases.get(CHALLENGER) if found else None
    return None if at is None else str(at)


def _make_champion(
    client: MlflowClient,
    config: Config,
    found: ModelVersion,
    past: Sequence[Promotion],
    reason: str,
    way: Way,
    gates: tuple[GateOutcome, ...] = (),
) -> Promotion:
    if len(reason) > LONGEST_REASON:
        raise ModelError(f"the reason has {len(reason)} characters; say it in {LONGEST_REASON}")
    folder = _downloaded(client, config.stores, found)
    check_in_child(folder, public_key(config.stores.keys))
    version = str(found.version)
    made = Promotion(
        version=version,
        at=later_than(past),
        reason=reason,
        way=way,
        run_id=found.run_id,
        gates=gates,
        overridden=any(gate.verdict == "failed" for gate in gates),
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


def _holds(stores: Stores, known: Known) -> bool:
    """Return whether the bundle of the champion is there as it was registered."""
    try:
        return (
            verified(stores.bundles / known.version, public_key(stores.keys)).digest == known.digest
        )
    except ModelError:
        return False


def _check(folder: Path, stores: Stores, found: ModelVersion) -> None:
    if verified(folder, public_key(stores.keys)).digest != found.tags[DIGEST]:
        raise ModelError(
            f"{folder} is signed, but is not the bundle registered as version {found.version}. "
            f"{AGAIN}"
        )
