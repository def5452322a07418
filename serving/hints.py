"""Commands that messages name, as they are to be typed: with the configuration that was given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

COMMAND = re.compile(r"`echelon (?P<typed>[a-z][^`]*)`")
WITHOUT_CONFIG = ("init", "fetch", "simulate")


def with_config(message: str, config: Path | str | None) -> str:
    """Return ``message`` with ``-c`` in every command that it names, where one was given.

    Args:
        message: with commands in backticks.
        config: as it was given; ``None`` where none was.

    >>> with_config("run `echelon score` again", "shop.yaml")
    'run `echelon score -c shop.yaml` again'
    """
    return message if config is None else COMMAND.sub(lambda one: _named(one, config), message)


def config_of(arguments: Sequence[str]) -> str | None:
    """Return the configuration that a command was called with.

    >>> config_of(["explain", "C1", "-c", "shop.yaml"])
    'shop.yaml'
    """
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in ("-c", "--config"):
            return value if equals else next(iter(arguments[place + 1 :]), None)
    return None


def _named(command: re.Match[str], config: Path | str) -> str:
    words = command["typed"].split()
    if words[0] in WITHOUT_CONFIG or {"-c", "--config"} & set(words):
        return command[0]
    return f"`echelon {command['typed']} -c {shlex.quote(str(config))}`"
