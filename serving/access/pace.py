"""Counts of requests per key and window, in memory, for :mod:`limits`."""

from __future__ import annotations

import time

from limits.storage import Storage


class Counts(Storage):
    """A storage of fixed windows for one event loop.

    The library's own in memory starts a thread every ten milliseconds to forget what is over, which
    costs more than the request. Here a window is forgotten when its key begins the next one; only
    keys that hold are counted, so there are few.
    """

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[str, tuple[int, float]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        """What the storage may fail with."""
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Return the count of ``key`` in its window of ``expiry`` seconds, ``amount`` added."""
        count, end = self._windows.get(key, (0, 0.0))
        now = time.time()
        if end <= now:
            count, end = 0, now + expiry
        self._windows[key] = count + amount, end
        return count + amount

    def get(self, key: str) -> int:
        """Return the count of ``key`` in its window."""
        count, end = self._windows.get(key, (0, 0.0))
        return count if end > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """Return when the window of ``key`` ends, in seconds since 1970."""
        now = time.time()
        return max(self._windows.get(key, (0, now))[1], now)

    def check(self) -> bool:
        """Return that the storage works."""
        return True

    def reset(self) -> int:
        """Forget all; return how many keys were counted."""
        n = len(self._windows)
        self._windows.clear()
        return n

    def clear(self, key: str) -> None:
        """Forget ``key``."""
        self._windows.pop(key, None)
