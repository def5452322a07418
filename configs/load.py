"""Reads YAML files and ``ECHELON_*`` variables into a :class:`Config`; nothing else reads either.

Later layers win: ``default.yaml``, then the user's file, then the environment. A mapping is merged
key by key; a list or a value replaces. ``ECHELON_DATA=/srv/exports`` sets ``data``;
``ECHELON_TRAINING__SEED=7`` sets ``training.seed``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from configs.errors import ConfigError, did_you_mean
from configs.redaction import redacted_values
from configs.schema import Config

PREFIX = "ECHELON_"
FILE_VARIABLE = "ECHELON_CONFIG"
"""Names the file where no command line can: in a Bento, whose arguments are fixed at its build."""


def named_file() -> Path | None:
    """Return the file that ``ECHELON_CONFIG`` names, if it names one."""
    name = os.environ.get(FILE_VARIABLE)
    return Path(name) if name else None


@dataclass(frozen=True)
class Origin:
    """Where one setting's value came from: ``training.seed``, ``7``, ``ECHELON_TRAINING__SEED``."""

    key: str
    value: Any
    source: str


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Config:
    """Return the configuration of ``path`` over the defaults, with the environment over both.

    Raises:
        ConfigError: the file is missing, is no YAML mapping, or a key or value is wrong.
    """
    merged, _ = _layers(path, environment)
    return _validated(merged, path)


def origins(path: Path | None = None, environment: Mapping[str, str] | None = None) -> list[Origin]:
    """Return every setting with the layer that set it, sorted by key, passwords hidden."""
    merged, sources = _layers(path, environment)
    _validated(merged, path)
    return [
        Origin(key, redacted_values(value), sources[key]) for key, value in sorted(_leaves(merged))
    ]


def secret_text(
    file: Path | None, variable: str | None, environment: Mapping[str, str] | None = None
) -> str:
    """Return a secret from its file or, where none is named, from its environment variable.

    Raises:
        ConfigError: it is not there; what it holds is never part of the message.
    """
    if file is not None:
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the secret file {file} cannot be read as text") from error
    found = (os.environ if environment is None else environment).get(variable or "")
    if found is None:
        raise ConfigError(f"the environment variable {variable} with a secret is not set")
    return found


class _Loader(yaml.SafeLoader):
    """YAML whose only booleans are true and false: `on`, `Yes` and `no` are the words they are."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, test) for tag, test in resolvers if tag != "tag:yaml.org,2002:bool"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def read_yaml(text: str) -> Any:
    """Return the content of a YAML text, without the booleans that nobody means.

    >>> read_yaml("{on: [product_id], positive: Yes, year_back: true}")
    {'on': ['product_id'], 'positive': 'Yes', 'year_back': True}
    """
    return yaml.load(text, Loader=_Loader)


def shipped(name: str) -> Path:
    """Return the path of a configuration that comes with Echelon (``datasets/telco.yaml``)."""
    path = Path(str(resources.files("configs"))) / name
    if not path.is_file():
        raise ConfigError(
            f"{name} is neither a file here nor a shipped configuration ({_shipped_names()}); "
            "`echelon init DIR` writes one for a folder of files"
        )
    return path


def _shipped_names() -> str:
    folder = Path(str(resources.files("configs")))
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.yaml"))
    return f"known: {', '.join(names)}"


def _layers(
    path: Path | None, environment: Mapping[str, str] | None
) -> tuple[dict[str, Any], dict[str, str]]:
    environment = os.environ if environment is None else environment
    layers = [("default.yaml", _read(shipped("default.yaml")))]
    if path is not None:
        layers.append((str(path), _read(path)))
    layers += _environment_layers(environment)
    merged: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in layers:
        merged = _merge(merged, layer)
        kept = dict.fromkeys(key for key, _ in _leaves(merged))
        sources.update({key: source for key, _ in _leaves(layer)})
        sources = {key: sources[key] for key in kept}
    return merged, sources


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path} does not exist; `echelon init DIR` writes a configuration for a folder of "
            f"files, and shipped ones are in configs/ ({_shipped_names()})"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as UTF-8 text: {error}") from error
    try:
        content = read_yaml(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds a {type(content).__name__}; it must hold keys and values")
    return content


def _environment_layers(environment: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
    layers = []
    named = {name for name in environment if name.startswith(PREFIX)} - {FILE_VARIABLE}
    for variable in sorted(named):
        keys = variable.removeprefix(PREFIX).lower().split("__")
        layer: Any = read_yaml(environment[variable])
        for key in reversed(keys):
            layer = {key: layer}
        layers.append((variable, layer))
    if "MLFLOW_TRACKING_URI" in environment:
        uri = environment["MLFLOW_TRACKING_URI"]
        layers.insert(0, ("MLFLOW_TRACKING_URI", {"stores": {"tracking_uri": uri}}))
    return layers


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both_mappings = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both_mappings else value
    return merged


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            leaves += _leaves(value, f"{prefix}{key}.")
        else:
            leaves.append((f"{prefix}{key}", value))
    return leaves


def _validated(merged: dict[str, Any], path: Path | None) -> Config:
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        problems = [_explained(problem) for problem in error.errors()]
        where = path or "the defaults and the environment"
        raise ConfigError(
            f"{where} has {len(problems)} problem(s):\n" + "\n".join(problems)
        ) from error


def _explained(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _known_keys(problem["loc"][:-1])
        return f"  {where}: unknown key; {did_you_mean(str(problem['loc'][-1]), known)}"
    if problem["type"] == "missing":
        return f"  {where}: is missing and has no default"
    given = redacted_values(problem["input"])
    return f"  {where}: {problem['msg'].removeprefix('Value error, ')} (given: {given!r})"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the section at ``location`` accepts."""
    models: list[type[BaseModel]] = [Config]
    for part in location:
        fields = [m.model_fields[str(part)] for m in models if str(part) in m.model_fields]
        if fields:
            models = [m for field in fields for m in _models_in(field.annotation)]
    return sorted({name for model in models for name in model.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
