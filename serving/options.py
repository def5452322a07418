"""Options that several commands share, and the configuration they name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from configs.schema import Config
    from configs.section import Language

ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="YAML file, or a shipped one such as datasets/telco.yaml. "
        "Default: echelon.yaml in this folder.",
    ),
]
CustomerId = Annotated[str, typer.Argument(help="As in your records.")]
ShownIn = Annotated[str | None, typer.Option("--language", help="zh or en; default: the config's.")]


def path_of(path: Path | None) -> Path | None:
    """Return the file that ``--config`` names, or the one in this folder; a shipped one too."""
    from configs.load import shipped

    if path is None:
        own = Path("echelon.yaml")
        return own if own.is_file() else None
    return path if path.exists() else shipped(path.as_posix().removeprefix("configs/"))


def config_at(path: Path | None) -> Config:
    """Return the configuration that ``--config`` names."""
    from configs.load import load

    return load(path_of(path))


def language_of(language: str | None, config: Config) -> Language:
    """Return the language that ``--language`` names; by default the configuration's."""
    if language is None:
        return config.language
    if language not in ("zh", "en"):
        raise typer.BadParameter(f"{language!r} is no language of Echelon; zh or en")
    return "zh" if language == "zh" else "en"
