"""Commands that messages name, as they are to be typed: with the configuration that was given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

COMMAND = re.compile(r"`echelon (?P<typed>[a-z][^`]*)`")
WITHOUT_CONFIG = ("init", "fetch", "simulate")


def with_config(message: str, arguments: Sequence[str]) -> str:
    """Return ``message`` with ``-c`` in every command that it names, where one was given.

    Args:
        message: with commands in backticks.
        arguments: as the command was called.

    >>> with_config("run `echelon score` again", ["explain", "C1", "-c", "shop.yaml"])
    'run `echelon score -c shop.yaml` again'
    """
    config = _given(arguments)
    return message if config is None else COMMAND.sub(lambda one: _named(one, config), message)


def _given(arguments: Sequence[str]) -> str | None:
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in ("-c", "--config"):
            return value if equals else next(iter(arguments[place + 1 :]), None)
    return None


def _named(command: re.Match[str], config: str) -> str:
    words = command["typed"].split()
    if words[0] in WITHOUT_CONFIG or {"-c", "--config"} & set(words):
        return command[0]
    return f"`echelon {command['typed']} -c {shlex.quote(config)}`"
