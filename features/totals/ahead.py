"""Work that goes on while its results so far are used."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(made: Iterator[T]) -> Iterator[T]:
    """Yield what ``made`` yields, while the next one is being made in a thread of its own.

    >>> list(ahead(iter("abc")))
    ['a', 'b', 'c']
    """
    end = object()
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(next, made, end)
        while (one := coming.result()) is not end:
            coming = worker.submit(next, made, end)
            yield one  # type: ignore[misc]
