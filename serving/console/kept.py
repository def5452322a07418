"""What pages work out once per publication and keep until the next one is served."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from serving.endpoint.served import Served

T = TypeVar("T")


class Kept:
    """Results of functions of what is served, each made once by whoever asks first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._making: dict[Any, threading.Lock] = {}
        self._found: dict[Any, tuple[Served, Any]] = {}

    def get(self, served: Served, make: Callable[[Served], T]) -> T:
        """Return ``make(served)``, from before where this is what was served then."""
        with self._lock:
            making = self._making.setdefault(make, threading.Lock())
        with making:
            known = self._found.get(make)
            if known is None or known[0] is not served:
                known = (served, make(served))
                self._keep(make, known)
            found: T = known[1]
            return found

    def _keep(self, make: Any, known: tuple[Served, Any]) -> None:
        """Keep a result, and none of what was served before: its customers fill the memory."""
        with self._lock:
            same = {one: of for one, of in self._found.items() if of[0] is known[0]}
            self._found = same | {make: known}
