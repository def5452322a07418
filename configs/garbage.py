"""How often Python looks for objects that only hold each other."""

from __future__ import annotations

import gc

NEW_OBJECTS = 10_000
"""After so many it looks. Libraries make hundreds of thousands as they load, all of which stay."""


def look_for_garbage_seldom() -> None:
    """Have this process look for garbage after more new objects than Python's 700 or 2,000."""
    gc.set_threshold(NEW_OBJECTS)
