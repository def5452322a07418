"""How long work tells how far it is: ``progress("features", 0.4)``."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with the name of a step and the share of it that is done, from 0 to 1."""


def silent(step: str, share: float) -> None:
    """Take no notice; the default where nobody watches."""
