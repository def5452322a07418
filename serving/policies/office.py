"""What the command line does with policies; each opens the state database and puts it on record."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from pydantic import ValidationError
from rich.table import Table

from configs.errors import ConfigError, PublicationError
from configs.files import live_generation, write_text
from configs.load import read_yaml
from configs.schema import Config
from configs.section import Language, Text
from configs.tiers import TierPolicy
from serving.access.audit import note
from serving.endpoint.state import State, open_state
from serving.policies import versions
from serving.policies.versions import STANDINGS, Author, PolicyRefused, Version
from serving.scores.publication import open_live

COLUMNS = {
    "id": Text(zh="版本", en="Version"),
    "label": Text(zh="名称", en="Called"),
    "standing": Text(zh="状态", en="Standing"),
    "made": Text(zh="提交人", en="Proposed by"),
    "at": Text(zh="提交时间", en="Proposed at"),
    "decided": Text(zh="审批人", en="Decided by"),
    "comment": Text(zh="理由", en="Why"),
}
BUNDLE = Text(
    zh="没有已批准的版本：等级按模型自带的策略{name}划分",
    en="No approved version: tiers follow the model's own policy {name}",
)


def render(config: Config, language: Language) -> Table | str:
    """Return the table of all versions, the newest first, or what is in force without any."""
    with _open(config) as state:
        found = versions.listed(state)
    if not found:
        return BUNDLE[language].format(name=_live_policy(config))
    table = Table(*(text[language] for text in COLUMNS.values()))
    for one in found:
        table.add_row(
            str(one.id),
            one.label,
            STANDINGS[one.standing][language],
            one.made_by_name,
            f"{one.made_at:%Y-%m-%d %H:%MZ}",
            one.decided_by_name or "–",
            one.comment,
        )
    return table


def content(config: Config, id: int) -> str:
    """Return a version as YAML, as it stands under ``policy:`` in a configuration.

    Raises:
        PublicationError: there is no such version.
    """
    with _open(config) as state:
        version = _found(state, id)
    settings = version.settings.model_dump(mode="json")
    return str(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False))


def export(config: Config, id: int, out: Path) -> None:
    """Write a version as YAML."""
    write_text(out, content(config, id))


def bring_in(config: Config, file: Path, comment: str) -> Version:
    """Propose the policy in ``file``; somebody approves it in the console.

    Raises:
        ConfigError: the file is not a policy.
        PublicationError: another policy was put in force meanwhile.
    """
    try:
        settings = TierPolicy.model_validate(read_yaml(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read as a policy: {_told(error)}") from error
    author = _author()
    with _open(config) as state:
        now = versions.in_force(state)
        try:
            made = versions.propose(
                state, settings, author, comment, None if now is None else now.id
            )
        except PolicyRefused as refused:
            raise PublicationError(str(refused)) from refused
    note(config.stores, "policy-proposed", policy=made.label, digest=made.digest)
    return made


def use_bundle(config: Config, comment: str) -> Version | None:
    """Take the approved policy out of force and return it; ``None`` where there was none."""
    with _open(config) as state:
        gone = versions.retire(state, _author(), comment)
    if gone is not None:
        note(config.stores, "policy-retired", policy=gone.label, reason=comment)
    return gone


def _found(state: State, id: int) -> Version:
    version = versions.version_of(state, id)
    if version is None:
        raise PublicationError(
            f"there is no version {id} of the policy; `echelon policy list` shows all"
        )
    return version


def _live_policy(config: Config) -> str:
    store = config.stores.publications
    return open_live(store).manifest.terms.policy.name if live_generation(store) else "–"


def _author() -> Author:
    return Author(f"uid{os.getuid()}", getpass.getuser())


def _told(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'policy'}: {first['msg']}"
    return str(error)


@contextmanager
def _open(config: Config) -> Iterator[State]:
    state = open_state(config.stores)
    try:
        yield state
    finally:
        state.close()
